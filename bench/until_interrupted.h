/* Serving until Ctrl-C (SIGINT) or SIGTERM. */
#ifndef UNTIL_INTERRUPTED_H
#define UNTIL_INTERRUPTED_H

#include <pthread.h>
#include <signal.h>

/* Hold the signals back. Before any thread starts, for threads inherit this. */
static inline sigset_t hold_interrupts(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

static inline void wait_for_interrupt(const sigset_t *signals)
{
    int signal;

    sigwait(signals, &signal);
}

#endif
