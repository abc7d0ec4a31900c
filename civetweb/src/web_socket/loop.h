/*
 * A pool of threads that serves many sockets by one epoll set.
 *
 * One thread, the leader, waits for events and handles them. A second one stands by: when the leader
 * is held up in a handler, it takes the lead, with the events that the other had not come to. So a
 * handler may block: it holds up its own socket and one thread, for the others at most
 * LOOP_PATIENCE_MS. While nothing blocks, a single thread works, which is the fastest way.
 */
#ifndef AH_LOOP_H
#define AH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* How long the leader may be in one handler before another thread takes the lead. */
#define LOOP_PATIENCE_MS 2

/* How often `tick` runs. */
#define LOOP_TICK_MS 100

struct loop_handlers {
    /* `events` (EPOLLIN, EPOLLOUT, ...) have happened to the socket added with `handle`, or
     * loop_wake() was called. May run on several threads at once for one handle. */
    void (*ready)(void *handle, uint32_t events);
    /* The handler that runs for `handle` has lost the lead: what it was putting off should be done. */
    void (*overdue)(void *handle);
    /* LOOP_TICK_MS have passed, about; on the leader. */
    void (*tick)(void *context);
    void *context;
};

/* Start with two threads, and more when handlers block, `max_threads` at the most. NULL, with the error
 * set, when that is not possible. */
struct loop *loop_start(int max_threads, const struct loop_handlers *handlers);

/* Watch a socket for everything, edge-triggered (see epoll(7)). False: the system refuses. */
bool loop_add(struct loop *loop, int socket, void *handle);
void loop_remove(struct loop *loop, int socket);

/* Have `ready` called soon for `handle` without events. False: out of memory. */
bool loop_wake(struct loop *loop, void *handle);

/* End the threads, when their handlers have returned. Not from one of them. */
void loop_stop(struct loop *loop);

#endif
