#include "posted_events.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "alusus_http/alusus_http_events.h"
#include "civetweb_internal.h"
#include "connection.h"
#include "events/events.h"
#include "http/request.h"
#include "text_buffer.h"

static bool post(struct connection *connection, int what, int32_t flags, size_t head_size, const void *data, size_t size)
{
    ah_event event = {.kind = AH_EVENT_EXCHANGE};

    event.arguments.exchange.connection = connection->handle;
    event.arguments.exchange.exchange = connection->posted_exchange.number;
    event.arguments.exchange.what = what;
    event.arguments.exchange.flags = flags;
    event.arguments.exchange.head_size = head_size;
    return events_note(connection->server, &event, data, size);
}

void posted_events_tell(struct connection *connection, int what, int32_t flags, const void *data, size_t size)
{
    (void)post(connection, what, flags, 0, data, size);
}

void posted_events_note_addresses(struct connection *connection)
{
    struct posted_exchange *exchange = &connection->posted_exchange;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char local[INET6_ADDRSTRLEN] = "";

    if (getsockname(civetweb_socket(connection->civetweb), (struct sockaddr *)&address, &length) == 0) {
        if (address.ss_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, local, sizeof local);
        else if (address.ss_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, local, sizeof local);
    }
    snprintf(exchange->addresses, sizeof exchange->addresses, "%s %" PRIu16 " %s %" PRIu16, connection->info.remote_addr,
             (uint16_t)connection->info.remote_port, local, (uint16_t)connection->info.server_port);
}

/* Append a text, empty for null, with the NUL that parts it from the next one. */
static void append(struct text_buffer *head, const char *text)
{
    text_append(head, text == NULL ? "" : text, text == NULL ? 1 : strlen(text) + 1);
}

static void append_lower(struct text_buffer *head, const char *text)
{
    size_t i = head->size;

    append(head, text);
    for (; i < head->size; i++)
        if (head->bytes[i] >= 'A' && head->bytes[i] <= 'Z')
            head->bytes[i] += 'a' - 'A';
}

/* The head of a request, in the order that alusus_http_events.h says. */
static void append_head(struct text_buffer *head, const struct connection *connection)
{
    const ah_request_info *info = &connection->info;
    int i;

    append(head, info->request_method);
    append(head, info->local_uri_raw);
    append(head, info->query_string);
    text_append_string(head, info->http_version);
    text_append(head, " ", 1);
    append(head, connection->posted_exchange.addresses);
    for (i = 0; i < info->number_headers; i++) {
        append_lower(head, info->http_headers[i].name);
        append(head, info->http_headers[i].value);
    }
}

/* What a program is to know of a request besides its texts: ah_exchange_flags. */
static int32_t flags_of(struct connection *connection)
{
    struct mg_connection *civetweb = connection->civetweb;
    int32_t flags = 0;

    if (civetweb_keeps_alive(civetweb))
        flags |= AH_EXCHANGE_KEEPS_ALIVE;
    if (!civetweb_body_is_complete(civetweb))
        flags |= AH_EXCHANGE_MORE_BODY;
    if (!request_body_will_come(connection))
        flags |= AH_EXCHANGE_EXPECTS_CONTINUE;
    if (strcmp(connection->info.request_method, "HEAD") == 0)
        flags |= AH_EXCHANGE_HEAD;
    if (strcmp(connection->info.http_version, "1.0") == 0)
        flags |= AH_EXCHANGE_HTTP_1_0;
    return flags;
}

bool posted_events_request(struct connection *connection)
{
    struct mg_connection *civetweb = connection->civetweb;
    size_t early = civetweb_early_body(civetweb), head_size;
    struct text_buffer request = {0};
    char *body;
    bool posted = false;

    append_head(&request, connection);
    if (request.failed)
        goto done;
    head_size = --request.size; /* what has come of the body takes the place of the last NUL */
    body = text_extend(&request, early);
    if (request.failed || (early > 0 && mg_read(civetweb, body, early) != (int)early))
        goto done;
    posted = post(connection, AH_EXCHANGE_REQUEST, flags_of(connection), head_size, request.bytes, request.size);
done:
    text_free(&request);
    return posted;
}
