/* All the WebSockets of a server. */
#ifndef AH_WEB_SOCKETS_H
#define AH_WEB_SOCKETS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "groups.h"
#include "limits.h"
#include "statistics.h"

struct connection;
struct loop;

struct web_sockets {
    struct web_socket_limits limits;
    struct groups groups;
    struct statistics statistics;
    struct loop *loop; /* started with the first handler: a server without WebSockets has no such threads */
    pthread_mutex_t mutex; /* guards all below, and `loop` */
    pthread_cond_t ended;  /* one of them has */
    struct connection *first;
    size_t count;
    bool stopping;
};

void web_sockets_init(struct web_sockets *sockets);
void web_sockets_free(struct web_sockets *sockets);

/* Start the threads, if they are not running. False, with the error set, when they cannot be. */
bool web_sockets_start(struct web_sockets *sockets);

/* Say goodbye to every client (1001), wait for their answers for as long as the limits allow, run
 * every close callback, and end the threads. */
void web_sockets_stop(struct web_sockets *sockets);

struct web_sockets *web_sockets_of(const struct connection *connection);

#endif
