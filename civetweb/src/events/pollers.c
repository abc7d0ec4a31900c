/*
 * The threads that poll, and which of them leads the queue's loop.
 *
 * Of several polling threads one leads, and keeps the lead while it handles its events; the others
 * sleep. When it stays away for LOOP_PATIENCE_MS, the loop's own thread tells so (`lead_away`): what has
 * been gathered is sent, and one of the sleeping threads is woken, to help with what the leader has
 * taken and not begun, and to lead.
 */
#include "../errors.h"
#include "../handles.h"
#include "../server.h"
#include "../web_socket/cork.h"
#include "../web_socket/loop.h"
#include "queue.h"

_Thread_local struct poller this_poller;

/* A polling thread may end with its events unanswered: the queue forgets it. */
static pthread_key_t end_key;

void pollers_add(struct poller_list *list, struct poller *poller)
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

void pollers_remove(struct poller *poller)
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
    poller->list = NULL;
}

/* Have the cork ready into which the calling thread is to put off what it writes. */
static void choose_cork(const struct event_queue *queue, bool reads)
{
    if (reads && this_poller.cork != queue->cork) {
        cork_release(this_poller.cork);
        this_poller.cork = cork_retain(queue->cork);
    } else if (!reads && (this_poller.cork == NULL || this_poller.cork == queue->cork)) {
        cork_release(this_poller.cork);
        this_poller.cork = cork_new();
    }
}

void poller_begin_work(struct event_queue *queue, bool reads)
{
    this_poller.queue = queue->handle;
    this_poller.reads = reads;
    if (!reads)
        pollers_add(&queue->at_work, &this_poller);
    choose_cork(queue, reads);
    cork_begin(this_poller.cork);
}

void poller_end_work(void)
{
    struct event_queue *queue;

    if (this_poller.queue == NULL)
        return;
    queue = handle_pin(HANDLE_EVENT_QUEUE, this_poller.queue);
    if (queue != NULL) {
        pthread_mutex_lock(&queue->mutex);
        if (!this_poller.reads)
            pollers_remove(&this_poller);
        pthread_mutex_unlock(&queue->mutex);
        handle_unpin(queue->handle);
    } else {
        error_clear(); /* it has been closed since, which is no fault of the caller's */
    }
    this_poller.queue = NULL;
    cork_end();
    server_leave(NULL);
}

bool poller_come_back_to_read(const ah_event_queue *queue)
{
    if (this_poller.queue != queue || !this_poller.reads) {
        poller_come_back(queue);
        return true;
    }
    this_poller.queue = NULL;
    return cork_leave();
}

bool event_is_taken(void)
{
    if (this_poller.queue != NULL && handle_pin(HANDLE_EVENT_QUEUE, this_poller.queue) == NULL)
        poller_end_work(); /* it has been closed since: this thread will not come back to it */
    else if (this_poller.queue != NULL)
        handle_unpin(this_poller.queue);
    return this_poller.queue != NULL && !this_poller.reads;
}

void poller_call(struct poller *reader)
{
    pollers_remove(reader);
    sem_post(&reader->called);
}

/* Give the lead to a reader that sleeps, with the mutex. It is called without: it would run into it. */
static void crown(struct event_queue *queue, struct poller *reader)
{
    pollers_remove(reader);
    queue->leader = this_poller.heir = reader;
}

void poller_call_heir(void)
{
    if (this_poller.heir != NULL)
        sem_post(&this_poller.heir->called);
    this_poller.heir = NULL;
}

void queue_unlock(struct event_queue *queue)
{
    pthread_mutex_unlock(&queue->mutex);
    poller_call_heir();
}

bool lead_hand_over(struct event_queue *queue)
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

bool lead_relieve(struct event_queue *queue)
{
    queue->leader = NULL;
    if (lead_hand_over(queue))
        return true;
    if (queue->asleep > 0)
        pthread_cond_signal(&queue->relief);
    else if (queue->readers.first != NULL && !queue->watched)
        crown(queue, queue->readers.first);
    else
        return false;
    return true;
}

void lead_resign(struct event_queue *queue)
{
    if (!lead_relieve(queue))
        loop_rest(queue->loop);
}

void poller_leave(void)
{
    ah_event_queue *handle = this_poller.queue;
    struct event_queue *queue;

    poller_end_work();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    if (queue->leader == &this_poller)
        lead_resign(queue);
    queue_unlock(queue);
    handle_unpin(handle);
}

void poller_come_back(const ah_event_queue *queue)
{
    if (this_poller.queue != NULL && this_poller.queue != queue)
        poller_leave();
    else
        poller_end_work();
}

static void end_thread(void *poller)
{
    (void)poller; /* it is `this_poller` */
    poller_leave();
    cork_release(this_poller.cork);
    sem_destroy(&this_poller.called);
}

void poller_register(void)
{
    if (pthread_getspecific(end_key) != NULL)
        return;
    sem_init(&this_poller.called, 0, 0);
    pthread_setspecific(end_key, &this_poller);
}

void pollers_initialize(void)
{
    pthread_key_create(&end_key, end_thread);
}

bool lead_away(void *handle)
{
    struct event_queue *queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    struct poller *poller;
    bool again;

    if (queue == NULL)
        return false;
    pthread_mutex_lock(&queue->mutex);
    for (poller = queue->at_work.first; poller != NULL; poller = poller->next)
        cork_flush(poller->cork);
    cork_flush(queue->cork);
    again = queue->led || queue->asleep > 0 || queue->readers.first != NULL || queue->due.first != NULL;
    if (!queue->led && queue->leader != NULL && queue->leader->reads) {
        lead_relieve(queue); /* what it has taken is its own */
    } else if (!queue->led) {
        queue->leader = NULL;
        if (queue->help == 0 && !queue->watched)
            queue->help = 1;
        if (queue->asleep > 0 || !lead_hand_over(queue))
            pthread_cond_signal(&queue->relief);
    }
    queue_unlock(queue);
    handle_unpin(handle);
    return again;
}

int32_t ah_ask_for_help(ah_event_queue *handle)
{
    struct event_queue *queue;
    bool asked;

    error_clear();
    queue = handle_pin(HANDLE_EVENT_QUEUE, handle);
    if (queue == NULL)
        return -1;
    pthread_mutex_lock(&queue->mutex);
    asked = queue->help < queue->asleep;
    if (asked) {
        queue->help++;
        pthread_cond_signal(&queue->relief);
    }
    pthread_mutex_unlock(&queue->mutex);
    handle_unpin(handle);
    return asked;
}

void lead_take(struct event_queue *queue, int timeout_ms)
{
    queue->leader = &this_poller;
    queue->led = true;
    queue_unlock(queue);
    cork_flush(queue->cork); /* those who will answer to it are waited for */
    this_poller.in_loop = true;
    loop_lead(queue->loop, timeout_ms);
    this_poller.in_loop = false;
    pthread_mutex_lock(&queue->mutex);
    queue->led = false;
}
