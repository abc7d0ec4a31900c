/* Counters of a server's WebSockets. */
#ifndef AH_STATISTICS_H
#define AH_STATISTICS_H

#include <stdatomic.h>
#include <stdint.h>

enum statistic {
    OPEN_NOW,
    OPENED,
    REFUSED,
    MESSAGES_RECEIVED,
    MESSAGES_SENT,
    BYTES_RECEIVED,
    BYTES_SENT,
    CLOSED_NORMALLY,
    CLOSED_GOING_AWAY,
    CLOSED_PROTOCOL_ERROR,
    CLOSED_INVALID_DATA,
    CLOSED_TOO_BIG,
    CLOSED_ABNORMALLY,
    CLOSED_OTHERWISE,
    STATISTICS
};

struct statistics {
    _Atomic int64_t values[STATISTICS];
};

/* Nothing is ordered by these numbers. */
static inline void statistics_add(struct statistics *statistics, enum statistic which, int64_t amount)
{
    atomic_fetch_add_explicit(&statistics->values[which], amount, memory_order_relaxed);
}

/* Count an ended WebSocket under its close code; 0: a close frame without one. */
void statistics_add_closed(struct statistics *statistics, unsigned code);

#endif
