/*
 * The polled driver: callbacks that are answered by whoever asks for them.
 *
 * A language that cannot be called from foreign threads registers the ah_post_* functions as its
 * callbacks. Each waits here, on the server's thread, while the call travels as an event to a thread
 * of that language and its answer travels back:
 *
 *   1. ah_post_x fills an event and calls rt_event_post, which appends it to the queue and waits;
 *   2. ah_next_event gives it to a polling thread, which reads the arguments where they are;
 *   3. ah_answer_event stores the result and wakes the thread of step 1, which returns it.
 *
 * Arguments are not copied: the thread that owns them stands still until the answer.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "alusus_http/alusus_http_events.h"
#include "errors.h"
#include "handles.h"
#include "runtime.h"
#include "server.h"

/* A call on its way; it lives on the stack of the thread that waits for its answer. */
struct pending {
    ah_event event;
    struct server *server;
    struct pending *previous, *next;
    pthread_cond_t answered;
    bool done;
    int32_t result;
};

struct pending_list {
    struct pending *first, *last;
};

struct receiver {
    void *handle;
    ah_event_queue *queue;
    uint64_t number;
    struct receiver *next;
};

struct event_queue {
    ah_event_queue *handle;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t arrived;
    struct pending_list waiting; /* to be taken, oldest first */
    struct pending_list taken;   /* to be answered */
    struct receiver *receivers;
    uint64_t last_id;
    bool closed;
};

/* The event that this thread has taken and not answered, and its queue, so that stopServer knows
 * whose callback it is called from. */
static _Thread_local uint64_t taken_id;
static _Thread_local ah_event_queue *taken_from;

static void append(struct pending_list *list, struct pending *pending)
{
    pending->previous = list->last;
    pending->next = NULL;
    if (list->last != NULL)
        list->last->next = pending;
    else
        list->first = pending;
    list->last = pending;
}

static void unlink_pending(struct pending_list *list, struct pending *pending)
{
    if (pending->previous != NULL)
        pending->previous->next = pending->next;
    else
        list->first = pending->next;
    if (pending->next != NULL)
        pending->next->previous = pending->previous;
    else
        list->last = pending->previous;
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
    pthread_cond_init(&queue->arrived, NULL);
    return queue->handle;
}

void *ah_event_receiver(ah_event_queue *handle, uint64_t number)
{
    struct event_queue *queue;
    struct receiver *receiver;
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

int32_t rt_event_post(const void *receiver_handle, ah_event *event, int32_t failure)
{
    struct server *server = server_current();
    struct pending pending = {.server = server, .result = failure};
    struct receiver *receiver;
    struct event_queue *queue;
    ah_event_queue *queue_handle;

    if (server == NULL) {
        error_set(AH_ERROR_WRONG_THREAD, "only the server calls the ah_post_ functions");
        return failure;
    }
    if (receiver_handle == NULL)
        receiver_handle = server->user_data;
    receiver = handle_pin(HANDLE_EVENT_RECEIVER, receiver_handle);
    if (receiver == NULL)
        return failure;
    queue_handle = receiver->queue;
    event->receiver = receiver->number;
    event->context = server->handle;
    handle_unpin(receiver_handle);
    queue = handle_pin(HANDLE_EVENT_QUEUE, queue_handle);
    if (queue == NULL)
        return failure;

    pending.event = *event;
    pthread_cond_init(&pending.answered, NULL);
    pthread_mutex_lock(&queue->mutex);
    if (!queue->closed) {
        pending.event.id = ++queue->last_id;
        append(&queue->waiting, &pending);
        pthread_cond_signal(&queue->arrived);
        while (!pending.done)
            pthread_cond_wait(&pending.answered, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    pthread_cond_destroy(&pending.answered);
    handle_unpin(queue_handle);
    return pending.result;
}

static struct timespec deadline_after(int32_t milliseconds)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += milliseconds / 1000;
    deadline.tv_nsec += milliseconds % 1000 * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    return deadline;
}

int32_t ah_next_event(ah_event_queue *handle, int32_t timeout_ms, ah_event *event)
{
    struct event_queue *queue;
    struct timespec deadline;
    int32_t result = -1;
    int waited = 0;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
    pthread_mutex_lock(&queue->mutex);
    while (queue->waiting.first == NULL && !queue->closed && waited != ETIMEDOUT)
        waited = timeout_ms < 0 ? pthread_cond_wait(&queue->arrived, &queue->mutex)
                                : pthread_cond_timedwait(&queue->arrived, &queue->mutex, &deadline);
    if (queue->waiting.first != NULL) {
        struct pending *pending = queue->waiting.first;

        unlink_pending(&queue->waiting, pending);
        append(&queue->taken, pending);
        *event = pending->event;
        taken_id = event->id;
        taken_from = handle;
        server_enter(pending->server);
        result = 1;
    } else if (queue->closed) {
        error_set(AH_ERROR_WRONG_STATE, "the event queue is closed");
    } else {
        result = 0;
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    return result;
}

int32_t ah_answer_event(ah_event_queue *handle, uint64_t id, int32_t result)
{
    struct event_queue *queue;
    struct pending *pending;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_mutex_lock(&queue->mutex);
    for (pending = queue->taken.first; pending != NULL && pending->event.id != id; pending = pending->next)
        ;
    if (pending != NULL) {
        unlink_pending(&queue->taken, pending);
        pending->result = result;
        pending->done = true;
        pthread_cond_signal(&pending->answered);
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    if (taken_id == id && taken_from == handle) {
        taken_id = 0;
        server_leave(NULL);
    }
    if (pending == NULL) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "event %" PRIu64 " is not waiting for an answer; answer each event once", id);
        return -1;
    }
    return 0;
}

void ah_close_event_queue(ah_event_queue *handle)
{
    struct event_queue *queue;
    struct pending *pending;
    struct receiver *receiver, *next;

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
    while ((pending = queue->waiting.first) != NULL) {
        unlink_pending(&queue->waiting, pending);
        pending->done = true; /* with the failure value that it came with */
        pthread_cond_signal(&pending->answered);
    }
    pthread_cond_broadcast(&queue->arrived);
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
