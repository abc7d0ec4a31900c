/*
 * Forms of any bytes, arriving in pieces of any size: what comes out does not depend on the pieces.
 *
 * Input: a byte of the kind, a byte of the pieces' size, and the body.
 */
#include "connection.h"
#include "errors.h"
#include "fuzz.h"
#include "http/form.h"
#include "http/request.h"
#include "http/storing.h"
#include "runtime.h"

enum { MULTIPART, URLENCODED, QUERY, KINDS };

static struct {
    const uint8_t *data;
    size_t size, at, piece;
    int kind;
} body;

/* What the parser has from the rest of the library. */

bool connection_in_request(const struct connection *connection)
{
    (void)connection;
    return true;
}

int32_t request_read(struct connection *connection, void *buffer, size_t size)
{
    size_t count = body.size - body.at;

    (void)connection;
    REQUIRE(size > 0); /* 0 would be taken for the end */
    count = count < size ? count : size;
    count = count < body.piece ? count : body.piece;
    memcpy(buffer, body.data + body.at, count);
    body.at += count;
    return (int32_t)count;
}

const char *rt_get_header(struct connection *connection, const char *name)
{
    (void)connection;
    (void)name;
    return body.kind == MULTIPART ? "multipart/form-data; boundary=B" : "application/x-www-form-urlencoded";
}

void civetweb_close_after_answer(struct mg_connection *connection)
{
    (void)connection;
}

const char *mg_get_builtin_mime_type(const char *file_name)
{
    return file_name;
}

static bool refused;

void error_set(enum ah_error_code code, const char *format, ...)
{
    (void)format;
    refused = refused || code == AH_ERROR_MALFORMED || code == AH_ERROR_TOO_LARGE;
}

void error_set_no_memory(void)
{
}

bool storing_begin(struct storing *storing, const char *directory, const char *name)
{
    (void)storing;
    (void)directory;
    (void)name;
    return false;
}

bool storing_write(struct storing *storing, const void *data, size_t size)
{
    (void)storing;
    (void)data;
    (void)size;
    return false;
}

bool storing_finish(struct storing *storing)
{
    (void)storing;
    return false;
}

void storing_abandon(struct storing *storing)
{
    (void)storing;
}

/* All fields one behind the other; false when the form is refused. */
static bool read_form(size_t piece, size_t buffer_size, struct text_buffer *seen)
{
    struct connection connection = {.info = {.request_method = body.kind == QUERY ? "GET" : "POST"}};
    char *query = calloc(body.size + 1, 1), *buffer = malloc(buffer_size);
    const ah_form_field *field;
    int32_t count = 0;

    REQUIRE(query != NULL && buffer != NULL);
    if (body.size > 0)
        memcpy(query, body.data, body.size);
    refused = false;
    body.at = 0;
    body.piece = piece;
    connection.info.query_string = query;
    connection.info.content_length = -1;
    rt_set_form_limits(&connection, 20, 3000, 5000, INT64_MAX);
    while (count == 0 && (field = rt_next_form_field(&connection)) != NULL) {
        text_append_string(seen, field->name);
        text_append_string(seen, field->file_name != NULL ? field->file_name : "-");
        text_append_string(seen, field->mime_type != NULL ? field->mime_type : "-");
        while ((count = rt_read_form_field(&connection, buffer, buffer_size)) > 0) {
            REQUIRE((size_t)count <= buffer_size);
            text_append(seen, buffer, (size_t)count);
        }
    }
    REQUIRE(rt_next_form_field(&connection) == NULL); /* behind the end, and behind a refusal */
    REQUIRE(rt_read_form_field(&connection, buffer, 1) == -1);
    form_free(connection.form);
    free(query);
    free(buffer);
    return !refused;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text_buffer at_once = {0}, in_pieces = {0};
    size_t piece;
    bool whole;

    body.kind = take_byte(&data, &size) % KINDS;
    piece = take_byte(&data, &size) % 32 + 1;
    body.data = data;
    body.size = size;
    whole = read_form(SIZE_MAX, 4096, &at_once);
    REQUIRE(read_form(piece, 33 - piece, &in_pieces) == whole);
    if (whole)
        REQUIRE(at_once.size == in_pieces.size &&
                (at_once.size == 0 || memcmp(at_once.bytes, in_pieces.bytes, at_once.size) == 0));
    text_free(&at_once);
    text_free(&in_pieces);
    return 0;
}
