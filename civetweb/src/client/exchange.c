#include "exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../connection.h"
#include "../errors.h"
#include "../handles.h"
#include "../http/fields.h"
#include "../text_buffer.h"
#include "body.h"
#include "client.h"
#include "dial.h"
#include "headers.h"
#include "reply.h"
#include "runtime.h"
#include "stream.h"

#define STEP "the request"
#define OPTION "request_timeout_ms"

struct exchange {
    struct connection *previous, *next; /* in client.first, under its server.mutex */
    struct url url; /* its target is the caller's, and used during sendRequest only */
    struct transport transport;
    atomic_bool canceled; /* its end has begun: nobody waits any more */

    pthread_mutex_t mutex; /* one reader at a time; guards all below */
    struct body body;
    const char *rest; /* in `input`, or in the response: what has arrived and not been decoded */
    size_t rest_size;
    char input[16384];
};

/* What the library writes, and what would change how the bodies are framed. */
static const char *const reserved[] = {
    "Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Expect", "TE", "Trailer", NULL,
};

/* Requests */

static bool check_method(const char *method)
{
    if (!is_token(method)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "\"%.100s\" cannot be a method; give one such as GET or POST", method);
        return false;
    }
    if (strcmp(method, "CONNECT") != 0)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "CONNECT asks a proxy for a tunnel, which this client does not use");
    return false;
}

/* A method that is about content says how much there is, even when there is none (RFC 9110, section 8.6). */
static bool tells_length(const char *method, size_t body_size)
{
    return body_size > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

struct request {
    const char *method;
    const char *const *headers;
    const char *body;
    size_t body_size;
};

static void write_head(const struct request *request, const struct url *url, struct text_buffer *head)
{
    text_format(head, "%s %s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", request->method, url_slash(url),
                url->target, url->authority);
    if (tells_length(request->method, request->body_size))
        text_format(head, "Content-Length: %zu\r\n", request->body_size);
    if (!headers_have(request->headers, "User-Agent"))
        text_format(head, "User-Agent: alusus_http/%s\r\n", ALUSUS_HTTP_VERSION);
    headers_write(head, request->headers);
    text_append_string(head, "\r\n");
}

/* Wait until the server takes more. False: it has answered already, and may not take the rest; or, with the error set,
 * the time is over. What TLS has to read need not be the answer. */
static bool wait_for_room(const struct exchange *exchange, const struct patience *patience)
{
    struct pollfd socket = {exchange->transport.socket, POLLOUT | POLLIN, 0};

    if (exchange->transport.tls != NULL ? stream_wait(&exchange->transport, POLLOUT, patience)
                                        : patience_poll(patience, &socket, 1, NO_OTHER_LIMIT))
        return exchange->transport.tls != NULL || !(socket.revents & POLLIN);
    patience_error(patience, exchange->url.place, STEP, OPTION);
    return false;
}

/* Send bytes as the server takes them. False: no more can be sent; the error is set if the time is over. */
static bool send_bytes(struct exchange *exchange, struct client *client, const char *data, size_t size)
{
    struct iovec piece = {(void *)data, size};

    while (piece.iov_len > 0) {
        const struct patience patience = patience_of(client->request_timeout, &client->stopping);
        ssize_t count = transport_write(&exchange->transport, &piece, 1);

        if (count == TRANSPORT_LATER && !wait_for_room(exchange, &patience))
            return false;
        if (count == TRANSPORT_FAILED || count == TRANSPORT_CLOSED)
            return false;
        if (count > 0) {
            piece.iov_base = (char *)piece.iov_base + count;
            piece.iov_len -= (size_t)count;
        }
    }
    return true;
}

/* Send the request and read the head of the response. NULL, with the error set. */
static struct reply *ask(struct exchange *exchange, struct client *client, const struct request *request)
{
    struct text_buffer head = {0};
    struct patience patience;

    write_head(request, &exchange->url, &head);
    if (head.failed) {
        text_free(&head);
        error_set_no_memory();
        return NULL;
    }
    error_clear();
    /* A server may refuse a request before it has taken all of it: then its response says why. */
    if (send_bytes(exchange, client, head.bytes, head.size))
        (void)send_bytes(exchange, client, request->body, request->body_size);
    text_free(&head);
    if (ah_last_error_code() != AH_OK)
        return NULL;
    patience = patience_of(client->request_timeout, &client->stopping);
    return reply_read(&exchange->transport, &exchange->url, &patience, STEP, OPTION);
}

/* Connections */

static struct exchange *exchange_new(const struct url *url)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL) {
        error_set_no_memory();
        return NULL;
    }
    exchange->url = *url;
    pthread_mutex_init(&exchange->mutex, NULL);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    pthread_mutex_destroy(&exchange->mutex);
    free(exchange);
}

static struct client *client_of(const struct connection *connection)
{
    return (struct client *)connection->server;
}

static void enter(struct client *client, struct connection *connection)
{
    pthread_mutex_lock(&client->server.mutex);
    connection->exchange->next = client->first;
    if (client->first != NULL)
        client->first->exchange->previous = connection;
    client->first = connection;
    pthread_mutex_unlock(&client->server.mutex);
}

/* Last of all uses of the client: whoever waits for its list to be empty may free it then. */
static void leave(struct client *client, const struct connection *connection)
{
    const struct exchange *exchange = connection->exchange;

    pthread_mutex_lock(&client->server.mutex);
    if (exchange->previous != NULL)
        exchange->previous->exchange->next = exchange->next;
    else
        client->first = exchange->next;
    if (exchange->next != NULL)
        exchange->next->exchange->previous = exchange->previous;
    pthread_cond_broadcast(&client->left);
    pthread_mutex_unlock(&client->server.mutex);
}

/* Take the response over. NULL, with the error set: it is the caller's. */
static ah_connection *begin(struct exchange *exchange, struct client *client, const char *method, struct reply *reply)
{
    struct connection *connection;
    ah_connection *handle;

    if (reply->info.status_code == 101 || !body_begin(&exchange->body, method, &reply->info)) {
        error_set(AH_ERROR_CONNECT_FAILED, "%s: the answer is not one that this client can read: %s", exchange->url.place,
                  reply->info.status_code == 101 ? "nobody asked for another protocol"
                                                 : "its headers contradict each other about the body's length");
        return NULL;
    }
    exchange->rest = reply->rest;
    exchange->rest_size = reply->rest_size;
    connection = connection_open(&client->server, NULL, exchange->transport.tls);
    if (connection == NULL)
        return NULL;
    handle = connection->handle;
    connection->reply = reply;
    connection->exchange = exchange;
    enter(client, connection);
    return handle;
}

ah_connection *rt_send_request(struct client *client, const char *method, const char *text, const char *const *headers,
                               const char *body, size_t body_len)
{
    const struct request request = {method, headers, body, body_len};
    struct url url;
    struct exchange *exchange;
    struct reply *reply = NULL;
    ah_connection *handle = NULL;
    SSL_CTX *tls = NULL;
    struct patience patience;

    if (!check_method(method) || !url_parse(&url, text, URL_HTTP) || !headers_check(headers, reserved) ||
        (url.secure && (tls = client_tls(client)) == NULL))
        return NULL;
    exchange = exchange_new(&url);
    if (exchange == NULL)
        return NULL;
    patience = patience_of(client->connect_timeout, &client->stopping);
    if (dial(&exchange->transport, &url, tls, &patience)) {
        reply = ask(exchange, client, &request);
        if (reply != NULL)
            handle = begin(exchange, client, method, reply);
        if (handle == NULL)
            transport_close(&exchange->transport);
    }
    if (handle == NULL) {
        free(reply);
        exchange_free(exchange);
    }
    return handle;
}

/* Reading */

static int32_t fail(const struct exchange *exchange, const char *why)
{
    error_set(AH_ERROR_CONNECTION_CLOSED, "%s: the body of the response is not complete: %s", exchange->url.place, why);
    return -1;
}

/* Get more of what the server sends. 1, 0 at the end of the stream, -1 with the error set. */
static int32_t receive(struct exchange *exchange, int timeout)
{
    const struct patience patience = patience_of(timeout, &exchange->canceled);
    ssize_t count = stream_read(&exchange->transport, exchange->input, sizeof exchange->input, &patience);

    if (count == TRANSPORT_LATER) {
        patience_error(&patience, exchange->url.place, "the response's body", OPTION);
        return -1;
    }
    if (count < 0)
        return fail(exchange, "the connection was lost");
    exchange->rest = exchange->input;
    exchange->rest_size = (size_t)count;
    return count > 0;
}

static int32_t read_body(struct exchange *exchange, int timeout, void *buffer, size_t size)
{
    for (;;) {
        size_t taken;
        ptrdiff_t count = body_decode(&exchange->body, exchange->rest, exchange->rest_size, &taken, buffer, size);
        int32_t received;

        exchange->rest += taken;
        exchange->rest_size -= taken;
        if (count < 0)
            return fail(exchange, "its chunks are malformed");
        if (count > 0 || exchange->body.state == BODY_DONE)
            return (int32_t)count;
        received = receive(exchange, timeout);
        if (received < 0)
            return -1;
        if (received == 0 && exchange->body.state != BODY_TO_END)
            return fail(exchange, "the server closed the connection too early");
        if (received == 0)
            exchange->body.state = BODY_DONE;
    }
}

int32_t exchange_read(struct connection *connection, void *buffer, size_t size)
{
    struct exchange *exchange = connection->exchange;
    int32_t count = 0;

    pthread_mutex_lock(&exchange->mutex);
    if (size > 0)
        count = read_body(exchange, client_of(connection)->request_timeout, buffer, size < INT_MAX ? size : INT_MAX);
    pthread_mutex_unlock(&exchange->mutex);
    return count;
}

/* Ends */

/* End a connection whose handle has ended. */
static void end(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;

    atomic_store(&exchange->canceled, true);
    handle_release(connection->handle);
    transport_end(&exchange->transport); /* so that a server with TLS knows of no accident */
    transport_close(&exchange->transport);
    leave(client_of(connection), connection);
    connection_free(connection);
    exchange_free(exchange);
}

void rt_close_connection(ah_connection *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);
    bool has_exchange;

    if (connection == NULL)
        return;
    has_exchange = connection->exchange != NULL;
    handle_unpin(handle);
    if (!has_exchange)
        error_set(AH_ERROR_WRONG_STATE, "this connection is none that sendRequest has opened; close a WebSocket with "
                                        "closeWebSocket");
    else if (handle_end(handle))
        end(connection);
    else
        error_set(AH_ERROR_INVALID_HANDLE, "this connection is being closed by another thread");
}

void exchanges_end(struct client *client)
{
    pthread_mutex_lock(&client->server.mutex);
    while (client->first != NULL) {
        struct connection *connection = client->first;

        if (handle_end(connection->handle)) {
            pthread_mutex_unlock(&client->server.mutex);
            end(connection);
            pthread_mutex_lock(&client->server.mutex);
        } else { /* somebody is closing it */
            pthread_cond_wait(&client->left, &client->server.mutex);
        }
    }
    pthread_mutex_unlock(&client->server.mutex);
}
