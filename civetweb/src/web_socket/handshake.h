/* The opening handshake, server's side (RFC 6455, section 4.2; RFC 7692, section 7.1). */
#ifndef AH_HANDSHAKE_H
#define AH_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "alusus_http/alusus_http.h"
#include "deflate.h"

/* What this server accepts. */
struct handshake_policy {
    const char *origins;             /* a comma-separated list, or null: any origin */
    const char *const *subprotocols; /* in the server's order of preference, ended by null; or null */
    bool compression;
};

struct handshake {
    int status;              /* 101, or the HTTP status that refuses the client */
    const char *reason;      /* for a refusal: static text for the client */
    const char *key;         /* Sec-WebSocket-Key, in the request's strings */
    const char *subprotocol; /* the chosen one, a string of the policy; or null */
    bool compressed;         /* permessage-deflate with `deflate` */
    struct deflate_parameters deflate;
};

#define KEY_LENGTH 24    /* 16 bytes in base64 */
#define ACCEPT_LENGTH 28 /* 20 bytes in base64 */

/* The proof that a server has read the key (section 4.2.2, item 5.4). */
void handshake_accept(const char *key, char accept[ACCEPT_LENGTH + 1]);

/* Whether a request asks for an upgrade to WebSocket, in whichever of its headers. */
bool handshake_is_asked_for(const ah_request_info *request);

/* Check a request that asks for an upgrade and choose what both sides can do. */
struct handshake handshake_check(const ah_request_info *request, const struct handshake_policy *policy);

/* Whether the client has offered to speak a subprotocol. */
bool handshake_offers(const ah_request_info *request, const char *subprotocol);

/* The largest answer: fixed lines, a subprotocol of at most this length, one extension. */
#define MAX_SUBPROTOCOL_SIZE 256
#define MAX_HANDSHAKE_RESPONSE 1024

/* Write the 101 answer; returns its length. */
size_t handshake_response(const struct handshake *handshake, char response[MAX_HANDSHAKE_RESPONSE]);

/* Write the answer that refuses; returns its length. */
size_t handshake_refusal(const struct handshake *handshake, char response[MAX_HANDSHAKE_RESPONSE]);

#endif
