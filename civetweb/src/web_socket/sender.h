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
#include "shared_frame.h"
#include "transport.h"

/* How many frames are gathered for one send. */
#define MAX_GATHERED 8

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
    unsigned close_code; /* what the WebSocket was closed with (RFC 6455, section 7.1.5); 0: it is open */
    char *close_reason;  /* the same (section 7.1.6); null: there is none. From then on it stays */
    bool lost;         /* the socket has failed: nothing is sent any more */
    bool corked;       /* more frames follow at once: gather them */
    bool output_ended; /* transport_end has been called */

    bool masks; /* this side is the client (RFC 6455, section 5.3) */

    bool compresses; /* permessage-deflate, as `deflate` says; `deflater` is made when it is needed */
    struct deflate_side deflate;
    struct deflater *deflater;

    /* Bytes that the socket has not taken. */
    uint8_t *out;
    size_t out_start, out_end, out_capacity;

    /* Behind them, what goes to many and is copied only if it has to wait: see sender_gather. */
    struct shared_frame *gathered[MAX_GATHERED];
    int gathered_count;
    size_t gathered_size;
};

void sender_init(struct sender *sender);
void sender_free(struct sender *sender);

/* All below with the mutex. */

static inline size_t sender_queued(const struct sender *sender)
{
    return sender->out_end - sender->out_start + sender->gathered_size;
}

/* Queue bytes as they are. False: out of memory, and nothing was queued. */
bool sender_append(struct sender *sender, const void *data, size_t size);

/* Hand what is queued to the socket, as far as it takes it. */
void sender_flush(struct sender *sender);

/* Send a frame, or queue what the socket does not take of it. False: out of memory. */
bool sender_frame(struct sender *sender, int opcode, unsigned flags, const void *data, size_t size);

/* The same for a frame that has been made, without a mask: it gets one if this side masks. */
bool sender_shared(struct sender *sender, struct shared_frame *frame);

/* The same for a message or control frame of the program's: a message is compressed if that was negotiated and is
 * worth it. */
bool sender_message(struct sender *sender, int opcode, const void *message, size_t size);

/* Keep a frame for the next flush, which the caller sees to. False: as many are kept as may be. */
bool sender_gather(struct sender *sender, struct shared_frame *frame);

/* The WebSocket is closed by a Close frame with this payload, whoever has made that: send as much of it, and nothing
 * more, unless one has been sent. */
void sender_close(struct sender *sender, const void *payload, size_t size, size_t sent);

#endif
