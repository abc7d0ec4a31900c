#include "shared_frame.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"

struct shared_frame *shared_frame_new(int opcode, const void *data, size_t size)
{
    struct shared_frame *frame = malloc(sizeof *frame + MAX_HEADER_SIZE + size);

    if (frame == NULL)
        return NULL;
    atomic_init(&frame->users, 1);
    frame->size = frame_header(frame->bytes, opcode, 0, size) + size;
    if (size > 0)
        memcpy(frame->bytes + frame->size - size, data, size);
    return frame;
}

struct shared_frame *shared_frame_retain(struct shared_frame *frame)
{
    atomic_fetch_add_explicit(&frame->users, 1, memory_order_relaxed);
    return frame;
}

void shared_frame_release(struct shared_frame *frame)
{
    if (atomic_fetch_sub_explicit(&frame->users, 1, memory_order_acq_rel) == 1)
        free(frame);
}
