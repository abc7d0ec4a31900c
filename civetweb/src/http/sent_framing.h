/* How much of what is sent is an answer's framing: its head, and what stands between the chunks of its body. */
#ifndef AH_SENT_FRAMING_H
#define AH_SENT_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the next byte belongs to (RFC 9112, sections 2.1 and 7.1). */
enum sent_part {
    SENT_STATUS_LINE,
    SENT_FIELD_LINE,
    SENT_BODY, /* without chunks */
    SENT_CHUNK_SIZE,
    SENT_CHUNK_DATA,
    SENT_CHUNK_END, /* the CR LF behind the data */
    SENT_TRAILER,   /* all behind the last chunk's size */
};

struct sent_framing {
    int64_t size; /* bytes that have been sent and are none of the body */
    enum sent_part part;
    bool interim;        /* another head follows this one (RFC 9110, section 15.2) */
    bool chunked;        /* this head says so */
    uint64_t chunk_left; /* bytes of the chunk that are to come */
    char line[64];       /* the current line, without its end; a longer one is cut */
    size_t line_size;    /* of what is kept of it */
};

/* Note the next bytes that have been sent; an answer begins with zeros. */
void sent_framing_note(struct sent_framing *framing, const char *data, size_t size);

#endif
