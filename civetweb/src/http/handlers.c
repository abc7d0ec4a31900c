#include "handlers.h"

#include <stdlib.h>
#include <string.h>

#include "../civetweb_internal.h"
#include "../connection.h"
#include "../errors.h"
#include "../server.h"
#include "response.h"
#include "runtime.h"

void handlers_init(struct handlers *handlers)
{
    pthread_mutex_init(&handlers->mutex, NULL);
    handlers->requests = handlers->authorizations = NULL;
}

static void handler_free(struct handler *handler)
{
    free(handler->uri);
    free(handler);
}

static void list_free(struct handler *handler)
{
    struct handler *next;

    for (; handler != NULL; handler = next) {
        next = handler->next;
        handler_free(handler);
    }
}

void handlers_free(struct handlers *handlers)
{
    list_free(handlers->requests);
    list_free(handlers->authorizations);
    pthread_mutex_destroy(&handlers->mutex);
}

/* With the mutex. */
static void let_go(struct handler *handler)
{
    if (--handler->users == 0)
        handler_free(handler);
}

/* Let go of a handler that find() has given. */
static void release(struct handlers *handlers, struct handler *handler)
{
    pthread_mutex_lock(&handlers->mutex);
    let_go(handler);
    pthread_mutex_unlock(&handlers->mutex);
}

/* Registration */

/* Put a handler into a list, in the place of the one that its URI had before. */
static void put(struct handlers *handlers, struct handler **list, struct handler *handler)
{
    struct handler **place, *before;

    pthread_mutex_lock(&handlers->mutex);
    for (place = list; *place != NULL && strcmp((*place)->uri, handler->uri) != 0; place = &(*place)->next)
        ;
    before = *place;
    handler->next = before != NULL ? before->next : NULL;
    *place = handler;
    if (before != NULL)
        let_go(before);
    pthread_mutex_unlock(&handlers->mutex);
}

static void take_away(struct handlers *handlers, struct handler **list, const char *uri)
{
    struct handler **place, *found;

    pthread_mutex_lock(&handlers->mutex);
    for (place = list; *place != NULL && strcmp((*place)->uri, uri) != 0; place = &(*place)->next)
        ;
    found = *place;
    if (found != NULL) {
        *place = found->next;
        let_go(found);
    }
    pthread_mutex_unlock(&handlers->mutex);
}

static void set(struct handlers *handlers, struct handler **list, const char *uri,
                int32_t (*callback)(ah_connection *, void *), void *user_data)
{
    struct handler *handler;

    if (uri[0] != '/' && uri[0] != '*') {
        error_set(AH_ERROR_INVALID_ARGUMENT, "the URI \"%s\" begins neither with a slash nor with a pattern; give a path "
                                             "such as \"/files\", or \"**.txt\"", uri);
        return;
    }
    if (callback == NULL) {
        take_away(handlers, list, uri);
        return;
    }
    handler = malloc(sizeof *handler);
    if (handler != NULL)
        *handler = (struct handler){.uri = strdup(uri), .callback = callback, .user_data = user_data, .users = 1};
    if (handler == NULL || handler->uri == NULL) {
        free(handler);
        error_set_no_memory();
        return;
    }
    put(handlers, list, handler);
}

void rt_set_request_handler(struct server *server, const char *uri, ah_request_handler_callback handler, void *user_data)
{
    set(&server->handlers, &server->handlers.requests, uri, handler, user_data);
}

void rt_set_auth_handler(struct server *server, const char *uri, ah_authorization_callback handler, void *user_data)
{
    set(&server->handlers, &server->handlers.authorizations, uri, handler, user_data);
}

/* Requests */

/* The handler that is meant by a path, for the request to use; null if there is none. That of the path itself
 * comes first, then that of the nearest folder above it, then the first pattern. */
static struct handler *find(struct handlers *handlers, struct handler *const *list, const char *path)
{
    struct handler *handler, *folder = NULL, *pattern = NULL, *found = NULL;
    size_t longest = 0;

    pthread_mutex_lock(&handlers->mutex);
    for (handler = *list; handler != NULL && found == NULL; handler = handler->next) {
        size_t length = strlen(handler->uri);

        if (strcmp(handler->uri, path) == 0) {
            found = handler;
        } else if (strncmp(handler->uri, path, length) == 0 &&
                   (path[length] == '/' || handler->uri[length - 1] == '/')) {
            if (length > longest) {
                folder = handler;
                longest = length;
            }
        } else if (pattern == NULL && civetweb_uri_matches(handler->uri, path)) {
            pattern = handler;
        }
    }
    if (found == NULL)
        found = folder != NULL ? folder : pattern;
    if (found != NULL)
        found->users++;
    pthread_mutex_unlock(&handlers->mutex);
    return found;
}

/* Call a handler that was found, and let go of it. */
static int32_t call(struct connection *connection, struct handler *handler)
{
    struct server *before;
    int32_t result;

    atomic_store(&connection->in_request, true);
    before = server_enter(connection->server);
    result = handler->callback(connection->handle, handler->user_data);
    server_leave(before);
    atomic_store(&connection->in_request, false);
    release(&connection->server->handlers, handler);
    return result;
}

bool handlers_have_authorizations(struct handlers *handlers)
{
    bool have;

    pthread_mutex_lock(&handlers->mutex);
    have = handlers->authorizations != NULL;
    pthread_mutex_unlock(&handlers->mutex);
    return have;
}

int handlers_authorize(struct connection *connection)
{
    struct handlers *handlers = &connection->server->handlers;
    struct handler *handler = find(handlers, &handlers->authorizations, connection->info.local_uri);

    if (handler == NULL)
        return 0;
    /* Whoever has answered has refused, too; what was started only is forgotten. */
    return response_settle(connection, call(connection, handler) == 1 ? 0 : 403);
}

int handlers_require_password(struct connection *connection)
{
    if (civetweb_is_authorized(connection->civetweb)) {
        connection_take_user(connection);
        return 0;
    }
    atomic_store(&connection->in_request, true);
    rt_send_authentication_request(connection, NULL);
    atomic_store(&connection->in_request, false);
    return response_settle(connection, 401);
}

int handlers_answer(struct connection *connection)
{
    struct handlers *handlers = &connection->server->handlers;
    struct handler *handler = find(handlers, &handlers->requests, connection->info.local_uri);
    int32_t status;

    if (handler == NULL)
        return 0;
    /* Who the user is, CivetWeb finds out before it answers itself; here it has not come to that yet. */
    status = handlers_require_password(connection);
    if (status != 0) {
        release(handlers, handler);
        return status;
    }
    return response_settle(connection, call(connection, handler));
}
