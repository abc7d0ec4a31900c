#define _GNU_SOURCE /* vasprintf */
#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "errors.h"
#include "handles.h"
#include "runtime.h"

#define MAX_HEADERS ((int)(sizeof((ah_request_info *)0)->http_headers / sizeof(ah_header)))

struct connection *connection_open(struct server *server, struct mg_connection *civetweb)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return NULL;
    connection->server = server;
    connection->civetweb = civetweb;
    web_socket_init(&connection->web_socket);
    connection->handle = handle_open(HANDLE_CONNECTION, connection);
    if (connection->handle == NULL) {
        web_socket_free(&connection->web_socket);
        free(connection);
        return NULL;
    }
    return connection;
}

struct connection *connection_of(const struct mg_connection *civetweb)
{
    return mg_get_user_connection_data(civetweb);
}

void connection_close(struct connection *connection)
{
    handle_close(connection->handle);
    web_socket_free(&connection->web_socket);
    free(connection->strings);
    free(connection);
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

bool connection_take_request(struct connection *connection)
{
    const struct mg_request_info *from = mg_get_request_info(connection->civetweb);
    ah_request_info *to = &connection->info;
    int count = from->num_headers < MAX_HEADERS ? from->num_headers : MAX_HEADERS;
    size_t size = 1; /* so that a request without any string still has a block */
    char *end;
    int i;

    size += string_size(from->request_method) + string_size(from->request_uri) + string_size(from->local_uri_raw) +
            string_size(from->local_uri) + string_size(from->http_version) + string_size(from->query_string) +
            string_size(from->remote_user);
    for (i = 0; i < count; i++)
        size += string_size(from->http_headers[i].name) + string_size(from->http_headers[i].value);

    free(connection->strings);
    memset(to, 0, sizeof *to);
    connection->strings = end = malloc(size);
    if (end == NULL)
        return false;

    to->request_method = append_string(&end, from->request_method);
    to->request_uri = append_string(&end, from->request_uri);
    to->local_uri_raw = append_string(&end, from->local_uri_raw);
    to->local_uri = append_string(&end, from->local_uri);
    to->http_version = append_string(&end, from->http_version);
    to->query_string = append_string(&end, from->query_string);
    to->remote_user = append_string(&end, from->remote_user);
    snprintf(to->remote_addr, sizeof to->remote_addr, "%s", from->remote_addr);
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
    return true;
}

static bool has_request(const struct connection *connection)
{
    if (connection->strings != NULL)
        return true;
    error_set(AH_ERROR_WRONG_STATE, "no request has arrived on this connection yet");
    return false;
}

const ah_request_info *rt_get_request_info(struct connection *connection)
{
    return has_request(connection) ? &connection->info : NULL;
}

const char *rt_get_header(struct connection *connection, const char *name)
{
    int i;

    if (!has_request(connection))
        return NULL;
    for (i = 0; i < connection->info.number_headers; i++)
        if (strcasecmp(connection->info.http_headers[i].name, name) == 0)
            return connection->info.http_headers[i].value;
    return NULL;
}

/* A WebSocket's bytes are frames: reading or writing others would break the stream. */
static bool in_request(const struct connection *connection)
{
    if (atomic_load(&connection->in_request))
        return true;
    error_set(AH_ERROR_WRONG_STATE, "no HTTP request is being answered on this connection; "
                                    "write to a WebSocket with the functions named for it");
    return false;
}

int32_t rt_read(struct connection *connection, void *buffer, size_t buffer_size)
{
    int count;

    if (!in_request(connection))
        return -1;
    count = mg_read(connection->civetweb, buffer, buffer_size);
    if (count < 0) {
        error_set(AH_ERROR_CONNECTION_CLOSED, "the request's body could not be read: the client has gone or sent nothing "
                                              "for request_timeout_ms");
        return -1;
    }
    return count;
}

int32_t rt_write(struct connection *connection, const char *buffer, size_t buffer_size)
{
    int count;

    if (!in_request(connection))
        return -1;
    if (buffer_size == 0)
        return 0;
    count = mg_write(connection->civetweb, buffer, buffer_size);
    if (count <= 0) {
        error_set(AH_ERROR_CONNECTION_CLOSED, "the answer could not be sent: the client has gone or took nothing for "
                                              "request_timeout_ms");
        return -1;
    }
    return count;
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
