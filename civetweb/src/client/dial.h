/* A connected transport to the server of a URL. */
#ifndef AH_DIAL_H
#define AH_DIAL_H

#include <openssl/types.h>

#include "../web_socket/transport.h"
#include "patience.h"
#include "url.h"

/* Connect, and do TLS's handshake if the URL asks for it, with a certificate as `tls` (null without TLS)
 * wants it. False, with the error set: nothing is left open. */
bool dial(struct transport *transport, const struct url *url, SSL_CTX *tls, const struct patience *patience);

#endif
