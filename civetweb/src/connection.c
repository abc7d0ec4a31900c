#define _GNU_SOURCE /* vasprintf */
#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "civetweb_internal.h"
#include "client/reply.h"
#include "clock.h"
#include "errors.h"
#include "handles.h"
#include "runtime.h"
#include "tls_facts.h"

#define MAX_HEADERS ((int)(sizeof((ah_request_info *)0)->http_headers / sizeof(ah_header)))

void connection_free(struct connection *connection)
{
    web_socket_free(&connection->web_socket);
    posted_exchange_free(&connection->posted_exchange);
    response_free(&connection->response);
    form_free(connection->form);
    free(connection->tls);
    pthread_mutex_destroy(&connection->request_mutex);
    free(connection->user);
    free(connection->strings);
    free(connection->reply);
    free(connection);
}

struct connection *connection_open(struct server *server, struct mg_connection *civetweb, const SSL *tls)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return NULL;
    connection->server = server;
    connection->civetweb = civetweb;
    connection->opened_at = clock_now();
    pthread_mutex_init(&connection->request_mutex, NULL);
    posted_exchange_init(&connection->posted_exchange);
    web_socket_init(&connection->web_socket);
    if (tls != NULL)
        connection->tls = tls_facts_new(tls, civetweb != NULL ? civetweb_client_certificate(civetweb) : NULL);
    if (tls == NULL || connection->tls != NULL)
        connection->handle = handle_open(HANDLE_CONNECTION, connection);
    if (connection->handle == NULL) {
        connection_free(connection);
        return NULL;
    }
    server_count(&server->statistics, CONNECTIONS_OPEN, 1);
    return connection;
}

struct connection *connection_of(const struct mg_connection *civetweb)
{
    return mg_get_user_connection_data(civetweb);
}

void connection_close(struct connection *connection)
{
    server_count(&connection->server->statistics, CONNECTIONS_OPEN, -1);
    handle_close(connection->handle);
    connection_free(connection);
}

void connection_end(struct connection *connection)
{
    ah_connection *handle = connection->handle;
    struct server *server = connection->server, *before = server_enter(server);

    if (server->callbacks.end_request != NULL)
        server->callbacks.end_request(handle, 101);
    if (server->callbacks.connection_close != NULL)
        server->callbacks.connection_close(handle);
    connection_close(connection);
    if (server->callbacks.connection_closed != NULL)
        server->callbacks.connection_closed(handle);
    server_leave(before);
}

void connection_begin_request(struct connection *connection)
{
    atomic_store(&connection->in_flight, true);
    in_flight_begin(&connection->server->in_flight);
}

void connection_end_request(struct connection *connection)
{
    if (atomic_exchange(&connection->in_flight, false))
        in_flight_end(&connection->server->in_flight);
}

static size_t string_size(const char *string)
{
    return string == NULL ? 0 : strlen(string) + 1;
}

/* Copy `string` to the end of a block that has room for it; null stays null. */
static const char *append_string(char **end, const char *string)
{
    size_t size = string_size(string);

    if (size == 0)
        return NULL;
    memcpy(*end, string, size);
    *end += size;
    return *end - size;
}

/* With the request's mutex. */
static void forget_request(struct connection *connection)
{
    response_reset(&connection->response);
    form_free(connection->form);
    connection->form = NULL;
    connection->continued = false;
    connection->unreadable = 0;
    connection->chunk_start = 0;
    free(connection->strings);
    connection->strings = NULL;
    connection->info = (ah_request_info){0};
}

void connection_forget_request(struct connection *connection)
{
    pthread_mutex_lock(&connection->request_mutex);
    forget_request(connection);
    pthread_mutex_unlock(&connection->request_mutex);
}

/* With the request's mutex. */
static void take_user(struct connection *connection)
{
    const char *user = mg_get_request_info(connection->civetweb)->remote_user;

    if (user == NULL || connection->user == NULL || strcmp(user, connection->user) != 0) {
        free(connection->user);
        connection->user = user == NULL ? NULL : strdup(user);
    }
    connection->info.remote_user = connection->user;
}

void connection_take_user(struct connection *connection)
{
    pthread_mutex_lock(&connection->request_mutex);
    take_user(connection);
    pthread_mutex_unlock(&connection->request_mutex);
}

/* With the request's mutex. */
static bool copy_request(struct connection *connection, const struct mg_request_info *from)
{
    ah_request_info *to = &connection->info;
    int count = from->num_headers < MAX_HEADERS ? from->num_headers : MAX_HEADERS;
    size_t size = 1; /* so that a request without any string still has a block */
    char *end;
    int i;

    size += string_size(from->request_method) + string_size(from->request_uri) + string_size(from->local_uri_raw) +
            string_size(from->local_uri) + string_size(from->http_version) + string_size(from->query_string);
    for (i = 0; i < count; i++)
        size += string_size(from->http_headers[i].name) + string_size(from->http_headers[i].value);

    forget_request(connection);
    connection->strings = end = malloc(size);
    if (end == NULL)
        return false;

    to->request_method = append_string(&end, from->request_method);
    to->request_uri = append_string(&end, from->request_uri);
    to->local_uri_raw = append_string(&end, from->local_uri_raw);
    to->local_uri = append_string(&end, from->local_uri);
    to->http_version = append_string(&end, from->http_version);
    to->query_string = append_string(&end, from->query_string);
    _Static_assert(sizeof to->remote_addr == sizeof from->remote_addr, "one array is copied into the other");
    memcpy(to->remote_addr, from->remote_addr, sizeof to->remote_addr);
    to->content_length = from->content_length;
    to->remote_port = from->remote_port;
    to->server_port = from->server_port;
    to->is_ssl = from->is_ssl;
    to->user_data = connection->server->user_data;
    to->conn_data = connection->user_data;
    to->number_headers = count;
    for (i = 0; i < count; i++) {
        to->http_headers[i].name = append_string(&end, from->http_headers[i].name);
        to->http_headers[i].value = append_string(&end, from->http_headers[i].value);
    }
    take_user(connection);
    return true;
}

bool connection_take_request(struct connection *connection)
{
    bool taken;

    pthread_mutex_lock(&connection->request_mutex);
    taken = copy_request(connection, mg_get_request_info(connection->civetweb));
    pthread_mutex_unlock(&connection->request_mutex);
    return taken;
}

static bool has_request(const struct connection *connection)
{
    if (connection->strings != NULL)
        return true;
    error_set(AH_ERROR_WRONG_STATE, connection->reply != NULL
                                        ? "this connection was opened by a client; it has a response, which "
                                          "getResponseInfo gives"
                                        : "no request has arrived on this connection yet, or the last one could "
                                          "not be read");
    return false;
}

const ah_request_info *rt_get_request_info(struct connection *connection)
{
    bool there;

    pthread_mutex_lock(&connection->request_mutex);
    there = has_request(connection);
    pthread_mutex_unlock(&connection->request_mutex);
    return there ? &connection->info : NULL;
}

const ah_response_info *rt_get_response_info(struct connection *connection)
{
    if (connection->reply != NULL)
        return &connection->reply->info;
    error_set(AH_ERROR_WRONG_STATE, "this connection was accepted by a server; it has a request, which getRequestInfo gives");
    return NULL;
}

static const char *find_header(const ah_header *headers, int count, const char *name)
{
    int i;

    for (i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

const char *rt_get_header(struct connection *connection, const char *name)
{
    const char *value = NULL;
    const struct reply *reply = connection->reply;

    if (reply != NULL)
        return find_header(reply->info.http_headers, reply->info.number_headers, name);
    pthread_mutex_lock(&connection->request_mutex);
    if (has_request(connection))
        value = find_header(connection->info.http_headers, connection->info.number_headers, name);
    pthread_mutex_unlock(&connection->request_mutex);
    return value;
}

/* A WebSocket's bytes are frames: reading or writing others would break the stream. */
bool connection_in_request(const struct connection *connection)
{
    if (atomic_load(&connection->in_request))
        return true;
    error_set(AH_ERROR_WRONG_STATE, "no HTTP request is being answered on this connection; "
                                    "write to a WebSocket with the functions named for it");
    return false;
}

const char *connection_http_version(const struct connection *connection)
{
    const char *version = mg_get_request_info(connection->civetweb)->http_version;

    return version != NULL ? version : "1.0";
}

int32_t rt_print(struct connection *connection, const char *format, va_list values)
{
    va_list again;
    char *text;
    int length;
    int32_t result;

    va_copy(again, values);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the text cannot be formatted: %s", strerror(errno));
        return -1;
    }
    text = malloc((size_t)length + 1);
    if (text == NULL) {
        error_set_no_memory();
        return -1;
    }
    vsnprintf(text, (size_t)length + 1, format, values);
    result = rt_write(connection, text, (size_t)length);
    free(text);
    return result;
}
