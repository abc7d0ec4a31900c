/* TLS as a client: who the server is, and what it shows for it. */
#ifndef AH_CLIENT_TLS_H
#define AH_CLIENT_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "../web_socket/transport.h"
#include "patience.h"
#include "url.h"

/* What all connections of a client share. `ca_file`: the authorities to trust, or null for the system's.
 * NULL, with the error set, when they cannot be loaded. Freed with SSL_CTX_free. */
SSL_CTX *tls_new(const char *ca_file, bool verify);

/* TLS's handshake on a connected transport. False, with the error set. */
bool tls_connect(struct transport *transport, const struct url *url, SSL_CTX *shared, const struct patience *patience);

#endif
