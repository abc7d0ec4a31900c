/* The body of a response out of the bytes that carry it (RFC 9112, sections 6.3 and 7.1), without any socket. */
#ifndef AH_BODY_H
#define AH_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alusus_http/alusus_http.h"

enum body_state {
    BODY_DONE,
    BODY_TO_END,     /* all until the server ends the stream */
    BODY_DATA,       /* `left` bytes, then the body ends */
    BODY_CHUNK_SIZE, /* the line with a chunk's size ... */
    BODY_CHUNK_EXTENSION, /* ... of which the rest means nothing here */
    BODY_CHUNK_DATA, /* `left` bytes, then a line end */
    BODY_CHUNK_END,
    BODY_TRAILER,    /* lines behind the last chunk, up to an empty one */
};

struct body {
    enum body_state state;
    uint64_t left;
    unsigned line; /* bytes of the current line, or of all trailers: both have a limit */
    bool has_size; /* a digit of the chunk's size has come */
    bool after_cr; /* the last byte was a carriage return, and a line feed has to follow */
    bool empty;    /* the current line of the trailer has no byte yet */
};

/* How the body of this response to a request of this method is carried. False: in a way that is refused, since others
 * could take it otherwise (section 11.2). */
bool body_begin(struct body *body, const char *method, const ah_response_info *response);

/* Decode from `data`, of which as much is taken as `taken` says, into `out`; returns the bytes that it wrote, or -1 for
 * malformed data. 0 with all of the data taken: more is needed, unless the state is BODY_DONE. */
ptrdiff_t body_decode(struct body *body, const char *data, size_t size, size_t *taken, char *out, size_t out_size);

#endif
