#include "cork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../connection.h"
#include "../handles.h"
#include "loop.h"
#include "web_socket.h"

/* So many WebSockets at once; what is written to others goes out immediately. */
#define CORK_SIZE 256

/* A message so long is not worth a copy: it is a send of its own. */
#define LEAST_ALONE 16384

struct cork {
    atomic_int users;
    pthread_mutex_t mutex; /* guards all below */
    const void *owner;     /* the thread that puts off, as its `current`; null: nothing is put off */
    int64_t since;         /* when the first of these came in */
    size_t count;
    void *handles[CORK_SIZE]; /* of connections whose sender is corked */
};

static _Thread_local struct cork *current;

struct cork *cork_new(void)
{
    struct cork *cork = malloc(sizeof *cork);

    if (cork == NULL)
        return NULL;
    atomic_init(&cork->users, 1);
    pthread_mutex_init(&cork->mutex, NULL);
    cork->owner = NULL;
    cork->count = 0;
    return cork;
}

struct cork *cork_retain(struct cork *cork)
{
    if (cork != NULL)
        atomic_fetch_add(&cork->users, 1);
    return cork;
}

void cork_release(struct cork *cork)
{
    if (cork == NULL || atomic_fetch_sub(&cork->users, 1) > 1)
        return;
    pthread_mutex_destroy(&cork->mutex);
    free(cork);
}

/* Take the handles out, to send without the cork's mutex: a writer has its sender's first. */
static size_t empty(struct cork *cork, void **handles)
{
    size_t count;

    pthread_mutex_lock(&cork->mutex);
    count = cork->count;
    memcpy(handles, cork->handles, count * sizeof *handles);
    cork->count = 0;
    cork->owner = NULL;
    pthread_mutex_unlock(&cork->mutex);
    return count;
}

static void uncork(void *handle)
{
    struct connection *connection = handle_pin(HANDLE_CONNECTION, handle);

    if (connection == NULL)
        return; /* it has ended, with everything sent that could be */
    web_socket_uncork(connection);
    handle_unpin(handle);
}

void cork_begin(struct cork *cork)
{
    current = cork;
    if (cork == NULL)
        return;
    pthread_mutex_lock(&cork->mutex);
    cork->owner = &current;
    pthread_mutex_unlock(&cork->mutex);
}

void cork_end(void)
{
    struct cork *cork = current;

    current = NULL;
    cork_flush(cork);
}

bool cork_leave(void)
{
    struct cork *cork = current;
    bool may_wait;

    current = NULL;
    if (cork == NULL)
        return true;
    pthread_mutex_lock(&cork->mutex);
    may_wait = cork->count == 0 || clock_now() - cork->since < LOOP_PATIENCE_MS;
    pthread_mutex_unlock(&cork->mutex);
    return may_wait;
}

void cork_flush(struct cork *cork)
{
    void *handles[CORK_SIZE];
    size_t count, i;

    if (cork == NULL)
        return;
    count = empty(cork, handles);
    for (i = 0; i < count; i++)
        uncork(handles[i]);
}

void cork_gather(struct connection *connection, size_t size)
{
    struct sender *sender = &connection->web_socket.sender;

    if (current == NULL)
        return;
    if (size >= LEAST_ALONE) {
        sender->corked = false;
        sender_flush(sender);
        return;
    }
    if (sender->corked)
        return;
    pthread_mutex_lock(&current->mutex);
    if (current->owner == &current && current->count < CORK_SIZE) {
        if (current->count == 0)
            current->since = clock_now();
        current->handles[current->count++] = connection->handle;
        sender->corked = true;
    }
    pthread_mutex_unlock(&current->mutex);
}
