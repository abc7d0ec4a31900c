/* A client's connection, from accept to close. */
#ifndef AH_CONNECTION_H
#define AH_CONNECTION_H

#include <stdatomic.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"
#include "server.h"
#include "web_socket/web_socket.h"

struct connection {
    ah_connection *handle;
    struct server *server;
    struct mg_connection *civetweb; /* null once the socket has left CivetWeb */
    void *user_data;                /* what initConnection left: RequestInfo.connData */

    /* A request is being answered: the only time at which a program may read its body or write. */
    atomic_bool in_request;

    /* The current request, or the last one. The strings are in `strings`, one block of our own, for
     * CivetWeb's move and end at moments of its own. Both are replaced when the next request begins. */
    ah_request_info info;
    char *strings;

    struct web_socket web_socket;
};

/* Begin a connection that CivetWeb has accepted; NULL when out of memory. */
struct connection *connection_open(struct server *server, struct mg_connection *civetweb);

/* The connection of CivetWeb's one; NULL before it is opened and after it is closed. */
struct connection *connection_of(const struct mg_connection *civetweb);

/* End it: its handle ends, calls that use it are waited for, its memory is freed. */
void connection_close(struct connection *connection);

/* The same for one that has left CivetWeb, with the callbacks that CivetWeb would have called. */
void connection_end(struct connection *connection);

/* Copy the request that CivetWeb has read. False when out of memory: there is no request then. */
bool connection_take_request(struct connection *connection);

#endif
