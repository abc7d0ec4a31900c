/*
 * A WebSocket: what a connection becomes once it has been upgraded.
 *
 * CivetWeb's worker has read the request and decided that it may; from there on the socket is the
 * loop's. Its receiving half runs on one thread at a time, the owner: whoever sets WORK_BUSY. The
 * sending half is open to any thread.
 */
#ifndef AH_WEB_SOCKET_H
#define AH_WEB_SOCKET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../events/events.h"
#include "groups.h"
#include "receiver.h"
#include "routes.h"
#include "sender.h"

struct connection;
struct loop;

/* What is to be done for a connection, and whether somebody is at it. */
enum work {
    WORK_BUSY = 1,
    WORK_READ = 2,  /* the socket may have bytes */
    WORK_WRITE = 4, /* the socket may take bytes */
    WORK_END = 8,   /* the peer may have sent its last byte: read until that shows */
    WORK_FLUSH = 16, /* frames have been gathered: nothing but sending them; a wake-up is on its way for it */
};

/* What the connect callback has said about the answer 101. The worker's, and while it waits for the
 * callback that one's. */
struct web_socket_answer {
    bool open;         /* the callback is being asked */
    atomic_bool watched; /* it is to be told when the client goes meanwhile: ah_exchange_watch() */
    char *subprotocol; /* instead of the one that the route's list gives; or null */
    char *headers;     /* more lines, each with its end; or null */
};

struct web_socket {
    const struct web_socket_route *route;
    struct web_socket_route *own_route; /* the same one, if it is for this connection alone: a client's */
    struct loop *loop; /* that has the socket: the server's, or that of the queue for which there is mail */
    const char *subprotocol; /* the agreed one, a string of the route or of the answer; or null */
    struct web_socket_answer answer;
    struct connection *previous, *next; /* in web_sockets.first, under its mutex */
    struct membership membership; /* under the lock of web_sockets.groups */
    atomic_uint work;
    atomic_bool scheduled; /* a wake-up is on its way at which all is to be looked at, not WORK_FLUSH alone */

    /* The owner's. */
    struct receiver receiver;
    struct inflater *inflater;
    uint8_t *early; /* what the client sent together with its request */
    size_t early_size;
    int64_t begun_at;   /* when what the receiver is amid began to arrive, by clock_now(); 0: it is at rest */
    uint64_t begun_size; /* bytes that have come since */
    bool announced; /* the ready callback has run */
    bool peer_ended;
    bool holds_last; /* what is read last has come; it is handled when the messages before it are answered */
    struct message held_close;        /* a Close frame, */
    struct receive_error held_error;  /* or bytes that break the rules; code 0: not these */
    bool closed_by_peer; /* a Close frame has come */
    bool ended; /* the close callback has begun; to other threads, sender.state says so */

    struct sender sender;
    struct mailbox mailbox;

    /* Anybody's: milliseconds of clock_now(). */
    _Atomic int64_t received_at; /* the last bytes, or later: when it was last seen that none could be read */
    _Atomic int64_t pinged_at;   /* the ping that waits for an answer; 0: none does */
    _Atomic int64_t message_until; /* when a message that has begun has taken too long; 0: none has */
    _Atomic int64_t close_until; /* when a closing handshake is given up; 0: none has begun */
    atomic_bool expired;         /* given up, out of time for instance */
    atomic_bool overdue;         /* the owner is in a callback that blocks, or was: nothing is put off for it */

    /* The tick's. */
    int64_t behind_at; /* when it was last seen that the program, not the peer, was waited for */
    int64_t probed_at; /* when it was last seen that it is read, or was pinged though it is not */
};

/* Answer a request for an upgrade that breaks the rules of the handshake. Returns the status that was
 * sent, 0 for a request that is in order. On the worker. */
int web_socket_refuse(struct connection *connection);

/* Answer a request for an upgrade that has no handler. Returns the status that was sent. */
int web_socket_miss(struct connection *connection);

/* Ask the handler's connect callback and open the WebSocket, or answer why not. Returns the status that was sent. On the
 * worker; what `connection` points to is not the worker's any more when this returns 101. */
int web_socket_open(struct connection *connection, const struct web_socket_route *route);

/* The WebSocket part of a connection, which every connection has, for any may be upgraded. */
void web_socket_init(struct web_socket *socket);
void web_socket_free(struct web_socket *socket);

/* Keep a copy of bytes that have come behind the handshake. False: out of memory. */
bool web_socket_keep_early(struct web_socket *socket, const void *bytes, size_t size);

/* Begin a WebSocket that has its route, its place among the others (web_sockets_enter) and what it
 * needs for compression: it takes over the socket (and its TLS), sends the `first` bytes, and lives on the
 * loop from then on. What `connection` points to is not the caller's any more. */
void web_socket_begin(struct connection *connection, int descriptor, SSL *tls, const void *first, size_t size);

/* Send a Close frame, unless one has been sent: with the sender's mutex, as sender_close(), and without it. */
void web_socket_begin_close(struct connection *connection, const void *payload, size_t size, size_t sent);
void web_socket_close(struct connection *connection, enum close_code code, const char *reason);

/* Close it because its server or client is being stopped. */
void web_socket_say_goodbye(struct connection *connection);

/* Have the owner look at the connection soon. */
void web_socket_schedule(struct connection *connection);

/* Have the loop send what is queued when it has handled what it has at hand. False: out of memory. */
bool web_socket_schedule_flush(struct connection *connection);

/* Give the connection up: it ends without a closing handshake. */
void web_socket_expire(struct connection *connection);

/* Send what was gathered, and gather nothing more. */
void web_socket_uncork(struct connection *connection);

/* The handlers of the server's loop (loop.h), and that of a polled one. */
void web_socket_ready(void *handle, uint32_t events);
void web_socket_overdue(void *handle);
void web_socket_ready_polled(void *handle, uint32_t events);

#endif
