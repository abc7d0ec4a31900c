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
 *
 * The events of a claimed WebSocket are for its reader, a thread that asks for nothing else by
 * ah_next_events_of. Readers lead, too. A leader that has read mail for other readers does not wake
 * them all, who would only fight for the language's lock: it hands the lead to the first, who hands it
 * to the second when it comes back. So there is one switch of threads for each, and a reader that gets
 * its own mail needs none. A reader that has been long on its way back lately (`quick`) is not trusted
 * with the lead, and woken as soon as it has mail: threads are there to be blocked.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
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

/* So many times in a row a reader has to have come back before LOOP_PATIENCE_MS were over, to be given
 * the lead. */
#define QUICK 16

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
    bool reads;            /* they are those of a claimed WebSocket, for which it may wait where it likes */
    struct cork cork;
    struct poller_list *list; /* in which it is: one of the queue's */
    struct poller *previous, *next;

    /* Of one that sleeps to read. Who takes it out of its list calls it, once, and it waits for that. */
    sem_t called;
    struct poller *heir; /* to be called by this thread, as soon as it has unlocked the queue's mutex */
};

struct poller_list {
    struct poller *first, *last;
};

struct event_queue {
    ah_event_queue *handle;
    struct loop *loop;

    pthread_mutex_t mutex;    /* guards all below, and the mailboxes whose mail goes here */
    bool watched;             /* its descriptor is: one thread polls, and does not wait here */
    pthread_t watcher;        /* that thread, if so */
    struct call_list waiting; /* to be taken, oldest first; of a mailbox, only the first that is not taken */
    struct call_list taken;   /* to be answered, by their numbers */
    struct poller_list at_work; /* those that have taken events */
    struct poller_list readers; /* those that sleep and have no mail */
    struct poller_list due;     /* those that sleep and have mail: they get the lead one after the other */
    struct connection *claimed; /* whose mail is for its reader */
    struct poller *leader;    /* leads the loop, or handles what it got there; null: nobody, or it is away */
    bool led;                 /* the leader is in loop_lead, where it cannot be away */
    int asleep;               /* other threads in ah_next_events, which are no readers */
    pthread_cond_t relief;    /* wakes one of them: there is no leader */
    bool help;                /* the leader is away, which the next thread that comes or wakes up shall know */
    pthread_cond_t answered;  /* an event has been, and the queue is closed */
    struct event_receiver *receivers;
    uint64_t last_id;
    int quick; /* of the reader that came back last: a new one is taken for the like */
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

static void list_poller(struct poller_list *list, struct poller *poller)
{
    poller->list = list;
    poller->previous = list->last;
    poller->next = NULL;
    if (list->last != NULL)
        list->last->next = poller;
    else
        list->first = poller;
    list->last = poller;
}

static void unlist_poller(struct poller *poller)
{
    struct poller_list *list = poller->list;

    if (poller->previous != NULL)
        poller->previous->next = poller->next;
    else
        list->first = poller->next;
    if (poller->next != NULL)
        poller->next->previous = poller->previous;
    else
        list->last = poller->previous;
}

static void begin_work(struct event_queue *queue, bool reads)
{
    self.queue = queue->handle;
    self.reads = reads;
    list_poller(&queue->at_work, &self);
    cork_begin(&self.cork);
}

static void end_work(void)
{
    struct event_queue *queue;

    if (self.queue == NULL)
        return;
    queue = handle_pin(HANDLE_EVENT_QUEUE, self.queue);
    if (queue != NULL) {
        pthread_mutex_lock(&queue->mutex);
        unlist_poller(&self);
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
    return self.queue != NULL && !self.reads;
}

/* Wake a reader that sleeps, with the mutex. */
static void call_reader(struct poller *reader)
{
    unlist_poller(reader);
    reader->list = NULL;
    sem_post(&reader->called);
}

/* Give the lead to a reader that sleeps, with the mutex. It is called without: it would run into it. */
static void crown(struct event_queue *queue, struct poller *reader)
{
    unlist_poller(reader);
    reader->list = NULL;
    queue->leader = self.heir = reader;
}

static void call_heir(void)
{
    if (self.heir != NULL)
        sem_post(&self.heir->called);
    self.heir = NULL;
}

/* Give away the mutex, and call who has got the lead with it. */
static void unlock(struct event_queue *queue)
{
    pthread_mutex_unlock(&queue->mutex);
    call_heir();
}

/* Give the lead to a thread that has something to do with it, with the mutex; false when nobody has. */
static bool hand_over(struct event_queue *queue)
{
    if (queue->due.first != NULL) {
        crown(queue, queue->due.first);
        return true;
    }
    if (queue->waiting.first == NULL || queue->asleep == 0)
        return false;
    queue->leader = NULL; /* whoever wakes up takes it */
    pthread_cond_signal(&queue->relief);
    return true;
}

/* The leader leads no longer, with the mutex: wake another one; false when all are at work. */
static bool relieve(struct event_queue *queue)
{
    queue->leader = NULL;
    if (hand_over(queue))
        return true;
    if (queue->asleep > 0)
        pthread_cond_signal(&queue->relief);
    else if (queue->readers.first != NULL && !queue->watched)
        crown(queue, queue->readers.first);
    else
        return false;
    return true;
}

/* The leader has nothing to do, or ends, with the mutex. */
static void resign(struct event_queue *queue)
{
    if (!relieve(queue))
        loop_rest(queue->loop);
}

/* The calling thread will not come back to what it has taken events from. */
static void leave(void)
{
    ah_event_queue *handle = self.queue;
    struct event_queue *queue;

    end_work();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    if (queue->leader == &self)
        resign(queue);
    unlock(queue);
    handle_unpin(handle);
}

/* The calling thread comes back, or turns to another queue. */
static void come_back(const ah_event_queue *queue)
{
    if (self.queue != NULL && self.queue != queue)
        leave();
    else
        end_work();
}

static void end_thread(void *poller)
{
    (void)poller; /* it is `self` */
    leave();
    sem_destroy(&self.called);
}

/* Have the calling thread forgotten when it ends. */
static void know_thread(void)
{
    if (pthread_getspecific(end_key) != NULL)
        return;
    sem_init(&self.called, 0, 0);
    pthread_setspecific(end_key, &self);
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

/* The loop's handlers. It has two sorts of connections: WebSockets, and those that wait for their next request,
 * whose handles are marked. */
static void ready(void *handle, uint32_t events)
{
    if (handle_is_marked(handle))
        posted_exchange_ready(handle_unmark(handle), events);
    else
        web_socket_ready_polled(handle, events);
}

/* The leader is away. */
static bool away(void *handle)
{
    struct event_queue *queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    struct poller *poller;
    bool again;

    if (queue == NULL)
        return false;
    pthread_mutex_lock(&queue->mutex);
    for (poller = queue->at_work.first; poller != NULL; poller = poller->next)
        cork_flush(&poller->cork);
    again = queue->led || queue->asleep > 0 || queue->readers.first != NULL || queue->due.first != NULL;
    if (!queue->led && queue->leader != NULL && queue->leader->reads) {
        relieve(queue); /* what it has taken is its own */
    } else if (!queue->led) {
        queue->leader = NULL;
        queue->help = !queue->watched;
        if (queue->asleep > 0 || !hand_over(queue))
            pthread_cond_signal(&queue->relief);
    }
    unlock(queue);
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
    struct loop_handlers handlers = {.ready = ready, .away = away};
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
    queue->quick = QUICK;
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

/* The oldest mail that nobody has taken, with the mutex, when all that has been taken is answered. */
static struct call *untaken(const struct mailbox *mailbox)
{
    return mailbox->first != NULL && mailbox->first->taken_by == NULL ? mailbox->first : NULL;
}

/* There is mail that nobody has taken, with the mutex. */
static void announce_mail(struct event_queue *queue, struct mailbox *mailbox)
{
    struct poller *reader = mailbox->reader;

    if (!mailbox->claimed) {
        offer(queue, mailbox->first);
    } else if (reader == NULL && queue->led && !in_loop) {
        loop_interrupt(queue->loop); /* the reader may be who leads: what another thread had taken is answered */
    } else if (reader != NULL && reader->list == &queue->readers) {
        if (mailbox->quick < QUICK || queue->watched) {
            call_reader(reader);
        } else {
            unlist_poller(reader);
            list_poller(&queue->due, reader);
            if (!in_loop)
                loop_interrupt(queue->loop);
        }
    }
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
    if (mailbox->queue == NULL)
        mailbox->queue = handle;
    mailbox->size += size + MAIL_OVERHEAD;
    if (mailbox->first == NULL) {
        mailbox->first = mailbox->last = call;
        announce_mail(queue, mailbox);
    } else {
        mailbox->last = mailbox->last->next_mail = call;
    }
    pthread_mutex_unlock(&queue->mutex);
    return true; /* the call keeps the pin */
}

/* Have a WebSocket's mail given to anybody, with the mutex. */
static void unclaim(struct event_queue *queue, struct connection *connection)
{
    struct mailbox *mailbox = &connection->web_socket.mailbox;

    if (!mailbox->claimed)
        return;
    mailbox->claimed = false;
    if (mailbox->previous != NULL)
        mailbox->previous->web_socket.mailbox.next = mailbox->next;
    else
        queue->claimed = mailbox->next;
    if (mailbox->next != NULL)
        mailbox->next->web_socket.mailbox.previous = mailbox->previous;
    if (mailbox->reader != NULL && mailbox->reader->list != NULL)
        call_reader(mailbox->reader);
    else if (mailbox->reader == NULL && queue->led && !in_loop)
        loop_interrupt(queue->loop); /* the reader may be who leads */
    if (untaken(mailbox) != NULL)
        offer(queue, mailbox->first);
}

/* Take the first mail out of its box, answered or dropped, with the mutex. When it was the last of its
 * run, its successor is offered. */
static void remove_mail(struct event_queue *queue, struct call *call)
{
    struct connection *connection = call->connection;
    struct mailbox *mailbox = &connection->web_socket.mailbox;

    mailbox->first = call->next_mail;
    mailbox->size -= call->size + MAIL_OVERHEAD;
    if (call->event.kind == AH_EVENT_WEB_SOCKET_CLOSE)
        unclaim(queue, connection); /* the connection may be freed */
    if (untaken(mailbox) != NULL)
        announce_mail(queue, mailbox);
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

/* Take a call and, of a mailbox, everything behind it, as a run, with the mutex. False when the batch is
 * full: the rest of the mailbox is announced when this part has been answered. So it is behind a ready
 * event, which may claim the rest. */
static bool take_run(struct event_queue *queue, struct call *call, struct batch *batch)
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
        unlink_call(&queue->waiting, call);
        if (take_run(queue, call, batch))
            continue;
        if (call->taken_by == NULL)
            prepend(&queue->waiting, call);
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
    call_heir();
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
    unlock(queue);
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
        if ((queue->leader != NULL && queue->leader != &self) || (queue->due.first != NULL && hand_over(queue))) {
            if (await_relief(queue, deadline))
                continue;
            if (queue->leader == NULL) /* it was for this thread */
                resign(queue);
            return false;
        }
        if (deadline > 0 && left > 0)
            left = deadline > clock_now() ? deadline - clock_now() : 0;
        /* Sockets are looked at however many other events there are. */
        lead(queue, queue->waiting.first != NULL ? 0 : (int)left);
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

static bool has_room(int32_t capacity, size_t memory_size)
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
    if (!has_room(capacity, memory_size))
        return -1;
    come_back(handle);
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    know_thread();
    pthread_mutex_lock(&queue->mutex);
    if (wait_and_take(queue, timeout_ms, &batch))
        begin_work(queue, false);
    closed = queue->closed;
    unlock(queue);
    handle_unpin(handle);
    if (!closed)
        return batch.count;
    error_set(AH_ERROR_WRONG_STATE, "the event queue is closed");
    return -1;
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

/* Reading a claimed WebSocket */

/* Its reader has come back: see for how long it was away. With the mutex. */
static void judge(struct event_queue *queue, struct mailbox *mailbox)
{
    if (mailbox->given_at == 0)
        return;
    if (clock_now() - mailbox->given_at > LOOP_PATIENCE_MS)
        mailbox->quick = 0;
    else if (mailbox->quick < QUICK)
        mailbox->quick++;
    queue->quick = mailbox->quick;
    mailbox->given_at = 0;
}

/* Pin a WebSocket and the queue of its mail; null, with the error set, when there is none. */
static struct connection *pin_mailbox(ah_connection *handle, struct event_queue **queue)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL)
        return NULL;
    if (connection->web_socket.mailbox.queue == NULL)
        error_set(AH_ERROR_WRONG_STATE, "this connection is no open WebSocket whose events go to a queue");
    else
        *queue = handle_pin(HANDLE_EVENT_QUEUE, connection->web_socket.mailbox.queue);
    if (*queue != NULL)
        return connection;
    handle_unpin(handle);
    return NULL;
}

static void unpin_mailbox(struct connection *connection, struct event_queue *queue)
{
    handle_unpin(queue->handle);
    handle_unpin(connection->handle);
}

int32_t ah_claim_web_socket(ah_connection *handle)
{
    struct event_queue *queue = NULL;
    struct connection *connection;
    struct mailbox *mailbox;

    error_clear();
    connection = pin_mailbox(handle, &queue);
    if (connection == NULL)
        return -1;
    mailbox = &connection->web_socket.mailbox;
    pthread_mutex_lock(&queue->mutex);
    if (!mailbox->claimed && !queue->closed) {
        mailbox->claimed = true;
        mailbox->quick = queue->quick;
        mailbox->previous = NULL;
        mailbox->next = queue->claimed;
        if (mailbox->next != NULL)
            mailbox->next->web_socket.mailbox.previous = connection;
        queue->claimed = connection;
    }
    pthread_mutex_unlock(&queue->mutex);
    unpin_mailbox(connection, queue);
    return 0;
}

void ah_release_web_socket(ah_connection *handle)
{
    struct event_queue *queue = NULL;
    struct connection *connection;

    if (self.queue != NULL && self.reads)
        leave();
    connection = pin_mailbox(handle, &queue);
    error_clear(); /* one that has ended is nobody's */
    if (connection == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    unclaim(queue, connection);
    pthread_mutex_unlock(&queue->mutex);
    unpin_mailbox(connection, queue);
}

static void await_call(void)
{
    while (sem_wait(&self.called) != 0)
        continue; /* a signal */
}

/* Sleep until there may be mail, or the lead, with the mutex, which is given away for that time. */
static void await_mail(struct event_queue *queue, struct mailbox *mailbox, int64_t deadline)
{
    struct timespec until;
    bool called = true;

    mailbox->reader = &self;
    list_poller(&queue->readers, &self);
    unlock(queue);
    if (deadline >= 0) {
        until = clock_after((int)(deadline - clock_now()));
        called = clock_wait(&self.called, &until);
    } else {
        await_call();
    }
    pthread_mutex_lock(&queue->mutex);
    if (!called && self.list != NULL) {
        unlist_poller(&self);
    } else if (!called) { /* somebody is about to */
        pthread_mutex_unlock(&queue->mutex);
        await_call();
        pthread_mutex_lock(&queue->mutex);
    }
    mailbox->reader = NULL;
}

/* Wait for mail and take it, with the mutex. */
static void wait_and_read(struct event_queue *queue, struct mailbox *mailbox, int timeout_ms, struct batch *batch)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_now() + timeout_ms, left = timeout_ms;
    bool may_lead;

    while (!queue->closed && mailbox->claimed && untaken(mailbox) == NULL && left != 0) {
        if (queue->watched || (queue->leader != NULL && queue->leader != &self) || hand_over(queue))
            await_mail(queue, mailbox, deadline);
        else
            lead(queue, (int)left);
        if (deadline >= 0)
            left = deadline > clock_now() ? deadline - clock_now() : 0;
    }
    if (mailbox->claimed && !queue->closed)
        take_run(queue, untaken(mailbox), batch);
    may_lead = batch->count > 0 && mailbox->quick == QUICK && !queue->watched;
    if (queue->leader == NULL && may_lead) {
        queue->leader = &self;
        loop_watch(queue->loop);
    } else if (queue->leader == NULL || (queue->leader == &self && !may_lead)) {
        if (!relieve(queue) && !queue->watched)
            loop_watch(queue->loop);
    }
}

int32_t ah_next_events_of(ah_connection *handle, uint64_t answered, int32_t timeout_ms, ah_event *events,
                          int32_t capacity, void *memory, size_t memory_size)
{
    struct batch batch = {events, capacity, 0, memory, memory_size};
    struct event_queue *queue = NULL;
    struct connection *connection;
    struct mailbox *mailbox;
    bool claimed;

    error_clear();
    if (!has_room(capacity, memory_size))
        return -1;
    connection = pin_mailbox(handle, &queue);
    if (connection == NULL)
        return -1;
    mailbox = &connection->web_socket.mailbox;
    know_thread();
    come_back(queue->handle);
    pthread_mutex_lock(&queue->mutex);
    judge(queue, mailbox);
    while (mailbox->first != NULL && mailbox->first->taken_by != NULL && mailbox->first->event.id <= answered)
        answer(queue, mailbox->first, 1);
    if (queue->leader == &self) {
        loop_touch(queue->loop);
        hand_over(queue);
    }
    wait_and_read(queue, mailbox, timeout_ms, &batch);
    claimed = mailbox->claimed && !queue->closed;
    if (batch.count > 0)
        mailbox->given_at = clock_now();
    if (queue->leader == &self)
        begin_work(queue, true);
    unlock(queue);
    unpin_mailbox(connection, queue);
    if (claimed)
        return batch.count;
    error_set(AH_ERROR_WRONG_STATE, "this WebSocket is not claimed, or has ended");
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
    while (queue->claimed != NULL)
        unclaim(queue, queue->claimed);
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
