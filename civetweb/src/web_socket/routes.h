/* Registrations of WebSocket handlers. */
#ifndef AH_ROUTES_H
#define AH_ROUTES_H

#include <stdbool.h>

#include "alusus_http/alusus_http.h"

struct connection;
struct server;

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
    bool mailed; /* the user data is an event receiver: events are posted, and nobody waits for the answers */
    char **subprotocols; /* in order of preference, ended by null; or null */
};

/* The route for a request that asks for an upgrade; null when it asks for none or there is no route. */
const struct web_socket_route *routes_find(const struct connection *connection);

void routes_free(struct server *server);

#endif
