/* What a TLS handshake has settled, kept for as long as the connection: its SSL object goes from hand to hand. */
#ifndef AH_TLS_FACTS_H
#define AH_TLS_FACTS_H

#include <openssl/types.h>

#include "civetweb.h"

struct tls_facts {
    const char *version, *cipher; /* constants of OpenSSL's */
    /* Null where there is none; they point behind this struct. */
    const char *server_name;
    const char *subject, *issuer, *serial, *fingerprint;
};

/* In one block that free() frees; NULL when out of memory. `certificate`: the client's, or null. */
struct tls_facts *tls_facts_new(const SSL *tls, const struct mg_client_cert *certificate);

#endif
