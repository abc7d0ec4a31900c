/* An HTTP request and its answer, for a program that does not wait: posted_exchange.c says how. */
#ifndef AH_POSTED_EXCHANGE_H
#define AH_POSTED_EXCHANGE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exchange of a connection: there is one at a time, between the worker's arrival in
 * ah_post_exchange and its return. */
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
    int wake;              /* what it polls beside the socket; -1 before the first exchange */
    char local_address[INET6_ADDRSTRLEN]; /* that the client has connected to; empty for a unix socket */

    /* What the socket did not take, for the worker to write. */
    char *unsent;
    size_t unsent_size;
    size_t writing_size; /* how much the worker has with it */
};

void posted_exchange_init(struct posted_exchange *exchange);
void posted_exchange_free(struct posted_exchange *exchange);

#endif
