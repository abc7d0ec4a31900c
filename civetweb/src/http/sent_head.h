/* How much of what is sent is an answer's head. */
#ifndef AH_SENT_HEAD_H
#define AH_SENT_HEAD_H

#include <stddef.h>
#include <stdint.h>

struct sent_head {
    int64_t size; /* what has been sent of it, the empty line at its end included */
    int matched;  /* how much of that line's CR LF CR LF has been seen last; 4 when the head is over */
};

/* Note the next bytes that have been sent. */
void sent_head_note(struct sent_head *head, const char *data, size_t size);

#endif
