#define _GNU_SOURCE /* memmem */
#include "static_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../civetweb_internal.h"
#include "conditions.h"
#include "dates.h"

#define LEAST_TO_COMPRESS 1024 /* bytes; below, gzip gains less than it costs */

/* A file to send. */
struct file {
    int descriptor;
    const char *type; /* the media type, of `type_length` bytes */
    int type_length;
    bool compressible; /* text: the answer depends on Accept-Encoding */
    bool gzipped;      /* the file is itself the gzip coding of what was asked for */
    bool to_compress;  /* gzip is applied while it is sent */
    struct representation representation;
};

static bool open_regular(struct mg_connection *civetweb, const char *path, struct file *file, struct stat *status)
{
    file->descriptor = civetweb_open_target(civetweb, path);
    if (file->descriptor < 0)
        return false;
    if (fstat(file->descriptor, status) == 0 && S_ISREG(status->st_mode))
        return true;
    close(file->descriptor);
    return false;
}

static bool is_text(const char *type, size_t length)
{
    static const char *const parts[] = {"json", "javascript", "xml"};
    size_t i;

    if (strncmp(type, "text/", 5) == 0)
        return true;
    for (i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (memmem(type, length, parts[i], strlen(parts[i])) != NULL)
            return true;
    return false;
}

/* Open what is to be sent for `path`: itself, or the file beside it that ends in ".gz". A part is always one of
 * the file itself, unless there is only the other one. */
static bool open_file(struct mg_connection *civetweb, const char *path, bool whole, struct file *file)
{
    bool gzip = conditions_accept_gzip(mg_get_header(civetweb, "Accept-Encoding"));
    char gzipped[CIVETWEB_PATH_SIZE + sizeof ".gz"];
    struct stat status;

    memset(file, 0, sizeof *file);
    snprintf(gzipped, sizeof gzipped, "%s.gz", path);
    file->gzipped = gzip && whole && open_regular(civetweb, gzipped, file, &status);
    if (!file->gzipped && !open_regular(civetweb, path, file, &status)) {
        file->gzipped = gzip && !whole && open_regular(civetweb, gzipped, file, &status);
        if (!file->gzipped)
            return false;
    }
    file->type = civetweb_media_type(civetweb, path, &file->type_length);
    file->compressible = is_text(file->type, (size_t)file->type_length);
    file->to_compress = gzip && whole && !file->gzipped && file->compressible && status.st_size >= LEAST_TO_COMPRESS &&
                        strcmp(mg_get_request_info(civetweb)->http_version, "1.1") == 0;
    file->representation.size = status.st_size;
    file->representation.modified = status.st_mtim.tv_sec;
    snprintf(file->representation.entity_tag, MAX_ENTITY_TAG, "\"%" PRIx64 ".%lx.%" PRIx64 "%s\"",
             (uint64_t)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, (uint64_t)status.st_size,
             file->to_compress ? "-gzip" : "");
    return true;
}

static void add_number(struct mg_connection *civetweb, const char *name, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, number);
    mg_response_header_add(civetweb, name, text, -1);
}

static void add_validators(struct mg_connection *civetweb, const struct file *file)
{
    char date[DATE_SIZE];

    date_format(file->representation.modified, date);
    mg_response_header_add(civetweb, "Last-Modified", date, -1);
    mg_response_header_add(civetweb, "ETag", file->representation.entity_tag, -1);
    if (file->compressible || file->gzipped)
        mg_response_header_add(civetweb, "Vary", "Accept-Encoding", -1);
}

/* Send the file, or the part of it; `status` is 200 or 206. */
static void send_content(struct mg_connection *civetweb, struct file *file, int status, const struct range *range)
{
    bool head_only = strcmp(mg_get_request_info(civetweb)->request_method, "HEAD") == 0;
    char part[80];

    civetweb_begin_head(civetweb, status);
    mg_response_header_add(civetweb, "Content-Type", file->type, file->type_length);
    add_validators(civetweb, file);
    if (file->gzipped || file->to_compress)
        mg_response_header_add(civetweb, "Content-Encoding", "gzip", -1);
    if (file->to_compress) {
        mg_response_header_add(civetweb, "Transfer-Encoding", "chunked", -1);
    } else {
        mg_response_header_add(civetweb, "Accept-Ranges", file->gzipped ? "none" : "bytes", -1);
        add_number(civetweb, "Content-Length", range->length);
    }
    if (status == 206) {
        snprintf(part, sizeof part, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->first,
                 range->first + range->length - 1, file->representation.size);
        mg_response_header_add(civetweb, "Content-Range", part, -1);
    }
    if (!civetweb_send_head(civetweb)) {
        civetweb_close_after_answer(civetweb);
    } else if (!head_only && file->to_compress) {
        FILE *stream = fdopen(file->descriptor, "r");

        if (stream == NULL) {
            civetweb_close_after_answer(civetweb); /* without the last chunk: the client knows it is cut */
            return;
        }
        civetweb_send_compressed(civetweb, stream);
        file->descriptor = -1;
        fclose(stream);
    } else if (!head_only && !civetweb_send_file(civetweb, file->descriptor, range->first, range->length)) {
        civetweb_close_after_answer(civetweb);
    }
}

static void send_without_content(struct mg_connection *civetweb, const struct file *file, int status)
{
    char part[40];

    civetweb_begin_head(civetweb, status);
    if (status == 304) {
        add_validators(civetweb, file);
    } else {
        if (status == 416) {
            snprintf(part, sizeof part, "bytes */%" PRId64, file->representation.size);
            mg_response_header_add(civetweb, "Content-Range", part, -1);
        }
        add_number(civetweb, "Content-Length", 0);
    }
    if (!civetweb_send_head(civetweb))
        civetweb_close_after_answer(civetweb);
}

static int answer_file(struct mg_connection *civetweb, const char *path)
{
    const struct conditions conditions = {
        .if_match = mg_get_header(civetweb, "If-Match"),
        .if_none_match = mg_get_header(civetweb, "If-None-Match"),
        .if_modified_since = mg_get_header(civetweb, "If-Modified-Since"),
        .if_unmodified_since = mg_get_header(civetweb, "If-Unmodified-Since"),
        .if_range = mg_get_header(civetweb, "If-Range"),
        .range = mg_get_header(civetweb, "Range"),
    };
    bool is_get = strcmp(mg_get_request_info(civetweb)->request_method, "GET") == 0;
    struct range range;
    struct file file;
    int status;

    if (!open_file(civetweb, path, conditions.range == NULL || !is_get, &file)) {
        civetweb_send_error(civetweb, 404, "Not found");
        return 404;
    }
    status = conditions_status(&conditions, &file.representation);
    range = (struct range){0, file.representation.size};
    if (status == 200 && is_get && !file.gzipped)
        status = conditions_range(&conditions, &file.representation, &range);
    if (status == 200 || status == 206)
        send_content(civetweb, &file, status, &range);
    else
        send_without_content(civetweb, &file, status);
    if (file.descriptor >= 0)
        close(file.descriptor);
    return status;
}

/* To the same path with a slash at its end: links in the folder's page are relative to it. */
static int redirect_to_folder(struct mg_connection *civetweb)
{
    const struct mg_request_info *request = mg_get_request_info(civetweb);
    size_t path = strlen(request->local_uri), query = request->query_string == NULL ? 0 : strlen(request->query_string);
    size_t size = 3 * path + query + sizeof "/?";
    char *location = malloc(size), *at;
    const char *from;

    if (location == NULL) {
        civetweb_send_error(civetweb, 503, "out of memory");
        return 503;
    }
    for (at = location, from = request->local_uri; *from != '\0'; from++)
        at += *from == '/' ? snprintf(at, 2, "/") : mg_url_encode((char[]){*from, '\0'}, at, 4);
    snprintf(at, size - (size_t)(at - location), query > 0 ? "/?%s" : "/", request->query_string);
    mg_send_http_redirect(civetweb, location, 301);
    free(location);
    return 301;
}

int static_files_answer(struct mg_connection *civetweb)
{
    const char *method = mg_get_request_info(civetweb)->request_method;
    char path[CIVETWEB_PATH_SIZE];

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return 0;
    switch (civetweb_find_target(civetweb, path)) {
    case TARGET_ANSWERED:
        return 401;
    case TARGET_FOLDER:
        return redirect_to_folder(civetweb);
    case TARGET_FILE:
        return answer_file(civetweb, path);
    default:
        return 0;
    }
}
