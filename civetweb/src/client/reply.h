/* The head of a server's response: status line and headers (RFC 9112, sections 4 and 5). */
#ifndef AH_REPLY_H
#define AH_REPLY_H

#include "alusus_http/alusus_http.h"
#include "../web_socket/transport.h"
#include "patience.h"
#include "url.h"

/* A response's head is no longer than this; a longer one is refused. */
#define MAX_RESPONSE_HEAD 16384

struct reply {
    ah_response_info info; /* whose strings are those below */
    size_t rest_size;      /* bytes that came behind the head: the beginning of the body */
    char *rest;
    char strings[];
};

/* Read a head, and skip those of interim responses (1xx, RFC 9110, section 15.2) but 101. NULL, with the error set:
 * `step` and `option` are for its text. Freed with free(). */
struct reply *reply_read(struct transport *transport, const struct url *url, const struct patience *patience,
                         const char *step, const char *option);

#endif
