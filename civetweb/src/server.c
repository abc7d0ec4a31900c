#include "server.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbacks.h"
#include "civetweb_internal.h"
#include "clock.h"
#include "defaults.h"
#include "errors.h"
#include "events/events.h"
#include "handles.h"
#include "log_listener.h"
#include "option_paths.h"
#include "options.h"
#include "runtime.h"
#include "unix_sockets.h"
#include "web_socket/routes.h"

static _Thread_local struct server *current;

struct server *server_current(void)
{
    return current;
}

bool server_is_in_callback(void)
{
    return current != NULL || event_is_taken();
}

struct server *server_enter(struct server *server)
{
    struct server *before = current;

    current = server;
    return before;
}

/* A server that a callback wants stopped, which begins when the callback has returned: what it still
 * has to say reaches its client. */
struct stop_order {
    struct server *server; /* null when there is nothing to do */
    void (*stop)(struct server *server);
    sem_t given;
    struct stop_order *next;
};

static _Thread_local struct stop_order *orders; /* of the callback that runs on this thread */

void server_leave(struct server *before)
{
    struct stop_order *order;

    current = before;
    while (before == NULL && (order = orders) != NULL) {
        orders = order->next;
        sem_post(&order->given);
    }
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static unsigned library_features;

/* For the life of the process: CivetWeb counts its users, and OpenSSL cannot be set up twice. */
static void initialize_library(void)
{
    library_features = mg_init_library(MG_FEATURES_DEFAULT | MG_FEATURES_TLS);
}

static bool use_library(void)
{
    pthread_once(&library_once, initialize_library);
    if (library_features & MG_FEATURES_TLS)
        return true;
    error_set(AH_ERROR_SYSTEM, "the TLS library could not be started; check the installation of OpenSSL 3");
    return false;
}

/* CivetWeb's log is the only place that says which port failed and why. */
static void set_ports_error(const char *log, const char *ports)
{
    static const char no_port[] = ": invalid port spec";
    const char *end = strstr(log, no_port);

    if (end != NULL && *log == 'x') /* CivetWeb takes a colon anywhere behind it for that of a host and port */
        error_set(AH_ERROR_INVALID_ARGUMENT, "\"%.*s\" in \"listening_ports\" cannot be listened at; put Unix sockets behind "
                                             "all ports, and give their paths no colon", (int)(end - log), log);
    else if (end != NULL)
        error_set(AH_ERROR_INVALID_ARGUMENT, "\"%.*s\" in \"listening_ports\" is nowhere to listen at; give PORT or "
                                             "ADDRESS:PORT, the port at most 65535, the address one of this machine's or a "
                                             "name that it knows, and one of IPv6 in brackets", (int)(end - log), log);
    else if (strstr(log, strerror(EADDRINUSE)) != NULL)
        error_set(AH_ERROR_ADDRESS_IN_USE, "port \"%s\" is in use: %s; stop the program that listens there or choose "
                                           "another port", ports, log);
    else if (strstr(log, strerror(EACCES)) != NULL)
        error_set(AH_ERROR_ACCESS_DENIED, "port \"%s\" is not allowed: %s; ports below 1024 need the right to bind them, "
                                          "choose another one", ports, log);
    else
        error_set(AH_ERROR_INVALID_ARGUMENT, "cannot listen on \"%s\": %s; give PORT or ADDRESS:PORT, the "
                                             "address one of this machine's and the port at most 65535", ports, log);
}

static void set_start_error(const char *log, const struct options *options, const struct mg_error_data *error)
{
    const char *ports = options_value(options, "listening_ports");

    switch (error->code) {
    case MG_ERROR_DATA_CODE_INIT_TLS_FAILED:
        error_set(AH_ERROR_SYSTEM, "TLS cannot be set up: %s", log);
        break;
    case MG_ERROR_DATA_CODE_INIT_PORTS_FAILED:
        set_ports_error(log, ports == NULL ? "8080" : ports);
        break;
    default:
        error_set(AH_ERROR_SYSTEM, "%s%s%s", error->text, log[0] != '\0' ? ": " : "", log);
    }
}

bool server_init(struct server *server, enum handle_kind kind, void *object)
{
    pthread_mutex_init(&server->mutex, NULL);
    atomic_flag_clear(&server->stopped);
    web_sockets_init(&server->web_sockets);
    handlers_init(&server->handlers);
    in_flight_init(&server->in_flight);
    server->handle = handle_open(kind, object);
    if (server->handle != NULL)
        return true;
    server_destroy(server);
    return false;
}

void server_destroy(struct server *server)
{
    routes_free(server);
    in_flight_free(&server->in_flight);
    handlers_free(&server->handlers);
    web_sockets_free(&server->web_sockets);
    pthread_mutex_destroy(&server->mutex);
}

static void server_free(struct server *server)
{
    server_destroy(server);
    free(server);
}

static struct server *server_new(const ah_callbacks *callbacks, void *user_data)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        error_set_no_memory();
        return NULL;
    }
    if (callbacks != NULL)
        server->callbacks = *callbacks;
    server->user_data = user_data;
    server->statistics.started_at = clock_now();
    if (server_init(server, HANDLE_CONTEXT, server))
        return server;
    free(server);
    return NULL;
}

/* Whether a callback sets TLS up, in place of the option "ssl_certificate". */
static bool brings_certificates(const ah_callbacks *callbacks)
{
    return callbacks != NULL && (callbacks->init_ssl != NULL || callbacks->init_ssl_domain != NULL ||
                                 callbacks->external_ssl_ctx != NULL || callbacks->external_ssl_ctx_domain != NULL);
}

/* Takes ownership of the options. */
static ah_context *start(const ah_callbacks *callbacks, void *user_data, struct options *options)
{
    struct mg_callbacks adapters = {0};
    struct mg_init_data init = {.callbacks = &adapters};
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    struct server *server = NULL;
    struct server *before;
    struct log_listener log;
    ah_context *handle = NULL;
    bool started, ours;

    if (!use_library())
        goto done;
    server = server_new(callbacks, user_data);
    if (server == NULL)
        goto done;
    if (!limits_take(&server->web_sockets.limits, options) || !document_root_take_rules(&server->file_rules, options) ||
        !options_check(options, brings_certificates(callbacks)) || !defaults_apply(options) ||
        !unix_sockets_make_room(options_value(options, "listening_ports"))) {
        handle_close(server->handle);
        server_free(server);
        goto done;
    }
    callbacks_install(&adapters, &server->callbacks, options_ask_for_tls(options_value(options, "listening_ports")));
    init.user_data = server;
    init.configuration_options = options->list;
    handle = server->handle;
    /* Callbacks know the server already, and may have it stopped, which has to wait until it is started. */
    (void)handle_pin(HANDLE_CONTEXT, handle);
    before = server_enter(server);
    log_listen(&log);
    started = mg_start2(&init, &error) != NULL;
    log_unlisten();
    if (started)
        option_paths_tell_missing_root(options, server->civetweb);
    server_leave(before);
    if (!started) {
        set_start_error(log.text, options, &error);
        server->civetweb = NULL; /* CivetWeb has freed it */
    }
    ours = !started && !atomic_flag_test_and_set(&server->stopped);
    handle_unpin(handle);
    if (ours) {
        handle_close(handle);
        server_free(server);
    }
    if (!started)
        handle = NULL;
done:
    options_free(options);
    return handle;
}

ah_context *rt_start_server(const ah_callbacks *callbacks, void *user_data, const char *const *options)
{
    struct options checked;

    if (!options_copy(&checked, options, options == NULL ? 0 : SIZE_MAX))
        return NULL;
    return start(callbacks, user_data, &checked);
}

ah_context *rt_start_server_with_options(ah_request_callback callback, void *user_data, const char *const *options,
                                         size_t options_count)
{
    ah_callbacks callbacks = {.begin_request = callback};
    struct options checked;

    if (!options_copy(&checked, options, options_count))
        return NULL;
    return start(&callbacks, user_data, &checked);
}

ah_context *rt_start_server_on_port(ah_request_callback callback, void *user_data, const char *port)
{
    const char *options[] = {"listening_ports", port};

    return rt_start_server_with_options(callback, user_data, options, 2);
}

ah_context *rt_start_server_with_arguments(ah_request_callback callback, void *user_data, size_t opts_count, va_list opts)
{
    const char **options = calloc(opts_count + 1, sizeof *options);
    ah_context *context;
    size_t i;

    if (options == NULL) {
        error_set_no_memory();
        return NULL;
    }
    for (i = 0; i < opts_count; i++)
        options[i] = va_arg(opts, const char *);
    context = rt_start_server_with_options(callback, user_data, options, opts_count);
    free(options);
    return context;
}

ah_context *rt_start_server_with_arguments_no_data(ah_request_callback callback, size_t opts_count, va_list opts)
{
    return rt_start_server_with_arguments(callback, NULL, opts_count, opts);
}

void rt_stop_listening(struct server *server)
{
    bool closed;

    atomic_store(&server->departing, true);
    pthread_mutex_lock(&server->mutex);
    closed = civetweb_stop_listening(server->civetweb);
    pthread_mutex_unlock(&server->mutex);
    if (!closed)
        error_set(AH_ERROR_SYSTEM, "the ports could not be closed: %s", strerror(errno));
}

static void set_stopped_error(void)
{
    error_set(AH_ERROR_INVALID_HANDLE, "this handle is being ended already");
}

int32_t rt_await_requests(struct server *server, int32_t timeout_ms)
{
    int64_t left;

    if (server_is_in_callback()) {
        error_set(AH_ERROR_WRONG_THREAD, "a callback waits for itself: call this on a thread that no callback runs on");
        return -1;
    }
    left = in_flight_await(&server->in_flight, timeout_ms, atomic_load(&server->departing));
    if (left < 0)
        set_stopped_error();
    return (int32_t)left;
}

/* Stop a server, and wait for its callbacks. The handle lives as long as its WebSockets: their close callbacks may
 * still write to groups. */
static void stop(struct server *server)
{
    in_flight_give_up(&server->in_flight);
    web_sockets_stop(&server->web_sockets);
    handle_close(server->handle);
    mg_stop(server->civetweb);
    server_free(server);
}

/* The thread that stops a server for a callback. It is there before anybody is told that the server is stopped. */
static void *stop_apart(void *argument)
{
    struct stop_order *order = argument;

    pthread_detach(pthread_self());
    while (sem_wait(&order->given) != 0)
        ; /* a signal came */
    if (order->server != NULL)
        order->stop(order->server);
    sem_destroy(&order->given);
    free(order);
    return NULL;
}

static void stop_after_callback(struct server *server, void (*stop)(struct server *server))
{
    struct stop_order *order = calloc(1, sizeof *order);
    pthread_t thread;
    int error;

    if (order == NULL) {
        error_set_no_memory();
        return;
    }
    sem_init(&order->given, 0, 0);
    error = pthread_create(&thread, NULL, stop_apart, order);
    if (error != 0) {
        error_set(AH_ERROR_SYSTEM, "the thread that stops the server could not be started: %s", strerror(error));
        sem_destroy(&order->given);
        free(order);
    } else if (!atomic_flag_test_and_set(&server->stopped)) {
        order->stop = stop;
        order->server = server;
        order->next = orders;
        orders = order;
    } else {
        set_stopped_error();
        sem_post(&order->given);
    }
}

void server_end(struct server *server, void (*stop)(struct server *server))
{
    const void *handle = server->handle;

    if (server_is_in_callback()) {
        stop_after_callback(server, stop);
        handle_unpin(handle);
    } else if (events_are_read_here(server)) {
        handle_unpin(handle);
        error_set(AH_ERROR_WRONG_THREAD, "this thread handles the events of an open WebSocket, whose end is waited for: "
                                         "stop on another thread, or release the WebSocket first");
    } else if (!atomic_flag_test_and_set(&server->stopped)) {
        handle_unpin(handle);
        stop(server);
    } else {
        handle_unpin(handle);
        set_stopped_error();
    }
}

void rt_stop_server(ah_context *context)
{
    struct server *server = handle_pin(HANDLE_CONTEXT, context);

    if (server != NULL)
        server_end(server, stop);
}

void *rt_get_user_data(struct server *server)
{
    return server->user_data;
}
