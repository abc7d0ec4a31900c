/*
 * Mailboxes: the events of open WebSockets, for whose answers nobody waits. One at a time of the events
 * of a mailbox is offered, the first that nobody has taken, to all who poll or to its reader; those
 * behind it follow it as its run.
 */
#include <stdlib.h>
#include <string.h>

#include "../connection.h"
#include "../errors.h"
#include "../handles.h"
#include "../server.h"
#include "../web_socket/loop.h"
#include "../web_socket/web_socket.h"
#include "queue.h"

/* Mail of one WebSocket beyond which nothing more is read from its client. */
#define MUCH_MAIL ((size_t)1 << 20)

/* What a message costs besides its bytes, so that empty ones count, too. */
#define MAIL_OVERHEAD 128

struct call *mail_untaken(const struct mailbox *mailbox)
{
    return mailbox->first != NULL && mailbox->first->taken_by == NULL ? mailbox->first : NULL;
}

void mail_announce(struct event_queue *queue, struct mailbox *mailbox)
{
    struct poller *reader = mailbox->reader;

    if (!mailbox->claimed) {
        queue_offer(queue, mailbox->first);
    } else if (reader == NULL && queue->led && !this_poller.in_loop) {
        loop_interrupt(queue->loop); /* the reader may be who leads: what another thread had taken is answered */
    } else if (reader != NULL && reader->list == &queue->readers) {
        if (mailbox->trust < TRUST || queue->watched) {
            poller_call(reader);
        } else {
            pollers_remove(reader);
            pollers_add(&queue->due, reader);
            if (!this_poller.in_loop)
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
    queue = queue_address(&call->event, connection->server, receiver != NULL ? receiver : connection->server->user_data,
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
        mail_announce(queue, mailbox);
    } else {
        mailbox->last = mailbox->last->next_mail = call;
    }
    pthread_mutex_unlock(&queue->mutex);
    return true; /* the call keeps the pin */
}

void mail_remove(struct event_queue *queue, struct call *call)
{
    struct connection *connection = call->connection;
    struct mailbox *mailbox = &connection->web_socket.mailbox;

    mailbox->first = call->next_mail;
    mailbox->size -= call->size + MAIL_OVERHEAD;
    if (call->event.kind == AH_EVENT_WEB_SOCKET_CLOSE)
        reader_unclaim(queue, connection); /* the connection may be freed */
    if (mail_untaken(mailbox) != NULL)
        mail_announce(queue, mailbox);
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

void ah_keep_web_socket_awake(ah_connection *handle, int32_t awake)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    error_clear(); /* one that has ended is not waited for */
    if (connection == NULL)
        return;
    atomic_store(&connection->web_socket.mailbox.kept, awake != 0);
    handle_unpin(handle);
}
