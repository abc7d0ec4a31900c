/* A frame that is made once and sent to many. */
#ifndef AH_SHARED_FRAME_H
#define AH_SHARED_FRAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct shared_frame {
    atomic_size_t users; /* the last one to release it frees it */
    size_t size;
    uint8_t bytes[]; /* with its header; nobody changes them */
};

/* Make a frame with one user, the caller; NULL when out of memory. */
struct shared_frame *shared_frame_new(int opcode, const void *data, size_t size);

struct shared_frame *shared_frame_retain(struct shared_frame *frame);
void shared_frame_release(struct shared_frame *frame);

#endif
