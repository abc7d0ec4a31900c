#include "receiver.h"

#include <stdlib.h>
#include <string.h>

#include "deflate.h"

/* A message's memory starts with this much and doubles. */
#define FIRST_CAPACITY 1024

#define HEADER_FINAL 0x80u
#define HEADER_RESERVED 0x70u

static enum received fail(struct receive_error *error, enum close_code code, const char *reason)
{
    error->code = code;
    error->reason = reason;
    return RECEIVED_ERROR;
}

static uint64_t payload_size_of(const uint8_t *header)
{
    unsigned length = header[1] & 0x7Fu;
    uint64_t size = 0;
    int count, i;

    if (length < 126)
        return length;
    count = length == 126 ? 2 : 8;
    for (i = 0; i < count; i++)
        size = size << 8 | header[2 + i];
    return size;
}

/* What can be refused of the first two bytes alone, so that it is as soon as they are there. */
static enum received check_start(struct receiver *receiver, struct receive_error *error)
{
    unsigned first = receiver->header[0], length = receiver->header[1] & 0x7Fu;
    unsigned opcode = first & 0x0Fu, reserved = first & HEADER_RESERVED;
    bool begins = opcode == OPCODE_TEXT || opcode == OPCODE_BINARY;

    /* RFC 7692, section 6: RSV1 marks the first frame of a compressed message, and no other. */
    if (reserved != 0 && !(reserved == FRAME_COMPRESSED && receiver->inflater != NULL && begins))
        return fail(error, CLOSE_PROTOCOL_ERROR, "reserved bits are set");
    if (!(receiver->header[1] & FRAME_MASKED) != receiver->peer_is_server)
        return fail(error, CLOSE_PROTOCOL_ERROR,
                    receiver->peer_is_server ? "the frame is masked" : "the frame is not masked");
    switch (opcode) {
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        if (receiver->message_opcode != OPCODE_CONTINUATION)
            return fail(error, CLOSE_PROTOCOL_ERROR, "a message begins within another one");
        break;
    case OPCODE_CONTINUATION:
        if (receiver->message_opcode == OPCODE_CONTINUATION)
            return fail(error, CLOSE_PROTOCOL_ERROR, "there is no message to continue");
        break;
    case OPCODE_CLOSE:
    case OPCODE_PING:
    case OPCODE_PONG:
        if (!(first & HEADER_FINAL))
            return fail(error, CLOSE_PROTOCOL_ERROR, "a control frame is fragmented");
        if (length > MAX_CONTROL_SIZE)
            return fail(error, CLOSE_PROTOCOL_ERROR, "a control frame is too long");
        break;
    default:
        return fail(error, CLOSE_PROTOCOL_ERROR, "the opcode is reserved");
    }
    return RECEIVED_NOTHING;
}

/* Begin the frame whose header is complete. */
static enum received begin_frame(struct receiver *receiver, struct receive_error *error)
{
    const uint8_t *header = receiver->header;
    uint64_t size = payload_size_of(header);
    unsigned length = header[1] & 0x7Fu;

    if ((length == 126 && size < 126) || (length == 127 && size <= 0xFFFF))
        return fail(error, CLOSE_PROTOCOL_ERROR, "the length is not in its shortest form");
    if (size >> 63)
        return fail(error, CLOSE_PROTOCOL_ERROR, "the length has its highest bit set");

    receiver->opcode = header[0] & 0x0Fu;
    receiver->final = header[0] & HEADER_FINAL;
    if (!receiver->peer_is_server)
        memcpy(receiver->mask, header + receiver->header_size - 4, 4);
    receiver->payload_size = size;
    receiver->payload_read = 0;
    receiver->in_payload = true;
    receiver->header_size = 0;
    if (opcode_is_control(receiver->opcode))
        return RECEIVED_NOTHING;
    if (receiver->opcode != OPCODE_CONTINUATION) {
        receiver->message_opcode = receiver->opcode;
        receiver->message_size = 0;
        receiver->compressed = header[0] & FRAME_COMPRESSED;
        receiver->utf8 = (struct utf8){0};
    }
    /* Of a compressed message only the inflater can tell. */
    if (!receiver->compressed && size > receiver->max_message_size - receiver->message_size)
        return fail(error, CLOSE_MESSAGE_TOO_BIG, "the message is too big");
    return RECEIVED_NOTHING;
}

static enum received read_header(struct receiver *receiver, struct bytes *bytes, struct receive_error *error)
{
    while (bytes->size > 0) {
        size_t full;

        receiver->header[receiver->header_size++] = *bytes->data++;
        bytes->size--;
        if (receiver->header_size < 2)
            continue;
        if (receiver->header_size == 2 && check_start(receiver, error) == RECEIVED_ERROR)
            return RECEIVED_ERROR;
        full = frame_header_size(receiver->header, receiver->header_size);
        if (receiver->header_size == full)
            return begin_frame(receiver, error);
    }
    return RECEIVED_NOTHING;
}

/* Make room in the message for `size` more bytes, of which it already has arrived. */
static bool reserve(struct receiver *receiver, size_t size)
{
    size_t wanted = receiver->message_size + size;
    size_t capacity = receiver->message_capacity > 0 ? receiver->message_capacity : FIRST_CAPACITY;
    uint8_t *message;

    if (wanted <= receiver->message_capacity)
        return true;
    while (capacity < wanted)
        capacity *= 2;
    if (capacity > receiver->max_message_size)
        capacity = receiver->max_message_size;
    message = realloc(receiver->message, capacity);
    if (message == NULL)
        return false;
    receiver->message = message;
    receiver->message_capacity = capacity;
    return true;
}

static bool append_plain(void *context, const uint8_t *data, size_t size)
{
    struct receiver *receiver = context;

    if (size == 0)
        return true; /* there may be no memory yet to point to */
    if (!reserve(receiver, size))
        return false;
    memcpy(receiver->message + receiver->message_size, data, size);
    receiver->message_size += size;
    return true;
}

static enum received check_text(struct receiver *receiver, const uint8_t *data, size_t size, struct receive_error *error)
{
    if (receiver->message_opcode == OPCODE_TEXT && !utf8_check(&receiver->utf8, data, size))
        return fail(error, CLOSE_INVALID_DATA, "the text is not UTF-8");
    return RECEIVED_NOTHING;
}

static enum received append_compressed(struct receiver *receiver, const uint8_t *data, size_t size, bool end,
                                       struct receive_error *error)
{
    size_t before = receiver->message_size;

    switch (inflater_inflate(receiver->inflater, data, size, end, receiver->max_message_size - before, append_plain,
                             receiver)) {
    case INFLATED:
        if (receiver->message_size == before)
            return RECEIVED_NOTHING; /* there may be no memory yet to point to */
        /* Straight after the bytes came in, so that text fails as early as it can. */
        return check_text(receiver, receiver->message + before, receiver->message_size - before, error);
    case INFLATED_TOO_MUCH:
        return fail(error, CLOSE_MESSAGE_TOO_BIG, "the message is too big");
    case INFLATE_NO_MEMORY:
        return fail(error, CLOSE_INTERNAL_ERROR, "out of memory");
    default:
        return fail(error, CLOSE_INVALID_DATA, "the data cannot be decompressed");
    }
}

static void end_message(struct receiver *receiver, struct message *message, const uint8_t *data, size_t size)
{
    message->opcode = receiver->message_opcode;
    message->data = data;
    message->size = size;
    receiver->message_opcode = OPCODE_CONTINUATION;
}

/* The next part of a data frame's payload, unmasked. */
static enum received read_data(struct receiver *receiver, const uint8_t *data, size_t size, bool last,
                               struct message *message, struct receive_error *error)
{
    bool ends = last && receiver->final;

    if (receiver->compressed) {
        if (append_compressed(receiver, data, size, ends, error) == RECEIVED_ERROR)
            return RECEIVED_ERROR;
    } else {
        if (check_text(receiver, data, size, error) == RECEIVED_ERROR)
            return RECEIVED_ERROR;
        /* A message that has arrived in one piece stays where it is. */
        if (!(ends && receiver->message_size == 0) && !append_plain(receiver, data, size))
            return fail(error, CLOSE_INTERNAL_ERROR, "out of memory");
    }
    if (!ends)
        return RECEIVED_NOTHING;
    if (receiver->message_opcode == OPCODE_TEXT && !utf8_is_complete(&receiver->utf8))
        return fail(error, CLOSE_INVALID_DATA, "the text ends within a character");
    if (receiver->compressed || receiver->message_size > 0)
        end_message(receiver, message, receiver->message, receiver->message_size);
    else
        end_message(receiver, message, data, size);
    return RECEIVED_MESSAGE;
}

/* Section 7.1.5 and 7.1.6: a code that may be sent, and a reason in UTF-8. */
static enum received check_close(const uint8_t *data, size_t size, struct receive_error *error)
{
    struct utf8 utf8 = {0};

    if (size == 1)
        return fail(error, CLOSE_PROTOCOL_ERROR, "the close code has one byte");
    if (size >= 2 && !close_code_is_valid((unsigned)data[0] << 8 | data[1]))
        return fail(error, CLOSE_PROTOCOL_ERROR, "the close code may not be sent");
    if (size > 2 && (!utf8_check(&utf8, data + 2, size - 2) || !utf8_is_complete(&utf8)))
        return fail(error, CLOSE_INVALID_DATA, "the close reason is not UTF-8");
    return RECEIVED_MESSAGE;
}

static enum received read_control(struct receiver *receiver, const uint8_t *data, size_t size, uint64_t offset, bool last,
                                  struct message *message, struct receive_error *error)
{
    memcpy(receiver->control + offset, data, size);
    if (!last)
        return RECEIVED_NOTHING;
    message->opcode = receiver->opcode;
    message->data = receiver->control;
    message->size = receiver->payload_size;
    return message->opcode == OPCODE_CLOSE ? check_close(message->data, message->size, error) : RECEIVED_MESSAGE;
}

static enum received read_payload(struct receiver *receiver, struct bytes *bytes, struct message *message,
                                  struct receive_error *error)
{
    uint64_t offset = receiver->payload_read;
    uint64_t missing = receiver->payload_size - offset;
    size_t size = missing < bytes->size ? (size_t)missing : bytes->size;
    bool last = size == missing;
    uint8_t *data = bytes->data;

    if (!receiver->peer_is_server)
        frame_mask(data, size, receiver->mask, offset);
    bytes->data += size;
    bytes->size -= size;
    receiver->payload_read += size;
    receiver->in_payload = !last;
    if (opcode_is_control(receiver->opcode))
        return read_control(receiver, data, size, offset, last, message, error);
    return read_data(receiver, data, size, last, message, error);
}

/* A big message's memory is not kept for the small ones that may follow. */
static void drop_delivered(struct receiver *receiver)
{
    if (receiver->message_opcode == OPCODE_CONTINUATION && receiver->message != NULL)
        receiver_free(receiver);
}

enum received receiver_next(struct receiver *receiver, struct bytes *bytes, struct message *message,
                            struct receive_error *error)
{
    enum received received = RECEIVED_NOTHING;

    drop_delivered(receiver);
    while (received == RECEIVED_NOTHING && (bytes->size > 0 || receiver->in_payload)) {
        if (!receiver->in_payload) {
            received = read_header(receiver, bytes, error);
            continue;
        }
        /* An empty frame is complete without another byte. */
        if (bytes->size == 0 && receiver->payload_read < receiver->payload_size)
            break;
        received = read_payload(receiver, bytes, message, error);
    }
    return received;
}

bool receiver_has_frame(const struct receiver *receiver, const struct bytes *bytes)
{
    size_t header;

    if (receiver->in_payload || receiver->header_size > 0)
        return false;
    header = frame_header_size(bytes->data, bytes->size);
    return bytes->size >= header && bytes->size >= 2 && bytes->size - header >= payload_size_of(bytes->data);
}

bool receiver_is_at_rest(const struct receiver *receiver)
{
    return receiver->header_size == 0 && !receiver->in_payload && receiver->message_opcode == OPCODE_CONTINUATION;
}

void receiver_free(struct receiver *receiver)
{
    free(receiver->message);
    receiver->message = NULL;
    receiver->message_size = 0;
    receiver->message_capacity = 0;
}
