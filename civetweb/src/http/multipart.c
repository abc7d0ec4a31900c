#include "multipart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A header's parameter on its way: ";" name "=" (token or quoted string), RFC 9110, section 5.6.6. */
struct parameter {
    const char *name, *value;
    size_t name_size, value_size;
    bool quoted; /* the value is between quotes, which it does not have itself */
};

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Browsers and curl write a quote as %22 or as \", and other backslashes as they are: a client's path may
 * have some. */
static bool is_escape(const char *at, const char *end)
{
    return *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\');
}

/* Behind `*at`, which is moved; false when there is no further parameter. */
static bool next_parameter(const char **at, const char *end, struct parameter *parameter)
{
    const char *from = memchr(*at, ';', (size_t)(end - *at));

    if (from == NULL)
        return false;
    from = skip_space(from + 1, end);
    *parameter = (struct parameter){.name = from};
    while (from < end && *from != '=' && *from != ';')
        from++;
    parameter->name_size = (size_t)(from - parameter->name);
    if (from < end && *from == '=') {
        from++;
        parameter->quoted = from < end && *from == '"';
        from += parameter->quoted;
        parameter->value = from;
        while (from < end && (parameter->quoted ? *from != '"' : *from != ';'))
            from += is_escape(from, end) ? 2 : 1;
        parameter->value_size = (size_t)(from - parameter->value);
        while (!parameter->quoted && parameter->value_size > 0 &&
               strchr(" \t", parameter->value[parameter->value_size - 1]) != NULL)
            parameter->value_size--;
        from += from < end && parameter->quoted;
    }
    *at = from;
    return true;
}

static bool find_parameter(const char *header, size_t size, const char *name, struct parameter *parameter)
{
    const char *end = header + size;

    while (next_parameter(&header, end, parameter))
        if (parameter->value != NULL && parameter->name_size == strlen(name) &&
            strncasecmp(parameter->name, name, parameter->name_size) == 0)
            return true;
    return false;
}

bool multipart_parameter(const char *header, size_t size, const char *name, char **value)
{
    struct parameter found;
    const char *from, *end;
    char *to;

    *value = NULL;
    if (!find_parameter(header, size, name, &found))
        return true;
    *value = to = malloc(found.value_size + 1);
    if (to == NULL)
        return false;
    end = found.value + found.value_size;
    for (from = found.value; from < end; from++) {
        if (found.quoted && is_escape(from, end))
            from++;
        *to++ = *from;
    }
    *to = '\0';
    return true;
}

size_t multipart_boundary(const char *content_type, char boundary[MAX_BOUNDARY])
{
    struct parameter found;
    size_t i;

    if (!find_parameter(content_type, strlen(content_type), "boundary", &found) || found.value_size == 0 ||
        found.value_size > MAX_BOUNDARY || found.value[found.value_size - 1] == ' ')
        return 0;
    for (i = 0; i < found.value_size; i++)
        if (strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ", found.value[i]) == NULL)
            return 0;
    memcpy(boundary, found.value, found.value_size);
    return found.value_size;
}
