#include "response.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../callbacks.h"
#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "dates.h"
#include "fields.h"
#include "request.h"
#include "runtime.h"

/* A body up to this size is sent in one piece with its headers. */
#define SMALL_BODY 65536

void response_reset(struct response *response)
{
    struct text_buffer head = response->head;

    text_clear(&head);
    *response = (struct response){.head = head, .in_error_page = response->in_error_page};
}

void response_free(struct response *response)
{
    text_free(&response->head);
}

static bool is_head(const struct connection *connection)
{
    const char *method = mg_get_request_info(connection->civetweb)->request_method;

    return method != NULL && strcmp(method, "HEAD") == 0;
}

/* RFC 9110, sections 15.3.5 and 15.4.5 */
static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

/* Send bytes as they are. */
static bool send_bytes(struct connection *connection, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        int count = civetweb_write(connection->civetweb, at, size < INT_MAX ? size : INT_MAX);

        if (count <= 0) {
            civetweb_close_after_answer(connection->civetweb);
            error_set(AH_ERROR_CONNECTION_CLOSED, "the answer could not be sent: the client has gone or took nothing "
                                                  "for request_timeout_ms");
            return false;
        }
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static bool expect_state(const struct connection *connection, enum response_state wanted)
{
    static const char *const told[] = {
        [RESPONSE_NONE] = "no response has been started; call startResponse first",
        [RESPONSE_STARTED] = "the headers have not been sent; call sendResponseHeaders first",
        [RESPONSE_BODY] = "the headers have been sent already; the body may follow",
        [RESPONSE_DONE] = "this request has been answered already",
        [RESPONSE_RAW] = "a part of the answer was written with write or print; write all of it in that way",
    };
    static const char *const started_twice = "a response has been started already; add its headers and send them";

    if (!connection_in_request(connection))
        return false;
    if (connection->response.state == wanted)
        return true;
    error_set(AH_ERROR_WRONG_STATE, "%s", wanted == RESPONSE_NONE && connection->response.state == RESPONSE_STARTED
                                              ? started_twice
                                              : told[connection->response.state]);
    return false;
}

/* The head */

int32_t rt_start_response(struct connection *connection, int32_t status)
{
    struct response *response = &connection->response;

    if (!expect_state(connection, RESPONSE_NONE))
        return -1;
    if (status < 200 || status > 599) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "%d is not the status of a response; give one from 200 to 599", status);
        return -1;
    }
    text_clear(&response->head);
    text_format(&response->head, "HTTP/1.1 %d %s\r\n", status,
                mg_get_response_code_text(connection->civetweb, status));
    response->state = RESPONSE_STARTED;
    response->status = status;
    return 0;
}

static bool take_length(struct response *response, const char *value)
{
    char *end;

    if (response->has_length || has_no_body(response->status)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, response->has_length ? "Content-Length has been given already"
                                                                  : "a response with status %d has no Content-Length",
                  response->status);
        return false;
    }
    response->left = strtoll(value, &end, 10);
    if (strspn(value, "0123456789") != strlen(value) || end == value || response->left == LLONG_MAX) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "Content-Length is \"%s\"; give a number of bytes", value);
        return false;
    }
    response->has_length = true;
    return true;
}

/* Headers that say how the response is framed or what becomes of the connection are the library's: it
 * takes what they wish, and writes them itself. False, with the error set, for a wish that it refuses. */
static bool take_framing(struct connection *connection, const char *name, const char *value, bool *taken)
{
    struct response *response = &connection->response;

    *taken = true;
    if (strcasecmp(name, "Content-Length") == 0) {
        *taken = false;
        return take_length(response, value);
    }
    if (strcasecmp(name, "Connection") == 0) {
        if (strcasecmp(value, "close") == 0)
            civetweb_close_after_answer(connection->civetweb);
        else if (strcasecmp(value, "keep-alive") != 0) {
            error_set(AH_ERROR_INVALID_ARGUMENT, "Connection is \"%s\"; a response may ask for \"close\"", value);
            return false;
        }
        return true;
    }
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        if (strcasecmp(value, "chunked") == 0)
            return true; /* as every response without Content-Length is */
        error_set(AH_ERROR_INVALID_ARGUMENT, "Transfer-Encoding is \"%s\"; the library frames the body itself", value);
        return false;
    }
    if (strcasecmp(name, "Date") == 0)
        response->has_date = true;
    *taken = false;
    return true;
}

int32_t rt_add_response_header(struct connection *connection, const char *name, const char *value)
{
    bool taken;

    if (!expect_state(connection, RESPONSE_STARTED) || !field_name_check(name) || !field_value_check(name, value) ||
        !take_framing(connection, name, value, &taken))
        return -1;
    if (!taken)
        text_format(&connection->response.head, "%s: %s\r\n", name, value);
    if (!connection->response.head.failed)
        return 0;
    error_set_no_memory();
    return -1;
}

/* What CivetWeb adds to its own answers because of options. */
static void add_configured(struct connection *connection)
{
    struct text_buffer *head = &connection->response.head;
    const char *lines = civetweb_option(connection->civetweb, CIVETWEB_ADDITIONAL_HEADER);
    const char *origins = civetweb_option(connection->civetweb, CIVETWEB_ALLOW_ORIGIN);
    const char *secure_age = civetweb_option(connection->civetweb, CIVETWEB_STRICT_TRANSPORT_AGE);

    if (lines[0] != '\0')
        text_format(head, "%s\r\n", lines);
    if (origins[0] != '\0' && mg_get_header(connection->civetweb, "Origin") != NULL)
        text_format(head, "Access-Control-Allow-Origin: %s\r\n", origins);
    if (secure_age[0] != '\0')
        text_format(head, "Strict-Transport-Security: max-age=%s\r\n", secure_age);
}

static void add_date(struct text_buffer *head)
{
    char date[DATE_SIZE];

    date_format(time(NULL), date);
    text_format(head, "Date: %s\r\n", date);
}

/* Complete the head: framing first, for it decides whether the connection can live on. */
static bool finish_head(struct connection *connection)
{
    struct response *response = &connection->response;
    struct text_buffer *head = &response->head;

    if (has_no_body(response->status))
        response->framing = FRAMING_NONE;
    else if (response->has_length)
        response->framing = FRAMING_LENGTH;
    else if (strcmp(connection_http_version(connection), "1.1") == 0)
        response->framing = FRAMING_CHUNKED;
    else
        response->framing = FRAMING_CLOSE;
    if (response->framing == FRAMING_CHUNKED)
        text_append_string(head, "Transfer-Encoding: chunked\r\n");
    if (response->framing == FRAMING_CLOSE || !request_body_will_come(connection) ||
        atomic_load(&connection->server->departing))
        civetweb_close_after_answer(connection->civetweb);
    if (is_head(connection))
        response->framing = FRAMING_NONE;
    if (!response->has_date)
        add_date(head);
    add_configured(connection);
    text_format(head, "Connection: %s\r\n\r\n", civetweb_keeps_alive(connection->civetweb) ? "keep-alive" : "close");
    if (!head->failed)
        return true;
    response_reset(response);
    error_set_no_memory();
    return false;
}

/* Send the head, and with it the body if that is all of it and small. */
static bool send_head(struct connection *connection, const void *body, size_t size)
{
    struct response *response = &connection->response;
    bool together = response->framing == FRAMING_LENGTH && size <= SMALL_BODY;

    if (together)
        text_append(&response->head, body, size);
    if (response->head.failed) {
        response_reset(response);
        error_set_no_memory();
        return false;
    }
    response->state = RESPONSE_BODY;
    if (!send_bytes(connection, response->head.bytes, response->head.size))
        return false;
    if (together)
        response->left -= (int64_t)size;
    else if (response->framing != FRAMING_NONE && !send_bytes(connection, body, size))
        return false;
    else if (response->framing == FRAMING_LENGTH)
        response->left -= (int64_t)size;
    if (response->framing == FRAMING_NONE || (response->framing == FRAMING_LENGTH && response->left == 0))
        response->state = RESPONSE_DONE;
    return true;
}

int32_t rt_send_response_headers(struct connection *connection)
{
    if (!expect_state(connection, RESPONSE_STARTED) || !finish_head(connection) || !send_head(connection, NULL, 0))
        return -1;
    return 0;
}

/* The body */

static int32_t sent(size_t size)
{
    return size < INT32_MAX ? (int32_t)size : INT32_MAX;
}

static bool send_chunk(struct connection *connection, const void *data, size_t size)
{
    struct text_buffer *head = &connection->response.head;

    text_clear(head);
    text_format(head, "%zx\r\n", size);
    if (size > SMALL_BODY)
        return send_bytes(connection, head->bytes, head->size) && send_bytes(connection, data, size) &&
               send_bytes(connection, "\r\n", 2);
    text_append(head, data, size);
    text_append(head, "\r\n", 2);
    if (!head->failed)
        return send_bytes(connection, head->bytes, head->size);
    error_set_no_memory();
    return false;
}

/* Send bytes of the body, framed as the response needs it. */
static int32_t send_body(struct connection *connection, const void *data, size_t size)
{
    struct response *response = &connection->response;
    bool ok = true;

    /* The same calls answer a HEAD request as its GET: what they send is left out. */
    if (response->state == RESPONSE_DONE && response->framing == FRAMING_NONE && !has_no_body(response->status))
        return sent(size);
    if (response->state == RESPONSE_DONE && size > 0 && response->framing != FRAMING_CHUNKED) {
        error_set(AH_ERROR_WRONG_STATE, response->framing == FRAMING_LENGTH
                                            ? "the body is longer than its Content-Length"
                                            : "a response with this status has no body");
        return -1;
    }
    if (response->state == RESPONSE_DONE && size == 0)
        return 0; /* the end, told a second time */
    if (!expect_state(connection, RESPONSE_BODY))
        return -1;
    if (response->framing == FRAMING_LENGTH && (uint64_t)size > (uint64_t)response->left) {
        error_set(AH_ERROR_WRONG_STATE, "the body is longer than its Content-Length: %lld more bytes can follow",
                  (long long)response->left);
        return -1;
    }
    switch (response->framing) {
    case FRAMING_CHUNKED:
        ok = send_chunk(connection, data, size);
        if (size == 0)
            response->state = RESPONSE_DONE;
        break;
    case FRAMING_LENGTH:
        ok = send_bytes(connection, data, size);
        response->left -= (int64_t)size;
        if (response->left == 0)
            response->state = RESPONSE_DONE;
        break;
    default:
        ok = send_bytes(connection, data, size);
        if (size == 0)
            response->state = RESPONSE_DONE;
    }
    return ok ? sent(size) : -1;
}

int32_t rt_send_chunk(struct connection *connection, const char *data, size_t data_len)
{
    return connection_in_request(connection) ? send_body(connection, data, data_len) : -1;
}

/* The status in a status line (RFC 9112, section 4); 0 if there is none, or that of an interim response. */
static int status_in(const char *line, size_t size)
{
    static const char version[] = "HTTP/1.";
    const char *code = line + sizeof version + 1;

    if (size < sizeof version + 4 || memcmp(line, version, sizeof version - 1) != 0 || code[-1] != ' ' ||
        code[0] < '2' || code[0] > '9' || !isdigit((unsigned char)code[1]) || !isdigit((unsigned char)code[2]))
        return 0;
    return (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
}

int32_t rt_write(struct connection *connection, const char *buffer, size_t buffer_size)
{
    struct response *response = &connection->response;

    if (!connection_in_request(connection))
        return -1;
    if (buffer_size == 0)
        return 0;
    if (response->state != RESPONSE_NONE && response->state != RESPONSE_RAW) {
        if (response->state != RESPONSE_BODY || response->framing != FRAMING_CHUNKED)
            return send_body(connection, buffer, buffer_size);
        error_set(AH_ERROR_WRONG_STATE, "this response is sent in chunks, since it has no Content-Length; send its "
                                        "body with sendChunk");
        return -1;
    }
    if (response->state == RESPONSE_NONE)
        response->written_status = status_in(buffer, buffer_size);
    response->state = RESPONSE_RAW;
    return send_bytes(connection, buffer, buffer_size) ? sent(buffer_size) : -1;
}

/* Whole responses */

/* Start a response whose body is known. */
static bool start_whole(struct connection *connection, int32_t status, const char *type, size_t size)
{
    struct response *response = &connection->response;

    if (rt_start_response(connection, status) != 0)
        return false;
    if (has_no_body(status) && size > 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a response with status %d has no body", status);
    } else if (type == NULL || (field_value_check("Content-Type", type) && type[0] != '\0')) {
        if (type != NULL && !has_no_body(status))
            text_format(&response->head, "Content-Type: %s\r\n", type);
        if (!has_no_body(status))
            text_format(&response->head, "Content-Length: %zu\r\n", size);
        response->has_length = !has_no_body(status);
        response->left = (int64_t)size;
        return true;
    } else if (type[0] == '\0') {
        error_set(AH_ERROR_INVALID_ARGUMENT, "mimeType is empty; give one such as \"text/plain; charset=utf-8\"");
    }
    response_reset(response);
    return false;
}

int32_t rt_respond(struct connection *connection, int32_t status, const char *mime_type, const char *body,
                   size_t body_len)
{
    if (!start_whole(connection, status, mime_type, body_len) || !finish_head(connection) ||
        !send_head(connection, body, body_len))
        return -1;
    return 0;
}

/* The page that CivetWeb sends, but with its length, so that the connection can live on. */
static int32_t send_error_page(struct connection *connection, int32_t status, const char *message)
{
    struct text_buffer page = {0};
    int32_t result = -1;

    text_format(&page, "Error %d: %s\n", status, mg_get_response_code_text(connection->civetweb, status));
    text_append_string(&page, message);
    if (page.failed)
        error_set_no_memory();
    else
        result = rt_respond(connection, status, "text/plain; charset=utf-8", page.bytes, page.size);
    text_free(&page);
    return result;
}

int32_t rt_send_error(struct connection *connection, int32_t status, const char *message)
{
    struct response *response = &connection->response;

    if (!expect_state(connection, RESPONSE_NONE))
        return -1;
    if (status < 400 || status > 599) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "%d is not the status of an error; give one from 400 to 599", status);
        return -1;
    }
    if (!response->in_error_page && civetweb_option(connection->civetweb, CIVETWEB_ERROR_PAGES)[0] != '\0') {
        civetweb_send_error(connection->civetweb, status, message); /* asks httpError, too */
        response->state = RESPONSE_DONE;
        response->status = status;
        return 0;
    }
    if (!response->in_error_page && callbacks_http_error(connection, status, message))
        return 0;
    return send_error_page(connection, status, message);
}

int32_t rt_send_redirect(struct connection *connection, const char *uri, int32_t status)
{
    const char *at;

    if (!expect_state(connection, RESPONSE_NONE))
        return -1;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "%d is not the status of a redirection; give 301, 302, 303, 307 or 308",
                  status);
        return -1;
    }
    for (at = uri; *at > ' ' && *at < 0x7f; at++)
        ;
    if (*at != '\0' || at == uri) {
        error_set(AH_ERROR_INVALID_ARGUMENT, at == uri && *at == '\0'
                                                 ? "uri is empty; give the one to go to"
                                                 : "uri has a character that a URI cannot have; escape it with encodeUrl");
        return -1;
    }
    if (!start_whole(connection, status, NULL, 0))
        return -1;
    text_format(&connection->response.head, "Location: %s\r\n", uri);
    return finish_head(connection) && send_head(connection, NULL, 0) ? 0 : -1;
}

/* The end */

/* Send an error page for which the program has not asked. */
static void send_unasked_error(struct connection *connection, int status)
{
    bool was_in_request = atomic_exchange(&connection->in_request, true);

    rt_send_error(connection, status, "");
    atomic_store(&connection->in_request, was_in_request);
    error_clear();
}

static bool is_unsent(const struct response *response)
{
    return response->state == RESPONSE_NONE || response->state == RESPONSE_STARTED;
}

int response_settle(struct connection *connection, int32_t status)
{
    struct response *response = &connection->response;

    if (is_unsent(response)) {
        response_reset(response);
        if (status == 0)
            return 0;
        if (status < 0 || (status >= 400 && status <= 599)) {
            send_unasked_error(connection, status < 0 ? 500 : status);
        } else { /* said to be answered, and is not: the client shall not wait */
            civetweb_close_after_answer(connection->civetweb);
            return status;
        }
    }
    if (response->state == RESPONSE_BODY || (response->state == RESPONSE_RAW && status <= 0))
        civetweb_close_after_answer(connection->civetweb);
    if (response->status != 0)
        status = response->status;
    return status > 0 ? status : 200;
}
