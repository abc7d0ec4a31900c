#include "handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */
#define KEY_LENGTH 24                                       /* 16 bytes in base64 */
#define ACCEPT_LENGTH 28                                    /* 20 bytes in base64 */

/* Part of a string. */
struct text {
    const char *start;
    size_t length;
};

static bool text_is(struct text text, const char *string)
{
    return strlen(string) == text.length && strncasecmp(text.start, string, text.length) == 0;
}

static struct text trim(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct text){start, (size_t)(end - start)};
}

/* The next item of a list, up to `separator` outside of quotes; false at the end. */
static bool next_item(const char **at, const char *end, char separator, struct text *item)
{
    const char *start = *at;
    bool quoted = false;

    if (start == NULL || start > end)
        return false;
    for (; *at < end && (quoted || **at != separator); ++*at) {
        if (quoted && **at == '\\' && *at + 1 < end)
            ++*at;
        else if (**at == '"')
            quoted = !quoted;
    }
    *item = trim(start, *at);
    ++*at; /* past the separator, or past the end: then the next call says so */
    return true;
}

/* Goes through the items of all headers of one name, which together are one list (RFC 9110, 5.3). */
struct header_items {
    const ah_request_info *request;
    const char *name;
    int index; /* of the next header to look at */
    const char *at, *end;
};

static bool next_header_item(struct header_items *items, struct text *item)
{
    for (;;) {
        const ah_header *header;

        while (next_item(&items->at, items->end, ',', item))
            if (item->length > 0)
                return true;
        do {
            if (items->index == items->request->number_headers)
                return false;
            header = &items->request->http_headers[items->index++];
        } while (strcasecmp(header->name, items->name) != 0);
        items->at = header->value;
        items->end = header->value + strlen(header->value);
    }
}

static bool header_lists(const ah_request_info *request, const char *name, const char *wanted)
{
    struct header_items items = {.request = request, .name = name};
    struct text item;

    while (next_header_item(&items, &item))
        if (text_is(item, wanted))
            return true;
    return false;
}

/* The value of a header that must be there once; NULL if it is missing or repeated. */
static const char *only_header(const ah_request_info *request, const char *name)
{
    const char *value = NULL;
    int i;

    for (i = 0; i < request->number_headers; i++) {
        if (strcasecmp(request->http_headers[i].name, name) != 0)
            continue;
        if (value != NULL)
            return NULL;
        value = request->http_headers[i].value;
    }
    return value;
}

static bool key_is_valid(const char *key)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /* Section 4.1: 16 bytes, which base64 pads with two signs. (EVP_DecodeBlock takes them anywhere.) */
    return strspn(key, base64) == KEY_LENGTH - 2 && strcmp(key + KEY_LENGTH - 2, "==") == 0;
}

static bool origin_is_listed(const char *origin, const char *origins)
{
    const char *at = origins, *end = origins + strlen(origins);
    struct text item;

    while (next_item(&at, end, ',', &item))
        if (text_is(item, origin) || text_is(item, "*"))
            return true;
    return false;
}

static bool origin_is_allowed(const ah_request_info *request, const char *origins)
{
    int i;

    /* Programs other than browsers send none, and could send any (section 10.2). */
    for (i = 0; origins != NULL && i < request->number_headers; i++)
        if (strcasecmp(request->http_headers[i].name, "Origin") == 0 &&
            !origin_is_listed(request->http_headers[i].value, origins))
            return false;
    return true;
}

static const char *choose_subprotocol(const ah_request_info *request, const char *const *subprotocols)
{
    for (; subprotocols != NULL && *subprotocols != NULL; subprotocols++) {
        struct header_items items = {.request = request, .name = "Sec-WebSocket-Protocol"};
        struct text item;

        while (next_header_item(&items, &item)) /* these names heed case (section 11.3.4) */
            if (strlen(*subprotocols) == item.length && strncmp(item.start, *subprotocols, item.length) == 0)
                return *subprotocols;
    }
    return NULL;
}

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

/* Apply one parameter of an offer; false declines the offer: it is unknown, repeated or wrong. */
static bool apply_parameter(struct text parameter, struct deflate_parameters *accepted, unsigned *seen)
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
        accepted->server_no_context_takeover = true;
    } else if (text_is(name, "client_no_context_takeover") && equals == NULL) {
        which = CLIENT_TAKEOVER;
        accepted->client_no_context_takeover = true;
    } else if (text_is(name, "server_max_window_bits")) {
        which = SERVER_BITS;
        accepted->server_max_window_bits_asked = true;
        accepted->server_max_window_bits = window_bits(value);
        if (accepted->server_max_window_bits < 9) /* zlib cannot compress raw data with 8 */
            return false;
    } else if (text_is(name, "client_max_window_bits")) {
        which = CLIENT_BITS;
        if (equals != NULL)
            accepted->client_max_window_bits = window_bits(value);
        if (accepted->client_max_window_bits == 0)
            return false;
    } else {
        return false;
    }
    if (*seen & which)
        return false;
    *seen |= which;
    return true;
}

static bool accept_offer(struct text offer, struct deflate_parameters *accepted)
{
    const char *at = offer.start, *end = offer.start + offer.length;
    struct text parameter;
    unsigned seen = 0;

    *accepted = (struct deflate_parameters){.server_max_window_bits = 15, .client_max_window_bits = 15};
    if (!next_item(&at, end, ';', &parameter) || !text_is(parameter, "permessage-deflate"))
        return false;
    while (next_item(&at, end, ';', &parameter))
        if (!apply_parameter(parameter, accepted, &seen))
            return false;
    return true;
}

/* The first offer that this server can take; offers come in the client's order of preference. */
static bool choose_deflate(const ah_request_info *request, struct deflate_parameters *accepted)
{
    struct header_items items = {.request = request, .name = "Sec-WebSocket-Extensions"};
    struct text offer;

    while (next_header_item(&items, &offer))
        if (accept_offer(offer, accepted))
            return true;
    return false;
}

static struct handshake refuse(int status, const char *reason)
{
    return (struct handshake){.status = status, .reason = reason};
}

struct handshake handshake_check(const ah_request_info *request, const struct handshake_policy *policy)
{
    struct handshake handshake = {.status = 101};
    const char *version = only_header(request, "Sec-WebSocket-Version");

    /* Section 4.2.1, in the order of its list. */
    if (strcmp(request->request_method, "GET") != 0)
        return refuse(405, "a WebSocket is opened with GET");
    if (strcmp(request->http_version, "1.1") != 0)
        return refuse(400, "a WebSocket needs HTTP/1.1");
    if (only_header(request, "Host") == NULL)
        return refuse(400, "the Host header is missing");
    if (!header_lists(request, "Upgrade", "websocket"))
        return refuse(400, "the Upgrade header does not name websocket");
    if (!header_lists(request, "Connection", "upgrade"))
        return refuse(400, "the Connection header does not name upgrade");
    if (version == NULL || strcmp(version, "13") != 0)
        return refuse(426, "this server speaks version 13 of the WebSocket protocol");
    handshake.key = only_header(request, "Sec-WebSocket-Key");
    if (handshake.key == NULL || !key_is_valid(handshake.key))
        return refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (!origin_is_allowed(request, policy->origins))
        return refuse(403, "this origin is not allowed");

    handshake.subprotocol = choose_subprotocol(request, policy->subprotocols);
    handshake.compressed = policy->compression && choose_deflate(request, &handshake.deflate);
    return handshake;
}

/* Section 4.2.2, item 5.4 */
static void accept_of(const char *key, char accept[ACCEPT_LENGTH + 1])
{
    char joined[KEY_LENGTH + sizeof ACCEPT_GUID];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;

    snprintf(joined, sizeof joined, "%.*s%s", KEY_LENGTH, key, ACCEPT_GUID);
    EVP_Digest(joined, strlen(joined), digest, &size, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
}

static void describe_deflate(const struct handshake *handshake, char *text, size_t size)
{
    const struct deflate_parameters *deflate = &handshake->deflate;
    char server_bits[40] = "", client_bits[40] = "";

    if (deflate->server_max_window_bits_asked)
        snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%d", deflate->server_max_window_bits);
    if (deflate->client_max_window_bits < 15)
        snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%d", deflate->client_max_window_bits);
    snprintf(text, size, "Sec-WebSocket-Extensions: permessage-deflate%s%s%s%s\r\n",
             deflate->server_no_context_takeover ? "; server_no_context_takeover" : "",
             deflate->client_no_context_takeover ? "; client_no_context_takeover" : "", server_bits, client_bits);
}

size_t handshake_response(const struct handshake *handshake, char response[MAX_HANDSHAKE_RESPONSE])
{
    char accept[ACCEPT_LENGTH + 1], subprotocol[MAX_SUBPROTOCOL_SIZE + 40] = "", extensions[256] = "";

    accept_of(handshake->key, accept);
    if (handshake->subprotocol != NULL)
        snprintf(subprotocol, sizeof subprotocol, "Sec-WebSocket-Protocol: %s\r\n", handshake->subprotocol);
    if (handshake->compressed)
        describe_deflate(handshake, extensions, sizeof extensions);
    return (size_t)snprintf(response, MAX_HANDSHAKE_RESPONSE,
                            "HTTP/1.1 101 Switching Protocols\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n"
                            "%s%s\r\n",
                            accept, subprotocol, extensions);
}

static const char *status_text(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    default:
        return "Service Unavailable";
    }
}

size_t handshake_refusal(const struct handshake *handshake, char response[MAX_HANDSHAKE_RESPONSE])
{
    const char *more = "Connection: close\r\n";

    if (handshake->status == 405)
        more = "Connection: close\r\nAllow: GET\r\n";
    else if (handshake->status == 426) /* section 4.4; RFC 9110, section 7.8, on Upgrade in Connection */
        more = "Connection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    return (size_t)snprintf(response, MAX_HANDSHAKE_RESPONSE,
                            "HTTP/1.1 %d %s\r\n"
                            "%s"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: %zu\r\n"
                            "\r\n"
                            "%s\n",
                            handshake->status, status_text(handshake->status), more, strlen(handshake->reason) + 1,
                            handshake->reason);
}
