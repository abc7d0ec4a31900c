/* The options of servers, read back. */
#include <string.h>

#include "errors.h"
#include "options.h"
#include "runtime.h"
#include "server.h"

int32_t rt_get_valid_options(ah_server_option *options, size_t capacity)
{
    struct option_info option;
    size_t i;

    for (i = 0; options_known(i, &option); i++)
        if (i < capacity)
            options[i] =
                (ah_server_option){.name = option.name, .kind = option.kind, .default_value = option.value};
    return (int32_t)i;
}

/* The value of an option that CivetWeb does not know. */
static const char *own_value(const struct server *server, const char *name, bool *found)
{
    static _Thread_local char text[LIMIT_TEXT_SIZE];
    struct option_info option;
    size_t i;

    *found = true;
    for (i = 0; document_root_option(i, &option); i++)
        if (strcmp(option.name, name) == 0)
            return document_root_value(&server->file_rules, i);
    for (i = 0; limits_option(i, &option); i++)
        if (strcmp(option.name, name) == 0)
            return limits_value(&server->web_sockets.limits, i, text);
    *found = false;
    return NULL;
}

const char *rt_get_server_option(struct server *server, const char *name)
{
    bool found;
    const char *value = own_value(server, name, &found);

    if (found)
        return value;
    value = mg_get_option(server->civetweb, name);
    if (value == NULL)
        options_set_unknown_error(name);
    return value == NULL || *value == '\0' ? NULL : value; /* CivetWeb has "" for none */
}
