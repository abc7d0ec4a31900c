/* How a connection becomes a WebSocket, on CivetWeb's worker. */
#include <stdlib.h>
#include <string.h>

#include "../civetweb_internal.h"
#include "../clock.h"
#include "../connection.h"
#include "../server.h"
#include "frame.h"
#include "handshake.h"
#include "loop.h"
#include "web_sockets.h"

static struct handshake check(const struct connection *connection, const struct web_socket_route *route)
{
    const struct web_socket_limits *limits = &web_sockets_of(connection)->limits;
    const struct handshake_policy policy = {
        .origins = limits->origins,
        .subprotocols = route == NULL ? NULL : (const char *const *)route->subprotocols,
        .compression = limits->compression,
    };

    return handshake_check(&connection->info, &policy);
}

static int refuse(struct connection *connection, const struct handshake *handshake)
{
    char response[MAX_HANDSHAKE_RESPONSE];
    size_t size = handshake_refusal(handshake, response);

    if (strcmp(connection->info.request_method, "HEAD") == 0)
        size -= strlen(handshake->reason) + 1; /* its answer has no content (RFC 9110, section 9.3.2) */
    statistics_add(&web_sockets_of(connection)->statistics, REFUSED, 1);
    mg_write(connection->civetweb, response, size);
    civetweb_close_after_answer(connection->civetweb);
    return handshake->status;
}

int web_socket_refuse(struct connection *connection)
{
    struct handshake handshake = check(connection, NULL);

    return handshake.status == 101 ? 0 : refuse(connection, &handshake);
}

int web_socket_miss(struct connection *connection)
{
    const struct handshake missing = {.status = 404, .reason = "there is no WebSocket here"};

    return refuse(connection, &missing);
}

/* Take a place among the server's WebSockets, which it gives up at its end. */
static bool enter(struct connection *connection)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    bool free_place;

    pthread_mutex_lock(&sockets->mutex);
    free_place = !sockets->stopping && sockets->count < sockets->limits.max_connections;
    if (free_place)
        sockets->count++;
    pthread_mutex_unlock(&sockets->mutex);
    return free_place;
}

static void leave(struct web_sockets *sockets)
{
    pthread_mutex_lock(&sockets->mutex);
    sockets->count--;
    pthread_cond_broadcast(&sockets->ended);
    pthread_mutex_unlock(&sockets->mutex);
}

/* Get what can be had now only, and may be refused: memory. */
static bool prepare(struct connection *connection, const struct handshake *handshake)
{
    const struct web_socket_limits *limits = &web_sockets_of(connection)->limits;
    struct web_socket *socket = &connection->web_socket;
    const uint8_t *early = civetweb_early_bytes(connection->civetweb, &socket->early_size);

    if (socket->early_size > 0) {
        socket->early = malloc(socket->early_size);
        if (socket->early == NULL)
            return false;
        memcpy(socket->early, early, socket->early_size);
    }
    socket->receiver.max_message_size = limits->max_message_size;
    socket->sender.compresses = handshake->compressed;
    socket->sender.deflate = handshake->deflate;
    if (handshake->compressed) {
        socket->inflater = inflater_new(&handshake->deflate);
        socket->receiver.inflater = socket->inflater;
        if (socket->inflater == NULL)
            return false;
    }
    return true;
}

static bool ask(struct connection *connection, const struct web_socket_route *route)
{
    struct server *before;
    int32_t refused;

    if (route->connect == NULL)
        return true;
    before = server_enter(connection->server);
    refused = route->connect(connection->handle, route->user_data);
    server_leave(before);
    return refused == 0;
}

bool web_socket_open(struct connection *connection, const struct web_socket_route *route)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    struct web_socket *socket = &connection->web_socket;
    struct handshake handshake = check(connection, route);
    const struct handshake forbidden = {.status = 403, .reason = "the server refuses this connection"};
    const struct handshake full = {.status = 503, .reason = "the server takes no more connections"};
    char response[MAX_HANDSHAKE_RESPONSE];
    bool prepared;
    SSL *tls;
    int descriptor;
    size_t size;

    /* It has been checked before, unless the handler has been set in the meantime. */
    if (handshake.status != 101) {
        refuse(connection, &handshake);
        return false;
    }
    /* The callback comes last: a connection that it has accepted is opened. */
    if (!enter(connection)) {
        refuse(connection, &full);
        return false;
    }
    prepared = prepare(connection, &handshake);
    if (!prepared || !ask(connection, route)) {
        leave(sockets);
        refuse(connection, prepared ? &forbidden : &full);
        return false;
    }
    descriptor = civetweb_take_socket(connection->civetweb, &tls);
    connection->civetweb = NULL;
    socket->route = route;
    socket->subprotocol = handshake.subprotocol;
    statistics_add(&sockets->statistics, OPENED, 1);
    statistics_add(&sockets->statistics, OPEN_NOW, 1);
    transport_open(&socket->sender.transport, descriptor, tls);
    atomic_store(&socket->received_at, clock_now());

    /* In the list before it is open: whoever knows the handle may write then, and a failed write ends it. */
    pthread_mutex_lock(&sockets->mutex);
    socket->next = sockets->first;
    if (socket->next != NULL)
        socket->next->web_socket.previous = connection;
    sockets->first = connection;

    size = handshake_response(&handshake, response);
    pthread_mutex_lock(&socket->sender.mutex);
    socket->sender.state = SENDER_OPEN;
    if (!sender_append(&socket->sender, response, size))
        socket->sender.lost = true;
    sender_flush(&socket->sender);
    pthread_mutex_unlock(&socket->sender.mutex);

    if (sockets->stopping)
        web_socket_close(connection, CLOSE_GOING_AWAY, "the server stops");
    /* From here on the loop has it: the socket can be written to, which is its first event. */
    if (!loop_add(sockets->loop, descriptor, connection->handle))
        web_socket_expire(connection);
    pthread_mutex_unlock(&sockets->mutex);
    return true;
}
