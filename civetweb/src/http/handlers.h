/* Handlers of URIs: those that answer requests, and those that decide who may make them. */
#ifndef AH_HANDLERS_H
#define AH_HANDLERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "alusus_http/alusus_http.h"

struct connection;
struct server;

/* One registration. It is in a list, or a request uses it, or both: whoever is the last frees it. So a
 * request goes on with the handler that it began with, and nobody waits for anybody. */
struct handler {
    struct handler *next;
    char *uri;
    int32_t (*callback)(ah_connection *connection, void *user_data); /* both kinds have this type */
    void *user_data;
    size_t users; /* the list and each request; guarded by the mutex of its handlers */
};

struct handlers {
    pthread_mutex_t mutex;
    struct handler *requests;       /* in order of registration, each URI once */
    struct handler *authorizations; /* the same */
};

void handlers_init(struct handlers *handlers);
void handlers_free(struct handlers *handlers);

/* Ask the authorization handler for this request's URI. 0: the request goes on; else it has been refused and
 * answered, with this status. */
int handlers_authorize(struct connection *connection);

/* Whether there is any authorization handler, which may keep the thread that asks it waiting. */
bool handlers_have_authorizations(struct handlers *handlers);

/* Check the request against the password files. 0: it may go on; else its client has been asked for a password. */
int handlers_require_password(struct connection *connection);

/* Have the handler for this request's URI answer it. 0: there is none, or it leaves the request to the files. */
int handlers_answer(struct connection *connection);

#endif
