#include "sender.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"

/* Shorter messages are not worth the time that compression takes. */
#define LEAST_COMPRESSED 256

/* A shorter message is copied behind its header: the system takes one piece faster than two. */
#define LEAST_IN_PIECES 1024

/* The queue's memory starts with this much and doubles. */
#define FIRST_CAPACITY 1024

void sender_init(struct sender *sender)
{
    pthread_mutex_init(&sender->mutex, NULL);
    pthread_cond_init(&sender->room, NULL);
}

void sender_free(struct sender *sender)
{
    if (sender->state != SENDER_NONE)
        transport_close(&sender->transport);
    deflater_free(sender->deflater);
    free(sender->out);
    pthread_cond_destroy(&sender->room);
    pthread_mutex_destroy(&sender->mutex);
}

bool sender_append(struct sender *sender, const void *data, size_t size)
{
    size_t capacity = sender->out_capacity > 0 ? sender->out_capacity : FIRST_CAPACITY;
    uint8_t *out;

    if (size > sender->out_capacity - sender->out_end && sender->out_start > 0) {
        memmove(sender->out, sender->out + sender->out_start, sender_queued(sender));
        sender->out_end -= sender->out_start;
        sender->out_start = 0;
    }
    if (size > sender->out_capacity - sender->out_end) {
        while (capacity - sender->out_end < size)
            capacity *= 2;
        out = realloc(sender->out, capacity);
        if (out == NULL)
            return false;
        sender->out = out;
        sender->out_capacity = capacity;
    }
    memcpy(sender->out + sender->out_end, data, size);
    sender->out_end += size;
    return true;
}

void sender_flush(struct sender *sender)
{
    while (sender_queued(sender) > 0 && !sender->lost) {
        struct iovec piece = {sender->out + sender->out_start, sender_queued(sender)};
        ssize_t written = transport_write(&sender->transport, &piece, 1);

        if (written == TRANSPORT_LATER)
            break;
        if (written <= 0) {
            sender->lost = true;
            break;
        }
        sender->out_start += (size_t)written;
    }
    if (sender_queued(sender) == 0 || sender->lost) {
        free(sender->out); /* an idle connection keeps no memory for what it has sent */
        sender->out = NULL;
        sender->out_start = sender->out_end = sender->out_capacity = 0;
    }
    pthread_cond_broadcast(&sender->room);
}

/* Send pieces that are whole frames, or queue what the socket does not take of them. */
static bool send_pieces(struct sender *sender, const struct iovec *pieces, int count)
{
    size_t skip = 0;
    ssize_t written;
    int i;

    if (sender->lost)
        return true;
    if (!sender->corked && sender_queued(sender) == 0) {
        written = transport_write(&sender->transport, pieces, count);
        if (written > 0)
            skip = (size_t)written;
        else if (written != TRANSPORT_LATER)
            sender->lost = true;
    }
    for (i = 0; i < count; i++) {
        size_t skipped = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;

        if (pieces[i].iov_len > skipped && !sender->lost &&
            !sender_append(sender, (uint8_t *)pieces[i].iov_base + skipped, pieces[i].iov_len - skipped)) {
            sender->lost = true; /* half a frame cannot be taken back */
            return false;
        }
        skip -= skipped;
    }
    return true;
}

bool sender_bytes(struct sender *sender, const void *frame, size_t size)
{
    const struct iovec piece = {(void *)frame, size};

    return send_pieces(sender, &piece, 1);
}

bool sender_frame(struct sender *sender, int opcode, unsigned flags, const void *data, size_t size)
{
    uint8_t frame[MAX_HEADER_SIZE + LEAST_IN_PIECES];
    const struct iovec pieces[] = {{frame, frame_header(frame, opcode, flags, size)}, {(void *)data, size}};

    if (size < LEAST_IN_PIECES) {
        if (size > 0)
            memcpy(frame + pieces[0].iov_len, data, size);
        return sender_bytes(sender, frame, pieces[0].iov_len + size);
    }
    return send_pieces(sender, pieces, 2);
}

static bool deflate_message(struct sender *sender, const uint8_t **data, size_t *size)
{
    if (!sender->compresses || *size < LEAST_COMPRESSED)
        return false;
    if (sender->deflater == NULL)
        sender->deflater = deflater_new(&sender->deflate);
    /* Without memory for it the message goes as it is, which is always allowed (RFC 7692, section 6). */
    return sender->deflater != NULL && deflater_deflate(sender->deflater, *data, *size, data, size);
}

bool sender_message(struct sender *sender, int opcode, const void *message, size_t size)
{
    const uint8_t *data = message;
    unsigned flags = 0;

    if (!opcode_is_control(opcode) && deflate_message(sender, &data, &size))
        flags = FRAME_COMPRESSED;
    return sender_frame(sender, opcode, flags, data, size);
}

void sender_close(struct sender *sender, const void *payload, size_t size)
{
    const uint8_t *code = payload;

    if (sender->state != SENDER_OPEN)
        return;
    sender->state = SENDER_CLOSING;
    sender->close_code = size < 2 ? 0 : (unsigned)code[0] << 8 | code[1];
    sender_frame(sender, OPCODE_CLOSE, 0, payload, size);
    pthread_cond_broadcast(&sender->room);
}
