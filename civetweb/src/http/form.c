/*
 * Forms (HTML, "application/x-www-form-urlencoded"; RFC 7578, "multipart/form-data"), read as they come: a field
 * is given out as soon as its name is known, and its data in pieces.
 *
 * CivetWeb's mg_handle_form_request is not used: it has no limits, writes files where it is told by a callback,
 * and has looped for ever on crafted bodies (CVE-2025-9648).
 */
#define _GNU_SOURCE /* memmem */
#include "form.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../connection.h"
#include "../civetweb_internal.h"
#include "../errors.h"
#include "escapes.h"
#include "header_list.h"
#include "multipart.h"
#include "request.h"
#include "runtime.h"
#include "storing.h"

/* What can be looked at together: a part's headers, or a field's name, have to fit. */
#define WINDOW 16384
#define MAX_PART_HEADERS 32

/* Limits of a program that sets none. */
#define DEFAULT_MAX_FIELDS 1000
#define DEFAULT_MAX_FIELD_SIZE ((int64_t)1 << 20)
#define DEFAULT_MAX_FILE_SIZE ((int64_t)1 << 30)
#define DEFAULT_MAX_SIZE ((int64_t)1 << 30)

enum form_state {
    FORM_NEW,    /* only limits have been set */
    FORM_GAP,    /* between two fields */
    FORM_DATA,   /* in a field's data */
    FORM_END,    /* behind the last field */
    FORM_BROKEN, /* a limit was exceeded, or the body is malformed: nothing more is read */
};

struct form {
    enum form_state state;
    int64_t fields, max_fields;
    int64_t field_size, max_field_size, max_file_size;
    int64_t size, max_size;

    /* The bytes that have been read and not been used: window[start .. end). */
    char window[WINDOW];
    size_t start, end;
    const char *query; /* what is left of a query string; null when the form is in the body */
    bool complete;     /* nothing more will come */

    /* Of a multipart form: what stands before the headers of each part, CR LF "--" boundary. The window begins
     * with a CR LF of our own, for the first one may be at the very beginning. */
    char delimiter[4 + MAX_BOUNDARY];
    size_t delimiter_size; /* 0: the form is urlencoded */

    ah_form_field field; /* its texts are our own */
};

static void forget_field(struct form *form)
{
    free((char *)form->field.name);
    free((char *)form->field.file_name);
    free((char *)form->field.mime_type);
    form->field = (ah_form_field){0};
}

void form_free(struct form *form)
{
    if (form == NULL)
        return;
    forget_field(form);
    free(form);
}

/* Failures */

/* What is left of the body shall not be read, not even to skip it: the connection ends with the answer. */
static bool give_up(struct connection *connection)
{
    connection->form->state = FORM_BROKEN;
    civetweb_close_after_answer(connection->civetweb);
    return false;
}

static bool too_large(struct connection *connection, const char *what, int64_t limit)
{
    error_set(AH_ERROR_TOO_LARGE, "%s: the limit is %" PRId64 "; answer with 413, or set another limit with "
                                  "setFormLimits", what, limit);
    return give_up(connection);
}

static bool malformed(struct connection *connection, const char *what)
{
    error_set(AH_ERROR_MALFORMED, "the form is malformed: %s; answer with 400", what);
    return give_up(connection);
}

static bool no_memory(struct connection *connection)
{
    error_set_no_memory();
    return give_up(connection);
}

/* The window */

static size_t available(const struct form *form)
{
    return form->end - form->start;
}

/* Have more bytes in the window, or `complete`. False when they cannot be read, or exceed the limit; the caller
 * sees to it that there is room. */
static bool fill(struct connection *connection)
{
    struct form *form = connection->form;
    size_t room;
    int32_t count;

    if (form->start > 0) {
        memmove(form->window, form->window + form->start, available(form));
        form->end -= form->start;
        form->start = 0;
    }
    room = WINDOW - form->end;
    if (form->query != NULL) {
        size_t left = strlen(form->query);

        count = (int32_t)(left < room ? left : room);
        memcpy(form->window + form->end, form->query, (size_t)count);
        form->query += count;
    } else {
        count = request_read(connection, form->window + form->end, room);
        if (count < 0)
            return give_up(connection);
    }
    form->complete = count == 0;
    form->end += (size_t)count;
    form->size += count;
    if (form->size > form->max_size)
        return too_large(connection, "the form has too many bytes", form->max_size);
    return true;
}

/* Have at least `size` bytes in the window, or all that there are. */
static bool require(struct connection *connection, size_t size)
{
    struct form *form = connection->form;

    while (available(form) < size && !form->complete)
        if (!fill(connection))
            return false;
    return true;
}

/* Beginning */

static struct form *form_of(struct connection *connection)
{
    if (!connection_in_request(connection))
        return NULL;
    if (connection->form == NULL) {
        struct form *form = calloc(1, sizeof *form);

        if (form == NULL) {
            error_set_no_memory();
            return NULL;
        }
        form->max_fields = DEFAULT_MAX_FIELDS;
        form->max_field_size = DEFAULT_MAX_FIELD_SIZE;
        form->max_file_size = DEFAULT_MAX_FILE_SIZE;
        form->max_size = DEFAULT_MAX_SIZE;
        connection->form = form;
    }
    return connection->form;
}

static bool is_type(const char *content_type, const char *type)
{
    size_t length = strlen(type);

    return strncasecmp(content_type, type, length) == 0 && strchr("; \t", content_type[length]) != NULL;
}

static bool begin(struct connection *connection)
{
    struct form *form = connection->form;
    const char *type = rt_get_header(connection, "Content-Type");
    const char *method = connection->info.request_method;

    form->state = FORM_GAP;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        form->query = connection->info.query_string != NULL ? connection->info.query_string : "";
        return true;
    }
    if (type == NULL || !(is_type(type, "multipart/form-data") || is_type(type, "application/x-www-form-urlencoded")))
        return malformed(connection, "its Content-Type is neither application/x-www-form-urlencoded nor "
                                     "multipart/form-data");
    if (connection->info.content_length > form->max_size)
        return too_large(connection, "the form has too many bytes", form->max_size);
    if (is_type(type, "application/x-www-form-urlencoded"))
        return true;
    memcpy(form->delimiter, "\r\n--", 4);
    form->delimiter_size = multipart_boundary(type, form->delimiter + 4);
    if (form->delimiter_size == 0)
        return malformed(connection, "its Content-Type has no boundary, or one that cannot be");
    form->delimiter_size += 4;
    memcpy(form->window, "\r\n", 2);
    form->end = 2;
    return true;
}

/* Data of a field */

/* How many bytes at the window's start are data of the current field; the field ends behind them if `*ends`. */
static bool find_data(struct connection *connection, size_t *size, bool *ends)
{
    struct form *form = connection->form;
    const char *start, *found;

    if (!require(connection, form->delimiter_size > 0 ? form->delimiter_size : 3))
        return false;
    start = form->window + form->start;
    if (form->delimiter_size == 0) {
        found = memchr(start, '&', available(form));
        *size = found != NULL ? (size_t)(found - start) : available(form);
        *ends = found != NULL || form->complete;
        return true;
    }
    found = memmem(start, available(form), form->delimiter, form->delimiter_size);
    *ends = found != NULL;
    if (found != NULL)
        *size = (size_t)(found - start);
    else if (form->complete)
        return malformed(connection, "it ends before its last boundary");
    else
        *size = available(form) - (form->delimiter_size - 1); /* the rest may be the beginning of a delimiter */
    return true;
}

/* Take data out of the window, decoded. How much of it was used is `*used`. */
static size_t take_data(struct form *form, size_t size, bool ends, char *to, size_t room, size_t *used)
{
    const char *from = form->window + form->start;
    size_t at = 0, taken = 0;

    if (form->delimiter_size > 0) {
        *used = taken = size < room ? size : room;
        if (to != NULL)
            memcpy(to, from, taken);
        return taken;
    }
    while (at < size && taken < room) {
        char byte;

        if (from[at] == '%' && size - at < 3 && !ends)
            break; /* the rest of the escape is still to come */
        at += escape_decode(from + at, size - at, true, &byte);
        if (to != NULL)
            to[taken] = byte;
        taken++;
    }
    *used = at;
    return taken;
}

/* The next data of the current field, up to `room` bytes, to be thrown away if `to` is null; 0 at its end, -1
 * when that failed. */
static int32_t read_data(struct connection *connection, char *to, size_t room)
{
    struct form *form = connection->form;
    bool is_file = form->field.file_name != NULL;
    int64_t limit = is_file ? form->max_file_size : form->max_field_size;

    while (form->state == FORM_DATA) {
        size_t size, used, taken;
        bool ends;

        if (!find_data(connection, &size, &ends))
            return -1;
        taken = take_data(form, size, ends, to, room < INT32_MAX ? room : INT32_MAX, &used);
        form->start += used;
        if (ends && used == size)
            form->state = FORM_GAP;
        form->field_size += (int64_t)taken;
        if (form->field_size > limit) {
            too_large(connection, is_file ? "a file is too large" : "a field is too large", limit);
            return -1;
        }
        if (taken > 0)
            return (int32_t)taken;
        if (form->state == FORM_DATA && !fill(connection))
            return -1;
    }
    return 0;
}

static bool skip_data(struct connection *connection)
{
    int32_t count;

    while ((count = read_data(connection, NULL, WINDOW)) > 0)
        ;
    return count == 0;
}

/* Fields */

static bool next_urlencoded(struct connection *connection)
{
    struct form *form = connection->form;
    size_t size = 0, at = 0, length = 0;
    char *name;

    /* The "&" before the field, and those that have nothing between them. */
    for (;;) {
        if (!require(connection, 1))
            return false;
        if (available(form) == 0 || form->window[form->start] != '&')
            break;
        form->start++;
    }
    if (available(form) == 0) {
        form->state = FORM_END;
        return true;
    }
    for (;;) {
        while (size < available(form) && strchr("=&", form->window[form->start + size]) == NULL)
            size++;
        if (size < available(form) || form->complete)
            break;
        if (size == WINDOW)
            return too_large(connection, "the name of a field is too long", WINDOW);
        if (!fill(connection))
            return false;
    }
    form->field.name = name = malloc(size + 1);
    if (name == NULL)
        return no_memory(connection);
    while (at < size)
        at += escape_decode(form->window + form->start + at, size - at, true, name + length++);
    name[length] = '\0';
    if (memchr(name, '\0', length) != NULL)
        return malformed(connection, "the name of a field has a NUL");
    form->start += size;
    if (available(form) > 0 && form->window[form->start] == '=')
        form->start++;
    form->state = FORM_DATA;
    return true;
}

/* One header of a part. */
static bool take_header(struct connection *connection, const char *line, size_t size)
{
    struct form *form = connection->form;
    const char *colon = memchr(line, ':', size);
    struct text key, value;
    char *name, *file_name, *type;

    if (colon == NULL || memchr(line, '\0', size) != NULL)
        return malformed(connection, "a line of a part's headers is no header");
    key = (struct text){line, (size_t)(colon - line)};
    value = trim(colon + 1, line + size);
    if (text_is(key, "Content-Disposition") && form->field.name == NULL) {
        bool copied = multipart_parameter(value.start, value.length, "name", &name) &&
                      multipart_parameter(value.start, value.length, "filename", &file_name);

        form->field.name = name;
        if (!copied)
            return no_memory(connection);
        form->field.file_name = file_name;
        if (value.length < 9 || strncasecmp(value.start, "form-data", 9) != 0)
            return malformed(connection, "a part is no form-data");
        if (name == NULL)
            return malformed(connection, "a part has no name");
    } else if (text_is(key, "Content-Type") && form->field.mime_type == NULL) {
        type = strndup(value.start, value.length);
        if (type == NULL)
            return no_memory(connection);
        form->field.mime_type = type;
    }
    return true;
}

static bool take_headers(struct connection *connection)
{
    struct form *form = connection->form;
    int count = 0;

    for (;;) {
        const char *line = form->window + form->start;
        const char *end = memmem(line, available(form), "\r\n", 2);

        if (end == NULL && form->complete)
            return malformed(connection, "it ends in a part's headers");
        if (end == NULL && available(form) == WINDOW)
            return too_large(connection, "the headers of a part are too long", WINDOW);
        if (end == NULL) {
            if (!fill(connection))
                return false;
            continue;
        }
        form->start += (size_t)(end - line) + 2;
        if (end == line)
            break;
        if (++count > MAX_PART_HEADERS)
            return malformed(connection, "a part has too many headers");
        if (!take_header(connection, line, (size_t)(end - line)))
            return false;
    }
    if (form->field.name == NULL)
        return malformed(connection, "a part has no Content-Disposition");
    form->state = FORM_DATA;
    return true;
}

/* Skip what stands before the first part: the delimiter is at the window's start then. */
static bool skip_preamble(struct connection *connection)
{
    struct form *form = connection->form;
    size_t size;
    bool ends;

    do {
        if (!find_data(connection, &size, &ends))
            return false;
        form->start += size;
        if (!ends && !fill(connection))
            return false;
    } while (!ends);
    return true;
}

static bool next_part(struct connection *connection)
{
    struct form *form = connection->form;
    const char *behind;

    if (form->fields == 0 && !skip_preamble(connection))
        return false;
    if (!require(connection, form->delimiter_size + 2))
        return false;
    behind = form->window + form->start + form->delimiter_size;
    if (available(form) >= form->delimiter_size + 2 && memcmp(behind, "--", 2) == 0) {
        form->state = FORM_END; /* the epilogue is skipped with what is left of the body */
        return true;
    }
    form->start += form->delimiter_size;
    for (;;) { /* white space that gateways may have added (RFC 2046, section 5.1.1) */
        if (!require(connection, 2))
            return false;
        if (available(form) < 2 || strchr(" \t", form->window[form->start]) == NULL)
            break;
        form->start++;
    }
    if (available(form) < 2 || memcmp(form->window + form->start, "\r\n", 2) != 0)
        return malformed(connection, "something else than the end of the line follows a boundary");
    form->start += 2;
    return take_headers(connection);
}

/* What the program calls */

int32_t rt_set_form_limits(struct connection *connection, int32_t max_fields, int64_t max_field_size,
                           int64_t max_file_size, int64_t max_size)
{
    struct form *form = form_of(connection);

    if (form == NULL)
        return -1;
    if (form->state != FORM_NEW) {
        error_set(AH_ERROR_WRONG_STATE, "the form is being read already; set limits before the first field");
        return -1;
    }
    if (max_fields < 0 || max_field_size < 0 || max_file_size < 0 || max_size < 0) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a limit is negative; give the most that is allowed");
        return -1;
    }
    form->max_fields = max_fields;
    form->max_field_size = max_field_size;
    form->max_file_size = max_file_size;
    form->max_size = max_size;
    return 0;
}

static bool is_broken(const struct form *form)
{
    if (form->state != FORM_BROKEN)
        return false;
    error_set(AH_ERROR_WRONG_STATE, "this form could not be read to its end before; answer the request");
    return true;
}

const ah_form_field *rt_next_form_field(struct connection *connection)
{
    struct form *form = form_of(connection);

    if (form == NULL || is_broken(form) || (form->state == FORM_NEW && !begin(connection)) || !skip_data(connection))
        return NULL;
    forget_field(form);
    form->field_size = 0;
    if (form->state == FORM_END)
        return NULL;
    if (!(form->delimiter_size > 0 ? next_part(connection) : next_urlencoded(connection)))
        return NULL;
    if (form->state == FORM_END)
        return NULL;
    if (++form->fields > form->max_fields) {
        too_large(connection, "the form has too many fields", form->max_fields);
        return NULL;
    }
    return &form->field;
}

static struct form *form_with_field(struct connection *connection)
{
    struct form *form = form_of(connection);

    if (form == NULL || is_broken(form))
        return NULL;
    if (form->field.name != NULL)
        return form;
    error_set(AH_ERROR_WRONG_STATE, "there is no field yet, or none is left; call nextFormField first");
    return NULL;
}

int32_t rt_read_form_field(struct connection *connection, void *buffer, size_t buffer_size)
{
    if (form_with_field(connection) == NULL)
        return -1;
    return buffer_size == 0 ? 0 : read_data(connection, buffer, buffer_size);
}

int64_t rt_store_form_field(struct connection *connection, const char *directory, const char *file_name)
{
    struct storing storing;
    char piece[WINDOW];
    int64_t size = 0;
    int32_t count;

    if (form_with_field(connection) == NULL || !storing_begin(&storing, directory, file_name))
        return -1;
    while ((count = read_data(connection, piece, sizeof piece)) > 0 && storing_write(&storing, piece, (size_t)count))
        size += count;
    if (count == 0)
        return storing_finish(&storing) ? size : -1;
    storing_abandon(&storing);
    return -1;
}
