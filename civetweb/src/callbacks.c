#include "callbacks.h"

#include <string.h>

#include "civetweb_internal.h"
#include "connection.h"
#include "http/handlers.h"
#include "http/request.h"
#include "http/request_syntax.h"
#include "http/response.h"
#include "http/static_files.h"
#include "log_listener.h"
#include "server.h"
#include "web_socket/handshake.h"
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

/* Answer for the library, and read nothing that may follow. */
static int refuse(struct mg_connection *civetweb, int status, const char *reason)
{
    struct connection *connection = connection_of(civetweb);

    civetweb_answer_as_http(civetweb);
    civetweb_close_after_answer(civetweb);
    if (connection == NULL || !posted_exchange_refuse(connection, status, reason))
        mg_send_http_error(civetweb, status, "%s", reason);
    return status;
}

/* Have the program's callback for all requests answer; 0 when there is none, or it does not. */
static int ask(struct server *server, struct connection *connection)
{
    struct server *before;
    const char *reason;
    int32_t status;

    if (server->callbacks.begin_request == NULL)
        return 0;
    atomic_store(&connection->in_request, true);
    before = server_enter(server);
    status = server->callbacks.begin_request(connection->handle);
    server_leave(before);
    if (connection->posted_exchange.lent) /* the request goes on, and its worker comes here when it does not */
        return status;
    atomic_store(&connection->in_request, false);
    reason = connection->posted_exchange.refusal;
    return reason != NULL ? refuse(connection->civetweb, status, reason) : response_settle(connection, status);
}

/* The order in which a request is offered: above 0 it has been answered, 0 leaves it to CivetWeb. */
static int offer(struct mg_connection *civetweb, struct connection *connection)
{
    struct server *server = server_of(civetweb);
    const char *reason;
    int status = request_syntax_check(mg_get_request_info(civetweb), civetweb_head_end(civetweb), &reason);
    bool upgrade;

    civetweb_trim_fields(civetweb);
    if (status != 0)
        civetweb_mask_controls(civetweb);
    if (connection == NULL || !connection_take_request(connection))
        return refuse(civetweb, 503, "out of memory");
    if (status != 0)
        return refuse(civetweb, status, reason);
    /* Who stops a server has no request answered any more; its WebSockets may still say goodbye. */
    if (atomic_load(&server->in_flight.closed))
        return refuse(civetweb, 503, "the server stops");
    if (atomic_load(&server->departing))
        civetweb_close_after_answer(civetweb);
    upgrade = civetweb_asks_for_web_socket(civetweb) || handshake_is_asked_for(&connection->info);
    civetweb_answer_as_http(civetweb);
    status = handlers_authorize(connection);
    if (status != 0)
        return status;
    if (upgrade)
        civetweb_ask_for_web_socket(civetweb);
    /* The handler of a URI answers its upgrades, whatever a callback for all requests would say. */
    if (routes_find(connection) != NULL) {
        status = web_socket_refuse(connection);
        if (status == 0)
            status = handlers_require_password(connection);
        if (status == 0)
            connection_end_request(connection); /* its handler decides when it wants to, and the stop asks it to */
        return status;
    }
    civetweb_answer_as_http(civetweb);
    status = ask(server, connection);
    if (status == 0 && upgrade)
        return web_socket_miss(connection);
    if (status == 0)
        status = handlers_answer(connection);
    if (status == 0 && !civetweb_knows_method(civetweb))
        return refuse(civetweb, 501, "the server does not know this method");
    return status != 0 ? status : static_files_answer(civetweb);
}

static int begin_request(struct mg_connection *civetweb)
{
    struct connection *connection = connection_of(civetweb);
    int status;

    if (connection != NULL)
        connection_begin_request(connection);
    status = offer(civetweb, connection);
    if (status > 0 && connection != NULL) {
        if (!connection->posted_exchange.lent) /* else the request goes on */
            connection_end_request(connection);
        request_skip_body(connection); /* for which a client may take long that has its answer */
    } else {
        civetweb_forget_user(civetweb); /* it finds that out again */
    }
    return status;
}

/* Count a request that has been answered, and tell the program; without a connection, which lives on elsewhere, its
 * end is told there. */
static void conclude(struct mg_connection *civetweb, struct connection *connection, int status)
{
    struct server *server = server_of(civetweb), *before;
    int64_t received = civetweb_bytes_read(civetweb);
    int64_t sent = civetweb_bytes_written(civetweb);

    server_count_request(&server->statistics, status, received, sent);
    if (connection != NULL)
        connection_count_request(connection, received, sent);
    if (connection != NULL && server->callbacks.end_request != NULL) {
        before = server_enter(server);
        server->callbacks.end_request(connection->handle, status);
        server_leave(before);
    }
    civetweb_mask_controls(civetweb); /* for the access log, whose line is written next */
}

static void end_request(const struct mg_connection *read_only, int status)
{
    struct mg_connection *civetweb = (struct mg_connection *)read_only;
    struct connection *connection = connection_of(civetweb);

    conclude(civetweb, connection, status);
    if (connection == NULL)
        return;
    if (!civetweb_keeps_alive(civetweb) && civetweb_client_goes_on(civetweb))
        civetweb_drain(civetweb);
    civetweb_log_content_only(civetweb);
    connection_end_request(connection);
}

/* Answer a request that has no path here (RFC 9112, section 3.2), which CivetWeb does not. */
static void answer_passed_over(struct mg_connection *civetweb)
{
    const struct mg_request_info *request = mg_get_request_info(civetweb);

    if (strcmp(request->request_uri, "*") != 0) {
        refuse(civetweb, 421, "this server does not answer for that host and port");
    } else if (strcmp(request->request_method, "OPTIONS") != 0) {
        refuse(civetweb, 400, "only OPTIONS is asked of the server as a whole");
    } else {
        civetweb_begin_head(civetweb, 204);
        civetweb_send_head(civetweb);
    }
}

/* The end of a request that could not be read, or has no path here: CivetWeb does not call end_request for it. */
static void end_unhandled(struct mg_connection *civetweb, struct connection *connection)
{
    int status = civetweb_unhandled_status(civetweb);

    if (status == 0)
        return;
    connection_forget_request(connection); /* this is not the last one */
    conclude(civetweb, connection, status);
    civetweb_log_content_only(civetweb);
    civetweb_log_access(civetweb);
}

bool callbacks_http_error(struct connection *connection, int status, const char *message)
{
    struct server *server = connection->server, *before;
    struct response *response = &connection->response;
    bool was_in_request;
    int32_t result;

    if (server->callbacks.http_error == NULL)
        return false;
    was_in_request = atomic_exchange(&connection->in_request, true);
    response->in_error_page = true;
    before = server_enter(server);
    result = server->callbacks.http_error(connection->handle, status, message);
    server_leave(before);
    response->in_error_page = false;
    atomic_store(&connection->in_request, was_in_request);
    return result == 0 && response->state != RESPONSE_NONE && response->state != RESPONSE_STARTED;
}

static int http_error(struct mg_connection *civetweb, int status, const char *message)
{
    struct connection *connection = connection_of(civetweb);

    civetweb_answer_as_http(civetweb);
    if (connection == NULL)
        return 1;
    if (mg_get_request_info(civetweb)->local_uri == NULL) { /* it could not be read, or is for nobody here */
        connection_forget_request(connection);
        if (civetweb_answer_unread(civetweb))
            return 0;
    }
    response_reset(&connection->response); /* the answer before this one is still in it */
    if (!callbacks_http_error(connection, status, message))
        return 1;
    response_settle(connection, status);
    return 0;
}

/* Connections */

/* Whether this worker has a connection that counts: one whose TLS handshake fails never begins. */
static _Thread_local bool worker_busy;

static void set_worker_busy(struct server *server, bool busy)
{
    if (busy != worker_busy)
        server_count(&server->statistics, WORKERS_BUSY, busy ? 1 : -1);
    worker_busy = busy;
}

static int init_connection(const struct mg_connection *civetweb, void **connection_data)
{
    struct server *server = server_of(civetweb), *before;
    struct connection *connection = connection_open(server, (struct mg_connection *)civetweb, civetweb_tls(civetweb));
    int32_t result = 0;

    set_worker_busy(server, true);
    server_count(&server->statistics, CONNECTIONS_ACCEPTED, 1);
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

    set_worker_busy(server, false);
    if (connection == NULL) { /* it lives on elsewhere, and is closed there */
        worker_handle = NULL;
        civetweb_leave_domain((struct mg_connection *)civetweb);
        return;
    }
    /* CivetWeb holds the connection's lock here. A callback that is answered on another thread and
     * writes would wait for it, and we for the callback. */
    mg_unlock_connection((struct mg_connection *)civetweb);
    if (civetweb_passes_over(civetweb))
        answer_passed_over((struct mg_connection *)civetweb);
    end_unhandled((struct mg_connection *)civetweb, connection);
    if (server->callbacks.connection_close != NULL) {
        before = server_enter(server);
        server->callbacks.connection_close(connection->handle);
        server_leave(before);
    }
    connection_close(connection);
    civetweb_leave_domain((struct mg_connection *)civetweb);
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
    static const char handshake[] = "sslize error: ";
    struct server *server = server_of(civetweb), *before;
    char clear[LOG_TEXT];
    int32_t result = 0;

    if (strncmp(message, handshake, sizeof handshake - 1) == 0) {
        snprintf(clear, sizeof clear, "no TLS handshake: %s", message + sizeof handshake - 1);
        message = clear;
    }
    log_hear(message);
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

/* CivetWeb takes any digit before an "s" or "r" for the end of a TLS port, in the path of a Unix socket, too. It is told
 * that all is set up for a server that has no such port. */
static int no_tls(void **ssl_context, void *user_data)
{
    (void)ssl_context;
    (void)user_data;
    return 1;
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
    before = server_enter(server);
    civetweb_free_domains((struct mg_context *)civetweb);
    server_leave(before);
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

void callbacks_install(struct mg_callbacks *table, const ah_callbacks *wanted, bool tls)
{
    /* What the library does itself, whatever the program wants. */
    table->begin_request = begin_request;
    table->end_request = end_request;
    table->http_error = http_error;
    table->init_connection = init_connection;
    table->connection_close = connection_close_callback;
    table->init_context = init_context;
    table->exit_context = exit_context;
    table->log_message = log_message;

    /* The rest only when asked for: CivetWeb acts differently when they are there. */
    table->log_access = wanted->log_access != NULL ? log_access : NULL;
    table->init_ssl = wanted->init_ssl != NULL ? init_ssl : NULL;
    table->init_ssl_domain = wanted->init_ssl_domain != NULL ? init_ssl_domain : NULL;
    table->external_ssl_ctx = !tls ? no_tls : wanted->external_ssl_ctx != NULL ? external_ssl_ctx : NULL;
    table->external_ssl_ctx_domain = wanted->external_ssl_ctx_domain != NULL ? external_ssl_ctx_domain : NULL;
    table->connection_closed = wanted->connection_closed != NULL ? connection_closed : NULL;
    table->init_lua = wanted->init_lua != NULL ? init_lua : NULL;
    table->exit_lua = wanted->exit_lua != NULL ? exit_lua : NULL;
    table->init_thread = wanted->init_thread != NULL ? init_thread : NULL;
    table->exit_thread = wanted->exit_thread != NULL ? exit_thread : NULL;
}
