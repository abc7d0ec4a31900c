#define _GNU_SOURCE /* O_PATH */
#include "document_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../errors.h"

#define FOLLOW_SYMLINKS "follow_symlinks"
#define SERVE_HIDDEN "serve_hidden_files"
#define WELL_KNOWN ".well-known" /* RFC 8615: a folder of public files, in spite of its name */

static const char *const names[DOCUMENT_ROOT_OPTIONS] = {FOLLOW_SYMLINKS, SERVE_HIDDEN};

bool document_root_option(size_t index, struct option_info *option)
{
    if (index >= DOCUMENT_ROOT_OPTIONS)
        return false;
    *option = (struct option_info){names[index], "boolean", "no"};
    return true;
}

const char *document_root_value(const struct file_rules *rules, size_t index)
{
    const bool values[DOCUMENT_ROOT_OPTIONS] = {rules->follow_symlinks, rules->serve_hidden};

    return values[index] ? "yes" : "no";
}

static int open_beneath(int root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags,
        .mode = flags & O_CREAT ? 0666 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static bool can_open_beneath(void)
{
    int file = open_beneath(AT_FDCWD, ".", O_PATH | O_CLOEXEC);

    if (file < 0)
        return errno != ENOSYS && errno != EPERM && errno != EINVAL;
    close(file);
    return true;
}

bool document_root_take_rules(struct file_rules *rules, struct options *options)
{
    if (!options_take_flag(options, FOLLOW_SYMLINKS, &rules->follow_symlinks) ||
        !options_take_flag(options, SERVE_HIDDEN, &rules->serve_hidden))
        return false;
    if (rules->follow_symlinks || options_value(options, "document_root") == NULL || can_open_beneath())
        return true;
    error_set(AH_ERROR_SYSTEM, "this system cannot keep symbolic links from leading out of the \"document_root\" "
                               "(openat2 of Linux 5.6 is missing or forbidden); if none do, set \"" FOLLOW_SYMLINKS
                               "\" to \"yes\"");
    return false;
}

/* Whether a name in the path begins with a dot. */
static bool is_hidden(const char *path)
{
    const char *at;

    for (at = path; *at != '\0'; at += strcspn(at, "/")) {
        at += strspn(at, "/");
        if (*at != '.' || (at == path && strcmp(at, ".") == 0))
            continue;
        if (at == path && strncmp(at, WELL_KNOWN, strlen(WELL_KNOWN)) == 0 &&
            (at[strlen(WELL_KNOWN)] == '/' || at[strlen(WELL_KNOWN)] == '\0'))
            continue;
        return true;
    }
    return false;
}

int document_root_open(const struct file_rules *rules, const char *root, const char *path, int flags)
{
    int folder, file, error;

    path += strspn(path, "/");
    if (!rules->serve_hidden && is_hidden(path)) {
        errno = ENOENT;
        return -1;
    }
    folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    if (*path == '\0')
        path = ".";
    flags |= flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK;
    if (rules->follow_symlinks)
        file = openat(folder, path, flags, 0666);
    else
        file = open_beneath(folder, path, flags);
    error = errno;
    close(folder);
    errno = error;
    return file;
}
