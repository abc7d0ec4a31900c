/* How a WebSocket is opened at another server, on the thread of the caller. */
#include <stdlib.h>
#include <string.h>

#include "../connection.h"
#include "../errors.h"
#include "../web_socket/web_sockets.h"
#include "client.h"
#include "dial.h"
#include "handshake.h"
#include "runtime.h"
#include "stream.h"

#define STEP "the WebSocket handshake"
#define OPTION "connect_timeout_ms"

/* Send the request and read the response to it. NULL, with the error set. */
static struct reply *ask(struct transport *transport, const struct url *url, const struct offer *offer,
                         const struct patience *patience)
{
    struct text_buffer request = {0};
    ssize_t sent;

    offer_write(offer, url, &request);
    if (request.failed) {
        text_free(&request);
        error_set_no_memory();
        return NULL;
    }
    sent = stream_write(transport, request.bytes, request.size, patience);
    text_free(&request);
    if (sent == 1)
        return reply_read(transport, url, patience, STEP, OPTION);
    if (sent == TRANSPORT_LATER)
        patience_error(patience, url->place, STEP, OPTION);
    else
        error_set(AH_ERROR_CONNECT_FAILED, "%s: the server closed the connection during " STEP, url->place);
    return NULL;
}

/* The connection of an accepted offer, with all that it needs. NULL, with the error set. */
static struct connection *prepare(struct client *client, const SSL *tls, struct reply *reply,
                                  const struct agreement *agreement)
{
    struct connection *connection = connection_open(&client->server, NULL, tls);
    struct deflate_side own = deflate_client_side(&agreement->deflate);
    struct web_socket *socket;

    if (connection == NULL)
        return NULL;
    socket = &connection->web_socket;
    socket->subprotocol = agreement->subprotocol;
    socket->sender.masks = true;
    socket->receiver.peer_is_server = true;
    socket->sender.deflate = own;
    /* A message may always go as it is (RFC 7692, section 6). */
    socket->sender.compresses = agreement->compressed && own.max_window_bits >= LEAST_DEFLATE_BITS;
    if (agreement->compressed)
        socket->inflater = inflater_new(deflate_server_side(&agreement->deflate));
    if ((agreement->compressed && socket->inflater == NULL) ||
        !web_socket_keep_early(socket, reply->rest, reply->rest_size)) {
        connection_close(connection);
        error_set_no_memory();
        return NULL;
    }
    connection->reply = reply;
    return connection;
}

/* Take the transport, the response and the route over, and begin. NULL, with the error set: they are the caller's. */
static ah_connection *begin(struct client *client, const struct transport *transport, struct reply *reply,
                            const struct agreement *agreement, struct web_socket_route *route)
{
    struct connection *connection = prepare(client, transport->tls, reply, agreement);
    ah_connection *handle;

    if (connection == NULL)
        return NULL;
    handle = connection->handle;
    connection->web_socket.route = connection->web_socket.own_route = route;
    web_socket_begin(connection, transport->socket, transport->tls, NULL, 0);
    return handle;
}

static ah_connection *open_at(struct client *client, const struct url *url, const struct offer *offer,
                              struct web_socket_route *route)
{
    SSL_CTX *tls = url->secure ? client_tls(client) : NULL;
    const struct patience patience = patience_of(client->connect_timeout, &client->stopping);
    struct transport transport;
    struct reply *reply;
    struct agreement agreement;
    ah_connection *handle = NULL;

    if ((url->secure && tls == NULL) || !dial(&transport, url, tls, &patience))
        return NULL;
    reply = ask(&transport, url, offer, &patience);
    if (reply != NULL && offer_accepted(offer, url, &reply->info, &agreement))
        handle = begin(client, &transport, reply, &agreement, route);
    if (handle == NULL) {
        free(reply);
        transport_close(&transport);
    }
    return handle;
}

static ah_connection *connect_to(struct client *client, const char *text, const struct web_socket_route *wanted,
                                 const char *const *subprotocols, const char *const *headers)
{
    struct web_sockets *sockets = &client->server.web_sockets;
    struct offer offer = {.headers = headers, .compression = sockets->limits.compression};
    struct web_socket_route *route;
    struct url url;
    ah_connection *handle;

    if (!url_parse(&url, text, URL_WEB_SOCKET) || !subprotocols_check(subprotocols) || !offer_check(&offer) ||
        !offer_make_key(&offer) || !web_sockets_start(sockets))
        return NULL;
    if (!web_sockets_enter(sockets)) {
        error_set(AH_ERROR_CONNECT_FAILED, "%s: %zu WebSockets of this client are open, as many as the option "
                                           "\"websocket_max_connections\" allows", url.place, sockets->limits.max_connections);
        return NULL;
    }
    route = route_new(sockets, wanted, NULL, subprotocols);
    if (route == NULL) {
        web_sockets_leave(sockets);
        return NULL;
    }
    offer.subprotocols = (const char *const *)route->subprotocols;
    handle = open_at(client, &url, &offer, route);
    if (handle == NULL) {
        route_free(route);
        web_sockets_leave(sockets);
    }
    return handle;
}

ah_connection *rt_connect_web_socket(struct client *client, const char *url, ah_web_socket_ready_callback ready_handler,
                                     ah_web_socket_message_callback data_handler,
                                     ah_web_socket_close_callback close_handler, void *user_data,
                                     const char *const *subprotocols, const char *const *headers)
{
    const struct web_socket_route wanted = {
        .ready = ready_handler,
        .message = data_handler,
        .close = close_handler,
        .user_data = user_data,
    };

    return connect_to(client, url, &wanted, subprotocols, headers);
}

ah_connection *rt_connect_web_socket_with_data_handler(struct client *client, const char *url,
                                                       ah_web_socket_ready_callback ready_handler,
                                                       ah_web_socket_data_callback data_handler,
                                                       ah_web_socket_close_callback close_handler, void *user_data,
                                                       const char *const *subprotocols, const char *const *headers)
{
    const struct web_socket_route wanted = {
        .ready = ready_handler,
        .data = data_handler,
        .close = close_handler,
        .user_data = user_data,
    };

    return connect_to(client, url, &wanted, subprotocols, headers);
}
