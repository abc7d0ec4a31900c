/* The opening handshake, client's side (RFC 6455, section 4.1; RFC 7692, section 7.1). */
#ifndef AH_CLIENT_HANDSHAKE_H
#define AH_CLIENT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "../text_buffer.h"
#include "../web_socket/deflate.h"
#include "../web_socket/handshake.h"
#include "reply.h"
#include "url.h"

/* What this client asks for. The lists are ended by null, or null. */
struct offer {
    char key[KEY_LENGTH + 1];
    const char *const *subprotocols;
    const char *const *headers; /* names and values by turns */
    bool compression;
};

/* What the server has chosen of it. */
struct agreement {
    const char *subprotocol; /* one of the offer's strings, or null */
    bool compressed;         /* permessage-deflate with `deflate` */
    struct deflate_parameters deflate;
};

/* Whether a program may add these headers to the request. Sets the error. */
bool offer_check(const struct offer *offer);

/* Choose a key that nobody can foresee. False, with the error set. */
bool offer_make_key(struct offer *offer);

/* Write the request; it may fail for want of memory. */
void offer_write(const struct offer *offer, const struct url *url, struct text_buffer *request);

/* Whether the response opens the WebSocket that was asked for. Sets the error. */
bool offer_accepted(const struct offer *offer, const struct url *url, const ah_response_info *response,
                    struct agreement *agreement);

#endif
