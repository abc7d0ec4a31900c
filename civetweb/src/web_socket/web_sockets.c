#include "web_sockets.h"

#include <stdlib.h>

#include "../clock.h"
#include "../connection.h"
#include "../events/events.h"
#include "../server.h"
#include "frame.h"
#include "loop.h"

struct web_sockets *web_sockets_of(const struct connection *connection)
{
    return &connection->server->web_sockets;
}

/* Time */

static void ping(struct connection *connection, int64_t now)
{
    struct web_socket *socket = &connection->web_socket;

    pthread_mutex_lock(&socket->sender.mutex);
    if (socket->sender.state == SENDER_OPEN) {
        atomic_store(&socket->pinged_at, now);
        sender_frame(&socket->sender, OPCODE_PING, 0, NULL, 0);
    }
    pthread_mutex_unlock(&socket->sender.mutex);
}

static void check_deadlines(struct connection *connection, int64_t now)
{
    const struct web_socket_limits *limits = &web_sockets_of(connection)->limits;
    struct web_socket *socket = &connection->web_socket;
    int64_t received = atomic_load_explicit(&socket->received_at, memory_order_relaxed);
    int64_t pinged = atomic_load(&socket->pinged_at);
    int64_t message_until = atomic_load_explicit(&socket->message_until, memory_order_relaxed);
    int64_t close_until = atomic_load(&socket->close_until);

    if (atomic_load(&socket->expired)) {
        web_socket_schedule(connection); /* again: there may have been no memory for it */
    } else if (close_until != 0 && now >= close_until) {
        web_socket_expire(connection);
    } else if (close_until != 0) {
        return;
    } else if (message_until != 0 && now >= message_until) {
        web_socket_close(connection, CLOSE_POLICY_VIOLATION, "the message takes too long");
    } else if (pinged > received) {
        if (now - pinged >= limits->ping_timeout)
            web_socket_expire(connection);
    } else if (limits->idle_timeout > 0 && now - received >= limits->idle_timeout) {
        web_socket_close(connection, CLOSE_GOING_AWAY, "idle");
    } else if (limits->ping_interval > 0 && now - received >= limits->ping_interval) {
        ping(connection, now);
    }
}

static void tick(void *context)
{
    struct web_sockets *sockets = context;
    struct connection *connection;
    int64_t now = clock_now();

    pthread_mutex_lock(&sockets->mutex);
    for (connection = sockets->first; connection != NULL; connection = connection->web_socket.next)
        check_deadlines(connection, now);
    pthread_mutex_unlock(&sockets->mutex);
}

/* Start and stop */

void web_sockets_init(struct web_sockets *sockets)
{
    groups_init(&sockets->groups);
    pthread_mutex_init(&sockets->mutex, NULL);
    clock_condition(&sockets->ended);
}

void web_sockets_free(struct web_sockets *sockets)
{
    struct polled_loop *polled;

    loop_release(sockets->loop);
    while ((polled = sockets->polled_loops) != NULL) {
        sockets->polled_loops = polled->next;
        loop_release(polled->loop);
        free(polled);
    }
    groups_free(&sockets->groups);
    pthread_cond_destroy(&sockets->ended);
    pthread_mutex_destroy(&sockets->mutex);
    free(sockets->limits.origins);
}

struct loop *web_sockets_polled_loop(struct web_sockets *sockets, const void *user_data)
{
    struct loop *loop = events_loop(user_data);
    struct polled_loop *polled;

    if (loop == NULL)
        return NULL;
    pthread_mutex_lock(&sockets->mutex);
    for (polled = sockets->polled_loops; polled != NULL && polled->loop != loop; polled = polled->next)
        ;
    if (polled != NULL) {
        loop_release(loop); /* retained already */
    } else if ((polled = malloc(sizeof *polled)) != NULL) {
        *polled = (struct polled_loop){loop, sockets->polled_loops};
        sockets->polled_loops = polled;
    } else {
        loop_release(loop);
        loop = NULL;
    }
    pthread_mutex_unlock(&sockets->mutex);
    return loop;
}

bool web_sockets_start(struct web_sockets *sockets)
{
    const struct loop_handlers handlers = {
        .ready = web_socket_ready,
        .overdue = web_socket_overdue,
        .tick = tick,
        .context = sockets,
    };
    bool started;

    pthread_mutex_lock(&sockets->mutex);
    if (sockets->loop == NULL)
        sockets->loop = loop_start(sockets->limits.threads, &handlers);
    started = sockets->loop != NULL;
    pthread_mutex_unlock(&sockets->mutex);
    return started;
}

bool web_sockets_enter(struct web_sockets *sockets)
{
    bool free_place;

    pthread_mutex_lock(&sockets->mutex);
    free_place = !sockets->stopping && sockets->count < sockets->limits.max_connections;
    if (free_place)
        sockets->count++;
    pthread_mutex_unlock(&sockets->mutex);
    return free_place;
}

void web_sockets_leave(struct web_sockets *sockets)
{
    pthread_mutex_lock(&sockets->mutex);
    sockets->count--;
    pthread_cond_broadcast(&sockets->ended);
    pthread_mutex_unlock(&sockets->mutex);
}

static void wait_for_ends(struct web_sockets *sockets, int milliseconds)
{
    struct timespec deadline = clock_after(milliseconds);

    while (sockets->count > 0 && pthread_cond_timedwait(&sockets->ended, &sockets->mutex, &deadline) == 0)
        ;
}

bool web_sockets_are_stopping(struct web_sockets *sockets)
{
    bool stopping;

    pthread_mutex_lock(&sockets->mutex);
    stopping = sockets->stopping;
    pthread_mutex_unlock(&sockets->mutex);
    return stopping;
}

void web_sockets_stop(struct web_sockets *sockets)
{
    struct connection *connection;

    pthread_mutex_lock(&sockets->mutex);
    sockets->stopping = true;
    for (connection = sockets->first; connection != NULL; connection = connection->web_socket.next)
        web_socket_say_goodbye(connection);
    wait_for_ends(sockets, sockets->limits.close_timeout);
    for (connection = sockets->first; connection != NULL; connection = connection->web_socket.next)
        web_socket_expire(connection);
    while (sockets->count > 0)
        pthread_cond_wait(&sockets->ended, &sockets->mutex);
    pthread_mutex_unlock(&sockets->mutex);
}
