/* A running server: CivetWeb's context with the callbacks and handlers of its user. A client is one that listens
 * nowhere (client/client.h). */
#ifndef AH_SERVER_H
#define AH_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"
#include "handles.h"
#include "http/document_root.h"
#include "http/handlers.h"
#include "in_flight.h"
#include "server_statistics.h"
#include "web_socket/web_sockets.h"

struct web_socket_route;

struct server {
    void *handle; /* an ah_context, or the ah_client of the client that this is a part of */
    atomic_flag stopped; /* somebody stops it: the one who has set this, and nobody else, frees it */
    atomic_bool departing; /* it listens no more: connections end with the answer that begins next */
    struct mg_context *civetweb; /* set by the starting thread in initContext, before there is any other */
    ah_callbacks callbacks;
    void *user_data;

    struct file_rules file_rules;
    struct web_sockets web_sockets;
    struct handlers handlers;
    struct in_flight in_flight;

    pthread_mutex_t mutex; /* guards `routes`, what CivetWeb knows of the ports, and what a client adds to this */
    /* Every registration of the server's life, newest first: a connection goes on with the callbacks
     * it was opened with, so none is freed before the server is. */
    struct web_socket_route *routes;

    struct server_statistics statistics;
};

/* Make the parts that need making, of a server that has been zeroed. False, with the error set, when
 * memory is short. */
bool server_init(struct server *server, enum handle_kind kind, void *object);
void server_destroy(struct server *server);

/* What stopServer does, and stopClient: call `stop`, now or, in a callback, when that has returned. Once only; `stop`
 * ends the handle. The caller has pinned the handle, which is unpinned here, and does not use `server` again. */
void server_end(struct server *server, void (*stop)(struct server *server));

/* The server whose callback the calling thread is in; NULL outside of callbacks. */
struct server *server_current(void);

/* Whether the calling thread is in a callback, or answers one as an event. */
bool server_is_in_callback(void);

/* Say which server's callback runs on this thread from now on; returns the one before, which the
 * caller puts back afterwards (callbacks nest: a write in one can cause another). */
struct server *server_enter(struct server *server);
void server_leave(struct server *before);

#endif
