#include "web_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../clock.h"
#include "../connection.h"
#include "../handles.h"
#include "../server.h"
#include "frame.h"
#include "loop.h"
#include "read_buffer.h"
#include "web_sockets.h"

/* How many reads a connection has before it is another one's turn. */
#define READS_IN_A_ROW 16

/* Sending */

void web_socket_begin_close(struct connection *connection, const void *payload, size_t size, size_t sent)
{
    struct web_socket *socket = &connection->web_socket;

    if (socket->sender.state != SENDER_OPEN)
        return;
    atomic_store(&socket->close_until, clock_now() + web_sockets_of(connection)->limits.close_timeout);
    sender_close(&socket->sender, payload, size, sent);
}

void web_socket_close(struct connection *connection, enum close_code code, const char *reason)
{
    uint8_t payload[MAX_CONTROL_SIZE] = {(uint8_t)((unsigned)code >> 8), (uint8_t)code};
    size_t length = strnlen(reason, MAX_REASON_SIZE);

    memcpy(payload + 2, reason, length);
    pthread_mutex_lock(&connection->web_socket.sender.mutex);
    web_socket_begin_close(connection, payload, 2 + length, 2 + length);
    pthread_mutex_unlock(&connection->web_socket.sender.mutex);
}

void web_socket_say_goodbye(struct connection *connection)
{
    bool client = connection->web_socket.sender.masks;

    web_socket_close(connection, CLOSE_GOING_AWAY, client ? "the client stops" : "the server stops");
}

void web_socket_schedule(struct connection *connection)
{
    atomic_store(&connection->web_socket.scheduled, true);
    if (!loop_wake(connection->web_socket.loop, connection->handle))
        atomic_store(&connection->web_socket.expired, true); /* without memory, the next tick tries again */
}

bool web_socket_schedule_flush(struct connection *connection)
{
    if (atomic_fetch_or(&connection->web_socket.work, WORK_FLUSH) & WORK_FLUSH)
        return true;
    if (loop_wake(connection->web_socket.loop, connection->handle))
        return true;
    atomic_fetch_and(&connection->web_socket.work, ~(unsigned)WORK_FLUSH);
    return false;
}

void web_socket_expire(struct connection *connection)
{
    /* Once: its owner may not come to it for long, while a program goes on writing to it. */
    if (!atomic_exchange(&connection->web_socket.expired, true))
        web_socket_schedule(connection);
}

static void set_cork(struct web_socket *socket, bool corked)
{
    pthread_mutex_lock(&socket->sender.mutex);
    socket->sender.corked = corked && !atomic_load(&socket->overdue);
    if (!socket->sender.corked)
        sender_flush(&socket->sender);
    pthread_mutex_unlock(&socket->sender.mutex);
}

/* Send what is queued, without being the owner: unless that gathers it, or is to gather nothing more. */
static void flush(struct connection *connection, bool uncork)
{
    struct sender *sender = &connection->web_socket.sender;
    bool lost;

    pthread_mutex_lock(&sender->mutex);
    if (uncork)
        sender->corked = false;
    if (!sender->corked)
        sender_flush(sender);
    lost = sender->lost;
    pthread_mutex_unlock(&sender->mutex);
    if (lost)
        web_socket_expire(connection);
}

void web_socket_uncork(struct connection *connection)
{
    flush(connection, true);
}

/* Receiving: the owner only */

/* Run the close callback, once. What is queued may still be sent. */
static void end(struct connection *connection)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    struct web_socket *socket = &connection->web_socket;
    ah_event event = {.kind = AH_EVENT_WEB_SOCKET_CLOSE};
    struct server *before;
    unsigned code;

    pthread_mutex_lock(&socket->sender.mutex);
    if (socket->sender.state == SENDER_OPEN)
        socket->sender.close_code = CLOSE_ABNORMAL;
    code = socket->sender.close_code;
    socket->sender.state = SENDER_ENDED;
    socket->sender.corked = false;
    sender_flush(&socket->sender);
    pthread_mutex_unlock(&socket->sender.mutex);
    if (socket->ended)
        return;
    socket->ended = true;
    statistics_add(&sockets->statistics, OPEN_NOW, -1);
    statistics_add_closed(&sockets->statistics, code);
    if (atomic_load(&socket->close_until) == 0)
        atomic_store(&socket->close_until, clock_now() + sockets->limits.close_timeout);
    receiver_free(&socket->receiver);
    if (socket->route->close == NULL || !socket->announced)
        return;
    if (socket->route->queue_loop != NULL) {
        event.arguments.web_socket_close.connection = connection->handle;
        events_mail(connection, socket->route->user_data, &event, NULL, 0);
        return;
    }
    before = server_enter(connection->server);
    socket->route->close(connection->handle, socket->route->user_data);
    server_leave(before);
}

static void announce(struct connection *connection)
{
    struct web_socket *socket = &connection->web_socket;
    ah_event event = {.kind = AH_EVENT_WEB_SOCKET_READY};
    struct server *before;

    socket->announced = true;
    if (socket->route->ready == NULL)
        return;
    if (socket->route->queue_loop != NULL) {
        event.arguments.web_socket_ready.connection = connection->handle;
        events_mail(connection, socket->route->user_data, &event, NULL, 0);
        return;
    }
    before = server_enter(connection->server);
    socket->route->ready(connection->handle, socket->route->user_data);
    server_leave(before);
}

static bool mail_message(struct connection *connection, const struct message *message)
{
    ah_event event = {.kind = AH_EVENT_WEB_SOCKET_MESSAGE};

    event.arguments.web_socket_message.connection = connection->handle;
    event.arguments.web_socket_message.opcode = message->opcode;
    event.arguments.web_socket_message.data_len = message->size;
    return events_mail(connection, connection->web_socket.route->user_data, &event, message->data, message->size);
}

static bool deliver(struct connection *connection, const struct message *message)
{
    const struct web_socket_route *route = connection->web_socket.route;
    const char *data = (const char *)message->data;
    struct server *before;
    int32_t go_on = 1;

    if (route->queue_loop != NULL)
        return route->message == NULL || mail_message(connection, message);
    before = server_enter(connection->server);
    if (route->message != NULL)
        go_on = route->message(connection->handle, message->opcode, data, message->size, route->user_data);
    else if (route->data != NULL)
        go_on = route->data(connection->handle, message->opcode, data, (int32_t)message->size, route->user_data);
    server_leave(before);
    return go_on != 0;
}

static void handle_message(struct connection *connection, const struct message *message)
{
    struct web_socket *socket = &connection->web_socket;

    switch (message->opcode) {
    case OPCODE_PING:
        pthread_mutex_lock(&socket->sender.mutex);
        /* A client that takes nothing gets no more pongs: only its last ping needs one (section 5.5.3). */
        if (socket->sender.state == SENDER_OPEN &&
            sender_queued(&socket->sender) <= web_sockets_of(connection)->limits.max_queue_size)
            sender_frame(&socket->sender, OPCODE_PONG, 0, message->data, message->size);
        pthread_mutex_unlock(&socket->sender.mutex);
        break;
    case OPCODE_CLOSE:
        socket->closed_by_peer = true;
        /* The answer carries the code that came (section 5.5.1). */
        pthread_mutex_lock(&socket->sender.mutex);
        web_socket_begin_close(connection, message->data, message->size, message->size < 2 ? 0 : 2);
        pthread_mutex_unlock(&socket->sender.mutex);
        deliver(connection, message);
        end(connection);
        return;
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        statistics_add(&web_sockets_of(connection)->statistics, MESSAGES_RECEIVED, 1);
        statistics_add(&web_sockets_of(connection)->statistics, BYTES_RECEIVED, (int64_t)message->size);
        break;
    default:
        break;
    }
    if (!deliver(connection, message))
        web_socket_close(connection, CLOSE_NORMAL, "");
}

/* A message has all the time that it wants again: it has ended, or the program is behind and its rest is not read. */
static void stop_clock(struct web_socket *socket)
{
    if (socket->begun_at == 0)
        return;
    socket->begun_at = 0;
    atomic_store_explicit(&socket->message_until, 0, memory_order_relaxed);
}

/* Say until when what has begun to arrive, be it a header, is waited for. A client could send it byte by byte for
 * ever, and its connection would count neither as idle nor as gone. */
static void run_clock(struct connection *connection, size_t received)
{
    struct web_socket *socket = &connection->web_socket;
    int timeout = web_sockets_of(connection)->limits.message_timeout;

    if (timeout == 0 || receiver_is_at_rest(&socket->receiver))
        return;
    socket->begun_size += received;
    if (socket->begun_at == 0) {
        socket->begun_at = clock_now();
        socket->begun_size = 0;
    }
    atomic_store_explicit(&socket->message_until,
                          socket->begun_at + timeout + (int64_t)(socket->begun_size * 1000 / LEAST_PACE),
                          memory_order_relaxed);
}

/* Handle a control frame amid a message, or what is none: the callback's time is not the client's. */
static void handle_in_own_time(struct connection *connection, const struct message *message)
{
    struct web_socket *socket = &connection->web_socket;
    int64_t began = socket->begun_at != 0 ? clock_now() : 0;

    if (began != 0)
        atomic_store_explicit(&socket->message_until, 0, memory_order_relaxed);
    handle_message(connection, message);
    if (began != 0)
        socket->begun_at += clock_now() - began; /* run_clock sets the time anew */
}

/* Handle what is read last. */
static void handle_last(struct connection *connection)
{
    struct web_socket *socket = &connection->web_socket;

    socket->holds_last = false;
    if (socket->held_error.code == 0) {
        handle_message(connection, &socket->held_close);
        return;
    }
    web_socket_close(connection, socket->held_error.code, socket->held_error.reason);
    end(connection);
}

/* Turn bytes into callbacks, up to what is read last. */
static void consume(struct connection *connection, struct bytes bytes)
{
    struct web_socket *socket = &connection->web_socket;
    struct message message;
    struct receive_error error;
    size_t size = bytes.size;
    bool corked = false;

    while (!socket->ended && !socket->holds_last) {
        enum received received = receiver_next(&socket->receiver, &bytes, &message, &error);

        if (received == RECEIVED_NOTHING)
            break;
        if (receiver_is_at_rest(&socket->receiver))
            stop_clock(socket);
        if (received == RECEIVED_ERROR) {
            socket->held_error = error;
            socket->holds_last = true;
            break;
        }
        /* Answers to messages that came together leave together. Mail is answered elsewhere. */
        if (!corked && socket->route->queue_loop == NULL && bytes.size > 0 && receiver_has_frame(&socket->receiver, &bytes)) {
            corked = true;
            set_cork(socket, true);
        }
        if (message.opcode == OPCODE_CLOSE) {
            socket->held_close = message;
            socket->holds_last = true;
            break;
        }
        handle_in_own_time(connection, &message);
    }
    if (corked)
        set_cork(socket, false);
    if (socket->holds_last)
        stop_clock(socket);
    else
        run_clock(connection, size);
}

/* Read until nothing is left, for a while; true when there may be more. */
static bool read_by(uint8_t *buffer, struct connection *connection, bool to_end)
{
    struct web_socket *socket = &connection->web_socket;
    ssize_t count;
    int i;

    for (i = 0; i < READS_IN_A_ROW && !socket->peer_ended; i++) {
        if (events_has_much_mail(connection)) {
            stop_clock(socket);
            return false;
        }
        if (socket->sender.transport.tls != NULL) {
            pthread_mutex_lock(&socket->sender.mutex); /* a TLS object serves one thread at a time */
            count = transport_read(&socket->sender.transport, buffer, READ_BUFFER_SIZE);
            pthread_mutex_unlock(&socket->sender.mutex);
        } else {
            count = transport_read(&socket->sender.transport, buffer, READ_BUFFER_SIZE);
        }
        if (count == TRANSPORT_LATER)
            return false;
        if (count <= 0) {
            socket->peer_ended = true;
            return false;
        }
        atomic_store_explicit(&socket->received_at, clock_now(), memory_order_relaxed);
        consume(connection, (struct bytes){buffer, (size_t)count});
        /* A socket that gave less than was asked for is empty; the edge tells when it is not. But the end
         * of the stream behind these bytes has no other edge than theirs. */
        if (!to_end && socket->sender.transport.tls == NULL && (size_t)count < READ_BUFFER_SIZE)
            return false;
    }
    return !socket->peer_ended;
}

static bool read_input(struct connection *connection, bool to_end)
{
    uint8_t *buffer = read_buffer_take();
    bool more;

    if (buffer == NULL) {
        connection->web_socket.peer_ended = true; /* it is lost */
        return false;
    }
    more = read_by(buffer, connection, to_end);
    read_buffer_give(buffer);
    return more;
}

/* Do the work; true when the connection is at its end and to be freed. */
static bool process(struct connection *connection, unsigned work)
{
    struct web_socket *socket = &connection->web_socket;
    bool lost, drained, waits;

    if (!socket->announced) {
        announce(connection);
        if (socket->early != NULL)
            consume(connection, (struct bytes){socket->early, socket->early_size});
        free(socket->early);
        socket->early = NULL;
    }
    if ((work & WORK_READ) && read_input(connection, work & WORK_END))
        web_socket_schedule(connection);
    if (socket->holds_last && (socket->peer_ended || !events_has_mail(connection)))
        handle_last(connection);

    pthread_mutex_lock(&socket->sender.mutex);
    if (work & (WORK_WRITE | WORK_FLUSH))
        sender_flush(&socket->sender);
    lost = socket->sender.lost || atomic_load(&socket->expired);
    pthread_mutex_unlock(&socket->sender.mutex);
    /* A client that has ended its side may still read the answers to what it has sent. */
    if (lost || (socket->peer_ended && !events_has_mail(connection))) {
        if (socket->holds_last)
            handle_last(connection); /* nothing is told behind the end */
        end(connection);
    }
    if (!socket->ended)
        return false;

    /* The closing handshake is over, or failed. The server ends the stream first and waits for the
     * client to do so (section 7.1.1), lest a reset overtake the Close frame. A client that has ended
     * its side already may still read. So as a client, wait for the server, unless it has broken the rules. */
    pthread_mutex_lock(&socket->sender.mutex);
    lost = socket->sender.lost || atomic_load(&socket->expired);
    drained = sender_queued(&socket->sender) == 0;
    waits = socket->sender.masks && socket->closed_by_peer && !socket->peer_ended;
    if (drained && !socket->sender.output_ended && !lost && !waits) {
        socket->sender.output_ended = true;
        transport_end(&socket->sender.transport);
    }
    pthread_mutex_unlock(&socket->sender.mutex);
    return (lost || (socket->peer_ended && drained)) && !events_has_mail(connection);
}

/* Whether the end of a connection of a polled loop is for a thread of the server. The callbacks that
 * it calls may wait for the polling thread, which must not wait for itself. */
static bool ends_elsewhere(const struct connection *connection)
{
    const ah_callbacks *callbacks = &connection->server->callbacks;

    return connection->web_socket.route->queue_loop != NULL &&
           (callbacks->end_request != NULL || callbacks->connection_close != NULL || callbacks->connection_closed != NULL);
}

static void finish(struct connection *connection)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    struct web_socket *socket = &connection->web_socket;

    loop_remove(socket->loop, socket->sender.transport.socket);
    pthread_mutex_lock(&sockets->mutex);
    if (socket->previous != NULL)
        socket->previous->web_socket.next = socket->next;
    else
        sockets->first = socket->next;
    if (socket->next != NULL)
        socket->next->web_socket.previous = socket->previous;
    pthread_mutex_unlock(&sockets->mutex);

    groups_leave_all(&sockets->groups, connection);
    connection_end(connection);

    web_sockets_leave(sockets); /* last of all: whoever waits for that may free the server then */
}

/* The handlers of loops */

/* Own the connection until no work is left; with a pin, which is given up. True when the connection is
 * at its end: it is still marked as busy then, so that nobody else begins anything. */
static bool work_through(struct connection *connection, uint32_t events)
{
    unsigned work = WORK_BUSY, before, expected;
    bool ended;

    if (events == 0 && atomic_exchange(&connection->web_socket.scheduled, false))
        work |= WORK_READ | WORK_WRITE | WORK_END;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        work |= WORK_READ | WORK_END;
    if (events & EPOLLIN)
        work |= WORK_READ;
    if (events & EPOLLOUT)
        work |= WORK_WRITE;
    /* TLS may want to write in order to read, and the other way round. */
    if (connection->web_socket.sender.transport.tls != NULL)
        work |= WORK_READ | WORK_WRITE;
    before = atomic_fetch_or(&connection->web_socket.work, work);
    if (before & WORK_BUSY) {
        /* Its owner will see the work; but it may be in a callback for long, and what can be sent is. */
        atomic_fetch_and(&connection->web_socket.work, ~(unsigned)WORK_FLUSH);
        if ((work & WORK_WRITE) || (before & WORK_FLUSH))
            flush(connection, false);
        handle_unpin(connection->handle);
        return false;
    }
    atomic_store_explicit(&connection->web_socket.overdue, false, memory_order_relaxed);
    do {
        work = atomic_fetch_and(&connection->web_socket.work, WORK_BUSY);
        ended = process(connection, work);
        expected = WORK_BUSY;
    } while (!ended && !atomic_compare_exchange_strong(&connection->web_socket.work, &expected, 0));
    handle_unpin(connection->handle);
    return ended;
}

void web_socket_ready(void *handle, uint32_t events)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL)
        return; /* an event that was on its way when the connection ended */
    if (connection->web_socket.route->queue_loop != NULL) {
        /* Woken by web_socket_ready_polled, once and last of all. */
        handle_unpin(handle);
        finish(connection);
    } else if (work_through(connection, events)) {
        finish(connection);
    }
}

void web_socket_ready_polled(void *handle, uint32_t events)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL || !work_through(connection, events))
        return;
    /* Without memory for that, the polled loop's standby ends the wait. */
    if (!ends_elsewhere(connection) || !loop_wake(web_sockets_of(connection)->loop, handle))
        finish(connection);
}

/* A callback blocks: what it has written so far is sent by another thread. */
void web_socket_overdue(void *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL)
        return;
    atomic_store(&connection->web_socket.overdue, true);
    set_cork(&connection->web_socket, false);
    handle_unpin(handle);
}

bool web_socket_keep_early(struct web_socket *socket, const void *bytes, size_t size)
{
    if (size == 0)
        return true;
    socket->early = malloc(size);
    if (socket->early == NULL)
        return false;
    memcpy(socket->early, bytes, size);
    socket->early_size = size;
    return true;
}

void web_socket_begin(struct connection *connection, int descriptor, SSL *tls, const void *first, size_t size)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    struct web_socket *socket = &connection->web_socket;

    socket->loop = socket->route->queue_loop != NULL ? socket->route->queue_loop : sockets->loop;
    socket->receiver.max_message_size = sockets->limits.max_message_size;
    socket->receiver.inflater = socket->inflater;
    statistics_add(&sockets->statistics, OPENED, 1);
    statistics_add(&sockets->statistics, OPEN_NOW, 1);
    transport_open(&socket->sender.transport, descriptor, tls);
    socket->probed_at = clock_now();
    atomic_store(&socket->received_at, socket->probed_at);

    /* In the list before it is open: whoever knows the handle may write then, and a failed write ends it. */
    pthread_mutex_lock(&sockets->mutex);
    socket->next = sockets->first;
    if (socket->next != NULL)
        socket->next->web_socket.previous = connection;
    sockets->first = connection;

    pthread_mutex_lock(&socket->sender.mutex);
    socket->sender.state = SENDER_OPEN;
    if (size > 0 && !sender_append(&socket->sender, first, size))
        socket->sender.lost = true;
    sender_flush(&socket->sender);
    pthread_mutex_unlock(&socket->sender.mutex);

    if (sockets->stopping)
        web_socket_say_goodbye(connection);
    /* From here on the loop has it: the socket can be written to, which is its first event. */
    if (!loop_add(socket->loop, descriptor, connection->handle))
        web_socket_expire(connection);
    pthread_mutex_unlock(&sockets->mutex);
}

void web_socket_init(struct web_socket *socket)
{
    sender_init(&socket->sender);
}

void web_socket_free(struct web_socket *socket)
{
    sender_free(&socket->sender);
    receiver_free(&socket->receiver);
    inflater_free(socket->inflater);
    free(socket->early);
    if (socket->own_route != NULL)
        route_free(socket->own_route);
    free(socket->answer.subprotocol);
    free(socket->answer.headers);
}
