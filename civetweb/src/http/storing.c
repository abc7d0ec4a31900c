#define _GNU_SOURCE /* O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC */
#include "storing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../errors.h"

void storing_set_error(const char *what, const char *name)
{
    enum ah_error_code code = AH_ERROR_SYSTEM;

    if (errno == ENOENT || errno == ENOTDIR)
        code = AH_ERROR_FILE_NOT_FOUND;
    else if (errno == EACCES || errno == EPERM || errno == EROFS)
        code = AH_ERROR_ACCESS_DENIED;
    else if (errno == EEXIST || errno == ENAMETOOLONG)
        code = AH_ERROR_INVALID_ARGUMENT;
    error_set(code, "%s \"%s\": %s", what, name, strerror(errno));
}

static bool check_name(const char *name)
{
    if (name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "\"%s\" is no name for a file here; give one without a slash and without a dot "
                                         "at its beginning", name);
    return false;
}

bool storing_begin(struct storing *storing, const char *directory, const char *name)
{
    uint64_t number;

    if (!check_name(name))
        return false;
    storing->name = name;
    storing->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (storing->directory < 0) {
        storing_set_error("cannot open the directory", directory);
        return false;
    }
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint64_t)(uintptr_t)storing; /* the name is to be new, which O_EXCL sees to; it is no secret */
    snprintf(storing->part, sizeof storing->part, ".part-%016" PRIx64, number);
    storing->file = openat(storing->directory, storing->part,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (storing->file >= 0)
        return true;
    storing_set_error("cannot make a file in", directory);
    close(storing->directory);
    return false;
}

bool write_all(int file, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t count = write(file, at, size);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

bool storing_write(struct storing *storing, const void *data, size_t size)
{
    if (write_all(storing->file, data, size))
        return true;
    storing_set_error("cannot write", storing->name);
    return false;
}

bool storing_finish(struct storing *storing)
{
    int closed = close(storing->file); /* may be the one to say that the disk is full */
    bool ok = closed == 0 && linkat(storing->directory, storing->part, storing->directory, storing->name, 0) == 0;

    if (!ok)
        storing_set_error(closed == 0 ? "cannot store" : "cannot write", storing->name);
    unlinkat(storing->directory, storing->part, 0);
    close(storing->directory);
    return ok;
}

void storing_abandon(struct storing *storing)
{
    close(storing->file);
    unlinkat(storing->directory, storing->part, 0);
    close(storing->directory);
}
