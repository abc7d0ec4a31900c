/* A client's connection, from accept to close. */
#ifndef AH_CONNECTION_H
#define AH_CONNECTION_H

#include <stdatomic.h>
#include <stdint.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"
#include "http/form.h"
#include "http/response.h"
#include "http/sent_framing.h"
#include "posted_exchange.h"
#include "server.h"
#include "web_socket/web_socket.h"

struct exchange;
struct reply;
struct tls_facts;

struct connection {
    ah_connection *handle;
    struct server *server;
    struct mg_connection *civetweb; /* null once the socket has left CivetWeb */
    void *user_data;                /* what initConnection or setConnectionData left: RequestInfo.connData */

    /* A request is being answered: the only time at which a program may read its body or write. */
    atomic_bool in_request;
    atomic_bool in_flight; /* the request is one of the server's `in_flight` */

    int64_t opened_at; /* by clock_now() */
    _Atomic int64_t requests, bytes_read, bytes_written; /* of the requests that have been answered */
    struct tls_facts *tls; /* null without TLS */

    /* The current request, or the last one. The strings are in `strings`, one block of our own, for
     * CivetWeb's move and end at moments of its own. Both are replaced when the next request begins,
     * under the mutex, for a call from another thread may be looking at them. */
    pthread_mutex_t request_mutex;
    ah_request_info info;
    char *strings;
    char *user; /* RequestInfo.remoteUser, which is found out while the request is answered */

    bool continued; /* the client has been told to send the body that it announced (RFC 9110, section 10.1.1) */
    int unreadable; /* why the body cannot be read to its end, as civetweb_read has said; 0: nothing is known against it */
    struct response response;
    struct sent_framing sent_framing; /* of the answer that is being sent; counted for an access log only */
    struct form *form; /* the request's, or null: nobody has asked for it */

    /* Where the next chunk of the body begins, among the bytes behind the head; civetweb_unity.c keeps count. */
    int64_t chunk_start;
    /* What another server has answered, if this is a client's connection; else null. */
    struct reply *reply;
    struct exchange *exchange; /* what it does as an HTTP client; else null */

    struct posted_exchange posted_exchange;
    struct web_socket web_socket;
};

/* Begin a connection that CivetWeb has accepted, or a client has opened (then `civetweb` is null); `tls` is null without
 * TLS. NULL when out of memory. */
struct connection *connection_open(struct server *server, struct mg_connection *civetweb, const SSL *tls);

/* The connection of CivetWeb's one; NULL before it is opened and after it is closed. */
struct connection *connection_of(const struct mg_connection *civetweb);

/* End it: its handle ends, calls that use it are waited for, its memory is freed. */
void connection_close(struct connection *connection);

/* Free the memory of one whose handle has ended and been released. */
void connection_free(struct connection *connection);

/* The same for one that has left CivetWeb, with the callbacks that CivetWeb would have called. */
void connection_end(struct connection *connection);

/* Count a request that has been answered. */
void connection_count_request(struct connection *connection, int64_t received, int64_t sent);

/* The request that CivetWeb has read is in flight, until it is answered or has become a WebSocket. Whoever gets to know
 * of its end first tells. */
void connection_begin_request(struct connection *connection);
void connection_end_request(struct connection *connection);

/* Copy the request that CivetWeb has read. False when out of memory: there is no request then. */
bool connection_take_request(struct connection *connection);

/* A request has come that CivetWeb could not read: there is none then, not even the last one. */
void connection_forget_request(struct connection *connection);

/* Learn from CivetWeb who the user is, which it has just found out. */
void connection_take_user(struct connection *connection);

/* Whether a request is being answered, or else the error is set. */
bool connection_in_request(const struct connection *connection);

/* The version of HTTP in the request, such as "1.1"; that of one that could not be read is "1.0". */
const char *connection_http_version(const struct connection *connection);

#endif
