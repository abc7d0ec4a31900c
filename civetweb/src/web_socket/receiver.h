/*
 * From bytes to messages: the receiving half of RFC 6455, without any socket.
 *
 * Bytes go in as they arrive, in parts of any size; whole messages and control frames come out. What
 * is kept between two parts is what has arrived of an unfinished message, never what its header
 * promises.
 */
#ifndef AH_RECEIVER_H
#define AH_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "utf8.h"

struct inflater;

struct receiver {
    size_t max_message_size;   /* of the message as the application sees it, in bytes */
    struct inflater *inflater; /* null unless permessage-deflate was negotiated; not owned */
    bool peer_is_server;       /* whose frames are not masked, as a client's are (section 5.1) */

    /* The header of the current frame, until it is complete. */
    uint8_t header[MAX_HEADER_SIZE];
    uint8_t header_size;
    bool in_payload;

    /* The current frame. */
    uint8_t opcode;
    bool final;
    uint8_t mask[4];
    uint64_t payload_size;
    uint64_t payload_read;

    /* The current message. Control frames come between its fragments and leave it alone. */
    uint8_t message_opcode; /* OPCODE_CONTINUATION: no message has begun */
    bool compressed;
    struct utf8 utf8;
    uint8_t *message;
    size_t message_size;
    size_t message_capacity;

    uint8_t control[MAX_CONTROL_SIZE];
};

/* Bytes that have arrived; receiver_next takes them off the front and may change them. */
struct bytes {
    uint8_t *data;
    size_t size;
};

/* A message, or a control frame. The data lives until the next call for this receiver, and as long as
 * the bytes that it was taken from. */
struct message {
    int opcode;
    const uint8_t *data;
    size_t size;
};

enum received {
    RECEIVED_NOTHING, /* all bytes are used up and no message is complete */
    RECEIVED_MESSAGE,
    RECEIVED_ERROR, /* the connection is to be failed (section 7.1.7) with `code` and `reason` */
};

struct receive_error {
    enum close_code code;
    const char *reason; /* static */
};

/* Take bytes until a message is complete or none are left. */
enum received receiver_next(struct receiver *receiver, struct bytes *bytes, struct message *message,
                            struct receive_error *error);

/* Whether a whole frame may be among these bytes: what comes next could be answered together with
 * what came before. */
bool receiver_has_frame(const struct receiver *receiver, const struct bytes *bytes);

/* Whether all that has begun has ended: no frame, and no message in fragments, is on its way. */
bool receiver_is_at_rest(const struct receiver *receiver);

void receiver_free(struct receiver *receiver);

#endif
