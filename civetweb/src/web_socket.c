#include "web_socket.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "errors.h"
#include "runtime.h"
#include "server.h"

/* The most that a message may have, fragments together: a client must not fill the memory. */
#define MAX_MESSAGE_SIZE ((size_t)1 << 20)

/* RFC 6455, section 7.4.1 */
enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_MESSAGE_TOO_BIG = 1009,
    CLOSE_INTERNAL_ERROR = 1011,
};

/* RFC 6455, section 5.5: what a control frame holds */
#define MAX_CONTROL_SIZE 125

/* One registration: the user's callbacks and copies of all that CivetWeb keeps pointers to. */
struct web_socket_route {
    struct web_socket_route *next;
    ah_web_socket_connect_callback connect;
    ah_web_socket_ready_callback ready;
    ah_web_socket_data_callback data;       /* one of the two: the length is an Int ... */
    ah_web_socket_message_callback message; /* ... or an ArchWord */
    ah_web_socket_close_callback close;
    void *user_data;
    struct mg_websocket_subprotocols subprotocols;
};

/* Frames out */

static int send_frame(struct connection *connection, int opcode, const char *data, size_t size)
{
    return mg_websocket_write(connection->civetweb, opcode, data, size);
}

static int send_close(struct connection *connection, enum close_code code)
{
    const char payload[2] = {(char)((unsigned)code >> 8), (char)((unsigned)code & 0xff)};

    if (atomic_exchange(&connection->web_socket.close_sent, true))
        return 0;
    return send_frame(connection, OPCODE_CLOSE, payload, sizeof payload);
}

static bool is_open(const struct connection *connection)
{
    if (atomic_load(&connection->web_socket.open) && !atomic_load(&connection->web_socket.close_sent))
        return true;
    error_set(AH_ERROR_WRONG_STATE, "this connection is not an open WebSocket: write between its ready and its close "
                                    "callback, and not after closing it");
    return false;
}

static bool is_valid_frame(int32_t opcode, size_t size)
{
    switch (opcode) {
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        if (size <= INT_MAX)
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "a message of %zu bytes is too long; send at most %d at once", size, INT_MAX);
        return false;
    case OPCODE_CLOSE:
    case OPCODE_PING:
    case OPCODE_PONG:
        if (size <= MAX_CONTROL_SIZE)
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "a control frame (opcode %d) of %zu bytes is too long; it holds at most %d",
                  (int)opcode, size, MAX_CONTROL_SIZE);
        return false;
    default:
        error_set(AH_ERROR_INVALID_ARGUMENT, "there is no opcode %d; use 1 (text), 2 (binary), 8 (close), 9 (ping) or "
                                             "10 (pong)", (int)opcode);
        return false;
    }
}

int32_t rt_write_to_web_socket(struct connection *connection, int32_t opcode, const char *data, size_t data_len)
{
    int written;

    if (!is_open(connection) || !is_valid_frame(opcode, data_len))
        return -1;
    if (opcode == OPCODE_CLOSE && atomic_exchange(&connection->web_socket.close_sent, true))
        return 0; /* another thread was first: the connection is closing as wanted */
    written = send_frame(connection, opcode, data, data_len);
    if (written <= 0) {
        error_set(AH_ERROR_CONNECTION_CLOSED, "the client has gone, or took nothing for request_timeout_ms");
        return -1;
    }
    return written;
}

int32_t rt_write_text_to_web_socket(struct connection *connection, const char *data, size_t data_len)
{
    return rt_write_to_web_socket(connection, OPCODE_TEXT, data, data_len);
}

int32_t rt_write_string_to_web_socket(struct connection *connection, const char *data)
{
    return rt_write_to_web_socket(connection, OPCODE_TEXT, data, strlen(data));
}

int32_t rt_write_binary_to_web_socket(struct connection *connection, const char *data, size_t data_len)
{
    return rt_write_to_web_socket(connection, OPCODE_BINARY, data, data_len);
}

/* The peer's answer ends the connection (RFC 6455, section 7.1.2), on the connection's own thread. */
int32_t rt_close_web_socket(struct connection *connection)
{
    if (!is_open(connection))
        return -1;
    if (send_close(connection, CLOSE_NORMAL) < 0) {
        error_set(AH_ERROR_CONNECTION_CLOSED, "the client has gone");
        return -1;
    }
    return 0;
}

/* Frames in: on the connection's own thread */

static bool deliver(struct connection *connection, const struct web_socket_route *route, int opcode, const char *data,
                    size_t size)
{
    struct server *before;
    int32_t go_on = 1;

    if (route->data == NULL && route->message == NULL)
        return true;
    before = server_enter(connection->server);
    if (route->message != NULL)
        go_on = route->message(connection->handle, opcode, data, size, route->user_data);
    else
        go_on = route->data(connection->handle, opcode, data, (int32_t)size, route->user_data);
    server_leave(before);
    return go_on != 0;
}

static bool fail(struct connection *connection, enum close_code code)
{
    send_close(connection, code);
    return false;
}

static void drop_message(struct web_socket *socket)
{
    free(socket->message);
    socket->message = NULL;
    socket->message_size = 0;
    socket->message_opcode = OPCODE_CONTINUATION;
}

/* Join a fragment; false, with the Close frame sent, when it does not fit. */
static bool append_fragment(struct connection *connection, const char *data, size_t size)
{
    struct web_socket *socket = &connection->web_socket;
    char *message;

    if (size > MAX_MESSAGE_SIZE - socket->message_size)
        return fail(connection, CLOSE_MESSAGE_TOO_BIG);
    if (size == 0)
        return true;
    message = realloc(socket->message, socket->message_size + size);
    if (message == NULL)
        return fail(connection, CLOSE_INTERNAL_ERROR);
    memcpy(message + socket->message_size, data, size);
    socket->message = message;
    socket->message_size += size;
    return true;
}

static bool receive_data(struct connection *connection, const struct web_socket_route *route, int opcode, bool last,
                         const char *data, size_t size)
{
    struct web_socket *socket = &connection->web_socket;
    bool go_on;

    /* RFC 6455, section 5.4: a message's first frame has its opcode, the others have none. */
    if ((opcode == OPCODE_CONTINUATION) == (socket->message_opcode == OPCODE_CONTINUATION))
        return fail(connection, CLOSE_PROTOCOL_ERROR);
    if (opcode != OPCODE_CONTINUATION && last) {
        if (size > MAX_MESSAGE_SIZE)
            return fail(connection, CLOSE_MESSAGE_TOO_BIG);
        go_on = deliver(connection, route, opcode, data, size);
        return go_on || fail(connection, CLOSE_NORMAL);
    }
    if (opcode != OPCODE_CONTINUATION)
        socket->message_opcode = (enum web_socket_opcode)opcode;
    if (!append_fragment(connection, data, size))
        return false;
    if (!last)
        return true;
    go_on = deliver(connection, route, (int)socket->message_opcode, socket->message, socket->message_size);
    drop_message(socket);
    return go_on || fail(connection, CLOSE_NORMAL);
}

static bool receive_control(struct connection *connection, const struct web_socket_route *route, int opcode,
                            const char *data, size_t size)
{
    switch (opcode) {
    case OPCODE_CLOSE:
        /* Section 5.5.1: the answer carries the code that was received. */
        if (!atomic_exchange(&connection->web_socket.close_sent, true))
            send_frame(connection, OPCODE_CLOSE, data, size < 2 ? 0 : 2);
        deliver(connection, route, opcode, data, size);
        return false;
    case OPCODE_PING:
        if (!atomic_load(&connection->web_socket.close_sent))
            send_frame(connection, OPCODE_PONG, data, size);
        return deliver(connection, route, opcode, data, size) || fail(connection, CLOSE_NORMAL);
    case OPCODE_PONG:
        return deliver(connection, route, opcode, data, size) || fail(connection, CLOSE_NORMAL);
    default:
        return fail(connection, CLOSE_PROTOCOL_ERROR);
    }
}

/* CivetWeb's callbacks; CivetWeb's own user data is the route */

static int on_connect(const struct mg_connection *civetweb, void *user_data)
{
    const struct web_socket_route *route = user_data;
    struct connection *connection = connection_of(civetweb);
    struct server *before;
    int32_t refused = 0;

    /* Once more: since the request began, CivetWeb has checked who the user is. */
    if (!connection_take_request(connection))
        return 1;
    if (route->connect != NULL) {
        before = server_enter(connection->server);
        refused = route->connect(connection->handle, route->user_data);
        server_leave(before);
    }
    /* By hand: mg_send_http_error leaves out the headers once CivetWeb takes the request for a WebSocket. */
    if (refused)
        mg_printf(connection->civetweb, "%s", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return refused;
}

static void on_ready(struct mg_connection *civetweb, void *user_data)
{
    const struct web_socket_route *route = user_data;
    struct connection *connection = connection_of(civetweb);
    struct server *before;

    atomic_store(&connection->web_socket.open, true);
    if (route->ready == NULL)
        return;
    before = server_enter(connection->server);
    route->ready(connection->handle, route->user_data);
    server_leave(before);
}

static int on_data(struct mg_connection *civetweb, int first_byte, char *data, size_t size, void *user_data)
{
    const struct web_socket_route *route = user_data;
    struct connection *connection = connection_of(civetweb);
    int opcode = first_byte & 0x0f;
    bool last = first_byte & 0x80;

    if (first_byte & 0x70) /* reserved bits, for no extension was negotiated (section 5.2) */
        return fail(connection, CLOSE_PROTOCOL_ERROR);
    if (opcode < OPCODE_CLOSE)
        return receive_data(connection, route, opcode, last, data, size);
    if (!last || size > MAX_CONTROL_SIZE)
        return fail(connection, CLOSE_PROTOCOL_ERROR);
    return receive_control(connection, route, opcode, data, size);
}

static void on_close(const struct mg_connection *civetweb, void *user_data)
{
    const struct web_socket_route *route = user_data;
    struct connection *connection = connection_of(civetweb);
    struct server *before;

    atomic_store(&connection->web_socket.open, false);
    if (route->close == NULL)
        return;
    before = server_enter(connection->server);
    route->close(connection->handle, route->user_data);
    server_leave(before);
}

/* Routes */

static void route_free(struct web_socket_route *route)
{
    int i;

    if (route == NULL)
        return;
    for (i = 0; i < route->subprotocols.nb_subprotocols; i++)
        free((char *)route->subprotocols.subprotocols[i]);
    free(route->subprotocols.subprotocols);
    free(route);
}

void web_socket_free_routes(struct server *server)
{
    struct web_socket_route *route = server->routes, *next;

    for (; route != NULL; route = next) {
        next = route->next;
        route_free(route);
    }
}

static bool copy_subprotocols(struct web_socket_route *route, const char *const *names)
{
    int count = 0;

    while (names[count] != NULL)
        count++;
    route->subprotocols.subprotocols = calloc((size_t)count + 1, sizeof *route->subprotocols.subprotocols);
    if (route->subprotocols.subprotocols == NULL)
        return false;
    for (; names[route->subprotocols.nb_subprotocols] != NULL; route->subprotocols.nb_subprotocols++) {
        char *copy = strdup(names[route->subprotocols.nb_subprotocols]);

        if (copy == NULL)
            return false;
        route->subprotocols.subprotocols[route->subprotocols.nb_subprotocols] = copy;
    }
    return true;
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
    route = malloc(sizeof *route);
    if (route == NULL) {
        error_set_no_memory();
        return;
    }
    *route = *wanted;
    if (subprotocols != NULL && !copy_subprotocols(route, subprotocols)) {
        route_free(route);
        error_set_no_memory();
        return;
    }
    pthread_mutex_lock(&server->mutex);
    route->next = server->routes;
    server->routes = route;
    pthread_mutex_unlock(&server->mutex);
    mg_set_websocket_handler_with_subprotocols(server->civetweb, uri,
                                               route->subprotocols.nb_subprotocols > 0 ? &route->subprotocols : NULL,
                                               on_connect, on_ready, on_data, on_close, route);
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
