#include "fields.h"

#include <stdint.h>

#include "../errors.h"

/* The characters of a token, one bit each, from NUL to DEL: the same in every locale, and no set that strspn would
 * build anew for every field. */
static const uint64_t token_characters[2] = {
    /* !#$%&'*+-. and digits */ UINT64_C(0x03ff6cfa00000000),
    /* letters and ^_`|~ */ UINT64_C(0x57ffffffc7fffffe),
};

static const char *token_end(const char *at)
{
    while ((unsigned char)*at < 128 && token_characters[*at / 64] >> *at % 64 & 1)
        at++;
    return at;
}

bool is_token(const char *text)
{
    const char *end = token_end(text);

    return end > text && *end == '\0';
}

bool field_name_check(const char *name)
{
    const char *at = token_end(name);

    if (*at == '\0' && at > name)
        return true;
    if (at == name && *at == '\0')
        error_set(AH_ERROR_INVALID_ARGUMENT, "the name of a header is empty; give one such as \"Content-Type\"");
    else
        error_set(AH_ERROR_INVALID_ARGUMENT, "the name of a header has the byte 0x%02x at position %td, which would end "
                                             "it; names have letters, digits and !#$%%&'*+-.^_`|~ only",
                  (unsigned char)*at, at - name);
    return false;
}

bool field_value_check(const char *name, const char *value)
{
    const char *at;

    for (at = value; (unsigned char)*at >= ' ' || *at == '\t'; at++)
        if (*at == 0x7f)
            break;
    if (*at == '\0')
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "the value of %s has the control character 0x%02x at position %td, which would "
                                         "end the header; remove it", name, (unsigned char)*at, at - value);
    return false;
}
