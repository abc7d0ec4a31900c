#include "client.h"

#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "../errors.h"
#include "../option_paths.h"
#include "../options.h"
#include "exchange.h"
#include "runtime.h"
#include "tls.h"

/* A write to a connection that is gone raises SIGPIPE in OpenSSL, which ends the process unless it is
 * ignored; a program with a handler of its own keeps it. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static bool take_options(struct client *client, struct options *options)
{
    long connect_timeout = 10000, request_timeout = 30000;
    const char *ca_file;

    if (!options_check_pairs(options) || !option_paths_check_readable(options, "ssl_ca_file") ||
        !limits_take(&client->server.web_sockets.limits, options) ||
        !options_take_number(options, "connect_timeout_ms", 1, DAY_MS, &connect_timeout) ||
        !options_take_number(options, "request_timeout_ms", 1, DAY_MS, &request_timeout) ||
        !options_take_flag(options, "ssl_verify_peer", &client->verifies))
        return false;
    client->connect_timeout = (int)connect_timeout;
    client->request_timeout = (int)request_timeout;
    ca_file = options_take(options, "ssl_ca_file");
    if (options->count > 0 || client->server.web_sockets.limits.origins != NULL) {
        error_set(AH_ERROR_UNKNOWN_OPTION, "a client has no option \"%s\"; it has connect_timeout_ms, request_timeout_ms, "
                                           "ssl_ca_file, ssl_verify_peer, and those that begin with websocket_ but "
                                           "websocket_origins",
                  options->count > 0 ? options->list[0] : "websocket_origins");
        return false;
    }
    if (ca_file == NULL)
        return true;
    client->tls = tls_new(ca_file, client->verifies); /* now, so that a wrong file is told of here */
    return client->tls != NULL;
}

static void client_free(struct client *client)
{
    SSL_CTX_free(client->tls);
    pthread_cond_destroy(&client->left);
    server_destroy(&client->server);
    free(client);
}

/* Takes ownership of the options. */
static ah_client *start(struct options *options)
{
    struct client *client = calloc(1, sizeof *client);
    ah_client *handle = NULL;

    if (client == NULL) {
        error_set_no_memory();
        goto done;
    }
    client->verifies = true;
    if (!server_init(&client->server, HANDLE_CLIENT, client)) {
        free(client);
        goto done;
    }
    pthread_cond_init(&client->left, NULL);
    if (take_options(client, options)) {
        ignore_broken_pipes();
        handle = client->server.handle;
    } else {
        handle_close(client->server.handle);
        client_free(client);
    }
done:
    options_free(options);
    return handle;
}

ah_client *rt_start_client(const char *const *options)
{
    return rt_start_client_with_options(options, options == NULL ? 0 : SIZE_MAX);
}

ah_client *rt_start_client_with_options(const char *const *options, size_t options_count)
{
    struct options checked;

    return options_copy(&checked, options, options_count) ? start(&checked) : NULL;
}

/* Stop a client, and wait for its callbacks. */
static void stop(struct server *server)
{
    struct client *client = (struct client *)server;

    atomic_store(&client->stopping, true); /* calls that wait for a server wait no longer */
    handle_close(server->handle);
    exchanges_end(client);
    web_sockets_stop(&server->web_sockets);
    client_free(client);
}

void rt_stop_client(ah_client *handle)
{
    struct client *client = handle_pin(HANDLE_CLIENT, handle);

    if (client != NULL)
        server_end(&client->server, stop);
}

SSL_CTX *client_tls(struct client *client)
{
    SSL_CTX *tls;

    pthread_mutex_lock(&client->server.mutex);
    if (client->tls == NULL)
        client->tls = tls_new(NULL, client->verifies);
    tls = client->tls;
    pthread_mutex_unlock(&client->server.mutex);
    return tls;
}
