/* The requests of a server that are in flight, for a stop that waits for them: a request is from when its head has been
 * read until the system has the last byte of its answer. */
#ifndef AH_IN_FLIGHT_H
#define AH_IN_FLIGHT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct in_flight {
    /* Whoever ends the last request looks for waiters afterwards, and they look at the count once they are among them:
     * one of the two sees the other. */
    _Atomic int64_t count;
    atomic_int waiters;

    /* No request is answered any more. Whoever begins one looks at this afterwards, and who waits for the last ones
     * looks at the count once this is set: a request that is answered is waited for. */
    atomic_bool closed;

    pthread_mutex_t mutex; /* guards `given_up`; held from a waiter's look at the count until it sleeps */
    pthread_cond_t changed;
    bool given_up; /* the server stops, and nobody is to wait */
};

void in_flight_init(struct in_flight *in_flight);
void in_flight_free(struct in_flight *in_flight);

/* A request begins, or ends. */
void in_flight_begin(struct in_flight *in_flight);
void in_flight_end(struct in_flight *in_flight);

/* Wait until there are none, for so many milliseconds, or for ever if that is -1; and then close, if these are the last.
 * Returns how many there are, or -1 when nobody is to wait any more. */
int64_t in_flight_await(struct in_flight *in_flight, int milliseconds, bool last);

/* Close, and let nobody wait any more. */
void in_flight_give_up(struct in_flight *in_flight);

#endif
