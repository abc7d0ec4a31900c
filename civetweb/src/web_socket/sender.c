#include "sender.h"

#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "../clock.h"
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
    clock_condition(&sender->room);
}

static void release_gathered(struct sender *sender)
{
    while (sender->gathered_count > 0)
        shared_frame_release(sender->gathered[--sender->gathered_count]);
    sender->gathered_size = 0;
}

void sender_free(struct sender *sender)
{
    release_gathered(sender);
    if (sender->state != SENDER_NONE)
        transport_close(&sender->transport);
    deflater_free(sender->deflater);
    free(sender->out);
    free(sender->close_reason);
    pthread_cond_destroy(&sender->room);
    pthread_mutex_destroy(&sender->mutex);
}

static size_t unsent(const struct sender *sender)
{
    return sender->out_end - sender->out_start;
}

/* Make room behind the bytes that the socket has not taken. */
static bool reserve(struct sender *sender, size_t size)
{
    size_t capacity = sender->out_capacity > 0 ? sender->out_capacity : FIRST_CAPACITY;
    uint8_t *out;

    if (size > sender->out_capacity - sender->out_end && sender->out_start > 0) {
        memmove(sender->out, sender->out + sender->out_start, unsent(sender));
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
    return true;
}

/* Queue bytes behind those that the socket has not taken, before the gathered ones. */
static bool append(struct sender *sender, const void *data, size_t size)
{
    if (!reserve(sender, size))
        return false;
    memcpy(sender->out + sender->out_end, data, size);
    sender->out_end += size;
    return true;
}

/* Queue whole frames but for what the socket has taken of them. */
static bool append_pieces(struct sender *sender, const struct iovec *pieces, int count, size_t taken)
{
    int i;

    for (i = 0; i < count; i++) {
        size_t skipped = taken < pieces[i].iov_len ? taken : pieces[i].iov_len;

        if (pieces[i].iov_len > skipped &&
            !append(sender, (uint8_t *)pieces[i].iov_base + skipped, pieces[i].iov_len - skipped)) {
            sender->lost = true; /* half a frame cannot be taken back */
            return false;
        }
        taken -= skipped;
    }
    return true;
}

/* Hand pieces to the socket: how much it has taken. */
static size_t transmit(struct sender *sender, const struct iovec *pieces, int count)
{
    ssize_t written = transport_write(&sender->transport, pieces, count);

    if (written <= 0 && written != TRANSPORT_LATER)
        sender->lost = true;
    return written > 0 ? (size_t)written : 0;
}

/* Send the gathered frames, or queue what the socket does not take of them; all, with `only_queue`. */
static bool settle(struct sender *sender, bool only_queue)
{
    struct iovec pieces[MAX_GATHERED];
    size_t taken = 0;
    bool settled;
    int i;

    for (i = 0; i < sender->gathered_count; i++)
        pieces[i] = (struct iovec){sender->gathered[i]->bytes, sender->gathered[i]->size};
    if (!only_queue && unsent(sender) == 0)
        taken = transmit(sender, pieces, sender->gathered_count);
    settled = sender->lost || append_pieces(sender, pieces, sender->gathered_count, taken);
    release_gathered(sender);
    return settled;
}

bool sender_append(struct sender *sender, const void *data, size_t size)
{
    return (sender->gathered_count == 0 || settle(sender, true)) && append(sender, data, size);
}

void sender_flush(struct sender *sender)
{
    while (unsent(sender) > 0 && !sender->lost) {
        struct iovec piece = {sender->out + sender->out_start, unsent(sender)};
        size_t taken = transmit(sender, &piece, 1);

        if (taken == 0)
            break;
        sender->out_start += taken;
    }
    if (sender->gathered_count > 0 && !sender->lost)
        settle(sender, false);
    if (unsent(sender) == 0 || sender->lost) {
        free(sender->out); /* an idle connection keeps no memory for what it has sent */
        sender->out = NULL;
        sender->out_start = sender->out_end = sender->out_capacity = 0;
        release_gathered(sender);
    }
    pthread_cond_broadcast(&sender->room);
}

/* Send pieces that are whole frames, or queue what the socket does not take of them. */
static bool send_pieces(struct sender *sender, const struct iovec *pieces, int count)
{
    size_t taken = 0;

    if (sender->lost)
        return true;
    if (sender->gathered_count > 0 && !settle(sender, true))
        return false;
    if (!sender->corked && unsent(sender) == 0)
        taken = transmit(sender, pieces, count);
    return sender->lost || append_pieces(sender, pieces, count, taken);
}

/* A client's frame: masked with a key of its own, which nobody can foresee who chose what is in it, so
 * that no proxy takes the content for something else (section 10.3). Masked bytes need a place, which is
 * the queue. */
static bool send_masked(struct sender *sender, const uint8_t *header, size_t header_size, const void *data, size_t size)
{
    uint8_t mask[4], *out;

    if (sender->lost)
        return true;
    if (getrandom(mask, sizeof mask, 0) != sizeof mask) {
        sender->lost = true;
        return false;
    }
    if (!reserve(sender, header_size + sizeof mask + size))
        return false;
    out = sender->out + sender->out_end;
    memcpy(out, header, header_size);
    out[1] |= FRAME_MASKED;
    memcpy(out + header_size, mask, sizeof mask);
    if (size > 0)
        memcpy(out + header_size + sizeof mask, data, size);
    frame_mask(out + header_size + sizeof mask, size, mask, 0);
    sender->out_end += header_size + sizeof mask + size;
    if (!sender->corked)
        sender_flush(sender);
    return true;
}

bool sender_shared(struct sender *sender, struct shared_frame *frame)
{
    const struct iovec piece = {frame->bytes, frame->size};
    size_t header_size;

    if (!sender->masks)
        return send_pieces(sender, &piece, 1);
    header_size = frame_header_size(frame->bytes, frame->size);
    return send_masked(sender, frame->bytes, header_size, frame->bytes + header_size, frame->size - header_size);
}

bool sender_gather(struct sender *sender, struct shared_frame *frame)
{
    if (sender->gathered_count == MAX_GATHERED)
        return false;
    sender->gathered[sender->gathered_count++] = shared_frame_retain(frame);
    sender->gathered_size += frame->size;
    return true;
}

bool sender_frame(struct sender *sender, int opcode, unsigned flags, const void *data, size_t size)
{
    uint8_t frame[MAX_HEADER_SIZE + LEAST_IN_PIECES];
    struct iovec pieces[] = {{frame, frame_header(frame, opcode, flags, size)}, {(void *)data, size}};

    if (sender->masks)
        return send_masked(sender, frame, pieces[0].iov_len, data, size);
    if (size >= LEAST_IN_PIECES)
        return send_pieces(sender, pieces, 2);
    if (size > 0)
        memcpy(frame + pieces[0].iov_len, data, size);
    pieces[0].iov_len += size;
    return send_pieces(sender, pieces, 1);
}

static bool deflate_message(struct sender *sender, const uint8_t **data, size_t *size)
{
    if (!sender->compresses || *size < LEAST_COMPRESSED)
        return false;
    if (sender->deflater == NULL)
        sender->deflater = deflater_new(sender->deflate);
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

void sender_close(struct sender *sender, const void *payload, size_t size, size_t sent)
{
    const uint8_t *code = payload;

    if (sender->state != SENDER_OPEN)
        return;
    sender->state = SENDER_CLOSING;
    sender->close_code = size < 2 ? CLOSE_NO_STATUS : (unsigned)code[0] << 8 | code[1];
    if (size > 2)
        sender->close_reason = strndup((const char *)code + 2, size - 2); /* without memory, there is none */
    sender_frame(sender, OPCODE_CLOSE, 0, payload, sent);
    pthread_cond_broadcast(&sender->room);
}
