#include "in_flight.h"

#include "clock.h"

void in_flight_init(struct in_flight *in_flight)
{
    pthread_mutex_init(&in_flight->mutex, NULL);
    clock_condition(&in_flight->changed);
}

void in_flight_free(struct in_flight *in_flight)
{
    pthread_cond_destroy(&in_flight->changed);
    pthread_mutex_destroy(&in_flight->mutex);
}

static void wake(struct in_flight *in_flight)
{
    pthread_mutex_lock(&in_flight->mutex);
    pthread_cond_broadcast(&in_flight->changed);
    pthread_mutex_unlock(&in_flight->mutex);
}

void in_flight_begin(struct in_flight *in_flight)
{
    atomic_fetch_add(&in_flight->count, 1);
}

void in_flight_end(struct in_flight *in_flight)
{
    if (atomic_fetch_sub(&in_flight->count, 1) == 1 && atomic_load(&in_flight->waiters) > 0)
        wake(in_flight);
}

static int64_t look(struct in_flight *in_flight, bool last)
{
    int64_t count = atomic_load(&in_flight->count);

    if (count > 0 || !last)
        return count;
    atomic_store(&in_flight->closed, true);
    return atomic_load(&in_flight->count);
}

int64_t in_flight_await(struct in_flight *in_flight, int milliseconds, bool last)
{
    struct timespec deadline = clock_after(milliseconds > 0 ? milliseconds : 0);
    int64_t count;
    bool in_time = true;

    atomic_fetch_add(&in_flight->waiters, 1);
    pthread_mutex_lock(&in_flight->mutex);
    while ((count = look(in_flight, last)) > 0 && !in_flight->given_up && in_time) {
        if (milliseconds < 0)
            pthread_cond_wait(&in_flight->changed, &in_flight->mutex);
        else
            in_time = pthread_cond_timedwait(&in_flight->changed, &in_flight->mutex, &deadline) == 0;
    }
    if (in_flight->given_up)
        count = -1;
    pthread_mutex_unlock(&in_flight->mutex);
    atomic_fetch_sub(&in_flight->waiters, 1);
    return count;
}

void in_flight_give_up(struct in_flight *in_flight)
{
    atomic_store(&in_flight->closed, true);
    pthread_mutex_lock(&in_flight->mutex);
    in_flight->given_up = true;
    pthread_cond_broadcast(&in_flight->changed);
    pthread_mutex_unlock(&in_flight->mutex);
}
