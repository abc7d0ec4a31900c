#include "request.h"

#include <string.h>
#include <strings.h>

#include "../civetweb_internal.h"
#include "../client/exchange.h"
#include "../connection.h"
#include "../errors.h"
#include "runtime.h"
#include "storing.h"

/* The most of a body that is read for nobody. */
#define MAX_SKIPPED (1 << 20)

static bool awaits_continue(const struct connection *connection)
{
    const char *expect;

    if (connection->continued || strcmp(connection_http_version(connection), "1.1") != 0)
        return false;
    expect = mg_get_header(connection->civetweb, "Expect");
    return expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

bool request_body_will_come(const struct connection *connection)
{
    return civetweb_body_is_complete(connection->civetweb) || !awaits_continue(connection);
}

void request_ask_for_body(struct connection *connection)
{
    /* After the answer has begun, a client would take it for a second one. */
    if (connection->response.state != RESPONSE_NONE || request_body_will_come(connection))
        return;
    connection->continued = true;
    civetweb_send_continue(connection->civetweb);
}

void request_skip_body(struct connection *connection)
{
    struct mg_connection *civetweb = connection->civetweb;
    char bytes[16384];
    int64_t left = request_body_will_come(connection) && civetweb_body_left(civetweb) <= MAX_SKIPPED ? MAX_SKIPPED : 0;
    int count = 1;

    while (!civetweb_body_is_complete(civetweb) && civetweb_keeps_alive(civetweb) && count > 0 && left > 0) {
        count = civetweb_read(civetweb, bytes, sizeof bytes);
        left -= count;
    }
    if (!civetweb_body_is_complete(civetweb))
        civetweb_close_after_answer(civetweb);
}

static void set_unreadable(int failure)
{
    if (failure == CIVETWEB_READ_MALFORMED)
        error_set(AH_ERROR_MALFORMED, "the chunks of the request's body are malformed; answer with 400");
    else if (failure == CIVETWEB_READ_LATE)
        error_set(AH_ERROR_TIMED_OUT, "nothing of the request's body has come for request_timeout_ms; answer with 408");
    else
        error_set(AH_ERROR_CONNECTION_CLOSED, "the request's body is not complete: the client has gone, or the server is "
                                              "being stopped");
}

int32_t request_read(struct connection *connection, void *buffer, size_t size)
{
    int count;

    if (size == 0)
        return 0;
    if (connection->unreadable == 0) {
        request_ask_for_body(connection);
        count = civetweb_read(connection->civetweb, buffer, size);
        if (count >= 0)
            return count;
        connection->unreadable = count;
        civetweb_close_after_answer(connection->civetweb);
    }
    set_unreadable(connection->unreadable);
    return -1;
}

int32_t rt_read(struct connection *connection, void *buffer, size_t buffer_size)
{
    if (connection->exchange != NULL)
        return exchange_read(connection, buffer, buffer_size);
    return connection_in_request(connection) ? request_read(connection, buffer, buffer_size) : -1;
}

int64_t rt_store_body(struct connection *connection, const char *directory, const char *file_name, int64_t max_size)
{
    struct storing storing;
    char piece[16384];
    int64_t size = 0;
    int32_t count = 0;

    if (!connection_in_request(connection))
        return -1;
    if (max_size < 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "maxSize is negative; give the most bytes that are allowed");
        return -1;
    }
    if (connection->info.content_length <= max_size) {
        if (!storing_begin(&storing, directory, file_name))
            return -1;
        while ((count = request_read(connection, piece, sizeof piece)) > 0 && (size += count) <= max_size &&
               storing_write(&storing, piece, (size_t)count))
            ;
        if (count == 0)
            return storing_finish(&storing) ? size : -1;
        storing_abandon(&storing);
        if (count < 0 || size <= max_size)
            return -1;
    }
    civetweb_close_after_answer(connection->civetweb); /* the rest shall not be read, not even to skip it */
    error_set(AH_ERROR_TOO_LARGE, "the body is too large: the limit is %lld; answer with 413", (long long)max_size);
    return -1;
}
