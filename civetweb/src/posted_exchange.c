/*
 * Requests for programs that answer when they can, such as the tasks of an event loop.
 *
 * CivetWeb's worker must not leave a request before it is answered. Instead of waiting for a callback's
 * result, as rt_event_post does, the worker stays in ah_post_exchange and works for the program:
 *
 *   1. it posts an event with the request in one block, and the part of the body that is there;
 *   2. ah_exchange_write, on the program's thread, sends what the socket takes at once. What it does
 *      not take is left to the worker, which writes it and posts an event when all is written;
 *   3. ah_exchange_read has the worker wait for the next part of the body, and post it;
 *   4. when the answer is complete, the worker goes back to CivetWeb and its next request.
 *
 * Meanwhile somebody watches the socket, to notice that the client has gone. Where it can, the worker
 * lends the connection to the queue's loop for this, and sleeps. When the answer is complete and the
 * client's next request comes, the thread that leads the loop, which is the program's own most of the
 * time, takes the worker's place in CivetWeb: it reads the request, ends the last one and begins this
 * one, by the same functions (take_next). No thread hands it to another. The worker is called when
 * anything could make that thread wait, such as a request that has not come whole, bytes that the
 * socket does not take, or a refusal; it goes on where things stand. It also takes the connection back
 * when nothing has come for a while, and lets CivetWeb wait for the next request.
 *
 * Of many requests that the program has got at once, the answers are put off, and sent by the loop's own
 * thread while the program goes on to the next ones (loop_put_off): the system's work of sending is a good
 * part of what a request costs, and the program's thread is mostly the only one that can do the rest.
 *
 * A connection that is not lent, such as one with TLS, is polled by its worker, which need not be woken
 * when the answer is complete, since the next request wakes it (it lingers).
 */
#define _GNU_SOURCE /* POLLRDHUP */

#include "posted_exchange.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alusus_http/alusus_http_events.h"
#include "civetweb_internal.h"
#include "clock.h"
#include "connection.h"
#include "errors.h"
#include "events/events.h"
#include "handles.h"
#include "http/request.h"
#include "http/response.h"
#include "posted_events.h"
#include "web_socket/loop.h"
#include "web_socket/web_sockets.h"

/* How long a worker sleeps until it looks whether the server is being stopped, and until it stops
 * lingering or takes back what was lent: a keep-alive connection closes that much later than
 * keep_alive_timeout_ms says, or twice that when it was lent. */
#define LOOK_MS 500

/* What ah_post_exchange returns for a request on a lent connection, which is being answered. */
#define GOES_ON 102

/* How much of a body is read, or written, at once. */
#define PART ((size_t)64 << 10)

/* A longer answer is not worth a copy. */
#define MOST_GATHERED ((size_t)16 << 10)

void posted_exchange_init(struct posted_exchange *exchange)
{
    pthread_mutex_init(&exchange->mutex, NULL);
    exchange->wake = -1;
}

void posted_exchange_free(struct posted_exchange *exchange)
{
    if (exchange->wake >= 0)
        close(exchange->wake);
    loop_release(exchange->loop);
    free(exchange->unsent);
    pthread_mutex_destroy(&exchange->mutex);
}

/* The functions from here to ah_post_exchange hold the mutex when they are called and when they return. */

/* Begin the exchange of a request that CivetWeb has read. False: nobody gets it. */
static bool begin(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;

    exchange->number++;
    if (!posted_events_request(connection))
        return false;
    exchange->answered = exchange->wants_body = exchange->asked = exchange->body_is_here = exchange->lost = false;
    return true;
}

static void report_gone(struct connection *connection)
{
    if (!connection->posted_exchange.answered)
        posted_events_tell(connection, AH_EXCHANGE_GONE, 0, NULL, 0);
}

static void call_worker(struct posted_exchange *exchange)
{
    exchange->called = true;
    eventfd_write(exchange->wake, 1);
}

/* Send an answer that was put off, as far as the socket takes it. */
static void send_gathered(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    ssize_t count = civetweb_write_some(connection->civetweb, exchange->unsent, exchange->unsent_size);

    exchange->gathered = false;
    if (count < 0) {
        exchange->lost = true;
        exchange->unsent_size = 0;
        civetweb_close_after_answer(connection->civetweb);
    } else {
        exchange->unsent_size -= (size_t)count;
        memmove(exchange->unsent, exchange->unsent + count, exchange->unsent_size);
    }
    if (exchange->lost || exchange->unsent_size > 0)
        call_worker(exchange);
    else
        connection_end_request(connection);
}

/* The loop's side */

void posted_exchange_send(void *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL)
        return; /* it has ended, with everything sent that could be */
    pthread_mutex_lock(&connection->posted_exchange.mutex);
    if (connection->posted_exchange.gathered)
        send_gathered(connection);
    pthread_mutex_unlock(&connection->posted_exchange.mutex);
    handle_unpin(handle);
}

/* The client's next request has come, or something else that is the worker's. */
static void take_next(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    struct mg_connection *civetweb = connection->civetweb;
    enum civetweb_ahead ahead = civetweb_may_read_ahead(civetweb) ? civetweb_read_ahead(civetweb) : AHEAD_OTHER;
    int status;

    if (ahead == AHEAD_NOTHING)
        return;
    if (ahead == AHEAD_OTHER || atomic_load(&connection->server->departing) ||
        atomic_load(&connection->server->in_flight.closed) ||
        handlers_have_authorizations(&connection->server->handlers)) {
        call_worker(exchange);
        return;
    }
    status = response_settle(connection, exchange->status);
    exchange->status = 503; /* of the next one, if it does not come as far as ah_post_exchange */
    civetweb_begin_next(civetweb, status); /* which calls that */
    if (!exchange->answered)
        return;
    civetweb_close_after_answer(civetweb);
    call_worker(exchange);
}

void posted_exchange_ready(ah_connection *handle, uint32_t events)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);
    struct posted_exchange *exchange;

    if (connection == NULL)
        return; /* an event that was on its way when the connection ended */
    exchange = &connection->posted_exchange;
    pthread_mutex_lock(&exchange->mutex);
    if (exchange->gathered)
        send_gathered(connection);
    if (exchange->lent && !exchange->called && (events & ~(uint32_t)EPOLLOUT) != 0) {
        bool early = !exchange->answered;

        if (!early)
            take_next(connection);
        /* The worker finds out whether the client has gone, or does not wait for answers. The end of the stream is
         * told once: it may be there behind the request that has just been read. */
        if (early || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
            call_worker(exchange);
    }
    pthread_mutex_unlock(&exchange->mutex);
    handle_unpin(handle);
}

bool posted_exchange_refuse(struct connection *connection, int status, const char *reason)
{
    struct posted_exchange *exchange = &connection->posted_exchange;

    if (!exchange->lent)
        return false;
    exchange->status = status;
    exchange->refusal = reason;
    return true;
}

/* The worker's side */

/* Lend the connection to the loop, if its next request can come there. Callbacks that wait for the program
 * would keep the loop waiting, whose leader may be the one that answers them. */
static void lend(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    const ah_callbacks *callbacks = &connection->server->callbacks;

    if (callbacks->end_request != NULL || callbacks->log_message != NULL || callbacks->http_error != NULL ||
        !civetweb_may_read_ahead(connection->civetweb))
        return;
    if (exchange->loop == NULL)
        exchange->loop = events_loop(connection->server->user_data);
    exchange->lent = exchange->loop != NULL &&
                     loop_add(exchange->loop, civetweb_socket(connection->civetweb), handle_mark(connection->handle));
}

/* Sleep until the worker is called or the connection is idle, and take it back then. */
static void await_call(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    struct pollfd wake = {.fd = exchange->wake, .events = POLLIN};
    uint64_t number = exchange->number;
    eventfd_t times;
    bool idle;

    pthread_mutex_unlock(&exchange->mutex);
    idle = poll(&wake, 1, LOOK_MS) == 0;
    if (wake.revents != 0)
        eventfd_read(exchange->wake, &times);
    pthread_mutex_lock(&exchange->mutex);
    if (exchange->called || civetweb_is_stopping(connection->civetweb) ||
        (idle && exchange->answered && exchange->number == number)) {
        if (exchange->gathered)
            send_gathered(connection);
        loop_remove(exchange->loop, civetweb_socket(connection->civetweb));
        exchange->lent = false;
    }
}

/* Let the worker use CivetWeb's connection without the mutex, which it may do for long. */
static void begin_work(struct posted_exchange *exchange)
{
    exchange->busy = true;
    pthread_mutex_unlock(&exchange->mutex);
}

static void lose(struct connection *connection)
{
    connection->posted_exchange.lost = true;
    civetweb_close_after_answer(connection->civetweb);
    report_gone(connection);
}

static void end_work(struct posted_exchange *exchange)
{
    pthread_mutex_lock(&exchange->mutex);
    exchange->busy = false;
}

static void write_unsent(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    char *data = exchange->unsent;
    size_t size = exchange->unsent_size, sent = 0;
    bool lost = false;

    exchange->unsent = NULL;
    exchange->unsent_size = 0;
    exchange->writing_size = size;
    begin_work(exchange);
    while (sent < size && !lost) {
        size_t part = size - sent < PART ? size - sent : PART;

        lost = mg_write(connection->civetweb, data + sent, part) != (int)part;
        sent += part;
    }
    free(data);
    end_work(exchange);
    exchange->writing_size = 0;
    if (lost)
        lose(connection);
    else if (exchange->unsent_size == 0 && !exchange->answered)
        posted_events_tell(connection, AH_EXCHANGE_WRITTEN, 0, NULL, 0);
}

/* A client that waits to be asked for the body is asked before it is waited for. */
static void ask_for_body(struct connection *connection)
{
    connection->posted_exchange.asked = true;
    request_ask_for_body(connection);
}

/* The body cannot be read to its end. An answer that has been completed meanwhile is sent all the same. Else the client
 * has gone for the program; who is still there is told why, if no answer has begun. */
static void refuse_body(struct connection *connection, int failure)
{
    struct posted_exchange *exchange = &connection->posted_exchange;

    if (exchange->answered || exchange->lost) {
        civetweb_close_after_answer(connection->civetweb);
        return;
    }
    lose(connection);
    if (connection->response.state != RESPONSE_NONE)
        return;
    exchange->status = failure == CIVETWEB_READ_LATE ? 408 : 400;
    exchange->refusal = failure == CIVETWEB_READ_LATE        ? "the body of the request has not arrived in time"
                        : failure == CIVETWEB_READ_MALFORMED ? "the chunks of the body are malformed"
                                                             : "the body of the request is not complete";
}

/* What has begun to come may not come to the end of a chunk's head, or of a record of TLS, for long. */
static bool work_meanwhile(void *argument)
{
    struct connection *connection = argument;
    struct posted_exchange *exchange = &connection->posted_exchange;
    eventfd_t times;
    bool wanted;

    eventfd_read(exchange->wake, &times);
    end_work(exchange);
    if (exchange->unsent_size > 0)
        write_unsent(connection);
    wanted = !exchange->answered && !exchange->lost;
    begin_work(exchange);
    return wanted;
}

static void read_body(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    struct mg_connection *civetweb = connection->civetweb;
    struct civetweb_meanwhile meanwhile = {exchange->wake, work_meanwhile, connection};
    char *part = malloc(PART);
    int count;

    exchange->wants_body = exchange->body_is_here = false;
    begin_work(exchange);
    count = part == NULL ? CIVETWEB_READ_CLOSED : civetweb_read_meanwhile(civetweb, part, PART, &meanwhile);
    end_work(exchange);
    if (count < 0)
        refuse_body(connection, count);
    else
        posted_events_tell(connection, AH_EXCHANGE_BODY, civetweb_body_is_complete(civetweb) ? 0 : AH_EXCHANGE_MORE_BODY,
                           part, (size_t)count);
    free(part);
}

bool posted_exchange_is_awaited(ah_connection *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);
    struct pollfd client = {.fd = civetweb_socket(connection->civetweb), .events = POLLRDHUP};
    bool awaited = !atomic_load(&connection->web_socket.answer.watched) || poll(&client, 1, 0) == 0;

    if (!awaited)
        posted_events_tell(connection, AH_EXCHANGE_GONE, 0, NULL, 0);
    handle_unpin(handle);
    return awaited;
}

/* Poll once, for what may come after the body as long as `*watch`. */
static void await_work(struct connection *connection, bool *watch)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    const struct mg_connection *civetweb = connection->civetweb;
    const ah_callbacks *callbacks = &connection->server->callbacks;
    bool watches = *watch && civetweb_body_is_complete(civetweb);
    struct pollfd polled[2] = {
        {.fd = watches || exchange->wants_body ? civetweb_socket(civetweb) : -1, .events = POLLIN},
        {.fd = exchange->wake, .events = POLLIN},
    };
    eventfd_t times;

    exchange->lingers = watches && callbacks->end_request == NULL && callbacks->log_access == NULL &&
                        civetweb_keeps_alive(civetweb) && !civetweb_has_next_request(civetweb);
    pthread_mutex_unlock(&exchange->mutex);
    if (poll(polled, 2, LOOK_MS) <= 0)
        polled[0].revents = polled[1].revents = 0;
    if (polled[1].revents != 0)
        eventfd_read(exchange->wake, &times);
    pthread_mutex_lock(&exchange->mutex);
    exchange->lingers = false;
    if (polled[0].revents == 0)
        return;
    if (!watches) {
        exchange->body_is_here = true;
        return;
    }
    if (!exchange->answered && civetweb_client_has_left(civetweb))
        report_gone(connection);
    *watch = false; /* its next request has come early, or nothing comes any more */
}

/* The client has sent nothing of the body for request_timeout_ms. */
static void give_up(struct connection *connection)
{
    connection->posted_exchange.wants_body = false;
    refuse_body(connection, CIVETWEB_READ_LATE);
}

static void serve(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    bool watch = true;

    lend(connection);
    while (exchange->lent)
        await_call(connection);
    while (!civetweb_is_stopping(connection->civetweb)) {
        if (exchange->unsent_size > 0 && !exchange->lost)
            write_unsent(connection);
        else if (exchange->answered)
            return;
        else if (exchange->wants_body && !exchange->asked)
            ask_for_body(connection);
        else if (exchange->wants_body && (exchange->body_is_here || civetweb_has_input(connection->civetweb)))
            read_body(connection);
        else if (exchange->wants_body && clock_now() > exchange->deadline)
            give_up(connection);
        else
            await_work(connection, &watch);
    }
    report_gone(connection);
}

int32_t ah_post_exchange(ah_connection *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);
    struct posted_exchange *exchange;
    int32_t status = 503;

    if (connection == NULL)
        return status;
    exchange = &connection->posted_exchange;
    if (exchange->lent) { /* its worker is further down, and this thread has the mutex */
        begin(connection);
        handle_unpin(handle);
        return GOES_ON;
    }
    pthread_mutex_lock(&exchange->mutex);
    if (exchange->wake < 0) {
        exchange->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        posted_events_note_addresses(connection);
    }
    exchange->called = false;
    exchange->refusal = NULL;
    exchange->open = exchange->wake >= 0;
    if (exchange->open && begin(connection)) {
        serve(connection);
        status = exchange->answered ? exchange->status : 503;
    }
    exchange->open = false;
    free(exchange->unsent);
    exchange->unsent = NULL;
    exchange->unsent_size = 0;
    pthread_mutex_unlock(&exchange->mutex);
    handle_unpin(handle);
    return status;
}

/* The program's side */

/* The connection, pinned and with the mutex, while this exchange is open and not answered. */
static struct connection *enter(ah_connection *handle, uint64_t number)
{
    struct connection *connection;
    struct posted_exchange *exchange;

    error_clear();
    connection = handle_pin(HANDLE_CONNECTION, handle);
    if (connection == NULL)
        return NULL;
    exchange = &connection->posted_exchange;
    pthread_mutex_lock(&exchange->mutex);
    if (exchange->open && exchange->number == number && !exchange->answered && !exchange->lost)
        return connection;
    if (exchange->number == number && exchange->answered)
        error_set(AH_ERROR_WRONG_STATE, "the answer is complete already");
    else
        error_set(AH_ERROR_CONNECTION_CLOSED, "the answer could not be sent: the client has gone, took nothing for "
                                              "request_timeout_ms, or the server is being stopped");
    pthread_mutex_unlock(&exchange->mutex);
    handle_unpin(handle);
    return NULL;
}

static void leave(struct connection *connection)
{
    ah_connection *handle = connection->handle;

    pthread_mutex_unlock(&connection->posted_exchange.mutex);
    handle_unpin(handle);
}

/* Leave bytes to the worker. */
static bool keep(struct posted_exchange *exchange, const char *data, size_t size)
{
    char *grown = realloc(exchange->unsent, exchange->unsent_size + size);

    if (grown == NULL) {
        error_set_no_memory();
        return false;
    }
    memcpy(grown + exchange->unsent_size, data, size);
    exchange->unsent = grown;
    exchange->unsent_size += size;
    return true;
}

/* Have the end of an answer sent later, if answers are put off now. */
static bool put_off(struct connection *connection, size_t size)
{
    struct posted_exchange *exchange = &connection->posted_exchange;

    return size > 0 && size <= MOST_GATHERED && exchange->lent && !exchange->called && event_is_taken() &&
           loop_put_off(exchange->loop, connection->handle);
}

int64_t ah_exchange_write(ah_connection *handle, uint64_t number, const char *data, size_t size, int32_t status)
{
    struct connection *connection = enter(handle, number);
    struct posted_exchange *exchange;
    size_t sent = 0;
    int64_t result = -1;

    if (connection == NULL)
        return -1;
    exchange = &connection->posted_exchange;
    connection->response.state = RESPONSE_RAW;
    if (status > 0 && put_off(connection, size)) {
        exchange->gathered = true;
    } else if (size > 0 && exchange->unsent_size == 0 && !exchange->busy) {
        ssize_t count = civetweb_write_some(connection->civetweb, data, size);

        if (count < 0) {
            error_set(AH_ERROR_CONNECTION_CLOSED, "the answer could not be sent: the client has gone");
            exchange->lost = true;
            civetweb_close_after_answer(connection->civetweb);
            goto done;
        }
        sent = (size_t)count;
    }
    if (sent < size && !keep(exchange, data + sent, size - sent)) {
        exchange->gathered = false;
        goto done;
    }
    if (status != 0) {
        exchange->answered = true;
        exchange->status = status < 0 ? -status : status;
        if (status < 0)
            civetweb_close_after_answer(connection->civetweb);
    }
    if (!exchange->gathered &&
        (exchange->unsent_size > 0 || status < 0 || (status > 0 && !exchange->lent && !exchange->lingers)))
        call_worker(exchange);
    else if (!exchange->gathered && status > 0) /* the worker comes to know of it with the next request alone */
        connection_end_request(connection);
    result = (int64_t)(exchange->unsent_size + exchange->writing_size);
done:
    leave(connection);
    return result;
}

int32_t ah_exchange_read(ah_connection *handle, uint64_t number)
{
    struct connection *connection = enter(handle, number);

    if (connection == NULL)
        return -1;
    connection->posted_exchange.wants_body = true;
    connection->posted_exchange.deadline = clock_now() + civetweb_request_timeout(connection->civetweb);
    call_worker(&connection->posted_exchange);
    leave(connection);
    return 0;
}

int32_t ah_exchange_abandon(ah_connection *handle, uint64_t number, int32_t status)
{
    struct connection *connection;
    struct posted_exchange *exchange;

    error_clear();
    connection = handle_pin(HANDLE_CONNECTION, handle);
    if (connection == NULL)
        return -1;
    exchange = &connection->posted_exchange;
    pthread_mutex_lock(&exchange->mutex);
    if (exchange->open && exchange->number == number && !exchange->answered) {
        exchange->answered = true;
        if (exchange->refusal == NULL)
            exchange->status = status > 0 ? status : 500;
        civetweb_close_after_answer(connection->civetweb);
        call_worker(exchange);
    }
    leave(connection);
    return 0;
}

int32_t ah_exchange_watch(ah_connection *handle)
{
    struct connection *connection;

    error_clear();
    connection = handle_pin(HANDLE_CONNECTION, handle);
    if (connection == NULL)
        return -1;
    atomic_store(&connection->web_socket.answer.watched, true);
    handle_unpin(handle);
    return 0;
}
