/* Several hosts on one server, and the certificates of all. */
#include <stdint.h>
#include <string.h>

#include "civetweb_internal.h"
#include "defaults.h"
#include "errors.h"
#include "log_listener.h"
#include "option_paths.h"
#include "options.h"
#include "runtime.h"
#include "server.h"

/* Whether a name is that of an option which only the whole server has. */
static bool is_server_option(const char *name)
{
    struct option_info option;
    size_t i;

    for (i = 0; options_known(i, &option); i++)
        if (strcmp(option.name, name) == 0)
            return !civetweb_is_domain_option(name);
    return false;
}

static bool check_domain(const struct server *server, const struct options *options)
{
    const char *name = options_value(options, "authentication_domain");
    size_t i;

    for (i = 0; i < options->count; i += 2)
        if (is_server_option(options->list[i])) {
            error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is for the whole server; give it to startServer",
                      options->list[i]);
            return false;
        }
    if (!options_check(options, true))
        return false;
    if (name == NULL || *name == '\0') {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a domain needs a name; give the host's as \"authentication_domain\"");
        return false;
    }
    if (civetweb_has_domain(server->civetweb, name)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "this server has a domain \"%s\" already; give each another name as "
                                             "\"authentication_domain\"", name);
        return false;
    }
    return true;
}

static bool start_domain(struct server *server, const struct options *options)
{
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    struct log_listener log;
    int number;

    log_listen(&log);
    number = mg_start_domain2(server->civetweb, (const char **)options->list, &error);
    log_unlisten();
    if (number < 0) {
        error_set(AH_ERROR_SYSTEM, "the domain could not be started: %s", log.text[0] != '\0' ? log.text : text);
        return false;
    }
    if (!civetweb_share_handlers(server->civetweb)) {
        error_set_no_memory();
        return false;
    }
    option_paths_tell_missing_root(options, server->civetweb);
    return true;
}

int32_t rt_start_domain_with_options(struct server *server, const char *const *entries, size_t count)
{
    struct options options;
    bool started = options_copy(&options, entries, count) && check_domain(server, &options) &&
                   defaults_apply_to_domain(&options, server->civetweb) && start_domain(server, &options);

    options_free(&options);
    return started ? 0 : -1;
}

int32_t rt_start_domain(struct server *server, const char *const *options)
{
    return rt_start_domain_with_options(server, options, SIZE_MAX);
}

int32_t rt_reload_certificates(struct server *server)
{
    struct log_listener log;
    bool reloaded;

    if (!civetweb_uses_tls(server->civetweb)) {
        error_set(AH_ERROR_WRONG_STATE, "this server has no TLS port; give it one, such as \"8443s\", as "
                                        "\"listening_ports\" when it starts");
        return -1;
    }
    log_listen(&log);
    reloaded = civetweb_reload_certificates(server->civetweb);
    log_unlisten();
    if (reloaded)
        return 0;
    error_set(AH_ERROR_SYSTEM, "the certificates stay as they were: %s", log.text[0] != '\0' ? log.text : "out of memory");
    return -1;
}
