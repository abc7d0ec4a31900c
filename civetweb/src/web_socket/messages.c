#include "messages.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../clock.h"
#include "../connection.h"
#include "../errors.h"
#include "../handles.h"
#include "../server.h"
#include "cork.h"
#include "frame.h"
#include "loop.h"
#include "runtime.h"
#include "web_sockets.h"

static bool close_is_valid(const char *data, size_t size)
{
    const uint8_t *code = (const uint8_t *)data;

    if (size == 0 || (size >= 2 && close_code_is_valid((unsigned)code[0] << 8 | code[1])))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "the payload of a close frame is empty, or begins with two bytes of a close code that "
                                         "may be sent, such as 1000");
    return false;
}

bool message_is_valid(int32_t opcode, const char *data, size_t size)
{
    switch (opcode) {
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        if (size <= INT_MAX)
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "a message of %zu bytes is too long; send at most %d at once", size, INT_MAX);
        return false;
    case OPCODE_CLOSE:
    case OPCODE_PING:
    case OPCODE_PONG:
        if (size <= MAX_CONTROL_SIZE)
            return opcode != OPCODE_CLOSE || close_is_valid(data, size);
        error_set(AH_ERROR_INVALID_ARGUMENT, "a control frame (opcode %d) of %zu bytes is too long; it holds at most %d",
                  (int)opcode, size, MAX_CONTROL_SIZE);
        return false;
    default:
        error_set(AH_ERROR_INVALID_ARGUMENT, "there is no opcode %d; use 1 (text), 2 (binary), 8 (close), 9 (ping) or "
                                             "10 (pong)", (int)opcode);
        return false;
    }
}

bool message_can_be_sent(const struct sender *sender)
{
    if (sender->state == SENDER_OPEN)
        return true;
    if (sender->state == SENDER_NONE)
        error_set(AH_ERROR_WRONG_STATE, "this connection is not a WebSocket (yet): write from its ready callback on");
    else
        error_set(AH_ERROR_CONNECTION_CLOSED, "this WebSocket is closed or closing");
    return false;
}

static bool is_full(const struct sender *sender, size_t size, const struct web_socket_limits *limits)
{
    return sender_queued(sender) > 0 && sender_queued(sender) + size > limits->max_queue_size;
}

/* Whether the queue takes a message of this size; true for any when it is empty. The policy to wait
 * gives the mutex away for that time, which `deadline` ends; null: it does not end. */
static bool has_room(struct connection *connection, size_t size, enum queue_policy policy,
                     const struct timespec *deadline)
{
    const struct web_socket_limits *limits = &web_sockets_of(connection)->limits;
    struct web_socket *socket = &connection->web_socket;

    if (is_full(&socket->sender, size, limits))
        sender_flush(&socket->sender); /* what a callback has gathered is not the client's slowness */
    while (is_full(&socket->sender, size, limits)) {
        if (policy == QUEUE_CLOSE) {
            error_set(AH_ERROR_CONNECTION_CLOSED, "the other side is too slow: %zu bytes wait for it, and "
                                                  "websocket_max_queue_size is %zu; its connection is closed",
                      sender_queued(&socket->sender), limits->max_queue_size);
            socket->sender.lost = true;
            web_socket_expire(connection);
            return false;
        }
        if (policy == QUEUE_DROP) {
            error_set(AH_ERROR_QUEUE_FULL, "the other side is too slow: %zu bytes wait for it, and websocket_max_queue_size "
                                           "is %zu; the message was dropped", sender_queued(&socket->sender), limits->max_queue_size);
            return false;
        }
        if (deadline == NULL)
            pthread_cond_wait(&socket->sender.room, &socket->sender.mutex);
        else if (pthread_cond_timedwait(&socket->sender.room, &socket->sender.mutex, deadline) == ETIMEDOUT)
            policy = QUEUE_DROP;
        if (!message_can_be_sent(&socket->sender))
            return false;
    }
    return true;
}

/* The policy to wait, where one may: a callback that waited could hold up the thread that is to send. */
static enum queue_policy waiting_policy(void)
{
    return server_is_in_callback() ? QUEUE_DROP : QUEUE_BLOCK;
}

static int32_t write_message(struct connection *connection, int32_t opcode, const char *data, size_t data_len,
                             enum queue_policy policy, const struct timespec *deadline)
{
    struct web_socket *socket = &connection->web_socket;
    int32_t result = -1;
    bool lost;

    if (!message_is_valid(opcode, data, data_len))
        return -1;
    pthread_mutex_lock(&socket->sender.mutex);
    if (!message_can_be_sent(&socket->sender) || (opcode != OPCODE_CLOSE && !has_room(connection, data_len, policy, deadline))) {
        pthread_mutex_unlock(&socket->sender.mutex);
        return -1;
    }
    if (opcode == OPCODE_CLOSE) {
        web_socket_begin_close(connection, data, data_len, data_len);
        result = 0;
    } else if (cork_gather(connection, data_len), sender_message(&socket->sender, opcode, data, data_len)) {
        if (!opcode_is_control(opcode)) {
            statistics_add(&web_sockets_of(connection)->statistics, MESSAGES_SENT, 1);
            statistics_add(&web_sockets_of(connection)->statistics, BYTES_SENT, (int64_t)data_len);
        }
        /* Never 0, which programs take for a closed connection: an empty message counts its header. */
        result = data_len > 0 ? (int32_t)data_len : 2;
    } else {
        error_set_no_memory();
    }
    lost = socket->sender.lost;
    pthread_mutex_unlock(&socket->sender.mutex);
    if (lost) {
        web_socket_expire(connection);
        if (result >= 0)
            error_set(AH_ERROR_CONNECTION_CLOSED, "the other side has gone");
        return -1;
    }
    return result;
}

int32_t rt_write_to_web_socket(struct connection *connection, int32_t opcode, const char *data, size_t data_len)
{
    enum queue_policy policy = web_sockets_of(connection)->limits.queue_policy;

    return write_message(connection, opcode, data, data_len, policy == QUEUE_BLOCK ? waiting_policy() : policy, NULL);
}

int32_t rt_write_to_web_socket_within(struct connection *connection, int32_t opcode, const char *data, size_t data_len,
                                      int32_t timeout_ms)
{
    enum queue_policy policy = timeout_ms == 0 ? QUEUE_DROP : waiting_policy();
    struct timespec deadline = clock_after(timeout_ms > 0 ? timeout_ms : 0);

    return write_message(connection, opcode, data, data_len, policy, timeout_ms > 0 ? &deadline : NULL);
}

/* Have the loop send a frame that goes to many together with those that follow soon. */
static bool gather(struct connection *connection, struct shared_frame *frame)
{
    struct sender *sender = &connection->web_socket.sender;

    /* What a client sends is masked, by another key for each. */
    return !sender->masks && sender->gathered_count < MAX_GATHERED && web_socket_schedule_flush(connection) &&
           sender_gather(sender, frame);
}

bool message_send_frame(struct connection *connection, struct shared_frame *frame, bool may_wait)
{
    struct sender *sender = &connection->web_socket.sender;
    enum queue_policy policy = web_sockets_of(connection)->limits.queue_policy;
    bool sent, lost;

    if (policy == QUEUE_BLOCK)
        policy = QUEUE_DROP;
    pthread_mutex_lock(&sender->mutex);
    sent = sender->state == SENDER_OPEN && has_room(connection, frame->size, policy, NULL);
    if (sent && !(may_wait && gather(connection, frame))) {
        sender_flush(sender); /* what was gathered before it */
        sent = sender_shared(sender, frame);
    }
    lost = sender->lost;
    pthread_mutex_unlock(&sender->mutex);
    if (lost)
        web_socket_expire(connection);
    return sent && !lost;
}

int32_t rt_write_text_to_web_socket(struct connection *connection, const char *data, size_t data_len)
{
    return rt_write_to_web_socket(connection, OPCODE_TEXT, data, data_len);
}

int32_t rt_write_string_to_web_socket(struct connection *connection, const char *data)
{
    return rt_write_to_web_socket(connection, OPCODE_TEXT, data, strlen(data));
}

int32_t rt_write_binary_to_web_socket(struct connection *connection, const char *data, size_t data_len)
{
    return rt_write_to_web_socket(connection, OPCODE_BINARY, data, data_len);
}

int32_t rt_close_web_socket(struct connection *connection)
{
    const char normal[2] = {(char)(CLOSE_NORMAL >> 8), (char)(CLOSE_NORMAL & 0xFF)};

    return rt_write_to_web_socket(connection, OPCODE_CLOSE, normal, sizeof normal);
}

int32_t rt_close_web_socket_with_reason(struct connection *connection, int32_t code, const char *reason)
{
    size_t length = reason == NULL ? 0 : strlen(reason);
    uint8_t payload[MAX_CONTROL_SIZE] = {(uint8_t)((uint32_t)code >> 8), (uint8_t)code};

    if (code < 0 || !close_code_is_valid((unsigned)code)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "%d is no close code that may be sent; use 1000 or, for the program's own, 4000 "
                                             "to 4999", (int)code);
        return -1;
    }
    if (length > MAX_REASON_SIZE) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the reason has %zu bytes; a close frame holds %d", length, MAX_REASON_SIZE);
        return -1;
    }
    if (length > 0)
        memcpy(payload + 2, reason, length);
    return rt_write_to_web_socket(connection, OPCODE_CLOSE, (const char *)payload, 2 + length);
}

/* Whether a connection has become a WebSocket. */
static bool is_upgraded(struct sender *sender)
{
    bool upgraded;

    pthread_mutex_lock(&sender->mutex);
    upgraded = sender->state != SENDER_NONE;
    pthread_mutex_unlock(&sender->mutex);
    if (!upgraded)
        error_set(AH_ERROR_WRONG_STATE, "this connection is not a WebSocket (yet): ask from its ready callback on");
    return upgraded;
}

const char *rt_get_subprotocol(struct connection *connection)
{
    return is_upgraded(&connection->web_socket.sender) ? connection->web_socket.subprotocol : NULL;
}

int32_t rt_get_close_code(struct connection *connection)
{
    struct sender *sender = &connection->web_socket.sender;
    int32_t code;

    if (!is_upgraded(sender))
        return -1;
    pthread_mutex_lock(&sender->mutex);
    code = (int32_t)sender->close_code;
    pthread_mutex_unlock(&sender->mutex);
    return code;
}

const char *rt_get_close_reason(struct connection *connection)
{
    struct sender *sender = &connection->web_socket.sender;
    const char *reason;

    if (!is_upgraded(sender))
        return NULL;
    pthread_mutex_lock(&sender->mutex);
    reason = sender->close_reason;
    pthread_mutex_unlock(&sender->mutex);
    return reason;
}

int64_t rt_get_queued_bytes(struct connection *connection)
{
    struct sender *sender = &connection->web_socket.sender;
    int64_t queued;

    if (!is_upgraded(sender))
        return -1;
    pthread_mutex_lock(&sender->mutex);
    queued = (int64_t)sender_queued(sender);
    pthread_mutex_unlock(&sender->mutex);
    return queued;
}

/* Exported as it is: a handle that has ended is an answer here, not an error. */
int32_t ah_is_web_socket_open(ah_connection *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);
    bool open;

    error_clear();
    if (connection == NULL)
        return 0;
    pthread_mutex_lock(&connection->web_socket.sender.mutex);
    open = connection->web_socket.sender.state == SENDER_OPEN;
    pthread_mutex_unlock(&connection->web_socket.sender.mutex);
    handle_unpin(handle);
    return open;
}
