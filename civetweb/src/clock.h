/* Time for waiting: by a clock that only goes forward, whatever is done to the calendar. */
#ifndef AH_CLOCK_H
#define AH_CLOCK_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment before. */
int64_t clock_now(void);

/* The same in microseconds. */
int64_t clock_microseconds(void);

/* The time that many milliseconds from now, for pthread_cond_timedwait on a clock_condition. */
struct timespec clock_after(int milliseconds);

/* Wait for a semaphore until a time of clock_after(); false when it has come. */
bool clock_wait(sem_t *semaphore, const struct timespec *until);

/* Initialise a condition whose deadlines are of this clock. */
void clock_condition(pthread_cond_t *condition);

#endif
