#include "server_statistics.h"

#include "civetweb_internal.h"
#include "clock.h"
#include "runtime.h"
#include "server.h"

void server_count_request(struct server_statistics *statistics, int status, int64_t received, int64_t sent)
{
    server_count(statistics, REQUESTS, 1);
    if (status >= 100 && status <= 599)
        server_count(statistics, (enum server_count)(ANSWERED_INFORMATIONAL + status / 100 - 1), 1);
    server_count(statistics, BYTES_READ, received);
    server_count(statistics, BYTES_WRITTEN, sent);
}

static int64_t read_count(struct server_statistics *statistics, enum server_count which)
{
    return atomic_load_explicit(&statistics->counts[which], memory_order_relaxed);
}

const ah_server_statistics *rt_get_server_statistics(struct server *server)
{
    static _Thread_local ah_server_statistics copy;
    struct server_statistics *statistics = &server->statistics;

    copy.uptime = clock_now() - statistics->started_at;
    copy.workers = civetweb_workers(server->civetweb);
    copy.workers_busy = read_count(statistics, WORKERS_BUSY);
    copy.connections_waiting = civetweb_waiting(server->civetweb);
    copy.connections_open = read_count(statistics, CONNECTIONS_OPEN);
    copy.connections_accepted = read_count(statistics, CONNECTIONS_ACCEPTED);
    copy.requests = read_count(statistics, REQUESTS);
    copy.informational = read_count(statistics, ANSWERED_INFORMATIONAL);
    copy.successful = read_count(statistics, ANSWERED_SUCCESSFUL);
    copy.redirected = read_count(statistics, ANSWERED_REDIRECTED);
    copy.client_errors = read_count(statistics, ANSWERED_CLIENT_ERROR);
    copy.server_errors = read_count(statistics, ANSWERED_SERVER_ERROR);
    copy.bytes_received = read_count(statistics, BYTES_READ);
    copy.bytes_sent = read_count(statistics, BYTES_WRITTEN);
    return &copy;
}
