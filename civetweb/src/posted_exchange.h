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
    bool wants_body;       /* the worker is to read a part of the body */
    int64_t deadline;      /* and to give the client up if none comes by then (clock_now) */
    bool asked;            /* the client has been asked for the body, if it waited for that */
    bool body_is_here;     /* bytes of the body can be read without waiting */
    bool busy;             /* the worker uses CivetWeb's connection without the mutex: nobody else does */
    bool lost;             /* the client takes no more */
    bool lingers;          /* the worker sees by the socket when it is needed again; see posted_exchange.c */
    bool lent;             /* the loop watches the socket, and the worker sleeps; set and reset by the worker alone */
    bool called;           /* the worker is to take back what was lent: nobody else does anything with it any more */
    const char *refusal;   /* why the worker is to refuse the latest request, with `status`; or null */
    struct loop *loop;     /* that it was lent to, and will be; null: it has not been */
    int wake;              /* what it polls beside the socket; -1 before the first exchange */
    /* The client's address and port, and those that it has connected to, with spaces between them; the address of a
     * unix socket is empty. */
    char addresses[sizeof((ah_request_info *)0)->remote_addr + INET6_ADDRSTRLEN + 2 * sizeof "65535"];

    /* What the socket did not take, for the worker to write. If `gathered`, the end of an answer that was put off
     * (loop_put_off): whoever holds the mutex next, on the loop or the worker, sends it. */
    char *unsent;
    size_t unsent_size;
    bool gathered;
    size_t writing_size; /* of the bytes that the worker is writing now, no longer among the unsent */
};

void posted_exchange_init(struct posted_exchange *exchange);
void posted_exchange_free(struct posted_exchange *exchange);

/* The loop's handler: `events` have happened to the socket of a connection that may be lent to it. */
void posted_exchange_ready(ah_connection *handle, uint32_t events);

/* The loop's errand: send an answer that was put off, if it has not been sent. */
void posted_exchange_send(void *handle);

/* Of a connection whose WebSocket the program has still to decide about, on its worker: look whether the client is there,
 * if the program watches it. If not, the program is told, and false returned. */
bool posted_exchange_is_awaited(ah_connection *handle);

/* Leave it to the worker to refuse a request that has come on a lent connection, for the client may make who
 * answers wait. False: this is the worker. `reason` lives for ever. */
bool posted_exchange_refuse(struct connection *connection, int status, const char *reason);

#endif
