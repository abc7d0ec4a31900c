/*
 * The receiver, fed with any bytes in any cuts.
 *
 * Input: one byte of flags, one byte that the cuts follow from, and what a client might send.
 */
#include "fuzz.h"
#include "web_socket/deflate.h"
#include "web_socket/receiver.h"

/* UTF-8 by its definition (RFC 3629, section 3), character by character, unlike the checker under test. */
static bool is_utf8(const uint8_t *text, size_t size)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    size_t i = 0;
    while (i < size) {
        int more = text[i] < 0x80 ? 0 : (text[i] & 0xE0) == 0xC0 ? 1 : (text[i] & 0xF0) == 0xE0 ? 2 : 3;
        uint32_t point = more == 0 ? text[i] : text[i] & (0x3Fu >> more);
        if (more == 3 && (text[i] & 0xF8) != 0xF0)
            return false;
        for (int j = 1; j <= more; ++j) {
            if (i + (size_t)j >= size || (text[i + (size_t)j] & 0xC0) != 0x80)
                return false;
            point = point << 6 | (text[i + (size_t)j] & 0x3F);
        }
        if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
            return false;
        i += (size_t)more + 1;
    }
    return true;
}

static void check_message(const struct message *message, size_t limit)
{
    switch (message->opcode) {
    case OPCODE_TEXT:
        REQUIRE(is_utf8(message->data, message->size));
        REQUIRE(message->size <= limit);
        break;
    case OPCODE_BINARY:
        REQUIRE(message->size <= limit);
        break;
    case OPCODE_CLOSE:
        REQUIRE(message->size != 1);
        REQUIRE(message->size < 2 || is_utf8(message->data + 2, message->size - 2));
        REQUIRE(message->size < 2 || close_code_is_valid((unsigned)message->data[0] << 8 | message->data[1]));
        REQUIRE(message->size <= MAX_CONTROL_SIZE);
        break;
    default:
        REQUIRE(message->opcode == OPCODE_PING || message->opcode == OPCODE_PONG);
        REQUIRE(message->size <= MAX_CONTROL_SIZE);
    }
}

/* What came of the bytes: the messages, as one number, and whether the stream failed. */
struct outcome {
    uint64_t messages;
    bool failed;
};

static void add(uint64_t *hash, const void *data, size_t size)
{
    for (size_t i = 0; i < size; ++i)
        *hash = (*hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
}

/* Feed `size` bytes; of each message the memory stays below what has arrived and the limit allows. */
static void feed(struct receiver *receiver, const uint8_t *data, size_t size, struct outcome *outcome)
{
    uint8_t *copy = copy_exactly(data, size);
    struct bytes bytes = {copy, size};
    struct message message;
    struct receive_error error = {0};
    enum received received;

    do {
        received = receiver_next(receiver, &bytes, &message, &error);
        REQUIRE(receiver->message_size <= receiver->message_capacity);
        REQUIRE(receiver->message_capacity <= receiver->max_message_size);
        if (received == RECEIVED_MESSAGE) {
            check_message(&message, receiver->max_message_size);
            add(&outcome->messages, &message.opcode, sizeof message.opcode);
            add(&outcome->messages, &message.size, sizeof message.size);
            add(&outcome->messages, message.data, message.size);
        }
    } while (received == RECEIVED_MESSAGE);
    if (received == RECEIVED_NOTHING)
        REQUIRE(bytes.size == 0);
    else
        REQUIRE(error.reason != NULL && close_code_is_valid(error.code) && strlen(error.reason) <= MAX_REASON_SIZE);
    outcome->failed = received == RECEIVED_ERROR;
    free(copy);
}

#define SMALL_WINDOW 16

static struct outcome run(const uint8_t *data, size_t size, uint8_t flags, uint8_t cuts)
{
    static const size_t limits[] = {1, 100, 2000, 1 << 20};
    const struct deflate_parameters parameters = {
        .client_no_context_takeover = flags & 8,
        .server_max_window_bits = 15,
        .client_max_window_bits = flags & SMALL_WINDOW ? 8 : 15,
    };
    struct receiver receiver = {.max_message_size = limits[flags & 3]};
    struct outcome outcome = {.messages = UINT64_C(0xcbf29ce484222325)};

    if (flags & 4)
        receiver.inflater = inflater_new(deflate_client_side(&parameters));
    while (size > 0 && !outcome.failed) {
        size_t piece = cuts == 0 ? size : 1u + (cuts = (uint8_t)(cuts * 5 + 1)) % 40;
        if (piece > size)
            piece = size;
        feed(&receiver, data, piece, &outcome);
        data += piece;
        size -= piece;
    }
    receiver_free(&receiver);
    inflater_free(receiver.inflater);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t flags = take_byte(&data, &size), cuts = take_byte(&data, &size);
    struct outcome whole = run(data, size, flags, 0), cut = run(data, size, flags, cuts | 1);

    /* However the network cuts. Only of a client that reaches beyond its window, zlib sees that when the data comes
     * in pieces. */
    if (!(flags & SMALL_WINDOW))
        REQUIRE(whole.messages == cut.messages && whole.failed == cut.failed);
    return 0;
}
