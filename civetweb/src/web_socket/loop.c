#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../clock.h"
#include "../errors.h"

#define BATCH 64

/* So many errands are worth waking a thread for. */
#define MANY_ERRANDS 8

/* A polling thread that has put off so many within LOOP_PATIENCE_MS is not held up by any. */
#define LIVELY_ERRANDS 32

struct handles {
    void **items;
    size_t count, capacity;
};

struct loop {
    struct loop_handlers handlers;
    atomic_int users;
    int epoll;
    int wakeup; /* an eventfd in the epoll set */

    pthread_mutex_t mutex; /* guards all below */
    bool stopping;

    /* The lead: its holder is whoever took it in this turn. */
    uint64_t turn;
    bool waiting;     /* the leader is in epoll_wait, or on the way */
    bool resting;     /* the polling thread leads and is in the program's own wait ... */
    bool taking_over; /* ... or leads and waits for its predecessor to come out of epoll_wait */
    bool interrupted; /* the next wait of the polling thread ends at once */
    uint64_t claims;  /* grows with each event that is handled: the leader's sign of life */
    void *current;    /* what the leader handles; null: nothing */
    int64_t next_tick;
    pthread_cond_t handed; /* wakes the polling thread, which has taken the lead of a thread that waits */

    /* What the leader got from epoll_wait; a successor goes on with it. */
    struct epoll_event batch[BATCH];
    int batch_size, batch_next;

    /* Handles to call `ready` for: those that came since the last wait, and those from before it. Two
     * lists, so that a handler which wakes itself again cannot keep the sockets from being looked at. */
    struct handles woken, due;

    /* Of a polled loop: handles to call `errand` for. There are none when its own thread takes the lead; before that it
     * looks after each LOOP_PATIENCE_MS, and when it is woken. `at_hand` is what it is at. */
    struct handles errands, at_hand;
    bool fills_in; /* the own thread leads */
    bool gathers;  /* it does not, and there may be more errands: a polling thread is away with much to do */

    /* Of the threads that do not lead, one stands by and the others rest. There are as many threads as
     * were ever needed at once: one that takes the lead and leaves nobody to stand by starts another. */
    bool has_standby;
    int spare;
    bool standby_sleeps;
    pthread_cond_t standby; /* wakes the one that stands by */
    pthread_cond_t rest;    /* wakes one that rests */

    int thread_count, max_threads;
    pthread_t threads[];
};

/* The next thing to handle, if this thread still leads: from the batch, then from the woken ones. */
static bool claim(struct loop *loop, uint64_t turn, void **handle, uint32_t *events)
{
    bool claimed = false;

    pthread_mutex_lock(&loop->mutex);
    if (loop->turn == turn && !loop->stopping) {
        *handle = NULL;
        if (loop->batch_next < loop->batch_size) {
            *handle = loop->batch[loop->batch_next].data.ptr;
            *events = loop->batch[loop->batch_next++].events;
        } else if (loop->due.count > 0) {
            *handle = loop->due.items[--loop->due.count];
            *events = 0;
        }
        loop->current = *handle;
        loop->claims++;
        claimed = *handle != NULL;
    }
    pthread_mutex_unlock(&loop->mutex);
    return claimed;
}

static void handle_all(struct loop *loop, uint64_t turn)
{
    void *handle;
    uint32_t events;

    while (claim(loop, turn, &handle, &events))
        loop->handlers.ready(handle, events);
}

/* How long to wait for events: until the next tick, unless something is due at once. */
static int patience(const struct loop *loop, int timeout)
{
    int64_t left;

    if (loop->woken.count > 0)
        return 0;
    if (loop->handlers.tick == NULL)
        return timeout;
    left = loop->next_tick - clock_now();
    return left < 0 ? 0 : (int)left;
}

static void signal_descriptor(struct loop *loop)
{
    uint64_t one = 1;

    (void)!write(loop->wakeup, &one, sizeof one);
}

/* Whether there is something for who leads next, with the mutex. */
static bool has_work(const struct loop *loop)
{
    return loop->interrupted || loop->woken.count > 0 || loop->due.count > 0 || loop->batch_next < loop->batch_size;
}

/* Wait for events; false when this thread has lost the lead or the loop stops. */
static bool wait_for_events(struct loop *loop, uint64_t turn, int timeout, bool polling)
{
    struct epoll_event batch[BATCH];
    uint64_t ignored;
    struct handles emptied;
    bool leads, busy, tick;
    int count, i;

    pthread_mutex_lock(&loop->mutex);
    leads = loop->turn == turn && !loop->stopping;
    if (leads) /* else it may be another thread's, which is there now */
        loop->waiting = true;
    timeout = polling && loop->interrupted ? 0 : patience(loop, timeout);
    pthread_mutex_unlock(&loop->mutex);
    if (!leads)
        return false;

    /* Nobody handles anything while a thread waits here: `waiting` says so. */
    count = epoll_wait(loop->epoll, batch, BATCH, timeout);

    pthread_mutex_lock(&loop->mutex);
    loop->waiting = false;
    busy = count > 0 || loop->interrupted || loop->woken.count > 0;
    if (polling)
        loop->interrupted = false;
    loop->claims++;
    loop->batch_size = 0;
    loop->batch_next = 0;
    for (i = 0; i < count; i++) {
        if (batch[i].data.ptr == NULL)
            (void)!read(loop->wakeup, &ignored, sizeof ignored);
        else
            loop->batch[loop->batch_size++] = batch[i];
    }
    emptied = loop->due; /* all claimed, or this thread would not wait */
    loop->due = loop->woken;
    loop->woken = emptied;
    tick = loop->handlers.tick != NULL && clock_now() >= loop->next_tick;
    if (tick)
        loop->next_tick = clock_now() + LOOP_TICK_MS;
    /* A polling thread that does not wait has something to do, which may take it long. */
    if ((busy || (polling && timeout == 0)) && loop->standby_sleeps)
        pthread_cond_signal(&loop->standby);
    leads = loop->turn == turn && !loop->stopping;
    if (!leads)
        pthread_cond_signal(&loop->handed);
    if (!leads && loop->resting && has_work(loop))
        signal_descriptor(loop); /* again: this thread has read it */
    pthread_mutex_unlock(&loop->mutex);
    if (tick && leads)
        loop->handlers.tick(loop->handlers.context);
    return leads;
}

static void lead(struct loop *loop, uint64_t turn)
{
    do
        handle_all(loop, turn);
    while (wait_for_events(loop, turn, -1, false));
}

/* Lead a polled loop until its thread comes. */
static void fill_in(struct loop *loop, uint64_t turn)
{
    int64_t next = clock_now();
    int timeout = -1;

    do {
        if (next >= 0 && clock_now() >= next)
            next = loop->handlers.away(loop->handlers.context) ? clock_now() + LOOP_PATIENCE_MS : -1;
        handle_all(loop, turn);
        timeout = next < 0 ? -1 : LOOP_PATIENCE_MS;
    } while (wait_for_events(loop, turn, timeout, false));
}

/* Whether the leader needs no watching. */
static bool leader_waits(const struct loop *loop)
{
    return loop->waiting || loop->resting || loop->taking_over;
}

/* Do the errands, with the mutex, which is given away for that time. There are none on return. */
static void run_errands(struct loop *loop)
{
    struct handles emptied;
    size_t i;

    while (loop->errands.count > 0) {
        emptied = loop->at_hand;
        loop->at_hand = loop->errands;
        loop->errands = emptied;
        pthread_mutex_unlock(&loop->mutex);
        for (i = 0; i < loop->at_hand.count; i++)
            loop->handlers.errand(loop->at_hand.items[i]);
        pthread_mutex_lock(&loop->mutex);
        loop->at_hand.count = 0;
    }
}

/* Watch the leader until it is held up. Returns the turn that this thread has got, 0 at the end.
 * With the mutex, which is held again on return. */
static uint64_t stand_by(struct loop *loop)
{
    uint64_t seen = loop->claims;
    bool was_waiting = false;

    run_errands(loop);
    while (!loop->stopping) {
        struct timespec deadline = clock_after(LOOP_PATIENCE_MS);
        bool waiting = leader_waits(loop), has_time = true, is_lively;

        /* A leader with nothing to do needs no watching, until it wakes us. One that gets events all
         * the time is watched by the clock, so that it need not wake us for each. */
        if (was_waiting && waiting && loop->claims == seen) {
            loop->standby_sleeps = true;
            pthread_cond_wait(&loop->standby, &loop->mutex);
            loop->standby_sleeps = false;
        } else {
            has_time = pthread_cond_timedwait(&loop->standby, &loop->mutex, &deadline) != ETIMEDOUT;
        }
        is_lively = loop->errands.count >= LIVELY_ERRANDS;
        run_errands(loop);
        waiting = leader_waits(loop);
        if (!has_time && !is_lively && !waiting && loop->claims == seen && !loop->stopping) {
            loop->fills_in = true;
            loop->gathers = false;
            return ++loop->turn;
        }
        was_waiting = waiting;
        seen = loop->claims;
    }
    return 0;
}

static void *run(void *argument);

/* Start one more thread, unless there are enough; returns what pthread_create does. With the mutex. */
static int add_thread(struct loop *loop)
{
    int error;

    if (loop->thread_count == loop->max_threads)
        return 0;
    error = pthread_create(&loop->threads[loop->thread_count], NULL, run, loop);
    if (error == 0)
        loop->thread_count++;
    return error;
}

static void *run(void *argument)
{
    struct loop *loop = argument;
    uint64_t turn;
    void *overdue;

    pthread_mutex_lock(&loop->mutex);
    while (!loop->stopping) {
        if (loop->turn == 0) {
            turn = ++loop->turn; /* the first thread of all */
            overdue = NULL;
        } else if (loop->has_standby) {
            loop->spare++;
            pthread_cond_wait(&loop->rest, &loop->mutex);
            loop->spare--;
            continue;
        } else {
            loop->has_standby = true;
            turn = stand_by(loop);
            loop->has_standby = false;
            overdue = loop->current;
            /* Without another thread, the next callback that blocks holds up the others: no more. */
            if (turn != 0 && loop->spare == 0)
                (void)add_thread(loop);
            pthread_cond_signal(&loop->rest);
        }
        pthread_mutex_unlock(&loop->mutex);
        if (turn != 0) {
            if (loop->handlers.away != NULL) {
                fill_in(loop, turn);
            } else {
                if (overdue != NULL)
                    loop->handlers.overdue(overdue);
                lead(loop, turn);
            }
        }
        pthread_mutex_lock(&loop->mutex);
    }
    pthread_mutex_unlock(&loop->mutex);
    return NULL;
}

bool loop_add(struct loop *loop, int socket, void *handle)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = handle};

    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, socket, &event) == 0;
}

void loop_remove(struct loop *loop, int socket)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, socket, NULL);
}

static bool append(struct handles *handles, void *handle)
{
    if (handles->count == handles->capacity) {
        size_t capacity = handles->capacity > 0 ? handles->capacity * 2 : 64;
        void **items = realloc(handles->items, capacity * sizeof *items);

        if (items == NULL)
            return false;
        handles->items = items;
        handles->capacity = capacity;
    }
    handles->items[handles->count++] = handle;
    return true;
}

bool loop_wake(struct loop *loop, void *handle)
{
    bool appended;

    pthread_mutex_lock(&loop->mutex);
    appended = append(&loop->woken, handle);
    if (loop->waiting || loop->resting)
        signal_descriptor(loop);
    pthread_mutex_unlock(&loop->mutex);
    return appended;
}

/* Errands */

void loop_gather(struct loop *loop, int count)
{
    if (count < MANY_ERRANDS)
        return;
    pthread_mutex_lock(&loop->mutex);
    loop->gathers = !loop->fills_in;
    pthread_mutex_unlock(&loop->mutex);
}

bool loop_put_off(struct loop *loop, void *handle)
{
    bool gathered;

    pthread_mutex_lock(&loop->mutex);
    gathered = loop->gathers && append(&loop->errands, handle);
    pthread_mutex_unlock(&loop->mutex);
    return gathered;
}

/* The polling thread is back, with the mutex: have what it has put off done. A few errands are its own, for a switch
 * of threads would take longer; it gets them in `few`. Returns how many. */
static size_t end_gathering(struct loop *loop, void *few[MANY_ERRANDS])
{
    size_t count = loop->errands.count;

    loop->gathers = false;
    if (count >= MANY_ERRANDS) {
        pthread_cond_signal(&loop->standby);
        return 0;
    }
    if (count > 0)
        memcpy(few, loop->errands.items, count * sizeof *few);
    loop->errands.count = 0;
    return count;
}

/* The turns of a polling thread */

void loop_lead(struct loop *loop, int timeout_ms)
{
    void *few[MANY_ERRANDS];
    size_t few_count, i;
    uint64_t turn;
    bool left;

    pthread_mutex_lock(&loop->mutex);
    few_count = end_gathering(loop, few);
    turn = ++loop->turn;
    loop->fills_in = false;
    loop->resting = false;
    loop->taking_over = true;
    while (loop->waiting) {
        signal_descriptor(loop);
        pthread_cond_wait(&loop->handed, &loop->mutex);
    }
    loop->taking_over = false;
    left = loop->batch_next < loop->batch_size || loop->due.count > 0;
    pthread_mutex_unlock(&loop->mutex);
    for (i = 0; i < few_count; i++)
        loop->handlers.errand(few[i]);
    handle_all(loop, turn);
    if (wait_for_events(loop, turn, left ? 0 : timeout_ms, true))
        handle_all(loop, turn);
}

void loop_interrupt(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->interrupted = true;
    if (loop->waiting || loop->resting)
        signal_descriptor(loop);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_touch(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->claims++;
    pthread_mutex_unlock(&loop->mutex);
}

void loop_watch(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->turn++;
    loop->claims++;
    loop->fills_in = false;
    loop->resting = false;
    if (loop->waiting) /* in fill_in, which ends */
        signal_descriptor(loop);
    if (loop->standby_sleeps)
        pthread_cond_signal(&loop->standby);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_rest(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->resting = true;
    loop->gathers = false;
    /* The loop's own thread may have taken the lead a moment ago. It would take from the descriptor what the polling
     * thread waits for. */
    if (loop->fills_in)
        loop->turn++;
    loop->fills_in = false;
    if (loop->errands.count > 0) /* of a thread that has not come back */
        pthread_cond_signal(&loop->standby);
    if (loop->waiting || has_work(loop))
        signal_descriptor(loop);
    pthread_mutex_unlock(&loop->mutex);
}

int loop_descriptor(const struct loop *loop)
{
    return loop->epoll;
}

void loop_abandon(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->resting = false;
    pthread_cond_signal(&loop->standby);
    pthread_mutex_unlock(&loop->mutex);
}

/* Start and end */

static void loop_free(struct loop *loop)
{
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wakeup >= 0)
        close(loop->wakeup);
    pthread_cond_destroy(&loop->standby);
    pthread_cond_destroy(&loop->rest);
    pthread_cond_destroy(&loop->handed);
    pthread_mutex_destroy(&loop->mutex);
    free(loop->woken.items);
    free(loop->due.items);
    free(loop->errands.items);
    free(loop->at_hand.items);
    free(loop);
}

/* A loop without threads. */
static struct loop *loop_new(int max_threads, const struct loop_handlers *handlers)
{
    struct loop *loop = calloc(1, sizeof *loop + (size_t)max_threads * sizeof *loop->threads);
    struct epoll_event wakeup = {.events = EPOLLIN};

    if (loop == NULL) {
        error_set_no_memory();
        return NULL;
    }
    loop->handlers = *handlers;
    loop->max_threads = max_threads;
    loop->next_tick = clock_now() + LOOP_TICK_MS;
    atomic_init(&loop->users, 1);
    pthread_mutex_init(&loop->mutex, NULL);
    clock_condition(&loop->standby);
    pthread_cond_init(&loop->rest, NULL);
    pthread_cond_init(&loop->handed, NULL);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->wakeup < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wakeup, &wakeup) != 0) {
        error_set(AH_ERROR_SYSTEM, "the WebSocket threads could not be started: %s", strerror(errno));
        loop_free(loop);
        return NULL;
    }
    return loop;
}

/* Start the threads that every loop has; NULL when that fails. */
static struct loop *start_threads(struct loop *loop, int count)
{
    int error = 0, i;

    pthread_mutex_lock(&loop->mutex);
    for (i = 0; i < count && error == 0; i++)
        error = add_thread(loop);
    pthread_mutex_unlock(&loop->mutex);
    if (error == 0)
        return loop;
    error_set(AH_ERROR_SYSTEM, "the WebSocket threads could not be started: %s", strerror(error));
    loop_release(loop);
    return NULL;
}

struct loop *loop_start(int max_threads, const struct loop_handlers *handlers)
{
    struct loop *loop = loop_new(max_threads, handlers);

    return loop == NULL ? NULL : start_threads(loop, 2); /* one to lead and one to stand by */
}

struct loop *loop_start_polled(const struct loop_handlers *handlers)
{
    struct loop *loop = loop_new(1, handlers);

    if (loop == NULL)
        return NULL;
    loop->turn = 1; /* the polling thread's, wherever it is */
    loop->resting = true;
    return start_threads(loop, 1);
}

void loop_retain(struct loop *loop)
{
    atomic_fetch_add(&loop->users, 1);
}

void loop_release(struct loop *loop)
{
    int i;

    if (loop == NULL || atomic_fetch_sub(&loop->users, 1) > 1)
        return;
    pthread_mutex_lock(&loop->mutex);
    loop->stopping = true;
    signal_descriptor(loop);
    pthread_cond_broadcast(&loop->standby);
    pthread_cond_broadcast(&loop->rest);
    pthread_mutex_unlock(&loop->mutex);
    for (i = 0; i < loop->thread_count; i++)
        pthread_join(loop->threads[i], NULL);
    loop_free(loop);
}
