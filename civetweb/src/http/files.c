/* Files as answers. */
#include <string.h>
#include <sys/stat.h>

#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "fields.h"
#include "response.h"
#include "runtime.h"

/* Whether a path goes up behind a name, out of the folder that the program has put at its beginning. A program's
 * own "../pages" is what it says. */
static bool goes_back(const char *path)
{
    bool named = path[0] == '/';

    while (*path != '\0') {
        size_t length = strcspn(path, "/");

        if (length == 2 && path[0] == '.' && path[1] == '.') {
            if (named)
                return true;
        } else if (length > 0 && !(length == 1 && path[0] == '.')) {
            named = true;
        }
        path += length + (path[length] == '/');
    }
    return false;
}

void rt_send_file_of_type(struct connection *connection, const char *file_name, const char *mime)
{
    struct stat info;

    if (!connection_in_request(connection) || (mime != NULL && !field_value_check("Content-Type", mime)))
        return;
    if (connection->response.state != RESPONSE_NONE) {
        error_set(AH_ERROR_WRONG_STATE, "an answer has been started already; sendFile sends a whole one");
        return;
    }
    if (goes_back(file_name) || stat(file_name, &info) != 0 || !S_ISREG(info.st_mode)) {
        rt_send_error(connection, 404, "there is no such file");
        return;
    }
    civetweb_send_named_file(connection->civetweb, file_name, mime);
    connection->response.state = RESPONSE_DONE;
}

void rt_send_file(struct connection *connection, const char *file_name)
{
    rt_send_file_of_type(connection, file_name, NULL);
}
