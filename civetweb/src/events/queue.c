/* A queue of events: its lists, its loop, its receivers, and its two ends. */
#include "queue.h"

#include <stdlib.h>

#include "../clock.h"
#include "../errors.h"
#include "../handles.h"
#include "../posted_exchange.h"
#include "../server.h"
#include "../web_socket/cork.h"
#include "../web_socket/loop.h"
#include "../web_socket/web_socket.h"

/* About what the messages of one batch occupy, at most. */
#define BATCH_MEMORY ((size_t)4 << 20)

static pthread_once_t once = PTHREAD_ONCE_INIT;

void calls_append(struct call_list *list, struct call *call)
{
    call->previous = list->last;
    call->next = NULL;
    if (list->last != NULL)
        list->last->next = call;
    else
        list->first = call;
    list->last = call;
}

void calls_prepend(struct call_list *list, struct call *call)
{
    call->previous = NULL;
    call->next = list->first;
    if (list->first != NULL)
        list->first->previous = call;
    else
        list->last = call;
    list->first = call;
}

void calls_remove(struct call_list *list, struct call *call)
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
    pollers_initialize();
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

static void queue_free(struct event_queue *queue)
{
    pthread_cond_destroy(&queue->relief);
    pthread_cond_destroy(&queue->answered);
    cork_release(queue->cork);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

ah_event_queue *ah_open_event_queue(void)
{
    struct loop_handlers handlers = {.ready = ready, .away = lead_away, .errand = posted_exchange_send};
    struct event_queue *queue;

    error_clear();
    pthread_once(&once, initialize);
    queue = calloc(1, sizeof *queue);
    if (queue != NULL)
        queue->cork = cork_new();
    if (queue == NULL || queue->cork == NULL) {
        free(queue);
        error_set_no_memory();
        return NULL;
    }
    pthread_mutex_init(&queue->mutex, NULL);
    clock_condition(&queue->relief);
    pthread_cond_init(&queue->answered, NULL);
    queue->trust = 2 * TRUST;
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

struct event_queue *queue_address(ah_event *event, const struct server *server, const void *receiver_handle,
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

void queue_offer(struct event_queue *queue, struct call *call)
{
    calls_append(&queue->waiting, call);
    if (!this_poller.in_loop)
        loop_interrupt(queue->loop);
}

void queue_drop_waiting(struct event_queue *queue)
{
    struct call *call;

    while ((call = queue->waiting.first) != NULL) {
        calls_remove(&queue->waiting, call);
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
        mail_remove(queue, call); /* offers the next one, which goes the same way */
        free(call);
        handle_unpin(queue->handle);
    }
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

/* Whether the calling thread has taken events that have not been answered, with the mutex. */
static bool has_taken(const struct event_queue *queue)
{
    const struct call *call = queue->taken.first;

    while (call != NULL && call->taken_by != &this_poller)
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
        error_set(AH_ERROR_WRONG_THREAD, "this thread has taken events of the queue, which waits for their answers: "
                                         "give them first");
        handle_unpin(handle);
        return;
    }
    poller_end_work();
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    while (queue->claimed != NULL)
        reader_unclaim(queue, queue->claimed);
    queue_drop_waiting(queue);
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
    cork_flush(queue->cork); /* readers may still be at work */
    queue_free(queue);
}
