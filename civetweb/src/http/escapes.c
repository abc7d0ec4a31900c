#include "escapes.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "../errors.h"
#include "civetweb.h"
#include "header_list.h"
#include "runtime.h"

size_t escape_decode(const char *from, size_t size, bool is_form, char *to)
{
    if (size >= 3 && from[0] == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
        *to = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
        return 3;
    }
    *to = is_form && from[0] == '+' ? ' ' : from[0];
    return 1;
}

/* RFC 3986, section 2.3 */
static bool is_unreserved(unsigned char c)
{
    return (c < 0x80 && isalnum(c)) || (c != '\0' && strchr("-._~", c) != NULL);
}

/* Write one byte, escaped if it has to be, to room for three; returns how many. */
static size_t encode(unsigned char byte, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    to[0] = (char)byte;
    if (is_unreserved(byte))
        return 1;
    to[0] = '%';
    to[1] = digits[byte >> 4];
    to[2] = digits[byte & 15];
    return 3;
}

/* Text on its way into a caller's buffer: what does not fit is an error, and leaves the buffer empty. */
struct output {
    char *out;
    size_t room, size;
};

static void put(struct output *output, const char *bytes, size_t size)
{
    if (output->size < output->room && size < output->room - output->size)
        memcpy(output->out + output->size, bytes, size);
    output->size += size;
}

static int32_t finish(struct output *output, int32_t too_small)
{
    if (output->size < output->room && output->size <= INT32_MAX) {
        output->out[output->size] = '\0';
        return (int32_t)output->size;
    }
    if (output->room > 0)
        output->out[0] = '\0';
    error_set(AH_ERROR_INVALID_ARGUMENT, "outSize is %zu, and the text takes %zu bytes with its NUL", output->room,
              output->size + 1);
    return too_small;
}

static int32_t none(struct output *output, int32_t result)
{
    if (output->room > 0)
        output->out[0] = '\0';
    return result;
}

int32_t rt_encode_url(const char *text, char *out, size_t out_size)
{
    struct output output = {out, out_size, 0};
    char escaped[3];

    for (; *text != '\0'; text++)
        put(&output, escaped, encode((unsigned char)*text, escaped));
    return finish(&output, -1);
}

static void put_decoded(struct output *output, const char *from, size_t size, bool is_form)
{
    size_t at = 0;

    while (at < size) {
        char byte;

        at += escape_decode(from + at, size - at, is_form, &byte);
        put(output, &byte, 1);
    }
}

int32_t rt_decode_url(const char *text, size_t text_len, char *out, size_t out_size, int32_t is_form)
{
    struct output output = {out, out_size, 0};

    put_decoded(&output, text, text_len, is_form != 0);
    return finish(&output, -1);
}

/* How well a name fits the one that is looked for. CivetWeb takes names without regard to case; one in the
 * same case is preferred. */
enum fit { FIT_NONE, FIT_BUT_FOR_CASE, FIT_EXACT };

static enum fit fit(const char *name, size_t size, const char *wanted, bool is_form)
{
    enum fit fit = FIT_EXACT;
    size_t at = 0;

    while (at < size) {
        char byte = name[at];

        at += is_form ? escape_decode(name + at, size - at, true, &byte) : 1;
        if (*wanted == '\0' || tolower((unsigned char)byte) != tolower((unsigned char)*wanted))
            return FIT_NONE;
        if (byte != *wanted)
            fit = FIT_BUT_FOR_CASE;
        wanted++;
    }
    return *wanted == '\0' ? fit : FIT_NONE;
}

/* The value of `name` in `data`, a list of name=value. */
static bool find(const char *data, size_t size, char separator, const char *name, struct text *value)
{
    const char *end = data + size;
    enum fit best = FIT_NONE;

    while (data < end && best != FIT_EXACT) {
        const char *next = memchr(data, separator, (size_t)(end - data));
        const char *stop = next != NULL ? next : end;
        const char *equals;
        enum fit found;

        while (separator == ';' && data < stop && (*data == ' ' || *data == '\t'))
            data++;
        equals = memchr(data, '=', (size_t)(stop - data));
        found = equals == NULL ? FIT_NONE : fit(data, (size_t)(equals - data), name, separator == '&');
        if (found > best) {
            best = found;
            *value = (struct text){equals + 1, (size_t)(stop - equals - 1)};
        }
        data = stop + 1;
    }
    return best != FIT_NONE;
}

int32_t rt_get_variable(const char *data, size_t data_size, const char *name, char *out, size_t out_size)
{
    struct output output = {out, out_size, 0};
    struct text value;

    if (!find(data, data_size, '&', name, &value))
        return none(&output, -1);
    put_decoded(&output, value.start, value.length, true);
    return finish(&output, -2);
}

int32_t rt_get_cookie(const char *cookies, const char *name, char *out, size_t out_size)
{
    struct output output = {out, out_size, 0};
    struct text value;

    if (out_size == 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "outSize is 0; give room for the value and its NUL");
        return -2;
    }
    if (cookies == NULL || !find(cookies, strlen(cookies), ';', name, &value))
        return none(&output, -1);
    value = trim(value.start, value.start + value.length);
    if (value.length >= 2 && value.start[0] == '"' && value.start[value.length - 1] == '"')
        value = (struct text){value.start + 1, value.length - 2};
    put(&output, value.start, value.length);
    return finish(&output, -3);
}

const char *rt_get_mime_type(const char *file_name)
{
    return mg_get_builtin_mime_type(file_name);
}
