/*
 * The polled driver: callbacks that are answered by whoever asks for them.
 *
 * A language that cannot be called from foreign threads registers the ah_post_* functions as its
 * callbacks. What would have been a call travels as an event to a thread of that language:
 *
 *   1. ah_post_x fills an event and calls rt_event_post, which appends it to the queue and waits;
 *   2. ah_next_event gives it to a polling thread, which reads the arguments where they are;
 *   3. ah_answer_event stores the result and wakes the thread of step 1, which returns it.
 *
 * Arguments are not copied: the thread that owns them stands still until the answer. Where that would
 * hold up others, for the events of open WebSockets, nobody waits: events_mail copies the message into
 * the WebSocket's mailbox, and step 3 does what the result asks for.
 *
 * A thread that has answered comes back for the next event by itself, sooner than another one wakes
 * up; and threads of an interpreter get in each other's way. So sleeping threads are only woken when
 * no thread is at work, or when those that are have left an event waiting for PATIENCE_MS.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alusus_http/alusus_http_events.h"
#include "clock.h"
#include "connection.h"
#include "errors.h"
#include "events.h"
#include "handles.h"
#include "runtime.h"
#include "server.h"
#include "web_socket/frame.h"
#include "web_socket/web_socket.h"

#define PATIENCE_MS 2

/* Mail of one WebSocket beyond which nothing more is read from its client. */
#define MUCH_MAIL ((size_t)1 << 20)

/* What a message costs besides its bytes, so that empty ones count, too. */
#define MAIL_OVERHEAD 128

/* A call on its way to the thread that answers it. */
struct call {
    ah_event event;
    struct server *server;
    struct call *previous, *next; /* in `waiting` or `taken` */

    /* Of a thread that waits, on whose stack this lives. */
    pthread_cond_t answered;
    bool done;
    int32_t result;

    /* Of mail, with its message behind it: this is one block of memory, and pins its queue. */
    struct connection *connection; /* null: a thread waits */
    struct call *next_mail;        /* is appended to `waiting` when this one is answered */
    size_t size;
};

struct call_list {
    struct call *first, *last;
};

struct event_receiver {
    void *handle;
    ah_event_queue *queue;
    uint64_t number;
    struct event_receiver *next;
};

struct event_queue {
    ah_event_queue *handle;
    pthread_mutex_t mutex; /* guards all below, and the mailboxes whose mail goes here */
    pthread_cond_t arrived;
    struct call_list waiting; /* to be taken, oldest first */
    struct call_list taken;   /* to be answered */
    int asleep;               /* threads in ah_next_event */
    bool watched;             /* one of them looks whether `waiting` is cared for */
    struct event_receiver *receivers;
    uint64_t last_id;
    bool closed;
};

/* The event that this thread has taken and not answered, and its queue, so that stopServer knows
 * whose callback it is called from. */
static _Thread_local uint64_t taken_id;
static _Thread_local ah_event_queue *taken_from;

bool event_is_taken(void)
{
    return taken_id != 0;
}

static void append(struct call_list *list, struct call *call)
{
    call->previous = list->last;
    call->next = NULL;
    if (list->last != NULL)
        list->last->next = call;
    else
        list->first = call;
    list->last = call;
}

static void unlink_call(struct call_list *list, struct call *call)
{
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        list->first = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    else
        list->last = call->previous;
}

ah_event_queue *ah_open_event_queue(void)
{
    struct event_queue *queue;

    error_clear();
    queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        error_set_no_memory();
        return NULL;
    }
    queue->handle = handle_open(HANDLE_EVENT_QUEUE, queue);
    if (queue->handle == NULL) {
        free(queue);
        return NULL;
    }
    pthread_mutex_init(&queue->mutex, NULL);
    clock_condition(&queue->arrived);
    return queue->handle;
}

void *ah_event_receiver(ah_event_queue *handle, uint64_t number)
{
    struct event_queue *queue;
    struct event_receiver *receiver;
    void *result = NULL;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return NULL;
    receiver = malloc(sizeof *receiver);
    if (receiver == NULL) {
        error_set_no_memory();
        goto done;
    }
    receiver->queue = handle;
    receiver->number = number;
    result = receiver->handle = handle_open(HANDLE_EVENT_RECEIVER, receiver);
    if (result == NULL) {
        free(receiver);
        goto done;
    }
    pthread_mutex_lock(&queue->mutex);
    receiver->next = queue->receivers;
    queue->receivers = receiver;
    pthread_mutex_unlock(&queue->mutex);
done:
    handle_unpin(handle);
    return result;
}

/* Fill in where an event goes. The queue, pinned under `queue_handle`; null when it is closed. */
static struct event_queue *address(ah_event *event, const struct server *server, const void *receiver_handle,
                                   ah_event_queue **queue_handle)
{
    struct event_receiver *receiver = handle_pin(HANDLE_EVENT_RECEIVER, receiver_handle);

    if (receiver == NULL)
        return NULL;
    *queue_handle = receiver->queue;
    event->receiver = receiver->number;
    event->context = server->handle;
    handle_unpin(receiver_handle);
    return handle_pin(HANDLE_EVENT_QUEUE, *queue_handle);
}

/* Have a call taken, with the mutex. */
static void offer(struct event_queue *queue, struct call *call)
{
    call->event.id = ++queue->last_id;
    append(&queue->waiting, call);
    if (queue->asleep > 0 && (queue->taken.first == NULL || !queue->watched))
        pthread_cond_signal(&queue->arrived);
}

int32_t rt_event_post(const void *receiver, ah_event *event, int32_t failure)
{
    struct server *server = server_current();
    struct call call = {.server = server, .result = failure};
    struct event_queue *queue;
    ah_event_queue *handle;

    if (server == NULL) {
        error_set(AH_ERROR_WRONG_THREAD, "only the server calls the ah_post_ functions");
        return failure;
    }
    queue = address(event, server, receiver != NULL ? receiver : server->user_data, &handle);
    if (queue == NULL)
        return failure;
    call.event = *event;
    pthread_cond_init(&call.answered, NULL);
    pthread_mutex_lock(&queue->mutex);
    if (!queue->closed) {
        offer(queue, &call);
        while (!call.done)
            pthread_cond_wait(&call.answered, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    pthread_cond_destroy(&call.answered);
    handle_unpin(handle);
    return call.result;
}

/* Mail */

bool events_is_receiver(const void *user_data)
{
    bool is_receiver = handle_pin(HANDLE_EVENT_RECEIVER, user_data) != NULL;

    if (is_receiver)
        handle_unpin(user_data);
    error_clear();
    return is_receiver;
}

bool events_mail(struct connection *connection, const void *receiver, const ah_event *event, const void *data,
                 size_t size)
{
    struct mailbox *mailbox = &connection->web_socket.mailbox;
    struct call *call = calloc(1, sizeof *call + size);
    struct event_queue *queue;
    ah_event_queue *handle;

    if (call == NULL)
        return false;
    call->event = *event;
    queue = address(&call->event, connection->server, receiver != NULL ? receiver : connection->server->user_data,
                    &handle);
    if (queue == NULL) {
        free(call);
        return false;
    }
    call->server = connection->server;
    call->connection = connection;
    call->size = size;
    if (event->kind == AH_EVENT_WEB_SOCKET_MESSAGE) {
        call->event.arguments.web_socket_message.data = (const char *)(call + 1);
        if (size > 0)
            memcpy(call + 1, data, size);
    }
    pthread_mutex_lock(&queue->mutex);
    if (queue->closed) {
        pthread_mutex_unlock(&queue->mutex);
        handle_unpin(handle);
        free(call);
        return false;
    }
    mailbox->queue = handle;
    mailbox->size += size + MAIL_OVERHEAD;
    if (mailbox->first == NULL) {
        mailbox->first = call;
        offer(queue, call);
    } else {
        mailbox->last->next_mail = call;
    }
    mailbox->last = call;
    pthread_mutex_unlock(&queue->mutex);
    return true; /* the call keeps the pin */
}

/* Take the first mail out of its box, answered or dropped, with the mutex; its successor is offered. */
static void remove_mail(struct event_queue *queue, struct call *call)
{
    struct connection *connection = call->connection;
    struct mailbox *mailbox = &connection->web_socket.mailbox;

    mailbox->first = call->next_mail;
    mailbox->size -= call->size + MAIL_OVERHEAD;
    if (mailbox->first != NULL)
        offer(queue, mailbox->first);
    /* With the mutex: when the box is empty, the connection may end at once, and be freed. */
    if (mailbox->awaited && (mailbox->first == NULL || mailbox->size < MUCH_MAIL)) {
        mailbox->awaited = false;
        web_socket_schedule(connection);
    }
}

static bool has_mail(struct connection *connection, size_t least)
{
    struct mailbox *mailbox = &connection->web_socket.mailbox;
    struct event_queue *queue;
    bool has = false;

    if (mailbox->queue == NULL)
        return false;
    queue = handle_pin(HANDLE_EVENT_QUEUE, mailbox->queue);
    if (queue == NULL)
        return false; /* closed: its mail has been dropped or answered */
    pthread_mutex_lock(&queue->mutex);
    has = mailbox->size >= least;
    if (has)
        mailbox->awaited = true;
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(mailbox->queue);
    return has;
}

bool events_has_mail(struct connection *connection)
{
    return has_mail(connection, 1);
}

bool events_has_much_mail(struct connection *connection)
{
    return has_mail(connection, MUCH_MAIL);
}

/* Give every waiting call its failure value, with the mutex. */
static void drop_waiting(struct event_queue *queue)
{
    struct call *call;

    while ((call = queue->waiting.first) != NULL) {
        unlink_call(&queue->waiting, call);
        if (call->connection == NULL) {
            call->done = true;
            pthread_cond_signal(&call->answered);
            continue;
        }
        remove_mail(queue, call); /* offers the next one, which goes the same way */
        free(call);
        handle_unpin(queue->handle);
    }
}

/* Taking and answering */

/* Sleep until there is an event to take, with the mutex; false when the time is over or the queue is
 * closed. */
static bool await_event(struct event_queue *queue, const struct timespec *deadline)
{
    bool slept = false;
    int waited = 0;

    queue->asleep++;
    while (!queue->closed && waited != ETIMEDOUT) {
        struct call *first = queue->waiting.first;

        if (first != NULL && (!slept || queue->taken.first == NULL))
            break;
        slept = true;
        if (first == NULL || queue->watched) {
            waited = deadline == NULL ? pthread_cond_wait(&queue->arrived, &queue->mutex)
                                      : pthread_cond_timedwait(&queue->arrived, &queue->mutex, deadline);
        } else {
            struct timespec patience = clock_after(PATIENCE_MS);
            uint64_t id = first->event.id;

            queue->watched = true;
            pthread_cond_timedwait(&queue->arrived, &queue->mutex, &patience);
            queue->watched = false;
            if (queue->waiting.first != NULL && queue->waiting.first->event.id == id)
                break;
        }
    }
    queue->asleep--;
    return queue->waiting.first != NULL && !queue->closed;
}

int32_t ah_next_event(ah_event_queue *handle, int32_t timeout_ms, ah_event *event)
{
    struct event_queue *queue;
    struct timespec deadline;
    int32_t result = 0;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    if (timeout_ms >= 0)
        deadline = clock_after(timeout_ms);
    pthread_mutex_lock(&queue->mutex);
    if (await_event(queue, timeout_ms >= 0 ? &deadline : NULL)) {
        struct call *call = queue->waiting.first;

        unlink_call(&queue->waiting, call);
        append(&queue->taken, call);
        *event = call->event;
        taken_id = event->id;
        taken_from = handle;
        server_enter(call->server);
        /* Somebody has to look after what is left, should this thread be long. */
        if (queue->waiting.first != NULL && queue->asleep > 0 && !queue->watched)
            pthread_cond_signal(&queue->arrived);
        result = 1;
    } else if (queue->closed) {
        error_set(AH_ERROR_WRONG_STATE, "the event queue is closed");
        result = -1;
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    return result;
}

static struct call *find_taken(const struct event_queue *queue, uint64_t id)
{
    struct call *call = queue->taken.first;

    while (call != NULL && call->event.id != id)
        call = call->next;
    return call;
}

/* Do what the result of mail asks for. Its connection lives as long as the mail is in the box. */
static void heed(const struct call *mail, int32_t result)
{
    if (mail->event.kind == AH_EVENT_WEB_SOCKET_MESSAGE && result == 0)
        web_socket_close(mail->connection, CLOSE_NORMAL, "");
}

int32_t ah_answer_event(ah_event_queue *handle, uint64_t id, int32_t result)
{
    struct event_queue *queue;
    struct call *call;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_mutex_lock(&queue->mutex);
    call = find_taken(queue, id);
    if (call != NULL)
        unlink_call(&queue->taken, call);
    if (call != NULL && call->connection == NULL) {
        call->result = result;
        call->done = true;
        pthread_cond_signal(&call->answered);
    } else if (call != NULL) {
        heed(call, result);
        remove_mail(queue, call);
        free(call);
        handle_unpin(handle); /* the mail's */
    }
    if (queue->closed) {
        drop_waiting(queue);
        pthread_cond_broadcast(&queue->arrived); /* whoever closes it waits for this answer */
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    if (taken_id == id && taken_from == handle) {
        taken_id = 0;
        server_leave(NULL);
    }
    if (call == NULL) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "event %" PRIu64 " is not waiting for an answer; answer each event once", id);
        return -1;
    }
    return 0;
}

void ah_close_event_queue(ah_event_queue *handle)
{
    struct event_queue *queue;
    struct event_receiver *receiver, *next;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return;
    if (taken_id != 0 && taken_from == handle) {
        error_set(AH_ERROR_WRONG_THREAD, "this thread has an event to answer, for which the queue waits; answer it first");
        handle_unpin(handle);
        return;
    }
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    drop_waiting(queue);
    pthread_cond_broadcast(&queue->arrived);
    while (queue->taken.first != NULL) /* without the handle they could not be answered */
        pthread_cond_wait(&queue->arrived, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);

    if (!handle_close(handle))
        return;
    for (receiver = queue->receivers; receiver != NULL; receiver = next) {
        next = receiver->next;
        handle_close(receiver->handle);
        free(receiver);
    }
    pthread_cond_destroy(&queue->arrived);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}
