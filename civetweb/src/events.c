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
 * Of several polling threads one leads, and keeps the lead while it handles its events; the others
 * sleep. When it stays away for LOOP_PATIENCE_MS, the loop's own thread tells so (`away`): what has
 * been gathered is sent, and one of the sleeping threads is woken, to help with what the leader has
 * taken and not begun, and to lead.
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
#include "web_socket/cork.h"
#include "web_socket/frame.h"
#include "web_socket/loop.h"
#include "web_socket/web_socket.h"

/* Mail of one WebSocket beyond which nothing more is read from its client. */
#define MUCH_MAIL ((size_t)1 << 20)

/* About what the messages of one batch occupy, at most. */
#define BATCH_MEMORY ((size_t)4 << 20)

/* What a message costs besides its bytes, so that empty ones count, too. */
#define MAIL_OVERHEAD 128

struct poller;

/* A call on its way to the thread that answers it. */
struct call {
    ah_event event;
    struct call *previous, *next; /* in `waiting` or `taken` */
    const struct poller *taken_by; /* the thread; null: none yet */

    /* Of a thread that waits, on whose stack this lives. */
    pthread_cond_t answered;
    bool done;
    int32_t result;

    /* Of mail and notes, with their data behind them: this is one block of memory, and pins its queue. */
    bool is_note;
    struct connection *connection; /* of mail; null: a thread waits, or this is a note */
    struct call *next_mail;
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

/* A polling thread. */
struct poller {
    ah_event_queue *queue; /* from which it has taken events, and has not come back; or null */
    struct poller *previous, *next;
    struct cork cork;
};

struct event_queue {
    ah_event_queue *handle;
    struct loop *loop;

    pthread_mutex_t mutex;    /* guards all below, and the mailboxes whose mail goes here */
    bool watched;             /* its descriptor is: one thread polls, and does not wait here */
    pthread_t watcher;        /* that thread, if so */
    struct call_list waiting; /* to be taken, oldest first; of a mailbox, only the first that is not taken */
    struct call_list taken;   /* to be answered, by their numbers */
    struct poller *at_work;   /* those that have taken events */
    struct poller *leader;    /* leads the loop, or handles what it got there; null: nobody, or it is away */
    bool led;                 /* the leader is in loop_lead, where it cannot be away */
    int asleep;               /* other threads in ah_next_events */
    pthread_cond_t relief;    /* wakes one of them: there is no leader */
    bool help;                /* the leader is away, which the next thread that comes or wakes up shall know */
    pthread_cond_t answered;  /* an event has been, and the queue is closed */
    struct event_receiver *receivers;
    uint64_t last_id;
    bool closed;
};

/* The calling thread as one that polls, and whether it is in loop_lead: what it posts there, it will
 * find when it returns. */
static _Thread_local struct poller self = {.cork = {.mutex = PTHREAD_MUTEX_INITIALIZER}};
static _Thread_local bool in_loop;

/* A polling thread may end with its events unanswered: the queue forgets it. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t end_key;

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

static void prepend(struct call_list *list, struct call *call)
{
    call->previous = NULL;
    call->next = list->first;
    if (list->first != NULL)
        list->first->previous = call;
    else
        list->last = call;
    list->first = call;
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

/* What a thread does between two calls of ah_next_events */

static void begin_work(struct event_queue *queue)
{
    self.queue = queue->handle;
    self.previous = NULL;
    self.next = queue->at_work;
    if (self.next != NULL)
        self.next->previous = &self;
    queue->at_work = &self;
}

static void end_work(void)
{
    struct event_queue *queue;

    if (self.queue == NULL)
        return;
    queue = handle_pin(HANDLE_EVENT_QUEUE, self.queue);
    if (queue != NULL) {
        pthread_mutex_lock(&queue->mutex);
        if (self.previous != NULL)
            self.previous->next = self.next;
        else
            queue->at_work = self.next;
        if (self.next != NULL)
            self.next->previous = self.previous;
        pthread_mutex_unlock(&queue->mutex);
        handle_unpin(queue->handle);
    } else {
        error_clear(); /* it has been closed since, which is no fault of the caller's */
    }
    self.queue = NULL;
    cork_end();
    server_leave(NULL);
}

bool event_is_taken(void)
{
    if (self.queue != NULL && handle_pin(HANDLE_EVENT_QUEUE, self.queue) == NULL)
        end_work(); /* it has been closed since: this thread will not come back to it */
    else if (self.queue != NULL)
        handle_unpin(self.queue);
    return self.queue != NULL;
}

/* Nothing has come for the leader, or it ends, with the mutex: another one may lead. */
static void resign(struct event_queue *queue)
{
    queue->leader = NULL;
    if (queue->asleep > 0)
        pthread_cond_signal(&queue->relief);
    else
        loop_rest(queue->loop);
}

static void end_thread(void *poller)
{
    ah_event_queue *handle = self.queue;
    struct event_queue *queue;

    end_work();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    if (queue->leader == poller)
        resign(queue);
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
}

/* The C library returns free memory to the system beyond 128 KiB, until it sees that the program frees
 * larger blocks. A batch of messages is one, in pieces: for each, all pages would be got anew. */
static void expect_batches(void)
{
    void *volatile block = malloc(BATCH_MEMORY); /* volatile, lest the compiler leave it out */

    free(block);
}

static void initialize(void)
{
    expect_batches();
    pthread_key_create(&end_key, end_thread);
}

/* The loop's handler: the leader is away. */
static bool away(void *handle)
{
    struct event_queue *queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    struct poller *poller;
    bool again;

    if (queue == NULL)
        return false;
    pthread_mutex_lock(&queue->mutex);
    for (poller = queue->at_work; poller != NULL; poller = poller->next)
        cork_flush(&poller->cork);
    again = queue->led || queue->asleep > 0;
    if (!queue->led) {
        queue->leader = NULL;
        queue->help = !queue->watched;
        pthread_cond_signal(&queue->relief);
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    return again;
}

static void queue_free(struct event_queue *queue)
{
    pthread_cond_destroy(&queue->relief);
    pthread_cond_destroy(&queue->answered);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

ah_event_queue *ah_open_event_queue(void)
{
    struct loop_handlers handlers = {.ready = web_socket_ready_polled, .away = away};
    struct event_queue *queue;

    error_clear();
    pthread_once(&once, initialize);
    queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        error_set_no_memory();
        return NULL;
    }
    pthread_mutex_init(&queue->mutex, NULL);
    clock_condition(&queue->relief);
    pthread_cond_init(&queue->answered, NULL);
    queue->handle = handle_open(HANDLE_EVENT_QUEUE, queue);
    if (queue->handle == NULL)
        goto failed;
    handlers.context = queue->handle;
    queue->loop = loop_start_polled(&handlers);
    if (queue->loop == NULL) {
        handle_close(queue->handle);
        goto failed;
    }
    return queue->handle;
failed:
    queue_free(queue);
    return NULL;
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
    append(&queue->waiting, call);
    if (!in_loop)
        loop_interrupt(queue->loop);
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
    queue = address(event, server, receiver != NULL ? receiver : server->user_data, &handle);
    if (queue == NULL)
        return failure;
    call.event = *event;
    pthread_cond_init(&call.answered, NULL);
    pthread_mutex_lock(&queue->mutex);
    /* The only thread that could answer is not to wait for itself. */
    if (!queue->closed && !(queue->watched && pthread_equal(queue->watcher, pthread_self()))) {
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

struct loop *events_loop(const void *user_data)
{
    struct event_receiver *receiver = handle_pin(HANDLE_EVENT_RECEIVER, user_data);
    struct event_queue *queue;
    struct loop *loop = NULL;

    if (receiver != NULL) {
        queue = handle_pin(HANDLE_EVENT_QUEUE, receiver->queue);
        if (queue != NULL) {
            loop = queue->loop;
            loop_retain(loop);
            handle_unpin(queue->handle);
        }
        handle_unpin(user_data);
    }
    error_clear();
    return loop;
}

bool events_mail(struct connection *connection, const void *receiver, const ah_event *event, const void *data,
                 size_t size)
{
    struct mailbox *mailbox = &connection->web_socket.mailbox;
    struct call *call = malloc(sizeof *call + size);
    struct event_queue *queue;
    ah_event_queue *handle;

    if (call == NULL)
        return false;
    *call = (struct call){.event = *event, .connection = connection, .size = size};
    queue = address(&call->event, connection->server, receiver != NULL ? receiver : connection->server->user_data,
                    &handle);
    if (queue == NULL) {
        free(call);
        return false;
    }
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

/* Take the first mail out of its box, answered or dropped, with the mutex. When it was the last of its
 * run, its successor is offered. */
static void remove_mail(struct event_queue *queue, struct call *call)
{
    struct connection *connection = call->connection;
    struct mailbox *mailbox = &connection->web_socket.mailbox;

    mailbox->first = call->next_mail;
    mailbox->size -= call->size + MAIL_OVERHEAD;
    if (mailbox->first != NULL && mailbox->first->taken_by == NULL)
        offer(queue, mailbox->first);
    /* With the mutex: when the box is empty, the connection may end at once, and be freed. */
    if (mailbox->awaited && (mailbox->first == NULL || mailbox->size < MUCH_MAIL)) {
        mailbox->awaited = false;
        web_socket_schedule(connection);
    }
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
    if (size > 0)
        memcpy(call + 1, data, size);
    call->event.arguments.exchange.data = (const char *)(call + 1);
    call->event.arguments.exchange.data_len = size;
    queue = address(&call->event, server, server->user_data, &handle);
    if (queue == NULL) {
        free(call);
        return false;
    }
    pthread_mutex_lock(&queue->mutex);
    if (!queue->closed) {
        offer(queue, call);
        noted = true;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (!noted) {
        handle_unpin(handle);
        free(call);
    }
    return noted; /* the call keeps the pin */
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
        if (call->is_note) {
            free(call);
            handle_unpin(queue->handle);
            continue;
        }
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

/* What a call of ah_next_events gives out: events, and copies of short messages. */
struct batch {
    ah_event *events;
    int32_t capacity, count;
    char *memory;
    size_t memory_left;
};

static bool put(struct batch *batch, const struct call *call)
{
    ah_event *event = &batch->events[batch->count];
    bool copied = call->event.kind == AH_EVENT_WEB_SOCKET_MESSAGE && call->size <= AH_EVENT_COPIED;

    if (batch->count == batch->capacity || (copied && call->size > batch->memory_left))
        return false;
    *event = call->event;
    if (copied) {
        memcpy(batch->memory, event->arguments.web_socket_message.data, call->size);
        event->arguments.web_socket_message.data = batch->memory;
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
    call->taken_by = &self;
    append(&queue->taken, call);
    return true;
}

/* Take what waits, with the mutex; of a mailbox, everything, as a run. */
static void take(struct event_queue *queue, struct batch *batch)
{
    struct call *call;

    while ((call = queue->waiting.first) != NULL) {
        unlink_call(&queue->waiting, call);
        if (!take_call(queue, call, batch)) {
            prepend(&queue->waiting, call);
            return;
        }
        while ((call = call->next_mail) != NULL)
            if (!take_call(queue, call, batch))
                return; /* the rest of the mailbox is offered when this part has been answered */
    }
}

/* Sleep until there is no leader, with the mutex; false when the time is over. */
static bool await_relief(struct event_queue *queue, int64_t deadline)
{
    struct timespec until;
    int waited = 0;

    if (deadline >= 0)
        until = clock_after((int)(deadline - clock_now()));
    queue->asleep++;
    while (queue->leader != NULL && !queue->help && !queue->closed && waited != ETIMEDOUT)
        waited = deadline < 0 ? pthread_cond_wait(&queue->relief, &queue->mutex)
                              : pthread_cond_timedwait(&queue->relief, &queue->mutex, &until);
    queue->asleep--;
    return waited != ETIMEDOUT;
}

/* Lead the loop for a turn, with the mutex, which is given away for that time. */
static void lead(struct event_queue *queue, int timeout_ms)
{
    queue->leader = &self;
    queue->led = true;
    if (queue->waiting.first != NULL)
        timeout_ms = 0; /* sockets are looked at however many other events there are */
    pthread_mutex_unlock(&queue->mutex);
    in_loop = true;
    loop_lead(queue->loop, timeout_ms);
    in_loop = false;
    pthread_mutex_lock(&queue->mutex);
    queue->led = false;
}

/* Wait for events and take them, with the mutex. True for a thread that is to do something. */
static bool wait_and_take(struct event_queue *queue, int timeout_ms, struct batch *batch)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_now() + timeout_ms, left = timeout_ms;

    while (!queue->closed) {
        if (queue->help) {
            queue->help = false;
            return true;
        }
        if (queue->leader != NULL && queue->leader != &self) {
            if (!await_relief(queue, deadline))
                return false;
            continue;
        }
        if (deadline > 0 && left > 0)
            left = deadline > clock_now() ? deadline - clock_now() : 0;
        lead(queue, (int)left);
        if (queue->closed)
            break;
        take(queue, batch);
        if (batch->count > 0)
            return true;
        if (deadline >= 0 && clock_now() >= deadline) {
            resign(queue);
            return false;
        }
    }
    return false;
}

int32_t ah_next_events(ah_event_queue *handle, int32_t timeout_ms, ah_event *events, int32_t capacity, void *memory,
                       size_t memory_size)
{
    struct batch batch = {events, capacity, 0, memory, memory_size};
    struct event_queue *queue;
    bool closed;

    end_work();
    error_clear();
    if (capacity < 1 || memory_size < AH_EVENT_COPIED) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "there has to be room for one event and for %d bytes of its message",
                  AH_EVENT_COPIED);
        return -1;
    }
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_setspecific(end_key, &self);
    pthread_mutex_lock(&queue->mutex);
    if (wait_and_take(queue, timeout_ms, &batch)) {
        begin_work(queue);
        cork_begin(&self.cork);
    }
    closed = queue->closed;
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    if (!closed)
        return batch.count;
    error_set(AH_ERROR_WRONG_STATE, "the event queue is closed");
    return -1;
}

int32_t ah_event_queue_descriptor(ah_event_queue *handle)
{
    struct event_queue *queue;
    int descriptor;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_mutex_lock(&queue->mutex);
    queue->watched = true;
    queue->watcher = pthread_self();
    descriptor = loop_descriptor(queue->loop);
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    return descriptor;
}

/* Answer a taken call, with the mutex. */
static void answer(struct event_queue *queue, struct call *call, int32_t result)
{
    unlink_call(&queue->taken, call);
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
    remove_mail(queue, call);
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
        answer(queue, call, result);
        count++;
    }
    if (queue->closed) {
        drop_waiting(queue);
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

/* Whether the calling thread has taken events that have not been answered, with the mutex. */
static bool has_taken(const struct event_queue *queue)
{
    const struct call *call = queue->taken.first;

    while (call != NULL && call->taken_by != &self)
        call = call->next;
    return call != NULL;
}

void ah_close_event_queue(ah_event_queue *handle)
{
    struct event_queue *queue;
    struct event_receiver *receiver, *next;
    bool waits_for_itself;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    waits_for_itself = has_taken(queue);
    pthread_mutex_unlock(&queue->mutex);
    if (waits_for_itself) {
        error_set(AH_ERROR_WRONG_THREAD, "this thread has taken events of the queue, which waits for their answers: give them first");
        handle_unpin(handle);
        return;
    }
    end_work();
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    drop_waiting(queue);
    loop_interrupt(queue->loop);
    pthread_cond_broadcast(&queue->relief);
    while (queue->taken.first != NULL) /* without the handle they could not be answered */
        pthread_cond_wait(&queue->answered, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);

    if (!handle_close(handle))
        return;
    for (receiver = queue->receivers; receiver != NULL; receiver = next) {
        next = receiver->next;
        handle_close(receiver->handle);
        free(receiver);
    }
    loop_abandon(queue->loop);
    loop_release(queue->loop);
    queue_free(queue);
}
