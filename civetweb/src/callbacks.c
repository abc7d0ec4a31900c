#include "callbacks.h"

#include <stdio.h>

#include "civetweb_internal.h"
#include "connection.h"
#include "server.h"
#include "web_socket/routes.h"

static struct server *server_of_context(const struct mg_context *civetweb)
{
    return mg_get_user_data(civetweb);
}

static struct server *server_of(const struct mg_connection *civetweb)
{
    return server_of_context(mg_get_context(civetweb));
}

/* A worker has one connection at a time. This is its handle, for the callbacks that come when CivetWeb
 * has forgotten our connection: it does so before connection_closed, and when the socket has left. */
static _Thread_local ah_connection *worker_handle;

static ah_connection *handle_of(const struct mg_connection *civetweb)
{
    struct connection *connection = connection_of(civetweb);

    return connection == NULL ? NULL : connection->handle;
}

/* Requests */

/* What the program's callback for all requests says; 0 without one. */
static int32_t ask(struct server *server, struct connection *connection)
{
    struct server *before;
    int32_t status;

    if (server->callbacks.begin_request == NULL)
        return 0;
    atomic_store(&connection->in_request, true);
    before = server_enter(server);
    status = server->callbacks.begin_request(connection->handle);
    server_leave(before);
    atomic_store(&connection->in_request, false);
    return status;
}

static int begin_request(struct mg_connection *civetweb)
{
    struct connection *connection = connection_of(civetweb);
    struct server *server = server_of(civetweb);
    int32_t status;

    if (connection == NULL || !connection_take_request(connection)) {
        mg_send_http_error(civetweb, 503, "%s", "out of memory");
        return 503;
    }
    /* The handler of a URI answers its upgrades, whatever a callback for all requests would say. */
    if (routes_find(connection) != NULL)
        return web_socket_refuse(connection);
    status = ask(server, connection);
    if (status == 0 && civetweb_asks_for_web_socket(civetweb))
        return web_socket_miss(connection);
    if (status >= 400 && status <= 599 && civetweb_answer_is_unsent(civetweb))
        mg_send_http_error(civetweb, status, "%s", "");
    return status;
}

static void end_request(const struct mg_connection *civetweb, int status)
{
    struct connection *connection = connection_of(civetweb);
    struct server *server = server_of(civetweb), *before;

    if (connection == NULL) /* it lives on elsewhere, and its request ends there */
        return;
    before = server_enter(server);
    server->callbacks.end_request(connection->handle, status);
    server_leave(before);
}

static int http_error(struct mg_connection *civetweb, int status, const char *message)
{
    struct connection *connection = connection_of(civetweb);
    struct server *server = server_of(civetweb), *before;
    bool was_in_request;
    int32_t result;

    if (connection == NULL)
        return 1;
    was_in_request = atomic_exchange(&connection->in_request, true);
    before = server_enter(server);
    result = server->callbacks.http_error(connection->handle, status, message);
    server_leave(before);
    atomic_store(&connection->in_request, was_in_request);
    return result;
}

/* Connections */

static int init_connection(const struct mg_connection *civetweb, void **connection_data)
{
    struct server *server = server_of(civetweb), *before;
    struct connection *connection = connection_open(server, (struct mg_connection *)civetweb);
    int32_t result = 0;

    *connection_data = connection;
    worker_handle = connection == NULL ? NULL : connection->handle;
    if (connection == NULL || server->callbacks.init_connection == NULL)
        return 0;
    before = server_enter(server);
    result = server->callbacks.init_connection(connection->handle, &connection->user_data);
    server_leave(before);
    return result;
}

static void connection_close_callback(const struct mg_connection *civetweb)
{
    struct connection *connection = connection_of(civetweb);
    struct server *server = server_of(civetweb), *before;

    if (connection == NULL) { /* it lives on elsewhere, and is closed there */
        worker_handle = NULL;
        return;
    }
    /* CivetWeb holds the connection's lock here. A callback that is answered on another thread and
     * writes would wait for it, and we for the callback. */
    mg_unlock_connection((struct mg_connection *)civetweb);
    if (server->callbacks.connection_close != NULL) {
        before = server_enter(server);
        server->callbacks.connection_close(connection->handle);
        server_leave(before);
    }
    connection_close(connection);
    mg_lock_connection((struct mg_connection *)civetweb);
}

static void connection_closed(const struct mg_connection *civetweb)
{
    struct server *server = server_of(civetweb), *before;

    if (worker_handle == NULL)
        return;
    before = server_enter(server);
    server->callbacks.connection_closed(worker_handle);
    server_leave(before);
}

/* Logs */

static int log_message(const struct mg_connection *civetweb, const char *message)
{
    struct server *server = server_of(civetweb), *before;
    int32_t result = 0;

    if (server->starting && server->start_log[0] == '\0') /* the first one is the cause */
        snprintf(server->start_log, sizeof server->start_log, "%s", message);
    if (server->callbacks.log_message == NULL)
        return 0;
    before = server_enter(server);
    result = server->callbacks.log_message(handle_of(civetweb), message);
    server_leave(before);
    return result;
}

static int log_access(const struct mg_connection *civetweb, const char *message)
{
    struct server *server = server_of(civetweb), *before = server_enter(server);
    int32_t result = server->callbacks.log_access(handle_of(civetweb), message);

    server_leave(before);
    return result;
}

/* TLS: these get CivetWeb's user data, which is the server, and pass on the user's */

static int init_ssl(void *ssl_context, void *user_data)
{
    struct server *server = user_data, *before = server_enter(server);
    int32_t result = server->callbacks.init_ssl(ssl_context, server->user_data);

    server_leave(before);
    return result;
}

static int init_ssl_domain(const char *domain, void *ssl_context, void *user_data)
{
    struct server *server = user_data, *before = server_enter(server);
    int32_t result = server->callbacks.init_ssl_domain(domain, ssl_context, server->user_data);

    server_leave(before);
    return result;
}

static int external_ssl_ctx(void **ssl_context, void *user_data)
{
    struct server *server = user_data, *before = server_enter(server);
    int32_t result = server->callbacks.external_ssl_ctx(ssl_context, server->user_data);

    server_leave(before);
    return result;
}

static int external_ssl_ctx_domain(const char *domain, void **ssl_context, void *user_data)
{
    struct server *server = user_data, *before = server_enter(server);
    int32_t result = server->callbacks.external_ssl_ctx_domain(domain, ssl_context, server->user_data);

    server_leave(before);
    return result;
}

/* Lua: CivetWeb is built without it, so that these never run; they keep the table complete */

static void init_lua(const struct mg_connection *civetweb, void *lua_context, unsigned flags)
{
    struct server *server = server_of(civetweb), *before = server_enter(server);

    (void)flags;
    server->callbacks.init_lua(handle_of(civetweb), lua_context);
    server_leave(before);
}

static void exit_lua(const struct mg_connection *civetweb, void *lua_context, unsigned flags)
{
    struct server *server = server_of(civetweb), *before = server_enter(server);

    (void)flags;
    server->callbacks.exit_lua(handle_of(civetweb), lua_context);
    server_leave(before);
}

/* The server and its threads */

static void init_context(const struct mg_context *civetweb)
{
    struct server *server = server_of_context(civetweb), *before;

    server->civetweb = (struct mg_context *)civetweb; /* so that handlers can be set before the first request */
    server->starting = false;                         /* the last moment with one thread only */
    if (server->callbacks.init_context == NULL)
        return;
    before = server_enter(server);
    server->callbacks.init_context(server->handle);
    server_leave(before);
}

static void exit_context(const struct mg_context *civetweb)
{
    struct server *server = server_of_context(civetweb), *before;

    civetweb_close_unserved(civetweb);
    if (server->callbacks.exit_context == NULL)
        return;
    before = server_enter(server);
    server->callbacks.exit_context(server->handle);
    server_leave(before);
}

static void *init_thread(const struct mg_context *civetweb, int thread_type)
{
    struct server *server = server_of_context(civetweb), *before = server_enter(server);

    server->callbacks.init_thread(server->handle, thread_type);
    server_leave(before);
    return NULL;
}

static void exit_thread(const struct mg_context *civetweb, int thread_type, void *thread_pointer)
{
    struct server *server = server_of_context(civetweb), *before = server_enter(server);

    server->callbacks.exit_thread(server->handle, thread_type, thread_pointer);
    server_leave(before);
}

void callbacks_install(struct mg_callbacks *table, const ah_callbacks *wanted)
{
    /* What the library does itself, whatever the program wants. */
    table->begin_request = begin_request;
    table->init_connection = init_connection;
    table->connection_close = connection_close_callback;
    table->init_context = init_context;
    table->exit_context = exit_context;
    table->log_message = log_message;

    /* The rest only when asked for: CivetWeb acts differently when they are there. */
    table->end_request = wanted->end_request != NULL ? end_request : NULL;
    table->log_access = wanted->log_access != NULL ? log_access : NULL;
    table->init_ssl = wanted->init_ssl != NULL ? init_ssl : NULL;
    table->init_ssl_domain = wanted->init_ssl_domain != NULL ? init_ssl_domain : NULL;
    table->external_ssl_ctx = wanted->external_ssl_ctx != NULL ? external_ssl_ctx : NULL;
    table->external_ssl_ctx_domain = wanted->external_ssl_ctx_domain != NULL ? external_ssl_ctx_domain : NULL;
    table->connection_closed = wanted->connection_closed != NULL ? connection_closed : NULL;
    table->init_lua = wanted->init_lua != NULL ? init_lua : NULL;
    table->exit_lua = wanted->exit_lua != NULL ? exit_lua : NULL;
    table->http_error = wanted->http_error != NULL ? http_error : NULL;
    table->init_thread = wanted->init_thread != NULL ? init_thread : NULL;
    table->exit_thread = wanted->exit_thread != NULL ? exit_thread : NULL;
}
