#include "option_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "civetweb_internal.h"
#include "errors.h"
#include "log_listener.h"
#include "option_list.h"

#define ROOT "document_root"
#define PROTECTED "protect_uri"
#define ERROR_PAGES "error_pages"

static enum ah_error_code code_of(int error)
{
    return error == EACCES ? AH_ERROR_ACCESS_DENIED : AH_ERROR_FILE_NOT_FOUND;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool option_paths_check_readable(const struct options *options, const char *name)
{
    const char *path = options_value(options, name);

    if (path == NULL || access(path, R_OK) == 0)
        return true;
    error_set(code_of(errno), "option \"%s\" names \"%s\", which cannot be read: %s; give the path of a readable file", name,
              path, strerror(errno));
    return false;
}

static bool check_folder(const struct options *options, const char *name)
{
    const char *path = options_value(options, name);

    if (!option_paths_check_readable(options, name))
        return false;
    if (path == NULL || is_folder(path))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" names \"%s\", which is no folder; give the path of one", name, path);
    return false;
}

/* Whether lines can be appended to a file, which is made if it is not there. */
static int try_to_append(const char *path)
{
    char *copy, *slash;
    int error;

    if (access(path, W_OK) == 0)
        return is_folder(path) ? EISDIR : 0;
    if (errno != ENOENT)
        return errno;
    copy = strdup(path);
    if (copy == NULL)
        return ENOMEM;
    slash = strrchr(copy, '/');
    if (slash != NULL)
        slash[slash == copy] = '\0';
    error = access(slash == NULL ? "." : copy, W_OK | X_OK) == 0 ? 0 : errno;
    free(copy);
    return error;
}

static bool check_log(const struct options *options, const char *name)
{
    const char *path = options_value(options, name);
    int error = path == NULL ? 0 : try_to_append(path);

    if (error == 0)
        return true;
    error_set(code_of(error), "option \"%s\" names \"%s\", which cannot be written: %s; give the path of a file in a folder "
                              "that is there and that this user may write to", name, path, strerror(error));
    return false;
}

/* Pages of errors have the value of the option at the beginning of their paths. */
static bool check_error_pages(const struct options *options)
{
    const char *path = options_value(options, ERROR_PAGES);

    if (path == NULL || *path == '\0' || (is_folder(path) && path[strlen(path) - 1] == '/'))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"" ERROR_PAGES "\" is \"%s\"; give the folder of the pages, with a slash "
                                         "at its end", path);
    return false;
}

/* A script's interpreter. A relative path begins in the script's folder. */
static bool check_program(const struct options *options, const char *name)
{
    const char *path = options_value(options, name);

    if (path == NULL || *path != '/' || (access(path, X_OK) == 0 && !is_folder(path)))
        return true;
    error_set(code_of(errno), "option \"%s\" names \"%s\", which cannot be run; give the path of a program", name, path);
    return false;
}

static bool check_root(const struct options *options)
{
    const char *path = options_value(options, ROOT);

    if (path == NULL || access(path, F_OK) != 0 || is_folder(path))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"" ROOT "\" names \"%s\", which is no folder; give that of the files to "
                                         "serve", path);
    return false;
}

/* One of the URI=FILE of a list; CivetWeb lets everybody in where it cannot read the file. */
static bool check_protected(const char *name, const char *entry)
{
    const char *equals = strchr(entry, '=');

    if (*entry != '/' || equals == NULL)
        error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" has \"%s\"; give a list of URI=FILE, such as "
                                             "\"/private=/etc/passwords\"", name, entry);
    else if (access(equals + 1, R_OK) != 0)
        error_set(code_of(errno), "option \"%s\" has \"%s\", whose file cannot be read: %s; give the path of a readable "
                                  "file of passwords", name, entry, strerror(errno));
    else
        return true;
    return false;
}

static bool check_all_protected(const struct options *options)
{
    const char *list = options_value(options, PROTECTED);

    return list == NULL || option_list_check(PROTECTED, list, check_protected);
}

bool option_paths_check(const struct options *options)
{
    return option_paths_check_readable(options, "ssl_certificate") &&
           option_paths_check_readable(options, "ssl_certificate_chain") &&
           option_paths_check_readable(options, "ssl_ca_file") && check_folder(options, "ssl_ca_path") &&
           check_folder(options, "websocket_root") &&
           option_paths_check_readable(options, "global_auth_file") &&
           option_paths_check_readable(options, "put_delete_auth_file") && check_all_protected(options) &&
           check_log(options, "access_log_file") && check_log(options, "error_log_file") && check_root(options) &&
           check_error_pages(options) && check_program(options, "cgi_interpreter") &&
           check_program(options, "cgi2_interpreter");
}

void option_paths_tell_missing_root(const struct options *options, struct mg_context *civetweb)
{
    const char *path = options_value(options, ROOT);
    char text[LOG_TEXT];

    if (path == NULL || access(path, F_OK) == 0)
        return;
    snprintf(text, sizeof text, "option \"" ROOT "\" names \"%s\": %s; requests for its files get 404 while it is not there",
             path, strerror(errno));
    civetweb_log(civetweb, text);
}
