#include "options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "civetweb.h"
#include "errors.h"
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

struct nearest {
    const char *name;
    size_t distance;
};

static void consider(struct nearest *nearest, const char *candidate, const char *name)
{
    size_t d = distance(candidate, name);

    if (nearest->name == NULL || d < nearest->distance)
        *nearest = (struct nearest){candidate, d};
}

static const char *nearest_option(const char *name)
{
    const struct mg_option *option;
    const char *const *own;
    struct nearest nearest = {NULL, 0};

    for (option = mg_get_valid_options(); option->name != NULL; option++)
        consider(&nearest, option->name, name);
    for (own = limits_option_names; *own != NULL; own++)
        consider(&nearest, *own, name);
    return nearest.name;
}

static bool is_number(const char *value)
{
    char *end;

    errno = 0;
    strtol(value, &end, 10);
    return end != value && *end == '\0' && errno == 0;
}

static bool check_value(const struct mg_option *option, const char *value)
{
    switch (option->type) {
    case MG_CONFIG_TYPE_NUMBER:
        if (is_number(value))
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give a whole number", option->name, value);
        return false;
    case MG_CONFIG_TYPE_BOOLEAN:
        if (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)
            return true;
        error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give \"yes\" or \"no\"", option->name, value);
        return false;
    default:
        return true;
    }
}

/* CivetWeb says of these only that TLS failed. */
static bool check_readable(const struct options *options, const char *name)
{
    const char *path = options_value(options, name);

    if (path == NULL || access(path, R_OK) == 0)
        return true;
    error_set(errno == EACCES ? AH_ERROR_ACCESS_DENIED : AH_ERROR_FILE_NOT_FOUND,
              "option \"%s\" names \"%s\", which cannot be read: %s; give the path of a readable file", name, path,
              strerror(errno));
    return false;
}

static bool has_secure_port(const char *ports)
{
    const char *at;

    for (at = ports; at != NULL && *at != '\0'; at++)
        if (*at == 's' && at > ports && at[-1] >= '0' && at[-1] <= '9')
            return true;
    return false;
}

bool options_check(const struct options *options, bool certified)
{
    size_t i;

    if (options->count % 2 != 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" has no value; options are pairs of a name and a value",
                  options->list[options->count - 1]);
        return false;
    }
    for (i = 0; i < options->count; i += 2) {
        const struct mg_option *option = find_option(options->list[i]);

        if (option == NULL) {
            error_set(AH_ERROR_UNKNOWN_OPTION, "there is no option \"%s\"; the nearest is \"%s\"", options->list[i],
                      nearest_option(options->list[i]));
            return false;
        }
        if (!check_value(option, options->list[i + 1]))
            return false;
    }
    if (!certified && has_secure_port(options_value(options, "listening_ports")) &&
        options_value(options, "ssl_certificate") == NULL) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a port of \"listening_ports\" asks for TLS (\"%s\"), but there is no "
                                             "certificate; give the path of a PEM file as \"ssl_certificate\"",
                  options_value(options, "listening_ports"));
        return false;
    }
    return check_readable(options, "ssl_certificate") && check_readable(options, "ssl_certificate_chain") &&
           check_readable(options, "ssl_ca_file") && check_readable(options, "ssl_ca_path");
}

void options_free(struct options *options)
{
    free(options->list);
}
