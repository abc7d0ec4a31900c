/* The answer to a request, from the status line to the last byte of the body. */
#ifndef AH_RESPONSE_H
#define AH_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "../text_buffer.h"

struct connection;

enum response_state {
    RESPONSE_NONE,    /* nothing has been sent or prepared */
    RESPONSE_STARTED, /* `head` is being put together; nothing has been sent */
    RESPONSE_BODY,    /* the headers have been sent; the body follows as they say */
    RESPONSE_DONE,    /* all of it has been sent */
    RESPONSE_RAW,     /* the program writes status line, headers and framing itself */
};

/* How the end of a body is told (RFC 9112, section 6.3). */
enum response_framing {
    FRAMING_LENGTH,  /* by Content-Length */
    FRAMING_CHUNKED, /* by the last chunk */
    FRAMING_CLOSE,   /* by the end of the connection */
    FRAMING_NONE,    /* there is no body, whatever the headers say: HEAD, 204, 304 */
};

struct response {
    enum response_state state;
    int status; /* from RESPONSE_STARTED on; 0 when the program writes it itself */
    enum response_framing framing;
    int written_status; /* what the program has written at the beginning of RESPONSE_RAW; 0: something else */
    bool has_length, has_date; /* headers that the program has given */
    int64_t left;              /* of FRAMING_LENGTH: bytes of the body that are still to come */
    struct text_buffer head;
    bool in_error_page; /* the program's httpError is being asked, which may end up here again */
};

/* Forget the answer to the request before; memory is kept for the next one. */
void response_reset(struct response *response);
void response_free(struct response *response);

/* A program's callback for this request has returned `status`. What it left undone is done here: an error
 * page for a status without an answer, the end of a connection whose answer is not complete. Returns what
 * CivetWeb is told: above 0, the request is answered; 0, it is not. */
int response_settle(struct connection *connection, int32_t status);

#endif
