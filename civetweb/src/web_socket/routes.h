/* Registrations of WebSocket handlers. */
#ifndef AH_ROUTES_H
#define AH_ROUTES_H

#include <stdbool.h>

#include "alusus_http/alusus_http.h"

struct connection;
struct loop;
struct server;
struct web_sockets;

/* One registration: the user's callbacks, and copies of what was given with them. */
struct web_socket_route {
    struct web_socket_route *next;
    char *uri;
    ah_web_socket_connect_callback connect;
    ah_web_socket_ready_callback ready;
    ah_web_socket_data_callback data;       /* one of the two: the length is an Int ... */
    ah_web_socket_message_callback message; /* ... or an ArchWord */
    ah_web_socket_close_callback close;
    void *user_data;
    /* If the user data is an event receiver: the loop of its queue, which gets the sockets. Their events
     * are mailed to the queue, and nobody waits for the answers. Else null. */
    struct loop *queue_loop;
    char **subprotocols; /* in order of preference, ended by null; or null */
};

/* The route for a request that asks for an upgrade; null when it asks for none or there is no route. */
const struct web_socket_route *routes_find(const struct connection *connection);

void routes_free(struct server *server);

/* Whether these can be names of subprotocols. Sets the error. `names` is ended by null, or null. */
bool subprotocols_check(const char *const *names);

/* A route like `wanted`, with copies of the URI (null for a client's) and of the names, which have been checked. NULL,
 * with the error set, when out of memory. */
struct web_socket_route *route_new(struct web_sockets *sockets, const struct web_socket_route *wanted, const char *uri,
                                   const char *const *subprotocols);

void route_free(struct web_socket_route *route);

#endif
