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

/* A loop that WebSockets of this server live on, too: retained until the server is freed, which no
 * thread of the loop does. */
struct polled_loop {
    struct loop *loop;
    struct polled_loop *next;
};

struct web_sockets {
    struct web_socket_limits limits;
    struct groups groups;
    struct statistics statistics;
    struct loop *loop; /* started with the first handler: a server without WebSockets has no such threads */
    struct polled_loop *polled_loops;
    pthread_mutex_t mutex; /* guards all below, and the loops */
    pthread_cond_t ended;  /* one of them has */
    struct connection *first;
    int64_t looked_at; /* the last tick */
    size_t count;
    bool stopping;
};

void web_sockets_init(struct web_sockets *sockets);
void web_sockets_free(struct web_sockets *sockets);

/* The loop of the event queue that user data leads to, which lives as long as these; null for any other
 * user data, and when out of memory. */
struct loop *web_sockets_polled_loop(struct web_sockets *sockets, const void *user_data);

/* Start the threads, if they are not running. False, with the error set, when they cannot be. */
bool web_sockets_start(struct web_sockets *sockets);

/* Take a place among them, which is given up at the end of the WebSocket, or by leaving before it has
 * begun. False: there is none. */
bool web_sockets_enter(struct web_sockets *sockets);
void web_sockets_leave(struct web_sockets *sockets);

/* Say goodbye to every peer (1001), wait for their answers for as long as the limits allow, and run
 * every close callback. web_sockets_free ends the threads. */
void web_sockets_stop(struct web_sockets *sockets);

struct web_sockets *web_sockets_of(const struct connection *connection);

#endif
