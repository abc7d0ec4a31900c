/*
 * The sending half of a WebSocket: any thread, one at a time.
 *
 * Nothing blocks with the mutex held, for the socket does not block: what it does not take waits in a
 * queue until it does.
 */
#ifndef AH_SENDER_H
#define AH_SENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deflate.h"
#include "transport.h"

enum sender_state {
    SENDER_NONE,    /* still HTTP: there is no transport */
    SENDER_OPEN,    /* frames may be sent */
    SENDER_CLOSING, /* the Close frame has been sent, the last of all (RFC 6455, section 5.5.1) */
    SENDER_ENDED,   /* the close callback has run or is about to */
};

struct sender {
    pthread_mutex_t mutex; /* guards all below, and a TLS transport's reading */
    pthread_cond_t room;   /* the queue has become shorter, or the state another */
    enum sender_state state;
    struct transport transport;
    unsigned close_code; /* that of the Close frame that was sent; 0: none, or it had no code */
    bool lost;         /* the socket has failed: nothing is sent any more */
    bool corked;       /* more frames follow at once: gather them */
    bool output_ended; /* transport_end has been called */

    bool compresses; /* permessage-deflate, as `deflate` says; `deflater` is made when it is needed */
    struct deflate_parameters deflate;
    struct deflater *deflater;

    /* Bytes that the socket has not taken. */
    uint8_t *out;
    size_t out_start, out_end, out_capacity;
};

void sender_init(struct sender *sender);
void sender_free(struct sender *sender);

/* All below with the mutex. */

static inline size_t sender_queued(const struct sender *sender)
{
    return sender->out_end - sender->out_start;
}

/* Queue bytes as they are. False: out of memory, and nothing was queued. */
bool sender_append(struct sender *sender, const void *data, size_t size);

/* Hand what is queued to the socket, as far as it takes it. */
void sender_flush(struct sender *sender);

/* Send a frame, or queue what the socket does not take of it. False: out of memory. */
bool sender_frame(struct sender *sender, int opcode, unsigned flags, const void *data, size_t size);

/* The same for a frame that has its header. */
bool sender_bytes(struct sender *sender, const void *frame, size_t size);

/* The same for a message or control frame of the user's, compressed if that was negotiated. */
bool sender_message(struct sender *sender, int opcode, const void *message, size_t size);

/* Send a Close frame, unless one has been sent, and nothing more. */
void sender_close(struct sender *sender, const void *payload, size_t size);

#endif
