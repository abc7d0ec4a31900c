/* The polled driver, as the rest of the runtime sees it; events.c says how it works. */
#ifndef AH_EVENTS_H
#define AH_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "alusus_http/alusus_http_events.h"

struct call;
struct connection;
struct loop;
struct poller;
struct server;

/* The events of one WebSocket that have been posted and not been answered, oldest first: its mail. All
 * of them go to one queue, whose mutex guards this; what is atomic may be looked at without. */
struct mailbox {
    ah_event_queue *queue; /* null: there has been no mail. Set once, by the WebSocket's owner */
    struct call *first, *last;
    atomic_size_t size;  /* bytes of all messages, and something for each */
    atomic_bool awaited; /* the WebSocket's owner has work to do when there is less, and reads nothing before */
    atomic_bool kept;    /* as ah_keep_web_socket_awake() has said; not guarded by the mutex */

    /* Of a WebSocket that is claimed. */
    bool claimed;
    struct connection *previous, *next; /* the queue's claimed ones */
    struct poller *reader;              /* the thread that sleeps until there is mail; or null */
    int64_t quick_until;                /* the reader is quick if it comes back by then (µs); 0: nothing was taken */
    int trust;                          /* that it does not block: grows when it was quick, see TRUST */
};

/* Whether the calling thread has taken events, and has not come back since. */
bool event_is_taken(void);

/* Whether the calling thread reads the events of a WebSocket of this server, which cannot end without it. */
bool events_are_read_here(const struct server *server);

/* The loop of the queue that user data made by ah_event_receiver leads to, retained for the caller;
 * null for any other user data. */
struct loop *events_loop(const void *user_data);

/* Post an event of a WebSocket without waiting for its answer; a message's data is copied. Events of
 * one WebSocket are taken in order, and those of one run are answered before the next is taken. False
 * when the queue is closed or memory is short: nobody will see the event. */
bool events_mail(struct connection *connection, const void *receiver, const ah_event *event, const void *data,
                 size_t size);

/* Post an event about an exchange, for which nobody waits and which its receiver may take at any time;
 * `data` is copied. False when the queue is closed or memory is short. */
bool events_note(struct server *server, const ah_event *event, const void *data, size_t size);

/* Whether a WebSocket has mail, or so much that no more should be read from its client. If so, its
 * owner is scheduled when that has changed. */
bool events_has_mail(struct connection *connection);
bool events_has_much_mail(struct connection *connection);

#endif
