#include "unix_sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "errors.h"

/* Whether a server accepts there: 0, or the error of connecting to it. */
static int try_to_connect(const struct sockaddr_un *address)
{
    int error = 0, client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (client < 0 || connect(client, (const struct sockaddr *)address, sizeof *address) != 0)
        error = errno;
    if (client >= 0)
        close(client);
    return error == EAGAIN ? 0 : error; /* its queue is full */
}

static bool check_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? strdup("/") : slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));
    int error = 0;

    if (folder == NULL) {
        error_set_no_memory();
        return false;
    }
    if (access(folder, W_OK | X_OK) != 0)
        error = errno;
    if (error != 0)
        error_set(error == EACCES ? AH_ERROR_ACCESS_DENIED : AH_ERROR_FILE_NOT_FOUND,
                  "no Unix socket can be made in \"%s\": %s; give a path in a folder that is there and that this user "
                  "may write to", folder, strerror(error));
    free(folder);
    return error == 0;
}

static bool make_room(const struct sockaddr_un *address)
{
    const char *path = address->sun_path;
    struct stat status;
    int error;

    if (lstat(path, &status) != 0)
        return check_folder(path);
    if (!S_ISSOCK(status.st_mode)) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "\"%s\" is there already and is no Unix socket; give another path, or move "
                                             "away what is there", path);
        return false;
    }
    error = try_to_connect(address);
    if (error == 0) {
        error_set(AH_ERROR_ADDRESS_IN_USE, "the Unix socket \"%s\" is in use; stop the program that listens there or "
                                           "give another path", path);
        return false;
    }
    if (error == ECONNREFUSED && unlink(path) != 0)
        error = errno;
    if (error == ECONNREFUSED || error == ENOENT)
        return true;
    error_set(error == EACCES || error == EPERM ? AH_ERROR_ACCESS_DENIED : AH_ERROR_ADDRESS_IN_USE,
              "the Unix socket \"%s\" is there already, and it cannot be told whether it is in use, or not be removed: "
              "%s; remove it if no program listens there", path, strerror(error));
    return false;
}

bool unix_sockets_make_room(const char *ports)
{
    static const char space[] = " \t";

    while (ports != NULL && *ports != '\0') {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *at = ports + strspn(ports, space), *end = ports + strcspn(ports, ",");

        ports = *end == ',' ? end + 1 : end;
        while (end > at && strchr(space, end[-1]) != NULL)
            end--;
        if (end == at || *at++ != 'x')
            continue;
        if (end == at || (size_t)(end - at) >= sizeof address.sun_path) {
            error_set(AH_ERROR_INVALID_ARGUMENT, "the path of a Unix socket has %zu bytes; give one with 1 to %zu",
                      (size_t)(end - at), sizeof address.sun_path - 1);
            return false;
        }
        memcpy(address.sun_path, at, (size_t)(end - at));
        if (!make_room(&address))
            return false;
    }
    return true;
}
