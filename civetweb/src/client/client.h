/* A client: the connections that a program opens to other servers. */
#ifndef AH_CLIENT_H
#define AH_CLIENT_H

#include <openssl/types.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../server.h"

struct connection;

struct client {
    /* What its connections belong to: a server that listens nowhere and has no callbacks, for its
     * WebSockets with their limits, loop and groups. */
    struct server server;

    int connect_timeout; /* milliseconds, as below */
    int request_timeout;
    bool verifies; /* the certificates of servers */
    SSL_CTX *tls;  /* made when it is needed, under server.mutex */
    atomic_bool stopping;

    struct connection *first; /* of those with an exchange; under server.mutex */
    pthread_cond_t left;      /* one of them has been taken out */
};

/* What TLS connections share; NULL, with the error set, when it cannot be made. */
SSL_CTX *client_tls(struct client *client);

#endif
