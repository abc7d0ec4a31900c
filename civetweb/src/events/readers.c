/*
 * Readers: threads that ask for the events of one WebSocket, which they have claimed, and for nothing
 * else.
 *
 * Readers lead, too. A leader that has read mail for other readers does not wake them all, who would
 * only fight for the language's lock: it hands the lead to the first, who hands it to the second when
 * it comes back. So there is one switch of threads for each, and a reader that gets its own mail needs
 * none. What they write meanwhile is sent together, by who has nobody left to hand the lead to: clients
 * that were answered one by one would also write one by one, and each message would cost a wait for
 * sockets.
 *
 * Threads are there to be blocked: a reader that has been long on its way back lately (`trust`) does not get
 * the lead, and is woken as soon as it has mail.
 */
#include "../clock.h"
#include "../connection.h"
#include "../errors.h"
#include "../handles.h"
#include "../web_socket/cork.h"
#include "../web_socket/loop.h"
#include "queue.h"

/* A reader that needs longer than this for an event waits for something, or works for so long that a switch of threads
 * more or less does not matter. */
#define QUICK_US 200

void reader_unclaim(struct event_queue *queue, struct connection *connection)
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
        poller_call(mailbox->reader);
    else if (mailbox->reader == NULL && queue->led && !this_poller.in_loop)
        loop_interrupt(queue->loop); /* the reader may be who leads */
    if (mail_untaken(mailbox) != NULL)
        queue_offer(queue, mailbox->first);
}

/* Its reader has come back: see for how long it was away. With the mutex. */
static void judge(struct event_queue *queue, struct mailbox *mailbox)
{
    if (mailbox->quick_until == 0)
        return;
    if (clock_microseconds() > mailbox->quick_until)
        mailbox->trust = mailbox->trust > TRUST ? mailbox->trust - TRUST : 0;
    else if (mailbox->trust < 2 * TRUST)
        mailbox->trust++;
    queue->trust = mailbox->trust;
    mailbox->quick_until = 0;
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

bool events_are_read_here(const struct server *server)
{
    struct event_queue *queue = NULL;
    struct connection *connection = this_poller.reading == NULL ? NULL : pin_mailbox(this_poller.reading, &queue);
    bool read;

    if (connection == NULL) {
        error_clear();
        return false;
    }
    pthread_mutex_lock(&queue->mutex);
    read = connection->server == server && connection->web_socket.mailbox.claimed;
    pthread_mutex_unlock(&queue->mutex);
    unpin_mailbox(connection, queue);
    return read;
}

/* Whether a WebSocket can be claimed now, with the mutex; else the error is set. Nobody but its reader can take the
 * close event then, without which the reader would wait for ever, and the end of the connection for the reader. */
static bool can_be_claimed(const struct connection *connection)
{
    const struct call *first = connection->web_socket.mailbox.first;

    if (first == NULL || first->event.kind != AH_EVENT_WEB_SOCKET_READY) {
        error_set(AH_ERROR_WRONG_STATE, "a WebSocket is claimed in its ready event, before that is answered");
        return false;
    }
    if (connection->web_socket.route->close == NULL) {
        error_set(AH_ERROR_WRONG_STATE, "the handler of this WebSocket has no close callback, by which its reader is told "
                                        "of the end: give ah_post_web_socket_close");
        return false;
    }
    return true;
}

int32_t ah_claim_web_socket(ah_connection *handle)
{
    struct event_queue *queue = NULL;
    struct connection *connection;
    struct mailbox *mailbox;
    bool claimed;

    error_clear();
    connection = pin_mailbox(handle, &queue);
    if (connection == NULL)
        return -1;
    mailbox = &connection->web_socket.mailbox;
    pthread_mutex_lock(&queue->mutex);
    claimed = can_be_claimed(connection);
    if (claimed && !mailbox->claimed && !queue->closed) {
        mailbox->claimed = true;
        mailbox->trust = queue->trust;
        mailbox->previous = NULL;
        mailbox->next = queue->claimed;
        if (mailbox->next != NULL)
            mailbox->next->web_socket.mailbox.previous = connection;
        queue->claimed = connection;
    }
    pthread_mutex_unlock(&queue->mutex);
    unpin_mailbox(connection, queue);
    return claimed ? 0 : -1;
}

void ah_release_web_socket(ah_connection *handle)
{
    struct event_queue *queue = NULL;
    struct connection *connection;

    if (this_poller.queue != NULL && this_poller.reads)
        poller_leave();
    connection = pin_mailbox(handle, &queue);
    error_clear(); /* one that has ended is nobody's */
    if (connection == NULL)
        return;
    pthread_mutex_lock(&queue->mutex);
    reader_unclaim(queue, connection);
    pthread_mutex_unlock(&queue->mutex);
    unpin_mailbox(connection, queue);
}

static void await_call(void)
{
    while (sem_wait(&this_poller.called) != 0)
        continue; /* a signal */
}

/* Sleep until there may be mail, or the lead, with the mutex, which is given away for that time. */
static void await_mail(struct event_queue *queue, struct mailbox *mailbox, int64_t deadline)
{
    struct timespec until;
    bool called = true;

    mailbox->reader = &this_poller;
    pollers_add(&queue->readers, &this_poller);
    queue_unlock(queue);
    if (deadline >= 0) {
        until = clock_after((int)(deadline - clock_now()));
        called = clock_wait(&this_poller.called, &until);
    } else {
        await_call();
    }
    pthread_mutex_lock(&queue->mutex);
    if (!called && this_poller.list != NULL) {
        pollers_remove(&this_poller);
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

    while (!queue->closed && mailbox->claimed && mail_untaken(mailbox) == NULL && left != 0) {
        if (queue->watched || (queue->leader != NULL && queue->leader != &this_poller) || lead_hand_over(queue))
            await_mail(queue, mailbox, deadline);
        else
            lead_take(queue, (int)left);
        if (deadline >= 0)
            left = deadline > clock_now() ? deadline - clock_now() : 0;
    }
    if (mailbox->claimed && !queue->closed)
        batch_take_run(queue, mail_untaken(mailbox), batch);
    may_lead = batch->count > 0 && mailbox->trust >= TRUST && !queue->watched;
    if (queue->leader == NULL && may_lead) {
        queue->leader = &this_poller;
        loop_watch(queue->loop);
    } else if (queue->leader == NULL || (queue->leader == &this_poller && !may_lead)) {
        if (!lead_relieve(queue) && !queue->watched)
            loop_watch(queue->loop);
    }
}

/* Send what readers have written, with the mutex, which is given away for that time. */
static void send_corked(struct event_queue *queue)
{
    pthread_mutex_unlock(&queue->mutex);
    cork_flush(queue->cork);
    pthread_mutex_lock(&queue->mutex);
}

int32_t ah_next_events_of(ah_connection *handle, uint64_t answered, int32_t timeout_ms, ah_event *events,
                          int32_t capacity, void *memory, size_t memory_size)
{
    struct batch batch = {events, capacity, 0, memory, memory_size};
    struct event_queue *queue = NULL;
    struct connection *connection;
    struct mailbox *mailbox;
    bool may_wait, claimed;

    error_clear();
    if (!batch_has_room(capacity, memory_size))
        return -1;
    connection = pin_mailbox(handle, &queue);
    if (connection == NULL)
        return -1;
    mailbox = &connection->web_socket.mailbox;
    this_poller.reading = handle;
    poller_register();
    may_wait = poller_come_back_to_read(queue->handle);
    pthread_mutex_lock(&queue->mutex);
    judge(queue, mailbox);
    while (mailbox->first != NULL && mailbox->first->taken_by != NULL && mailbox->first->event.id <= answered)
        call_answer(queue, mailbox->first, 1);
    if (queue->leader == &this_poller) {
        loop_touch(queue->loop);
        if (!may_wait)
            send_corked(queue);
    }
    if (queue->leader == &this_poller)
        lead_hand_over(queue);
    wait_and_read(queue, mailbox, timeout_ms, &batch);
    claimed = mailbox->claimed && !queue->closed;
    if (batch.count > 0)
        mailbox->quick_until = clock_microseconds() + (int64_t)batch.count * QUICK_US;
    if (queue->leader == &this_poller)
        poller_begin_work(queue, true);
    queue_unlock(queue);
    unpin_mailbox(connection, queue);
    if (claimed) {
        error_clear(); /* of what was done for other connections meanwhile */
        return batch.count;
    }
    error_set(AH_ERROR_WRONG_STATE, "this WebSocket is not claimed, or has ended");
    return -1;
}
