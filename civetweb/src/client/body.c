#include "body.h"

#include <string.h>

#include "../http/escapes.h"
#include "../http/header_list.h"

/* Sizes of chunks have fewer digits; longer lines of extensions, and longer trailers, are somebody's mischief. */
#define MAX_SIZE_DIGITS 15
#define MAX_LINE 4096
#define MAX_TRAILER 16384

static bool has_no_body(const char *method, int32_t status)
{
    return strcmp(method, "HEAD") == 0 || status == 204 || status == 304;
}

bool body_begin(struct body *body, const char *method, const ah_response_info *response)
{
    struct header_items codings = header_items(response->http_headers, response->number_headers, "Transfer-Encoding");
    struct text coding, second;
    bool coded = next_header_item(&codings, &coding);

    memset(body, 0, sizeof *body);
    if (has_no_body(method, response->status_code))
        return true;
    if (coded) {
        body->state = BODY_CHUNK_SIZE;
        return text_is(coding, "chunked") && !next_header_item(&codings, &second) && response->content_length < 0 &&
               strcmp(response->http_version, "1.0") != 0;
    }
    body->state = response->content_length > 0 ? BODY_DATA : response->content_length == 0 ? BODY_DONE : BODY_TO_END;
    body->left = response->content_length > 0 ? (uint64_t)response->content_length : 0;
    return true;
}

static void next_line(struct body *body, enum body_state state)
{
    body->state = state;
    body->after_cr = false;
    body->has_size = false;
    body->empty = true;
    if (state != BODY_TRAILER)
        body->line = 0;
}

/* The line with the size has ended. */
static void begin_chunk(struct body *body)
{
    next_line(body, body->left > 0 ? BODY_CHUNK_DATA : BODY_TRAILER);
    body->line = 0;
}

/* Take a byte of the lines around the chunks; false: it does not belong there. */
static bool take_framing(struct body *body, char c)
{
    int digit;

    if (body->after_cr) {
        if (c != '\n')
            return false;
        if (body->state == BODY_TRAILER)
            next_line(body, body->empty ? BODY_DONE : BODY_TRAILER);
        else if (body->state == BODY_CHUNK_END)
            next_line(body, BODY_CHUNK_SIZE);
        else
            begin_chunk(body);
        return true;
    }
    if (c == '\r') {
        body->after_cr = true;
        return body->state != BODY_CHUNK_SIZE || body->has_size;
    }
    if (c == '\n' || body->state == BODY_CHUNK_END)
        return false;
    body->line++;
    body->empty = false;
    if (body->state == BODY_TRAILER)
        return body->line <= MAX_TRAILER;
    if (body->state == BODY_CHUNK_EXTENSION)
        return body->line <= MAX_LINE;
    digit = hex_digit(c);
    if (digit >= 0) {
        body->left = body->left << 4 | (unsigned)digit;
        body->has_size = true;
        return body->line <= MAX_SIZE_DIGITS;
    }
    body->state = BODY_CHUNK_EXTENSION;
    return body->has_size && (c == ';' || c == ' ' || c == '\t');
}

static size_t smaller(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

ptrdiff_t body_decode(struct body *body, const char *data, size_t size, size_t *taken, char *out, size_t out_size)
{
    size_t part;

    *taken = 0;
    for (;;) {
        switch (body->state) {
        case BODY_DONE:
            return 0;
        case BODY_TO_END:
        case BODY_DATA:
        case BODY_CHUNK_DATA:
            part = smaller(size - *taken, out_size);
            if (body->state != BODY_TO_END)
                part = smaller(part, body->left);
            if (part == 0)
                return 0;
            memcpy(out, data + *taken, part);
            *taken += part;
            if (body->state == BODY_TO_END)
                return (ptrdiff_t)part;
            body->left -= part;
            if (body->left == 0)
                next_line(body, body->state == BODY_DATA ? BODY_DONE : BODY_CHUNK_END);
            return (ptrdiff_t)part;
        default:
            if (*taken == size)
                return 0;
            if (!take_framing(body, data[(*taken)++]))
                return -1;
        }
    }
}
