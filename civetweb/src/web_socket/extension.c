#include "extension.h"

#include <string.h>

/* A value of 8 to 15, possibly quoted; 0 for any other. */
static int window_bits(struct text value)
{
    int bits = 0;
    size_t i;

    if (value.length >= 2 && value.start[0] == '"' && value.start[value.length - 1] == '"') {
        value.start++;
        value.length -= 2;
    }
    if (value.length == 0 || value.length > 2 || value.start[0] == '0')
        return 0;
    for (i = 0; i < value.length; i++) {
        if (value.start[i] < '0' || value.start[i] > '9')
            return 0;
        bits = bits * 10 + value.start[i] - '0';
    }
    return bits >= 8 && bits <= 15 ? bits : 0;
}

/* Read one parameter; false: it is unknown, repeated or wrong. */
static bool read_parameter(struct text parameter, bool answer, struct deflate_parameters *read, unsigned *seen)
{
    enum { SERVER_TAKEOVER = 1, CLIENT_TAKEOVER = 2, SERVER_BITS = 4, CLIENT_BITS = 8 } which;
    const char *equals = memchr(parameter.start, '=', parameter.length);
    struct text name = parameter, value = {NULL, 0};

    if (equals != NULL) {
        name = trim(parameter.start, equals);
        value = trim(equals + 1, parameter.start + parameter.length);
    }
    if (text_is(name, "server_no_context_takeover") && equals == NULL) {
        which = SERVER_TAKEOVER;
        read->server_no_context_takeover = true;
    } else if (text_is(name, "client_no_context_takeover") && equals == NULL) {
        which = CLIENT_TAKEOVER;
        read->client_no_context_takeover = true;
    } else if (text_is(name, "server_max_window_bits")) {
        which = SERVER_BITS;
        read->server_max_window_bits_asked = true;
        read->server_max_window_bits = window_bits(value);
        if (read->server_max_window_bits == 0)
            return false;
    } else if (text_is(name, "client_max_window_bits")) {
        which = CLIENT_BITS;
        if (equals != NULL || answer) /* only an offer may leave the choice open */
            read->client_max_window_bits = window_bits(value);
        if (read->client_max_window_bits == 0)
            return false;
    } else {
        return false;
    }
    if (*seen & which)
        return false;
    *seen |= which;
    return true;
}

bool extension_read(struct text extension, bool answer, struct deflate_parameters *read)
{
    const char *at = extension.start, *end = extension.start + extension.length;
    struct text parameter;
    unsigned seen = 0;

    *read = (struct deflate_parameters){.server_max_window_bits = 15, .client_max_window_bits = 15};
    if (!next_item(&at, end, ';', &parameter) || !text_is(parameter, "permessage-deflate"))
        return false;
    while (next_item(&at, end, ';', &parameter))
        if (!read_parameter(parameter, answer, read, &seen))
            return false;
    return true;
}
