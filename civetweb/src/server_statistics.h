/* Counters of a server's connections and requests. */
#ifndef AH_SERVER_STATISTICS_H
#define AH_SERVER_STATISTICS_H

#include <stdatomic.h>
#include <stdint.h>

enum server_count {
    WORKERS_BUSY,
    CONNECTIONS_OPEN,
    CONNECTIONS_ACCEPTED,
    REQUESTS,
    ANSWERED_INFORMATIONAL, /* and so on up to 5xx, in this order */
    ANSWERED_SUCCESSFUL,
    ANSWERED_REDIRECTED,
    ANSWERED_CLIENT_ERROR,
    ANSWERED_SERVER_ERROR,
    BYTES_READ,
    BYTES_WRITTEN,
    SERVER_COUNTS
};

struct server_statistics {
    int64_t started_at; /* by clock_now() */
    _Atomic int64_t counts[SERVER_COUNTS];
};

/* Nothing is ordered by these numbers. */
static inline void server_count(struct server_statistics *statistics, enum server_count which, int64_t amount)
{
    atomic_fetch_add_explicit(&statistics->counts[which], amount, memory_order_relaxed);
}

/* Count an answered request under its status. */
void server_count_request(struct server_statistics *statistics, int status, int64_t received, int64_t sent);

#endif
