/* A running server: CivetWeb's context with the callbacks and handlers of its user. */
#ifndef AH_SERVER_H
#define AH_SERVER_H

#include <pthread.h>
#include <stdbool.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"
#include "web_socket/web_sockets.h"

struct web_socket_route;

struct server {
    ah_context *handle;
    struct mg_context *civetweb; /* set by the starting thread in initContext, before there is any other */
    ah_callbacks callbacks;
    void *user_data;

    struct web_sockets web_sockets;

    pthread_mutex_t mutex; /* guards `routes` */
    /* Every registration of the server's life, newest first: a connection goes on with the callbacks
     * it was opened with, so none is freed before the server is. */
    struct web_socket_route *routes;

    /* What CivetWeb logged while it started: its own error code says less. Written and read by the
     * starting thread, before there is any other. */
    bool starting;
    char start_log[256];
};

/* The server whose callback the calling thread is in; NULL outside of callbacks. */
struct server *server_current(void);

/* Say which server's callback runs on this thread from now on; returns the one before, which the
 * caller puts back afterwards (callbacks nest: a write in one can cause another). */
struct server *server_enter(struct server *server);
void server_leave(struct server *before);

#endif
