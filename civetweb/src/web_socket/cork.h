/*
 * Sends that are put off: what a thread writes to many WebSockets until it has done, gathered into
 * one send for each.
 */
#ifndef AH_CORK_H
#define AH_CORK_H

#include <stdbool.h>
#include <stddef.h>

struct connection;

struct cork;

/* An empty one, with one user; NULL without memory. */
struct cork *cork_new(void);

/* One more user of a cork, which is returned; and one less. Null is left alone by both. Whoever is the last user has
 * seen to it that everything was sent. */
struct cork *cork_retain(struct cork *cork);
void cork_release(struct cork *cork);

/* The calling thread owns a cork from now on: it puts off what it writes. What others have put in stays. Without
 * a cork it puts off nothing. */
void cork_begin(struct cork *cork);

/* The end of that: everything is sent. Nothing happens without a cork. */
void cork_end(void);

/* The end of that, but what is in the cork stays for its next owner. False: it has been there for so long that it
 * is to be sent now. */
bool cork_leave(void);

/* Send what there is, by whatever thread, and have the owner put off nothing more. Nothing happens to null. */
void cork_flush(struct cork *cork);

/* A message of this size is about to be written; with the sender's mutex. If the calling thread has a
 * cork, the sender is corked. */
void cork_gather(struct connection *connection, size_t size);

#endif
