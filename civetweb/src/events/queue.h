/* What the files of the polled driver share; events.c says how it works. */
#ifndef AH_EVENTS_QUEUE_H
#define AH_EVENTS_QUEUE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"

struct cork;

/* A reader that leads and blocks holds up the others, so the lead is for those whose trust is at least this. It grows by
 * one each time that the reader comes back quickly, up to 2 * TRUST, and falls by TRUST when it does not. So one that
 * was always quick is forgiven once: another program may have had the processor. */
#define TRUST 8

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
    bool reads;            /* they are of a WebSocket that it has claimed: it may block, and counts as in no callback */
    struct cork *cork;        /* its own or, of a reader, the queue's; null: none yet, or no memory */
    struct poller_list *list; /* in which it is: one of the queue's */
    struct poller *previous, *next;

    ah_connection *reading; /* the WebSocket whose events it has asked for last; null: none. It may have ended */

    /* Of one that sleeps to read. Who takes it out of its list calls it, once, and it waits for that. */
    sem_t called;
    struct poller *heir; /* to be called by this thread, as soon as it has unlocked the queue's mutex */

    bool in_loop; /* the thread is in loop_lead: what it posts there, it will find when it returns */
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
    struct poller_list at_work; /* those that have taken events, but for readers */
    struct poller_list readers; /* those that sleep and have no mail */
    struct poller_list due;     /* those that sleep and have mail: they get the lead one after the other */
    struct connection *claimed; /* whose mail is for its reader */
    struct cork *cork;          /* of the reader that leads, and of those before it */
    struct poller *leader;    /* leads the loop, or handles what it got there; null: nobody, or it is away */
    bool led;                 /* the leader is in loop_lead, where it cannot be away */
    int asleep;               /* other threads in ah_next_events, which are no readers */
    pthread_cond_t relief;    /* wakes one of them: there is no leader */
    int help;                 /* so many threads are to return without events, to share the work of others */
    pthread_cond_t answered;  /* an event has been, and the queue is closed */
    struct event_receiver *receivers;
    uint64_t last_id;
    int trust; /* of the reader that came back last; a new one begins with it */
    bool closed;
};

/* The calling thread as one that polls. */
extern _Thread_local struct poller this_poller;

/* What a call of ah_next_events gives out: events, and copies of their data where it is short. */
struct batch {
    ah_event *events;
    int32_t capacity, count;
    char *memory;
    size_t memory_left;
};

/* All below except what says otherwise is called with the queue's mutex. */

/* queue.c */

void calls_append(struct call_list *list, struct call *call);
void calls_prepend(struct call_list *list, struct call *call);
void calls_remove(struct call_list *list, struct call *call);

/* Fill in where an event goes. The queue, pinned under `queue_handle`; null when it is closed. Without the mutex. */
struct event_queue *queue_address(ah_event *event, const struct server *server, const void *receiver_handle,
                                  ah_event_queue **queue_handle);

/* Have a call taken by whoever polls. */
void queue_offer(struct event_queue *queue, struct call *call);

/* Give every waiting call its failure value. */
void queue_drop_waiting(struct event_queue *queue);

/* events.c */

/* Whether a batch has room for anything, else the error is set. Without the mutex. */
bool batch_has_room(int32_t capacity, size_t memory_size);

/* Take a call and, of a mailbox, everything behind it, as a run. False when the batch is full: the rest of the
 * mailbox is announced when this part has been answered. So it is behind a ready event, which may claim the rest. */
bool batch_take_run(struct event_queue *queue, struct call *call, struct batch *batch);

/* Answer a taken call. */
void call_answer(struct event_queue *queue, struct call *call, int32_t result);

/* mail.c */

/* The oldest mail that nobody has taken, when all that has been taken is answered; else null. */
struct call *mail_untaken(const struct mailbox *mailbox);

/* There is mail that nobody has taken. */
void mail_announce(struct event_queue *queue, struct mailbox *mailbox);

/* Take the first mail out of its box, answered or dropped. When it was the last of its run, its successor is
 * offered. */
void mail_remove(struct event_queue *queue, struct call *call);

/* readers.c */

/* Have a WebSocket's mail given to anybody. */
void reader_unclaim(struct event_queue *queue, struct connection *connection);

/* pollers.c */

/* Once, before any other of these. */
void pollers_initialize(void);

void pollers_add(struct poller_list *list, struct poller *poller);
void pollers_remove(struct poller *poller);

/* Wake a reader that sleeps. */
void poller_call(struct poller *reader);

/* The calling thread has taken events, and begins to handle them; with `reads` as a reader. */
void poller_begin_work(struct event_queue *queue, bool reads);

/* The next six are about the calling thread, too, and called without the mutex. */

/* It has handled its events: what it has written is sent. */
void poller_end_work(void);

/* It asks this queue for events: it has handled those that it had, or leaves the other queue that they were of. */
void poller_come_back(const ah_event_queue *queue);

/* The same of a reader. True: what it has written as a leader may wait for what the next one writes; false: it is to
 * be sent now. */
bool poller_come_back_to_read(const ah_event_queue *queue);

/* It asks the queue that it had events of for nothing more, and leads it no longer. */
void poller_leave(void);

/* Call who has got the lead from it. */
void poller_call_heir(void);

/* See to it that the calling thread is forgotten when it ends. */
void poller_register(void);

/* Give away the mutex, and call who has got the lead with it. */
void queue_unlock(struct event_queue *queue);

/* Lead the loop for a turn; the mutex is given away for that time. */
void lead_take(struct event_queue *queue, int timeout_ms);

/* Give the lead to a thread that has something to do with it; false when nobody has. */
bool lead_hand_over(struct event_queue *queue);

/* The leader leads no longer: wake another one; false when all are at work. */
bool lead_relieve(struct event_queue *queue);

/* The leader has nothing to do, or ends. */
void lead_resign(struct event_queue *queue);

/* The leader is away: a handler of the queue's loop (loop.h). Without the mutex. */
bool lead_away(void *handle);

#endif
