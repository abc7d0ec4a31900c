#include "cork.h"

#include <string.h>

#include "../connection.h"
#include "../handles.h"
#include "web_socket.h"

/* A message so long is not worth a copy: it is a send of its own. */
#define LEAST_ALONE 16384

static _Thread_local struct cork *current;

/* Take the handles out, to send without the cork's mutex: a writer has its sender's first. */
static size_t empty(struct cork *cork, bool overdue, void **handles)
{
    size_t count;

    pthread_mutex_lock(&cork->mutex);
    count = cork->count;
    memcpy(handles, cork->handles, count * sizeof *handles);
    cork->count = 0;
    cork->overdue = overdue;
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
}

void cork_end(void)
{
    void *handles[CORK_SIZE];
    size_t count, i;

    if (current == NULL)
        return;
    count = empty(current, false, handles);
    current = NULL;
    for (i = 0; i < count; i++)
        uncork(handles[i]);
}

void cork_flush(struct cork *cork)
{
    void *handles[CORK_SIZE];
    size_t count = empty(cork, true, handles), i;

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
    if (!current->overdue && current->count < CORK_SIZE) {
        current->handles[current->count++] = connection->handle;
        sender->corked = true;
    }
    pthread_mutex_unlock(&current->mutex);
}
