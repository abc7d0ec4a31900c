#include "server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbacks.h"
#include "errors.h"
#include "handles.h"
#include "options.h"
#include "runtime.h"
#include "web_socket.h"

static _Thread_local struct server *current;

struct server *server_current(void)
{
    return current;
}

struct server *server_enter(struct server *server)
{
    struct server *before = current;

    current = server;
    return before;
}

void server_leave(struct server *before)
{
    current = before;
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
static void set_start_error(const struct server *server, const struct options *options, const struct mg_error_data *error)
{
    const char *ports = options_value(options, "listening_ports");

    if (ports == NULL)
        ports = "8080";
    if (error->code != MG_ERROR_DATA_CODE_INIT_PORTS_FAILED)
        error_set(AH_ERROR_SYSTEM, "%s%s%s", error->text, server->start_log[0] != '\0' ? ": " : "", server->start_log);
    else if (strstr(server->start_log, strerror(EADDRINUSE)) != NULL)
        error_set(AH_ERROR_ADDRESS_IN_USE, "port \"%s\" is in use: %s; stop the program that listens there or choose "
                                           "another port", ports, server->start_log);
    else if (strstr(server->start_log, strerror(EACCES)) != NULL)
        error_set(AH_ERROR_ACCESS_DENIED, "port \"%s\" is not allowed: %s; ports below 1024 need the right to bind them, "
                                          "choose another one", ports, server->start_log);
    else
        error_set(AH_ERROR_INVALID_ARGUMENT, "cannot listen on \"%s\": %s", ports, server->start_log);
}

static void server_free(struct server *server)
{
    web_socket_free_routes(server);
    pthread_mutex_destroy(&server->mutex);
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
    pthread_mutex_init(&server->mutex, NULL);
    server->handle = handle_open(HANDLE_CONTEXT, server);
    if (server->handle == NULL) {
        server_free(server);
        return NULL;
    }
    return server;
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
    ah_context *handle = NULL;
    bool started;

    /* A frame's header and payload are two writes: with Nagle's algorithm on, a message would wait for
     * the acknowledgement of its own header. */
    if (!use_library() || !options_check(options, brings_certificates(callbacks)) || !options_default(options, "tcp_nodelay", "1"))
        goto done;
    server = server_new(callbacks, user_data);
    if (server == NULL)
        goto done;
    callbacks_install(&adapters, &server->callbacks);
    init.user_data = server;
    init.configuration_options = options->list;
    server->starting = true;
    handle = server->handle; /* before others know the server: they might stop it at once */
    before = server_enter(server);
    started = mg_start2(&init, &error) != NULL;
    server_leave(before);
    if (!started) {
        set_start_error(server, options, &error);
        handle_close(handle);
        server_free(server);
        handle = NULL;
    }
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

void rt_stop_server(ah_context *context)
{
    struct server *server = handle_pin(HANDLE_CONTEXT, context);

    if (server == NULL)
        return;
    handle_unpin(context);
    if (server == server_current()) {
        error_set(AH_ERROR_WRONG_THREAD, "a callback cannot stop the server that it runs on, for the server waits for it "
                                         "to return; stop the server from another thread");
        return;
    }
    if (!handle_close(context)) {
        error_set(AH_ERROR_INVALID_HANDLE, "this Context is being stopped by another thread");
        return;
    }
    mg_stop(server->civetweb);
    server_free(server);
}
