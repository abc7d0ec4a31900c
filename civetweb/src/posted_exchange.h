/* HTTP requests and their answers, for a program that does not wait: posted_exchange.c says how. */
#ifndef AH_POSTED_EXCHANGE_H
#define AH_POSTED_EXCHANGE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alusus_http/alusus_http.h"

struct connection;
struct loop;

/* The exchange of a connection: there is one at a time. Between the worker's arrival in ah_post_exchange and
 * its return one may follow the other. */
struct posted_exchange {
    pthread_mutex_t mutex; /* guards all below, and CivetWeb's connection while `open` */
    uint64_t number;       /* of the latest one, from 1: a late call for an older one is refused */
    bool open;             /* the worker is there */
    bool answered;         /* the program has written the end of the answer */
    int32_t status;        /* of the answer, for the log */
    bool wants_body;       /* the worker is to read, */
    int64_t deadline;      /* until when, by clock_now() */
    bool asked;            /* a client that waits to be asked for the body has been */
    bool body_is_here;     /* and can do so without waiting */
    bool busy;             /* the worker uses CivetWeb's connection without the mutex: nobody else does */
    bool lost;             /* the client takes no more */
    bool lingers;          /* the worker sees by the socket when it is needed again; see posted_exchange.c */
    bool lent;             /* the loop has the connection, and the worker waits; set and reset by the worker alone */
    bool called;           /* the worker is wanted: nobody else does anything more with what was lent */
    const char *refusal;   /* why the worker is to refuse the latest request, with `status`; or null */
    struct loop *loop;     /* that it was lent to, and will be; null: it has not been */
    int wake;              /* what it polls beside the socket; -1 before the first exchange */
    /* The client's address and port, and those that it has connected to, with spaces between them; the address of a
     * unix socket is empty. */
    char addresses[sizeof((ah_request_info *)0)->remote_addr + INET6_ADDRSTRLEN + 2 * sizeof "65535"];

    /* What the socket did not take, for the worker to write; or the end of an answer that is put off. */
    char *unsent;
    size_t unsent_size;
    bool gathered; /* the latter: the connection is lent, the worker not called, and the first who looks sends it */
    size_t writing_size; /* how much the worker has with it */
};

void posted_exchange_init(struct posted_exchange *exchange);
void posted_exchange_free(struct posted_exchange *exchange);

/* The loop's handler: `events` have happened to the socket of a connection that may be lent to it. */
void posted_exchange_ready(ah_connection *handle, uint32_t events);

/* The loop's errand: send an answer that was put off, if it has not been sent. */
void posted_exchange_send(void *handle);

/* Leave it to the worker to refuse a request that has come on a lent connection, for the client may make who
 * answers wait. False: this is the worker. `reason` lives for ever. */
bool posted_exchange_refuse(struct connection *connection, int status, const char *reason);

#endif
