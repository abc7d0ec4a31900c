#include "handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "../errors.h"
#include "../web_socket/extension.h"
#include "../http/header_list.h"
#include "headers.h"

#define KEY_BYTES 16

/* What the library writes, or what makes no sense in a request without content. */
static const char *const reserved[] = {
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Content-Length",
    "Transfer-Encoding",
    NULL,
};

bool offer_check(const struct offer *offer)
{
    return headers_check(offer->headers, reserved);
}

bool offer_make_key(struct offer *offer)
{
    unsigned char bytes[KEY_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        error_set(AH_ERROR_SYSTEM, "the system has no random numbers: %s", strerror(errno));
        return false;
    }
    EVP_EncodeBlock((unsigned char *)offer->key, bytes, sizeof bytes);
    return true;
}

void offer_write(const struct offer *offer, const struct url *url, struct text_buffer *request)
{
    const char *const *subprotocol;

    text_format(request,
                "GET %s%s HTTP/1.1\r\n"
                "Host: %s\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                "Sec-WebSocket-Key: %s\r\n"
                "Sec-WebSocket-Version: 13\r\n",
                url_slash(url), url->target, url->authority, offer->key);
    for (subprotocol = offer->subprotocols; subprotocol != NULL && *subprotocol != NULL; subprotocol++)
        text_format(request, "%s%s", subprotocol == offer->subprotocols ? "Sec-WebSocket-Protocol: " : ", ", *subprotocol);
    if (subprotocol != offer->subprotocols)
        text_append_string(request, "\r\n");
    /* The server may limit the window that this client uses (RFC 7692, section 7.1.2.2). */
    if (offer->compression)
        text_append_string(request, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    headers_write(request, offer->headers);
    text_append_string(request, "\r\n");
}

static bool refuse(const struct url *url, const char *why)
{
    error_set(AH_ERROR_CONNECT_FAILED, "%s: the server breaks the WebSocket handshake: %s", url->place, why);
    return false;
}

static bool take_extensions(const struct offer *offer, const ah_response_info *response, struct agreement *agreement)
{
    struct header_items items =
        header_items(response->http_headers, response->number_headers, "Sec-WebSocket-Extensions");
    struct text item;

    while (next_header_item(&items, &item)) {
        if (!offer->compression || agreement->compressed || !extension_read(item, true, &agreement->deflate))
            return false;
        agreement->compressed = true;
    }
    return true;
}

static bool take_subprotocol(const struct offer *offer, const ah_response_info *response, struct agreement *agreement)
{
    const char *const *offered;
    const char *chosen = only_header(response->http_headers, response->number_headers, "Sec-WebSocket-Protocol");
    struct header_items items = header_items(response->http_headers, response->number_headers, "Sec-WebSocket-Protocol");
    struct text item;

    if (chosen == NULL)
        return !next_header_item(&items, &item); /* none, or several */
    for (offered = offer->subprotocols; offered != NULL && *offered != NULL; offered++)
        if (strcmp(*offered, chosen) == 0)
            agreement->subprotocol = *offered;
    return agreement->subprotocol != NULL;
}

bool offer_accepted(const struct offer *offer, const struct url *url, const ah_response_info *response,
                    struct agreement *agreement)
{
    const ah_header *headers = response->http_headers;
    int count = response->number_headers;
    const char *upgrade = only_header(headers, count, "Upgrade");
    const char *accept = only_header(headers, count, "Sec-WebSocket-Accept");
    char expected[ACCEPT_LENGTH + 1];

    memset(agreement, 0, sizeof *agreement);
    if (response->status_code != 101) {
        error_set(AH_ERROR_CONNECT_FAILED, "%s: the server opens no WebSocket at %s%s: it answered with the status %d %s",
                  url->place, url_slash(url), url->target, (int)response->status_code, response->status_text);
        return false;
    }
    handshake_accept(offer->key, expected);
    if (strcmp(response->http_version, "1.1") != 0)
        return refuse(url, "it speaks another version of HTTP than 1.1");
    if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0)
        return refuse(url, "the Upgrade header is not websocket");
    if (!header_lists(headers, count, "Connection", "upgrade"))
        return refuse(url, "the Connection header does not name upgrade");
    if (accept == NULL || strcmp(accept, expected) != 0)
        return refuse(url, "Sec-WebSocket-Accept is not the answer to the key that was sent");
    if (!take_extensions(offer, response, agreement))
        return refuse(url, "it chose an extension that was not offered");
    if (!take_subprotocol(offer, response, agreement))
        return refuse(url, "it chose a subprotocol that was not offered");
    return true;
}
