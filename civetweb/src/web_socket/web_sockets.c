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

/* A tick that comes so late has been kept by callbacks that blocked all threads, or the process stood still: what
 * peers have sent meanwhile has not been read. */
#define STANDSTILL_MS (LOOP_TICK_MS * 4)

static void ping(struct connection *connection, int64_t now)
{
    struct web_socket *socket = &connection->web_socket;
    bool lost;

    pthread_mutex_lock(&socket->sender.mutex);
    if (socket->sender.state == SENDER_OPEN) {
        atomic_store(&socket->pinged_at, now);
        sender_frame(&socket->sender, OPCODE_PING, 0, NULL, 0);
    }
    lost = socket->sender.lost;
    pthread_mutex_unlock(&socket->sender.mutex);
    if (lost)
        web_socket_expire(connection);
}

/* Whether nothing is read of a connection, for its owner is in a callback or the program is behind with its mail. */
static bool is_held_up(const struct web_socket *socket)
{
    return (atomic_load(&socket->overdue) && (atomic_load(&socket->work) & WORK_BUSY)) ||
           atomic_load(&socket->mailbox.awaited);
}

/* Ping a peer of which nothing is read, and wait for no answer: where it has gone, that fails sooner or later. */
static void probe(struct connection *connection, int64_t now)
{
    struct web_socket *socket = &connection->web_socket;
    int interval = web_sockets_of(connection)->limits.ping_interval;

    if (interval == 0 || now - socket->probed_at < interval)
        return;
    socket->probed_at = now;
    ping(connection, now);
}

/* The time for which a peer waits for the program is not the peer's: it may have sent what nobody has read, a pong
 * for instance, or have nothing to send before it is answered. */
static void note_delay(struct connection *connection, int64_t now, bool stood_still)
{
    struct web_socket *socket = &connection->web_socket;
    bool held_up = is_held_up(socket);

    if (held_up)
        probe(connection, now);
    else
        socket->probed_at = now;
    if (held_up || stood_still)
        atomic_store_explicit(&socket->received_at, now, memory_order_relaxed);
    if (held_up || stood_still || atomic_load(&socket->mailbox.size) > 0 || atomic_load(&socket->mailbox.kept))
        socket->behind_at = now;
}

static void check_deadlines(struct connection *connection, int64_t now)
{
    const struct web_socket_limits *limits = &web_sockets_of(connection)->limits;
    struct web_socket *socket = &connection->web_socket;
    int64_t received = atomic_load_explicit(&socket->received_at, memory_order_relaxed);
    int64_t idle_since = received > socket->behind_at ? received : socket->behind_at;
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
    } else if (limits->idle_timeout > 0 && now - idle_since >= limits->idle_timeout) {
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
    bool stood_still;

    pthread_mutex_lock(&sockets->mutex);
    stood_still = now - sockets->looked_at > STANDSTILL_MS;
    sockets->looked_at = now;
    for (connection = sockets->first; connection != NULL; connection = connection->web_socket.next) {
        note_delay(connection, now, stood_still);
        check_deadlines(connection, now);
    }
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
