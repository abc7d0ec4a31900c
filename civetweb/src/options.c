#include "options.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "civetweb_internal.h"
#include "defaults.h"
#include "errors.h"
#include "http/document_root.h"
#include "option_formats.h"
#include "option_paths.h"
#include "web_socket/limits.h"

bool options_copy(struct options *options, const char *const *entries, size_t count)
{
    size_t given = 0;

    options->count = 0;
    while (given < count && entries[given] != NULL)
        given++;
    options->list = calloc(given + 1, sizeof *options->list);
    if (options->list == NULL) {
        error_set_no_memory();
        return false;
    }
    if (given > 0)
        memcpy(options->list, entries, given * sizeof *entries);
    options->count = given;
    return true;
}

const char *options_value(const struct options *options, const char *name)
{
    const char *value = NULL;
    size_t i;

    for (i = 0; i + 1 < options->count; i += 2)
        if (strcmp(options->list[i], name) == 0)
            value = options->list[i + 1]; /* the last one counts, as in CivetWeb */
    return value;
}

const char *options_take(struct options *options, const char *name)
{
    const char *value = options_value(options, name);
    size_t i, kept = 0;

    if (value == NULL)
        return NULL;
    for (i = 0; i < options->count; i++) {
        if (i % 2 == 0 && i + 1 < options->count && strcmp(options->list[i], name) == 0)
            i++;
        else
            options->list[kept++] = options->list[i];
    }
    options->list[kept] = NULL;
    options->count = kept;
    return value;
}

static bool check_flag(const char *name, const char *value)
{
    if (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give \"yes\" or \"no\"", name, value);
    return false;
}

static bool read_number(const char *text, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static bool check_number(const char *name, const char *text, long least, long greatest, long *number)
{
    if (read_number(text, number) && *number >= least && *number <= greatest)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give a whole number from %ld to %ld", name, text, least,
              greatest);
    return false;
}

bool options_take_number(struct options *options, const char *name, long least, long greatest, long *value)
{
    const char *given = options_take(options, name);
    long number;

    if (given == NULL)
        return true;
    if (!check_number(name, given, least, greatest, &number))
        return false;
    *value = number;
    return true;
}

bool options_take_flag(struct options *options, const char *name, bool *value)
{
    const char *given = options_take(options, name);

    if (given == NULL)
        return true;
    *value = strcmp(given, "yes") == 0;
    return check_flag(name, given);
}

bool options_default(struct options *options, const char *name, const char *value)
{
    const char **list;

    if (options_value(options, name) != NULL)
        return true;
    list = realloc(options->list, (options->count + 3) * sizeof *list);
    if (list == NULL) {
        error_set_no_memory();
        return false;
    }
    list[options->count++] = name;
    list[options->count++] = value;
    list[options->count] = NULL;
    options->list = list;
    return true;
}

static const char *kind_of(const struct mg_option *option)
{
    switch (option->type) {
    case MG_CONFIG_TYPE_NUMBER:
        return "number";
    case MG_CONFIG_TYPE_FILE:
        return "file";
    case MG_CONFIG_TYPE_DIRECTORY:
        return "folder";
    case MG_CONFIG_TYPE_BOOLEAN:
        return "boolean";
    case MG_CONFIG_TYPE_EXT_PATTERN:
        return "pattern";
    case MG_CONFIG_TYPE_STRING_LIST:
        return "list";
    case MG_CONFIG_TYPE_YES_NO_OPTIONAL:
        return "choice";
    default:
        return "text";
    }
}

/* The default that is in force here; null for none, which CivetWeb writes as "" too. */
static const char *default_of(const struct mg_option *option)
{
    const char *own = defaults_value(option->name);
    const char *value = own != NULL ? own : option->default_value;

    return value == NULL || *value == '\0' ? NULL : value;
}

bool options_known(size_t index, struct option_info *option)
{
    const struct mg_option *known;

    for (known = mg_get_valid_options(); known->name != NULL; known++, index--)
        if (index == 0) {
            *option = (struct option_info){known->name, kind_of(known), default_of(known)};
            return true;
        }
    return document_root_option(index, option) || limits_option(index - DOCUMENT_ROOT_OPTIONS, option);
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

#define LONGEST_NAME 64

/* Levenshtein's distance, over at most LONGEST_NAME characters of `b`. */
static size_t distance(const char *a, const char *b)
{
    size_t row[LONGEST_NAME + 1];
    size_t length = strnlen(b, LONGEST_NAME);
    size_t i, j;

    for (j = 0; j <= length; j++)
        row[j] = j;
    for (i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (j = 0; j < length; j++) {
            size_t above = row[j + 1];

            row[j + 1] = smallest(row[j] + 1, above + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[length];
}

static const struct mg_option *find_option(const char *name)
{
    const struct mg_option *option;

    for (option = mg_get_valid_options(); option->name != NULL; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

/* Whether a name may have been meant for an option's: few letters differ, or it is a part of it. */
static bool is_near(const char *name, const char *option, size_t letters)
{
    return letters <= 1 + strlen(name) / 4 || (strlen(name) >= 4 && strstr(option, name) != NULL);
}

/* The option whose name is nearest to another; null when none is near. */
static const char *nearest_option(const char *name)
{
    struct option_info option;
    const char *nearest = NULL;
    size_t least = SIZE_MAX, letters, i;

    for (i = 0; options_known(i, &option); i++) {
        letters = distance(option.name, name);
        if (letters < least && is_near(name, option.name, letters)) {
            nearest = option.name;
            least = letters;
        }
    }
    return nearest;
}

/* CivetWeb's options for what this library is built without. */
static const struct {
    const char *prefix, *needs;
} not_built[] = {
    {"lua_", "Lua"},
    {"duktape_", "Duktape"},
    {"enable_http2", "HTTP/2"},
    {"cgi_timeout_ms", "timers for CGI"},
    {"cgi2_timeout_ms", "timers for CGI"},
    {"cgi3_", "more than two kinds of CGI scripts"},
    {"cgi4_", "more than two kinds of CGI scripts"},
};

void options_set_unknown_error(const char *name)
{
    const char *nearest = nearest_option(name);
    size_t i;

    for (i = 0; i < sizeof not_built / sizeof not_built[0]; i++)
        if (strncmp(name, not_built[i].prefix, strlen(not_built[i].prefix)) == 0) {
            error_set(AH_ERROR_UNKNOWN_OPTION, "option \"%s\" needs %s, which this library is built without; leave it out",
                      name, not_built[i].needs);
            return;
        }
    if (nearest != NULL)
        error_set(AH_ERROR_UNKNOWN_OPTION, "there is no option \"%s\"; the nearest is \"%s\"", name, nearest);
    else
        error_set(AH_ERROR_UNKNOWN_OPTION, "there is no option \"%s\"; getValidOptions tells all that there are", name);
}

/* What means something to CivetWeb, of its numbers; of the others, whatever is an int. */
static const struct {
    const char *name;
    int least, greatest;
} ranges[] = {
    {"connection_queue", 1, INT_MAX},
    {"keep_alive_timeout_ms", 0, INT_MAX},
    {"linger_timeout_ms", -2, INT_MAX}, /* -1: no lingering; -2: as the system does */
    {"listen_backlog", 1, INT_MAX},
    {"max_request_size", 1024, INT_MAX},
    {"num_threads", 1, 65536},
    {"request_timeout_ms", 1, INT_MAX},
    {"ssl_cache_timeout", -1, INT_MAX}, /* -1: no cache */
    {"ssl_protocol_version", 0, 5},
    {"ssl_verify_depth", 0, INT_MAX},
    {"static_file_max_age", 0, INT_MAX},
    {"strict_transport_security_max_age", -1, INT_MAX}, /* -1: no such header */
    {"tcp_nodelay", 0, 1},
    {"websocket_timeout_ms", 0, INT_MAX}, /* 0: as request_timeout_ms */
};

static bool check_range(const char *name, const char *value)
{
    int least = INT_MIN, greatest = INT_MAX;
    long number;
    size_t i;

    for (i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (strcmp(ranges[i].name, name) == 0) {
            least = ranges[i].least;
            greatest = ranges[i].greatest;
        }
    return check_number(name, value, least, greatest, &number);
}

static bool check_value(const struct mg_option *option, const char *value)
{
    switch (option->type) {
    case MG_CONFIG_TYPE_NUMBER:
        return check_range(option->name, value);
    case MG_CONFIG_TYPE_BOOLEAN:
        return check_flag(option->name, value);
    case MG_CONFIG_TYPE_YES_NO_OPTIONAL:
        if (strcmp(value, "optional") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give \"yes\", \"no\" or \"optional\"",
                  option->name, value);
        return false;
    default:
        return option_format_check(option->name, value);
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool options_ask_for_tls(const char *ports)
{
    const char *end;

    for (; ports != NULL && *ports != '\0'; ports = *end == '\0' ? end : end + 1) {
        end = ports + strcspn(ports, ",");
        /* Letters behind the digits of a port; "x" begins the path of a Unix socket. */
        if (*ports != 'x' && end - ports >= 2 && strchr("sr", end[-1]) != NULL && is_digit(end[-2]))
            return true;
    }
    return false;
}

/* These two CivetWeb checks when it has opened its ports, which it then leaves open. */

static bool check_access_list(const char *list)
{
    if (list == NULL || civetweb_reads_access_list(list))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"access_control_list\" is \"%s\"; give a list of addresses or networks, "
                                         "each behind a + to let it in or a - to refuse it, such as "
                                         "\"-0.0.0.0/0,+192.168.0.0/16\"", list);
    return false;
}

static bool check_user(const char *name)
{
    const struct passwd *user = name == NULL ? NULL : getpwnam(name);

    if (name == NULL || (user != NULL && (geteuid() == 0 || user->pw_uid == getuid())))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"run_as_user\" is \"%s\", %s", name,
              user == NULL ? "and this machine has no such user; give the name of one"
                           : "and only root can become another user; start as root, or leave the option out");
    return false;
}

bool options_check_pairs(const struct options *options)
{
    if (options->count % 2 == 0)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" has no value; options are pairs of a name and a value",
              options->list[options->count - 1]);
    return false;
}

bool options_check(const struct options *options, bool certified)
{
    size_t i;

    if (!options_check_pairs(options))
        return false;
    for (i = 0; i < options->count; i += 2) {
        const struct mg_option *option = find_option(options->list[i]);

        if (option == NULL) {
            options_set_unknown_error(options->list[i]);
            return false;
        }
        if (!check_value(option, options->list[i + 1]))
            return false;
    }
    if (!certified && options_ask_for_tls(options_value(options, "listening_ports")) &&
        options_value(options, "ssl_certificate") == NULL) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a port of \"listening_ports\" asks for TLS (\"%s\"), but there is no "
                                             "certificate; give the path of a PEM file as \"ssl_certificate\"",
                  options_value(options, "listening_ports"));
        return false;
    }
    return check_access_list(options_value(options, "access_control_list")) &&
           check_user(options_value(options, "run_as_user")) && option_paths_check(options);
}

void options_free(struct options *options)
{
    free(options->list);
}
