/*
 * Digest access authentication (RFC 7616, with MD5), which CivetWeb does, and its password files, whose lines are
 * user:realm:HA1 with HA1 = MD5(user:realm:password).
 */
#define _GNU_SOURCE /* getline */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "../text_buffer.h"
#include "runtime.h"
#include "storing.h"

#define MAX_NAME 255  /* CivetWeb reads lines of 512 bytes at most, and 256 of each part */
#define HA1_LENGTH 32

static pthread_mutex_t files_mutex = PTHREAD_MUTEX_INITIALIZER; /* one change at a time, of whichever file */

/* A user or realm: the file has a colon between them, and a line for each. */
static bool check_part(const char *what, const char *text)
{
    const char *at;

    for (at = text; (unsigned char)*at >= ' ' && *at != 0x7f && *at != ':'; at++)
        ;
    if (*at == '\0' && at > text && at - text <= MAX_NAME)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "%s %s; give 1 to %d bytes without a colon or control characters", what,
              *at != '\0' ? "has a colon or a control character" : at == text ? "is empty" : "is too long", MAX_NAME);
    return false;
}

static bool check_ha1(const char *ha1)
{
    if (strlen(ha1) == HA1_LENGTH && strspn(ha1, "0123456789abcdef") == HA1_LENGTH)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "ha1 is not an MD5 in %d lower-case hexadecimal digits", HA1_LENGTH);
    return false;
}

/* Whether a line of the file is that of the user in the realm. */
static bool is_line_of(const char *line, const char *domain, const char *user)
{
    size_t user_size = strlen(user), domain_size = strlen(domain);

    return strncmp(line, user, user_size) == 0 && line[user_size] == ':' &&
           strncmp(line + user_size + 1, domain, domain_size) == 0 && line[user_size + 1 + domain_size] == ':';
}

/* The file's new contents: its lines without the user's, comments and includes among them, and the new one. */
static bool edit(const char *file_name, const char *domain, const char *user, const char *ha1, struct text_buffer *text)
{
    FILE *file = fopen(file_name, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    bool ok = true;

    if (file == NULL && errno != ENOENT) {
        storing_set_error("cannot read", file_name);
        return false;
    }
    while (file != NULL && (length = getline(&line, &room, file)) >= 0) {
        if (is_line_of(line, domain, user))
            continue;
        text_append(text, line, (size_t)length);
        if (length > 0 && line[length - 1] != '\n')
            text_append_string(text, "\n");
    }
    free(line);
    if (file != NULL) {
        ok = ferror(file) == 0;
        if (!ok)
            storing_set_error("cannot read", file_name);
        fclose(file);
    }
    if (ok && ha1 != NULL)
        text_format(text, "%s:%s:%s\n", user, domain, ha1);
    if (ok && text->failed)
        error_set_no_memory();
    return ok && !text->failed;
}

/* Put the new contents in the place of the old ones at one go: who reads meanwhile has either. */
static bool replace(const char *file_name, const struct text_buffer *text)
{
    struct text_buffer part = {0};
    bool ok = false;
    int file;

    text_format(&part, "%s.XXXXXX", file_name);
    if (part.failed) {
        error_set_no_memory();
        return false;
    }
    file = mkostemp(part.bytes, O_CLOEXEC); /* only its owner may read it, as CivetWeb does it */
    if (file < 0) {
        storing_set_error("cannot make a file beside", file_name);
    } else {
        ok = write_all(file, text->bytes, text->size) && fsync(file) == 0;
        ok = close(file) == 0 && ok && rename(part.bytes, file_name) == 0;
        if (!ok) {
            storing_set_error("cannot write", file_name);
            unlink(part.bytes);
        }
    }
    text_free(&part);
    return ok;
}

int32_t rt_set_password_hash(const char *file_name, const char *domain, const char *user, const char *ha1)
{
    struct text_buffer text = {0};
    bool ok;

    if (!check_part("domain", domain) || !check_part("user", user) || (ha1 != NULL && !check_ha1(ha1)))
        return -1;
    pthread_mutex_lock(&files_mutex);
    ok = edit(file_name, domain, user, ha1, &text) && replace(file_name, &text);
    pthread_mutex_unlock(&files_mutex);
    text_free(&text);
    return ok ? 0 : -1;
}

int32_t rt_set_password(const char *file_name, const char *domain, const char *user, const char *password)
{
    char ha1[HA1_LENGTH + 1];

    if (password == NULL)
        return rt_set_password_hash(file_name, domain, user, NULL);
    if (password[0] == '\0') {
        error_set(AH_ERROR_INVALID_ARGUMENT, "password is empty; give null to take the user out of the file");
        return -1;
    }
    mg_md5(ha1, user, ":", domain, ":", password, NULL);
    return rt_set_password_hash(file_name, domain, user, ha1);
}

int32_t rt_check_authentication(struct connection *connection, const char *domain, const char *file_name)
{
    int result;

    if (!connection_in_request(connection))
        return -1;
    result = civetweb_check_password(connection->civetweb, domain, file_name);
    if (result < 0) {
        storing_set_error("cannot read", file_name);
        return -1;
    }
    connection_take_user(connection);
    return result;
}

/* Whether text can stand between quotes in a header. */
static bool check_realm(const char *domain)
{
    const char *at;

    for (at = domain; (unsigned char)*at >= ' ' && *at != 0x7f && *at != '"' && *at != '\\'; at++)
        ;
    if (*at == '\0' && at > domain && at - domain <= MAX_NAME)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "domain cannot be a realm; give 1 to %d bytes without quotes, backslashes and "
                                         "control characters", MAX_NAME);
    return false;
}

int32_t rt_send_authentication_request(struct connection *connection, const char *domain)
{
    char challenge[MAX_NAME + 100];

    if (!connection_in_request(connection) || (domain != NULL && !check_realm(domain)))
        return -1;
    if (domain == NULL)
        domain = civetweb_option(connection->civetweb, CIVETWEB_AUTHENTICATION_DOMAIN);
    if (rt_start_response(connection, 401) != 0)
        return -1;
    snprintf(challenge, sizeof challenge, "Digest realm=\"%s\", qop=\"auth\", algorithm=MD5, nonce=\"%" PRIu64 "\"", domain,
             civetweb_nonce(connection->civetweb));
    if (rt_add_response_header(connection, "WWW-Authenticate", challenge) != 0 ||
        rt_add_response_header(connection, "Cache-Control", "no-store") != 0 ||
        rt_add_response_header(connection, "Content-Length", "0") != 0)
        return -1;
    return rt_send_response_headers(connection);
}
