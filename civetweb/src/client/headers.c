#include "headers.h"

#include <strings.h>

#include "../errors.h"
#include "../http/fields.h"

static bool is_listed(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

bool headers_check(const char *const *headers, const char *const *reserved)
{
    for (; headers != NULL && *headers != NULL; headers += 2) {
        const char *name = headers[0], *value = headers[1];

        if (!field_name_check(name))
            return false;
        if (value == NULL) {
            error_set(AH_ERROR_INVALID_ARGUMENT, "the header %s has no value; headers are pairs of a name and a value", name);
            return false;
        }
        if (!field_value_check(name, value))
            return false;
        if (is_listed(name, reserved)) {
            error_set(AH_ERROR_INVALID_ARGUMENT, "the header %s is written by the library; leave it out", name);
            return false;
        }
    }
    return true;
}

void headers_write(struct text_buffer *request, const char *const *headers)
{
    for (; headers != NULL && *headers != NULL; headers += 2)
        text_format(request, "%s: %s\r\n", headers[0], headers[1]);
}

bool headers_have(const char *const *headers, const char *name)
{
    for (; headers != NULL && *headers != NULL; headers += 2)
        if (strcasecmp(headers[0], name) == 0)
            return true;
    return false;
}
