#include "request_syntax.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "fields.h"

/* CivetWeb has room for so many header fields and drops those that follow without a word. */
#define MAX_FIELDS ((int)(sizeof((struct mg_request_info *)0)->http_headers / sizeof(struct mg_header)))

#define MAX_LENGTH_DIGITS 18 /* of a Content-Length: what fits into 63 bits, whatever the digits are */

static const char *end_of(const char *string)
{
    return string + strlen(string);
}

/* The request line: single spaces, a target that ends where the version begins. */
static bool is_line_exact(const struct mg_request_info *request)
{
    const char *version = request->http_version - strlen("HTTP/");
    bool empty_query = request->query_string == version - 1;

    return request->request_uri == end_of(request->request_method) + 1 && version[-1] == '\0' &&
           (version[-2] != '\0' || empty_query);
}

/* The decoded path: no control characters, which would forge lines of logs and headers, and no encoded NUL,
 * which would end it early for C alone. Decoding leaves a shorter string, and one NUL, in the same place. */
static bool is_path_clean(const struct mg_request_info *request)
{
    const char *at = request->local_uri_raw;
    const char *end = (request->query_string != NULL ? request->query_string : request->http_version - strlen("HTTP/")) - 1;
    const char *path_end = end_of(at);

    if (path_end < end && memchr(path_end + 1, '\0', (size_t)(end - path_end - 1)) != NULL)
        return false;
    for (; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    return true;
}

/* Whether a field has the form of RFC 9112 section 5 and begins right behind the CR LF at `before`: no white
 * space before the colon, no line that ends with LF alone, no folded line. */
static bool is_field_exact(const struct mg_header *field, const char *before)
{
    const char *at = end_of(field->name) + 1;

    while (*at == ' ' || *at == '\t')
        at++;
    return field->name == before + 2 && is_token(field->name) && at == field->value;
}

/* Whether it has this name; if so, it is counted and kept. */
static bool take(const struct mg_header *field, const char *name, const char **value, int *count)
{
    if (strcasecmp(field->name, name) != 0)
        return false;
    *value = field->value;
    ++*count;
    return true;
}

/* Digits, and white space that may follow a value. */
static bool is_length(const char *value)
{
    size_t digits = strspn(value, "0123456789");

    return digits > 0 && digits <= MAX_LENGTH_DIGITS && value[digits + strspn(value + digits, " \t")] == '\0';
}

/* The characters of a host and port (RFC 3986 section 3.2.2); empty where the target has no authority. */
static bool is_host(const char *value)
{
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~!$&'()*+,;=%:[]");

    return value[length + strspn(value + length, " \t")] == '\0';
}

int request_syntax_check(const struct mg_request_info *request, const char *end, const char **reason)
{
    bool is_1_1 = strcmp(request->http_version, "1.1") == 0;
    const char *line_end = end_of(request->http_version);
    const char *host = "", *length = "", *coding = "";
    int hosts = 0, lengths = 0, codings = 0, i;

    *reason = "the request line is malformed";
    if (!is_line_exact(request))
        return 400;
    *reason = "the path contains a control character";
    if (!is_path_clean(request))
        return 400;
    *reason = "a header field is malformed";
    for (i = 0; i < request->num_headers; i++) {
        const struct mg_header *field = &request->http_headers[i];

        if (!is_field_exact(field, line_end))
            return 400;
        (void)(take(field, "Host", &host, &hosts) || take(field, "Content-Length", &length, &lengths) ||
               take(field, "Transfer-Encoding", &coding, &codings));
        line_end = end_of(field->value);
    }
    if (line_end + 4 != end && request->num_headers == MAX_FIELDS) {
        *reason = "there are too many header fields";
        return 431;
    }
    if (line_end + 4 != end)
        return 400;
    *reason = "the Host is missing or invalid"; /* RFC 9112 section 3.2 */
    if (hosts > 1 || (is_1_1 && hosts == 0) || !is_host(host))
        return 400;
    *reason = "the length of the body is ambiguous"; /* RFC 9112 section 6.3 */
    if (lengths + codings > 1 || (lengths == 1 && !is_length(length)) ||
        (codings == 1 && (!is_1_1 || strcasecmp(coding, "chunked") != 0)))
        return 400;
    return 0;
}
