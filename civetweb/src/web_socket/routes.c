#include "routes.h"

#include <stdlib.h>
#include <string.h>

#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "../events/events.h"
#include "../http/fields.h"
#include "../server.h"
#include "handshake.h"
#include "runtime.h"

void route_free(struct web_socket_route *route)
{
    char **subprotocol;

    for (subprotocol = route->subprotocols; subprotocol != NULL && *subprotocol != NULL; subprotocol++)
        free(*subprotocol);
    free(route->subprotocols);
    free(route->uri);
    free(route);
}

const struct web_socket_route *routes_find(const struct connection *connection)
{
    const struct web_socket_route *route = civetweb_web_socket_handler(connection->civetweb);

    return route != NULL && civetweb_uri_matches(route->uri, connection->info.local_uri) ? route : NULL;
}

void routes_free(struct server *server)
{
    struct web_socket_route *route = server->routes, *next;

    for (; route != NULL; route = next) {
        next = route->next;
        route_free(route);
    }
}

static bool copy_names(struct web_socket_route *route, const char *const *names)
{
    size_t count = 0, i;

    if (names == NULL)
        return true;
    while (names[count] != NULL)
        count++;
    route->subprotocols = calloc(count + 1, sizeof *route->subprotocols);
    if (route->subprotocols == NULL)
        return false;
    for (i = 0; i < count; i++) {
        route->subprotocols[i] = strdup(names[i]);
        if (route->subprotocols[i] == NULL)
            return false;
    }
    return true;
}

struct web_socket_route *route_new(struct web_sockets *sockets, const struct web_socket_route *wanted, const char *uri,
                                   const char *const *subprotocols)
{
    struct web_socket_route *route = malloc(sizeof *route);

    if (route != NULL) {
        *route = *wanted;
        route->queue_loop = web_sockets_polled_loop(sockets, route->user_data);
        route->uri = uri == NULL ? NULL : strdup(uri);
        if ((uri == NULL || route->uri != NULL) && copy_names(route, subprotocols))
            return route;
        route_free(route);
    }
    error_set_no_memory();
    return NULL;
}

bool subprotocols_check(const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        if (is_token(*names) && strlen(*names) <= MAX_SUBPROTOCOL_SIZE)
            continue;
        error_set(AH_ERROR_INVALID_ARGUMENT, "\"%s\" cannot be a subprotocol: its name has letters, digits and "
                                             "!#$%%&'*+-.^_`|~ only, and at most %d of them", *names, MAX_SUBPROTOCOL_SIZE);
        return false;
    }
    return true;
}

/* CivetWeb's only callback: it finds the handler of a URI and checks who the user is. Then the socket
 * leaves it, and its worker is free. */
static int on_connect(const struct mg_connection *civetweb, void *user_data)
{
    struct connection *connection = connection_of(civetweb);
    int status;

    /* Since the request was offered, CivetWeb may have found out who the user is. */
    if (mg_get_request_info(civetweb)->remote_user != NULL)
        connection_take_user(connection);
    status = web_socket_open(connection, user_data);
    if (status != 101)
        civetweb_note_status((struct mg_connection *)civetweb, status);
    return 1;
}

/* A handler without any callback takes the URI's handler away. Connections that are open keep theirs. */
static void set_handler(struct server *server, const char *uri, const char *const *subprotocols,
                        const struct web_socket_route *wanted)
{
    struct web_socket_route *route;

    if (uri[0] != '/') {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the URI \"%s\" does not begin with a slash; give a path such as "
                                             "\"/websocket\"", uri);
        return;
    }
    if (wanted->connect == NULL && wanted->ready == NULL && wanted->data == NULL && wanted->message == NULL &&
        wanted->close == NULL) {
        mg_set_websocket_handler(server->civetweb, uri, NULL, NULL, NULL, NULL, NULL);
        return;
    }
    if (!subprotocols_check(subprotocols) || !web_sockets_start(&server->web_sockets))
        return;
    route = route_new(&server->web_sockets, wanted, uri, subprotocols);
    if (route == NULL)
        return;
    pthread_mutex_lock(&server->mutex);
    route->next = server->routes;
    server->routes = route;
    pthread_mutex_unlock(&server->mutex);
    mg_set_websocket_handler(server->civetweb, uri, on_connect, NULL, NULL, NULL, route);
}

void rt_set_web_socket_handler(struct server *server, const char *uri, ah_web_socket_connect_callback connect_handler,
                               ah_web_socket_ready_callback ready_handler, ah_web_socket_data_callback data_handler,
                               ah_web_socket_close_callback close_handler, void *user_data)
{
    rt_set_web_socket_handler_with_subprotocols(server, uri, NULL, connect_handler, ready_handler, data_handler,
                                                close_handler, user_data);
}

void rt_set_web_socket_message_handler(struct server *server, const char *uri,
                                       ah_web_socket_connect_callback connect_handler,
                                       ah_web_socket_ready_callback ready_handler,
                                       ah_web_socket_message_callback data_handler,
                                       ah_web_socket_close_callback close_handler, void *user_data)
{
    rt_set_web_socket_message_handler_with_subprotocols(server, uri, NULL, connect_handler, ready_handler, data_handler,
                                                        close_handler, user_data);
}

void rt_set_web_socket_handler_with_subprotocols(struct server *server, const char *uri, const char *const *subprotocols,
                                                 ah_web_socket_connect_callback connect_handler,
                                                 ah_web_socket_ready_callback ready_handler,
                                                 ah_web_socket_data_callback data_handler,
                                                 ah_web_socket_close_callback close_handler, void *user_data)
{
    const struct web_socket_route wanted = {
        .connect = connect_handler,
        .ready = ready_handler,
        .data = data_handler,
        .close = close_handler,
        .user_data = user_data,
    };

    set_handler(server, uri, subprotocols, &wanted);
}

void rt_set_web_socket_message_handler_with_subprotocols(struct server *server, const char *uri,
                                                         const char *const *subprotocols,
                                                         ah_web_socket_connect_callback connect_handler,
                                                         ah_web_socket_ready_callback ready_handler,
                                                         ah_web_socket_message_callback data_handler,
                                                         ah_web_socket_close_callback close_handler, void *user_data)
{
    const struct web_socket_route wanted = {
        .connect = connect_handler,
        .ready = ready_handler,
        .message = data_handler,
        .close = close_handler,
        .user_data = user_data,
    };

    set_handler(server, uri, subprotocols, &wanted);
}
