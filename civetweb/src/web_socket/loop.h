/*
 * Threads that serve many sockets by one epoll set.
 *
 * One thread, the leader, waits for events and handles them. Another one stands by: when the leader is
 * held up, it takes the lead, with the events that the other had not come to. While nothing is held
 * up, a single thread works, which is the fastest way. There are two kinds of loop:
 *
 * - The threads are the loop's own, and a handler may block: it holds up its own socket and one
 *   thread, for the others at most LOOP_PATIENCE_MS.
 * - The lead is for a thread of the program, a polling thread, which comes for one turn after the
 *   other. Between two turns it is away, and only when it is so for too long does the loop's own
 *   thread fill in for it. Handlers do not block. When there is much to do, the own thread also does
 *   errands that the polling one need not do itself (loop_put_off).
 */
#ifndef AH_LOOP_H
#define AH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* How long the leader may be in one handler, or away, before another thread takes the lead. */
#define LOOP_PATIENCE_MS 2

/* How often `tick` runs. */
#define LOOP_TICK_MS 100

struct loop_handlers {
    /* `events` (EPOLLIN, EPOLLOUT, ...) have happened to the socket added with `handle`, or
     * loop_wake() was called. May run on several threads at once for one handle. */
    void (*ready)(void *handle, uint32_t events);
    /* The handler that runs for `handle` has lost the lead: what it was putting off should be done.
     * Null for a polled loop. */
    void (*overdue)(void *handle);
    /* LOOP_TICK_MS have passed, about; on the leader. Null: nothing to do. */
    void (*tick)(void *context);
    /* The polling thread has been away for LOOP_PATIENCE_MS. True: say so again when it is away for as
     * long again. Null for a loop that is not polled. */
    bool (*away)(void *context);
    /* What was put off for `handle` is to be done; on any thread. Null for a loop that is not polled. */
    void (*errand)(void *handle);
    void *context;
};

/* Start with two threads, and more when handlers block, `max_threads` at the most. NULL, with the error
 * set, when that is not possible. The caller ends it with loop_release(). */
struct loop *loop_start(int max_threads, const struct loop_handlers *handlers);

/* The same for a loop that is polled: one thread, which fills in. */
struct loop *loop_start_polled(const struct loop_handlers *handlers);

/* One more user of a loop; and one less. The last one ends the threads, when their handlers have
 * returned; it is none of them. */
void loop_retain(struct loop *loop);
void loop_release(struct loop *loop);

/* Watch a socket for everything, edge-triggered (see epoll(7)). False: the system refuses. */
bool loop_add(struct loop *loop, int socket, void *handle);
void loop_remove(struct loop *loop, int socket);

/* Have `ready` called soon for `handle` without events. False: out of memory. */
bool loop_wake(struct loop *loop, void *handle);

/* For a polled loop, by one thread at a time: take the lead, wait up to `timeout_ms` (below zero: for
 * ever) for events, and handle them. From the return on the thread is away. */
void loop_lead(struct loop *loop, int timeout_ms);

/* The polling thread goes away with `count` events to handle. If these are many, errands may be put off until it
 * is back: the loop's own thread does them then, while the polling one goes on. */
void loop_gather(struct loop *loop, int count);

/* Have `errand` called for a handle soon, within LOOP_PATIENCE_MS. False: nothing is put off now, or memory is
 * short. */
bool loop_put_off(struct loop *loop, void *handle);

/* End the wait of loop_lead(), or the next one before it begins. */
void loop_interrupt(struct loop *loop);

/* The polling thread is away, but not held up: it has done one thing and goes on to the next. */
void loop_touch(struct loop *loop);

/* A thread leads that has not been in loop_lead(), or nobody does: it is away, and from now on it is seen for
 * how long, also when the loop's own thread has filled in and had nothing more to tell. */
void loop_watch(struct loop *loop);

/* The polling thread has nothing to do and will be back when loop_descriptor() is readable: it is not
 * away. */
void loop_rest(struct loop *loop);
int loop_descriptor(const struct loop *loop);

/* No polling thread will come again. */
void loop_abandon(struct loop *loop);

#endif
