#include "url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "../errors.h"

struct scheme {
    const char *name;
    enum url_kind kind;
    bool secure, at_socket;
    int port;
};

static const struct scheme schemes[] = {
    {"ws://", URL_WEB_SOCKET, false, false, 80},     {"wss://", URL_WEB_SOCKET, true, false, 443},
    {"ws+unix:", URL_WEB_SOCKET, false, true, 0},    {"http://", URL_HTTP, false, false, 80},
    {"https://", URL_HTTP, true, false, 443},        {"http+unix:", URL_HTTP, false, true, 0},
};

static const char *const examples[] = {
    [URL_WEB_SOCKET] = "ws://host/path, wss://host/path or ws+unix:/path/of/socket:/path",
    [URL_HTTP] = "http://host/path, https://host/path or http+unix:/path/of/socket:/path",
};

static bool refuse(const char *text, const char *why)
{
    error_set(AH_ERROR_INVALID_ARGUMENT, "the URL \"%.200s\" %s", text, why);
    return false;
}

static const struct scheme *find_scheme(const char *text, enum url_kind kind)
{
    size_t i;

    for (i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (schemes[i].kind == kind && strncasecmp(text, schemes[i].name, strlen(schemes[i].name)) == 0)
            return &schemes[i];
    return NULL;
}

/* Whether nothing in it could end the request's line, or be read in two ways. */
static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || strchr("\"<>\\^`{|}", *text) != NULL)
            return false;
    return true;
}

static bool copy_host(struct url *url, const char *start, size_t length, const char *allowed)
{
    size_t i;

    if (length == 0 || length > MAX_HOST_SIZE)
        return false;
    for (i = 0; i < length; i++)
        if (!isalnum((unsigned char)start[i]) && strchr(allowed, start[i]) == NULL)
            return false;
    memcpy(url->host, start, length);
    url->host[length] = '\0';
    return true;
}

static bool parse_port(struct url *url, const char *start, const char *end)
{
    long port;

    if (start == end)
        return true; /* "host:" is the default port (RFC 3986, section 3.2.3) */
    if (end - start > 5 || strspn(start, "0123456789") < (size_t)(end - start))
        return false;
    port = strtol(start, NULL, 10);
    url->port = (int)port;
    return port >= 1 && port <= 65535;
}

/* Host and port: what stands before the path. */
static bool parse_authority(struct url *url, const char *text, const char *start, const char *end, int default_port)
{
    const char *host_end = start, *port = end;
    bool bracketed = *start == '[';
    bool valid;

    if (memchr(start, '@', (size_t)(end - start)) != NULL)
        return refuse(text, "has a user name; send it in a header (Authorization)");
    if (bracketed) {
        host_end = memchr(start, ']', (size_t)(end - start));
        valid = host_end != NULL && copy_host(url, start + 1, (size_t)(host_end - start - 1), ":.");
        host_end = host_end == NULL ? end : host_end + 1;
    } else {
        while (host_end < end && *host_end != ':')
            host_end++;
        valid = copy_host(url, start, (size_t)(host_end - start), "-._");
    }
    if (!valid)
        return refuse(text, "has no valid host; give a name, an IPv4 address, or an IPv6 address in brackets");
    if (host_end < end) {
        port = host_end + 1;
        if (*host_end != ':' || !parse_port(url, port, end))
            return refuse(text, "has no valid port; give a number from 1 to 65535");
    }
    snprintf(url->authority, sizeof url->authority, bracketed ? "[%s]" : "%s", url->host);
    if (url->port != default_port)
        snprintf(url->authority + strlen(url->authority), 8, ":%d", url->port);
    snprintf(url->place, sizeof url->place, "%s port %d", url->host, url->port);
    return true;
}

/* As in the URLs of nginx and of other clients: the path of the socket up to a colon, then the target. */
static bool parse_socket(struct url *url, const char *text, const char *start, const char *end)
{
    const char *colon = memchr(start, ':', (size_t)(end - start));
    size_t length;

    if (colon == NULL)
        colon = end;
    length = (size_t)(colon - start);
    if (*start != '/' || length >= sizeof((struct sockaddr_un *)0)->sun_path)
        return refuse(text, "has no valid path of a unix socket; it begins with a slash and has at most 107 bytes");
    memcpy(url->host, start, length);
    url->host[length] = '\0';
    snprintf(url->authority, sizeof url->authority, "localhost");
    snprintf(url->place, sizeof url->place, "%s", url->host);
    url->target = *colon == ':' ? colon + 1 : colon;
    return true;
}

bool url_parse(struct url *url, const char *text, enum url_kind kind)
{
    const struct scheme *scheme = find_scheme(text, kind);
    const char *start, *end;

    memset(url, 0, sizeof *url);
    if (scheme == NULL) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the URL \"%.200s\" is not of the form %s", text, examples[kind]);
        return false;
    }
    if (strlen(text) > MAX_URL_SIZE)
        return refuse(text, "is longer than 8192 bytes");
    if (!is_printable(text))
        return refuse(text, "has characters that have to be percent-encoded, such as a space or a line end");
    if (strchr(text, '#') != NULL)
        return refuse(text, "has a fragment (#), which no server is sent");
    url->secure = scheme->secure;
    url->at_socket = scheme->at_socket;
    url->port = scheme->port;
    start = text + strlen(scheme->name);
    if (scheme->at_socket)
        return parse_socket(url, text, start, start + strlen(start)) &&
               (*url->target == '\0' || *url->target == '/' || *url->target == '?' ||
                refuse(text, "has a path that does not begin with a slash"));
    end = start + strcspn(start, "/?");
    url->target = end;
    return parse_authority(url, text, start, end, scheme->port);
}

const char *url_slash(const struct url *url)
{
    return *url->target == '/' ? "" : "/";
}
