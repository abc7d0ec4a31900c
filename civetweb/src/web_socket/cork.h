/*
 * Sends that are put off: what a thread writes to many WebSockets until it has done, gathered into
 * one send for each.
 */
#ifndef AH_CORK_H
#define AH_CORK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct connection;

/* So many WebSockets at once; what is written to others goes out immediately. */
#define CORK_SIZE 256

struct cork {
    pthread_mutex_t mutex; /* guards all below, which another thread may flush */
    bool overdue;          /* nothing is put off any more */
    size_t count;
    void *handles[CORK_SIZE]; /* of connections whose sender is corked */
};

/* The calling thread puts off what it writes from now on, into a cork that it owns. */
void cork_begin(struct cork *cork);

/* The end of that: everything is sent. Nothing happens without a cork. */
void cork_end(void);

/* The cork's owner takes too long: send what there is, by another thread, and put off nothing more. */
void cork_flush(struct cork *cork);

/* A message of this size is about to be written; with the sender's mutex. If the calling thread has a
 * cork, the sender is corked. */
void cork_gather(struct connection *connection, size_t size);

#endif
