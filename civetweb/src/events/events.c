/*
 * The polled driver: callbacks that are answered by whoever asks for them.
 *
 * A language that cannot be called from foreign threads registers the ah_post_* functions as its
 * callbacks. What would have been a call travels as an event to a thread of that language:
 *
 *   1. ah_post_x fills an event and calls rt_event_post, which appends it to the queue and waits;
 *   2. ah_next_events gives it to a polling thread, which reads the arguments where they are;
 *   3. ah_answer_events stores the result and wakes the thread of step 1, which returns it.
 *
 * Arguments are not copied: the thread that owns them stands still until the answer. Where that would
 * hold up others, for the events of open WebSockets, nobody waits: events_mail copies the message into
 * the WebSocket's mailbox, and step 3 does what the result asks for.
 *
 * These WebSockets live on the queue's own loop (web_socket/loop.h), which the polling thread leads:
 * ah_next_events waits for sockets, reads them, and returns with what has become of the bytes, on one
 * thread. What is written while the events are handled is gathered (web_socket/cork.h).
 *
 * This file has the way of an event: posted, taken, answered. queue.c opens and closes a queue, mail.c
 * has the mailboxes, pollers.c the threads that poll and the lead, readers.c those that ask for the
 * events of one WebSocket.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../connection.h"
#include "../errors.h"
#include "../handles.h"
#include "../posted_exchange.h"
#include "../server.h"
#include "../web_socket/cork.h"
#include "../web_socket/frame.h"
#include "../web_socket/loop.h"
#include "../web_socket/web_socket.h"
#include "queue.h"
#include "runtime.h"

/* How often a worker that waits for a decision about a WebSocket looks whether its client still does, in milliseconds. */
#define LOOK_MS 500

/* Wait for the answer to a call, with the mutex. While a program decides about a WebSocket, nobody else looks after its
 * client. */
static void await_answer(struct event_queue *queue, struct call *call)
{
    bool looks = call->event.kind == AH_EVENT_WEB_SOCKET_CONNECT;
    struct timespec until;

    while (!call->done && looks) {
        until = clock_after(LOOK_MS);
        if (pthread_cond_timedwait(&call->answered, &queue->mutex, &until) == ETIMEDOUT && !call->done) {
            pthread_mutex_unlock(&queue->mutex);
            looks = posted_exchange_is_awaited(call->event.arguments.web_socket_connect.connection);
            pthread_mutex_lock(&queue->mutex);
        }
    }
    while (!call->done)
        pthread_cond_wait(&call->answered, &queue->mutex);
}

int32_t rt_event_post(const void *receiver, ah_event *event, int32_t failure)
{
    struct server *server = server_current();
    struct call call = {.result = failure};
    struct event_queue *queue;
    ah_event_queue *handle;

    if (server == NULL) {
        error_set(AH_ERROR_WRONG_THREAD, "only the server calls the ah_post_ functions");
        return failure;
    }
    queue = queue_address(event, server, receiver != NULL ? receiver : server->user_data, &handle);
    if (queue == NULL)
        return failure;
    call.event = *event;
    clock_condition(&call.answered);
    pthread_mutex_lock(&queue->mutex);
    /* The only thread that could answer is not to wait for itself. */
    if (!queue->closed && !(queue->watched && pthread_equal(queue->watcher, pthread_self()))) {
        queue_offer(queue, &call);
        await_answer(queue, &call);
    }
    pthread_mutex_unlock(&queue->mutex);
    pthread_cond_destroy(&call.answered);
    handle_unpin(handle);
    return call.result;
}

bool events_note(struct server *server, const ah_event *event, const void *data, size_t size)
{
    struct call *call = calloc(1, sizeof *call + size);
    struct event_queue *queue;
    ah_event_queue *handle;
    bool noted = false;

    if (call == NULL)
        return false;
    call->event = *event;
    call->is_note = true;
    call->size = size;
    if (size > 0)
        memcpy(call + 1, data, size);
    call->event.arguments.exchange.data = (const char *)(call + 1);
    call->event.arguments.exchange.data_len = size;
    queue = queue_address(&call->event, server, server->user_data, &handle);
    if (queue == NULL) {
        free(call);
        return false;
    }
    pthread_mutex_lock(&queue->mutex);
    if (!queue->closed) {
        queue_offer(queue, call);
        noted = true;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (!noted) {
        handle_unpin(handle);
        free(call);
    }
    return noted; /* the call keeps the pin */
}

/* Where the data of an event is said to be; null for one without, or whose data is its sender's. */
static const char **data_of(ah_event *event)
{
    switch (event->kind) {
    case AH_EVENT_WEB_SOCKET_MESSAGE:
        return &event->arguments.web_socket_message.data;
    case AH_EVENT_EXCHANGE:
        return &event->arguments.exchange.data;
    default:
        return NULL;
    }
}

static bool put(struct batch *batch, const struct call *call)
{
    ah_event *event = &batch->events[batch->count];
    const char **data;
    bool copied;

    if (batch->count == batch->capacity)
        return false;
    *event = call->event;
    data = data_of(event);
    copied = data != NULL && call->size <= AH_EVENT_COPIED;
    if (copied && call->size > batch->memory_left)
        return false;
    if (copied) {
        memcpy(batch->memory, *data, call->size);
        *data = batch->memory;
        batch->memory += call->size;
        batch->memory_left -= call->size;
    }
    batch->count++;
    return true;
}

static bool take_call(struct event_queue *queue, struct call *call, struct batch *batch)
{
    call->event.id = queue->last_id + 1;
    if (!put(batch, call))
        return false;
    queue->last_id++;
    call->taken_by = &this_poller;
    calls_append(&queue->taken, call);
    return true;
}

bool batch_take_run(struct event_queue *queue, struct call *call, struct batch *batch)
{
    bool is_ready = false;

    for (; call != NULL && !is_ready; call = call->next_mail) {
        is_ready = call->event.kind == AH_EVENT_WEB_SOCKET_READY;
        if (!take_call(queue, call, batch))
            return false;
    }
    return true;
}

/* Take what waits, with the mutex. */
static void take(struct event_queue *queue, struct batch *batch)
{
    struct call *call;

    while ((call = queue->waiting.first) != NULL) {
        calls_remove(&queue->waiting, call);
        if (batch_take_run(queue, call, batch))
            continue;
        if (call->taken_by == NULL)
            calls_prepend(&queue->waiting, call);
        return;
    }
}

/* Sleep until there is no leader, with the mutex; false when the time is over. */
static bool await_relief(struct event_queue *queue, int64_t deadline)
{
    struct timespec until;
    int waited = 0;

    if (deadline >= 0)
        until = clock_after((int)(deadline - clock_now()));
    if (queue->led && queue->waiting.first != NULL)
        loop_interrupt(queue->loop); /* a reader leads, which has found nobody to take that */
    poller_call_heir();
    queue->asleep++;
    while (queue->leader != NULL && queue->help == 0 && !queue->closed && waited != ETIMEDOUT)
        waited = deadline < 0 ? pthread_cond_wait(&queue->relief, &queue->mutex)
                              : pthread_cond_timedwait(&queue->relief, &queue->mutex, &until);
    queue->asleep--;
    return waited != ETIMEDOUT;
}

/* Wait for events and take them, with the mutex. True for a thread that is to do something. */
static bool wait_and_take(struct event_queue *queue, int timeout_ms, struct batch *batch)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_now() + timeout_ms, left = timeout_ms;

    while (!queue->closed) {
        if (queue->help > 0) {
            queue->help--;
            return true;
        }
        if ((queue->leader != NULL && queue->leader != &this_poller) ||
            (queue->due.first != NULL && lead_hand_over(queue))) {
            if (await_relief(queue, deadline))
                continue;
            if (queue->leader == NULL) /* it was for this thread */
                lead_resign(queue);
            return false;
        }
        if (deadline > 0 && left > 0)
            left = deadline > clock_now() ? deadline - clock_now() : 0;
        /* Sockets are looked at however many other events there are. */
        lead_take(queue, queue->waiting.first != NULL ? 0 : (int)left);
        if (queue->closed)
            break;
        take(queue, batch);
        if (batch->count > 0)
            return true;
        if (deadline >= 0 && clock_now() >= deadline) {
            lead_resign(queue);
            return false;
        }
    }
    return false;
}

bool batch_has_room(int32_t capacity, size_t memory_size)
{
    if (capacity >= 1 && memory_size >= AH_EVENT_COPIED)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "there has to be room for one event and for %d bytes of its message",
              AH_EVENT_COPIED);
    return false;
}

int32_t ah_next_events(ah_event_queue *handle, int32_t timeout_ms, ah_event *events, int32_t capacity, void *memory,
                       size_t memory_size)
{
    struct batch batch = {events, capacity, 0, memory, memory_size};
    struct event_queue *queue;
    bool closed;

    error_clear();
    if (!batch_has_room(capacity, memory_size))
        return -1;
    poller_come_back(handle);
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    poller_register();
    pthread_mutex_lock(&queue->mutex);
    if (wait_and_take(queue, timeout_ms, &batch)) {
        poller_begin_work(queue, false);
        loop_gather(queue->loop, batch.count);
        if (batch.count == 0)
            cork_end(); /* it helps, and when that holds it up, another thread may lead, for which nobody is watched */
    }
    closed = queue->closed;
    queue_unlock(queue);
    handle_unpin(handle);
    if (!closed) {
        error_clear(); /* of what was done for connections meanwhile */
        return batch.count;
    }
    error_set(AH_ERROR_WRONG_STATE, "the event queue is closed");
    return -1;
}

void call_answer(struct event_queue *queue, struct call *call, int32_t result)
{
    calls_remove(&queue->taken, call);
    if (call->is_note) {
        free(call);
        handle_unpin(queue->handle); /* the note's */
        return;
    }
    if (call->connection == NULL) {
        call->result = result;
        call->done = true;
        pthread_cond_signal(&call->answered);
        return;
    }
    /* The connection lives as long as its mail is in the box. */
    if (call->event.kind == AH_EVENT_WEB_SOCKET_MESSAGE && result == 0)
        web_socket_close(call->connection, CLOSE_NORMAL, "");
    mail_remove(queue, call);
    free(call);
    handle_unpin(queue->handle); /* the mail's */
}

static bool is_next(const struct call *call)
{
    return call->connection == NULL || call->connection->web_socket.mailbox.first == call;
}

int32_t ah_answer_events(ah_event_queue *handle, uint64_t first, uint64_t last, int32_t result)
{
    struct event_queue *queue;
    struct call *call, *next;
    int32_t count = 0;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_mutex_lock(&queue->mutex);
    for (call = queue->taken.first; call != NULL && call->event.id <= last; call = next) {
        next = call->next;
        if (call->event.id < first || !is_next(call))
            continue;
        call_answer(queue, call, result);
        count++;
    }
    if (queue->closed) {
        queue_drop_waiting(queue);
        pthread_cond_broadcast(&queue->answered); /* whoever closes it waits for this answer */
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    if (count > 0)
        return count;
    error_set(AH_ERROR_INVALID_ARGUMENT, "of the events %" PRIu64 " to %" PRIu64 " none waits for an answer; answer each "
                                         "event once, and those of one WebSocket in order", first, last);
    return -1;
}
