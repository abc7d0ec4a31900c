#include "handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../http/header_list.h"
#include "extension.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */

/* Whether content follows the request, which would be taken for frames: an upgrade begins behind it
 * (RFC 9110, section 7.8), and a GET has no use for any (section 9.3.1). */
static bool has_content(const ah_request_info *request)
{
    int i;

    for (i = 0; i < request->number_headers; i++) {
        const ah_header *header = &request->http_headers[i];

        if (strcasecmp(header->name, "Transfer-Encoding") == 0 ||
            (strcasecmp(header->name, "Content-Length") == 0 && strcmp(header->value, "0") != 0))
            return true;
    }
    return false;
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

bool handshake_offers(const ah_request_info *request, const char *subprotocol)
{
    struct header_items items = header_items(request->http_headers, request->number_headers, "Sec-WebSocket-Protocol");
    struct text item;

    while (next_header_item(&items, &item)) /* these names heed case (section 11.3.4) */
        if (strlen(subprotocol) == item.length && strncmp(item.start, subprotocol, item.length) == 0)
            return true;
    return false;
}

static const char *choose_subprotocol(const ah_request_info *request, const char *const *subprotocols)
{
    for (; subprotocols != NULL && *subprotocols != NULL; subprotocols++)
        if (handshake_offers(request, *subprotocols))
            return *subprotocols;
    return NULL;
}

/* The first offer that this server can take; offers come in the client's order of preference. */
static bool choose_deflate(const ah_request_info *request, struct deflate_parameters *accepted)
{
    struct header_items items = header_items(request->http_headers, request->number_headers, "Sec-WebSocket-Extensions");
    struct text offer;

    while (next_header_item(&items, &offer))
        if (extension_read(offer, false, accepted) && accepted->server_max_window_bits >= LEAST_DEFLATE_BITS)
            return true;
    return false;
}

bool handshake_is_asked_for(const ah_request_info *request)
{
    return header_lists(request->http_headers, request->number_headers, "Upgrade", "websocket") &&
           header_lists(request->http_headers, request->number_headers, "Connection", "upgrade");
}

static struct handshake refuse(int status, const char *reason)
{
    return (struct handshake){.status = status, .reason = reason};
}

struct handshake handshake_check(const ah_request_info *request, const struct handshake_policy *policy)
{
    struct handshake handshake = {.status = 101};
    const char *version = only_header(request->http_headers, request->number_headers, "Sec-WebSocket-Version");

    /* Section 4.2.1, in the order of its list. */
    if (strcmp(request->request_method, "GET") != 0)
        return refuse(405, "a WebSocket is opened with GET");
    if (strcmp(request->http_version, "1.1") != 0)
        return refuse(400, "a WebSocket needs HTTP/1.1");
    if (only_header(request->http_headers, request->number_headers, "Host") == NULL)
        return refuse(400, "the Host header is missing");
    if (has_content(request))
        return refuse(400, "a request for a WebSocket has no content");
    if (!header_lists(request->http_headers, request->number_headers, "Upgrade", "websocket"))
        return refuse(400, "the Upgrade header does not name websocket");
    if (!header_lists(request->http_headers, request->number_headers, "Connection", "upgrade"))
        return refuse(400, "the Connection header does not name upgrade");
    if (version == NULL || strcmp(version, "13") != 0)
        return refuse(426, "this server speaks version 13 of the WebSocket protocol");
    handshake.key = only_header(request->http_headers, request->number_headers, "Sec-WebSocket-Key");
    if (handshake.key == NULL || !key_is_valid(handshake.key))
        return refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (!origin_is_allowed(request, policy->origins))
        return refuse(403, "this origin is not allowed");

    handshake.subprotocol = choose_subprotocol(request, policy->subprotocols);
    handshake.compressed = policy->compression && choose_deflate(request, &handshake.deflate);
    return handshake;
}

void handshake_accept(const char *key, char accept[ACCEPT_LENGTH + 1])
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

    handshake_accept(handshake->key, accept);
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
