#include "option_formats.h"

#include <ctype.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "civetweb_internal.h"
#include "errors.h"
#include "http/fields.h"
#include "option_list.h"

static bool refuse(const char *name, const char *part, const char *wanted)
{
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" has \"%.200s\"; give %s", name, part, wanted);
    return false;
}

/* Lists of pairs */

static bool check_assignment(const char *name, const char *entry)
{
    const char *equals = strchr(entry, '=');

    return (equals != NULL && equals > entry) || refuse(name, entry, "a list of NAME=VALUE, such as \"LANG=C,HOME=/srv\"");
}

static bool is_pair(const char *entry)
{
    const char *equals = strchr(entry, '=');

    return equals != NULL && equals > entry && equals[1] != '\0';
}

static bool check_type(const char *name, const char *entry)
{
    return is_pair(entry) || refuse(name, entry, "a list of .EXTENSION=TYPE, such as \".cpp=text/plain,.md=text/markdown\"");
}

static bool check_rewriting(const char *name, const char *entry)
{
    return is_pair(entry) || refuse(name, entry, "a list of URI=PATH, such as \"/images=/srv/images\"");
}

/* Bytes in a second, as a number that CivetWeb's int can hold. */
static bool is_rate(const char *text)
{
    char *end;
    double rate = strtod(text, &end);

    if (!isdigit((unsigned char)*text)) /* nor "-1", "nan" and the like */
        return false;
    switch (*end) {
    case 'k':
    case 'K':
        rate *= 1 << 10;
        end++;
        break;
    case 'm':
    case 'M':
        rate *= 1 << 20;
        end++;
        break;
    }
    return *end == '\0' && rate <= INT_MAX;
}

/* Whether some client or path can be meant by it: all of them, a pattern for paths, or a network. */
static bool is_throttled(const char *text, size_t length)
{
    char network[64];

    if (*text == '/' || *text == '*')
        return true;
    return snprintf(network, sizeof network, "+%.*s", (int)length, text) < (int)sizeof network &&
           civetweb_reads_access_list(network);
}

static bool check_throttle(const char *name, const char *entry)
{
    const char *equals = strchr(entry, '=');

    return (equals != NULL && is_throttled(entry, (size_t)(equals - entry)) && is_rate(equals + 1)) ||
           refuse(name, entry, "a list of WHAT=RATE, where WHAT is \"*\", a path or a network, and RATE is the bytes in a "
                               "second, also with k or m, such as \"*=100k,10.0.0.0/8=0,/downloads/=1m\"");
}

static const struct {
    const char *name;
    bool (*check)(const char *name, const char *entry);
} lists[] = {
    {"throttle", check_throttle},
    {"url_rewrite_patterns", check_rewriting},
    {"extra_mime_types", check_type},
    {"cgi_environment", check_assignment},
    {"cgi2_environment", check_assignment},
};

/* Headers */

static const char *const values[] = {
    "access_control_allow_origin",
    "access_control_allow_methods",
    "access_control_allow_headers",
    "authentication_domain",
    "static_file_cache_control",
};

/* Whole lines: CivetWeb joins the values of an option that is given several times by line breaks. */
static bool check_header_lines(const char *name, const char *value)
{
    static const char wanted[] = "a header, such as \"X-Frame-Options: SAMEORIGIN\"";
    char *copy = strdup(value), *line, *rest, *colon;
    bool good = true;

    if (copy == NULL) {
        error_set_no_memory();
        return false;
    }
    for (line = strtok_r(copy, "\r\n", &rest); line != NULL && good; line = strtok_r(NULL, "\r\n", &rest)) {
        colon = strchr(line, ':');
        if (colon != NULL)
            *colon = '\0';
        good = colon != NULL && is_token(line) ? field_value_check(line, colon + 1) : refuse(name, line, wanted);
    }
    free(copy);
    return good;
}

/* TLS */

static bool check_ciphers(const char *name, const char *value)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    bool good;

    if (tls == NULL) {
        error_set_no_memory();
        return false;
    }
    good = SSL_CTX_set_cipher_list(tls, value) == 1;
    SSL_CTX_free(tls);
    ERR_clear_error();
    return good || refuse(name, value, "cipher suites up to TLS 1.2 that this machine's OpenSSL has, as \"openssl ciphers\" "
                                       "names them, such as \"ECDHE+AESGCM\"");
}

bool option_format_check(const char *name, const char *value)
{
    size_t i;

    for (i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(name, lists[i].name) == 0)
            return option_list_check(name, value, lists[i].check);
    for (i = 0; i < sizeof values / sizeof *values; i++)
        if (strcmp(name, values[i]) == 0)
            return field_value_check(name, value);
    if (strcmp(name, "additional_header") == 0)
        return check_header_lines(name, value);
    return strcmp(name, "ssl_cipher_list") != 0 || check_ciphers(name, value);
}
