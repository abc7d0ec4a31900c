/* How a connection becomes a WebSocket, on CivetWeb's worker. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "../http/response.h"
#include "../server.h"
#include "../text_buffer.h"
#include "handshake.h"
#include "runtime.h"
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

/* Whether the connect callback has sent an answer of its own. */
static bool is_answered(const struct connection *connection)
{
    return connection->response.state > RESPONSE_STARTED;
}

/* Returns the status that was sent. */
static int refuse(struct connection *connection, const struct handshake *handshake)
{
    int written = connection->response.written_status;
    char response[MAX_HANDSHAKE_RESPONSE];
    size_t size = handshake_refusal(handshake, response);

    statistics_add(&web_sockets_of(connection)->statistics, REFUSED, 1);
    if (is_answered(connection))
        return response_settle(connection, written != 0 ? written : handshake->status);
    if (strcmp(connection->info.request_method, "HEAD") == 0)
        size -= strlen(handshake->reason) + 1; /* its answer has no content (RFC 9110, section 9.3.2) */
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

/* Get what can be had now only, and may be refused: memory. */
static bool prepare(struct connection *connection, const struct handshake *handshake)
{
    struct web_socket *socket = &connection->web_socket;
    size_t early_size;
    const uint8_t *early = civetweb_early_bytes(connection->civetweb, &early_size);

    socket->sender.compresses = handshake->compressed;
    socket->sender.deflate = deflate_server_side(&handshake->deflate);
    if (handshake->compressed) {
        socket->inflater = inflater_new(deflate_client_side(&handshake->deflate));
        if (socket->inflater == NULL)
            return false;
    }
    return web_socket_keep_early(socket, early, early_size);
}

/* The callback may answer the request itself, which refuses it. */
static bool ask(struct connection *connection, const struct web_socket_route *route)
{
    struct server *before;
    int32_t refused;

    if (route->connect == NULL)
        return true;
    civetweb_close_after_answer(connection->civetweb); /* to HTTP it ends here, either way */
    atomic_store(&connection->in_request, true);
    connection->web_socket.answer.open = true;
    before = server_enter(connection->server);
    refused = route->connect(connection->handle, route->user_data);
    server_leave(before);
    connection->web_socket.answer.open = false;
    atomic_store(&connection->in_request, false);
    return refused == 0 && !is_answered(connection);
}

/* Header lines of the program's own: each with a name and an end, none that the handshake has itself. */
static bool are_header_lines(const char *lines)
{
    static const char *const own[] = {"Upgrade:", "Connection:", "Sec-WebSocket-"};

    while (*lines != '\0') {
        size_t length = strcspn(lines, "\r\n"), i;

        if (length == 0 || *lines == ':' || memchr(lines, ':', length) == NULL || strncmp(lines + length, "\r\n", 2) != 0)
            return false;
        for (i = 0; i < sizeof own / sizeof *own; i++)
            if (strncasecmp(lines, own[i], strlen(own[i])) == 0)
                return false;
        lines += length + 2;
    }
    return true;
}

static bool replace(char **text, const char *with)
{
    char *copy = with == NULL ? NULL : strdup(with);

    if (copy == NULL && with != NULL) {
        error_set_no_memory();
        return false;
    }
    free(*text);
    *text = copy;
    return true;
}

int32_t rt_set_web_socket_answer(struct connection *connection, const char *subprotocol, const char *headers)
{
    struct web_socket_answer *answer = &connection->web_socket.answer;

    if (!answer->open) {
        error_set(AH_ERROR_WRONG_STATE, "no WebSocket's connect callback is being asked on this connection");
        return -1;
    }
    if (subprotocol != NULL &&
        (strlen(subprotocol) > MAX_SUBPROTOCOL_SIZE || !handshake_offers(&connection->info, subprotocol))) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the client has not offered the subprotocol \"%s\"; choose from the header "
                                             "Sec-WebSocket-Protocol", subprotocol);
        return -1;
    }
    if (headers != NULL && !are_header_lines(headers)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "these are no headers for the answer to a handshake: give lines \"Name: value\" "
                                             "that end with CR LF, and none of the handshake's own");
        return -1;
    }
    return replace(&answer->subprotocol, subprotocol) && replace(&answer->headers, headers) ? 0 : -1;
}

/* The answer 101, with what the connect callback has said about it; it may have failed for want of memory. */
static struct text_buffer write_answer(const struct web_socket_answer *answer, struct handshake *handshake)
{
    char response[MAX_HANDSHAKE_RESPONSE];
    struct text_buffer text = {0};
    size_t size;

    if (answer->subprotocol != NULL)
        handshake->subprotocol = answer->subprotocol;
    size = handshake_response(handshake, response);
    text_append(&text, response, size - 2);
    if (answer->headers != NULL)
        text_append_string(&text, answer->headers);
    text_append(&text, "\r\n", 2);
    return text;
}

int web_socket_open(struct connection *connection, const struct web_socket_route *route)
{
    struct web_sockets *sockets = web_sockets_of(connection);
    struct web_socket *socket = &connection->web_socket;
    struct handshake handshake = check(connection, route);
    const struct handshake forbidden = {.status = 403, .reason = "the server refuses this connection"};
    const struct handshake full = {.status = 503, .reason = "the server takes no more connections"};
    struct text_buffer answer;
    bool prepared;
    SSL *tls;
    int descriptor;

    /* It has been checked before, unless the handler has been set in the meantime. */
    if (handshake.status != 101)
        return refuse(connection, &handshake);
    /* The callback comes last: a connection that it has accepted is opened. */
    if (!web_sockets_enter(sockets))
        return refuse(connection, &full);
    prepared = prepare(connection, &handshake);
    if (!prepared || !ask(connection, route)) {
        web_sockets_leave(sockets);
        return refuse(connection, prepared ? &forbidden : &full);
    }
    answer = write_answer(&socket->answer, &handshake);
    if (answer.failed) {
        web_sockets_leave(sockets);
        text_free(&answer);
        return refuse(connection, &full);
    }
    descriptor = civetweb_take_socket(connection->civetweb, &tls);
    connection->civetweb = NULL;
    socket->route = route;
    socket->subprotocol = handshake.subprotocol;
    web_socket_begin(connection, descriptor, tls, answer.bytes, answer.size);
    text_free(&answer);
    return 101;
}
