/* A connected, non-blocking stream: a socket, or TLS on one. */
#ifndef AH_TRANSPORT_H
#define AH_TRANSPORT_H

#include <openssl/types.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport {
    int socket;
    SSL *tls; /* null without TLS; used by one thread at a time */
};

/* What reading and writing return besides a number of bytes. */
#define TRANSPORT_CLOSED 0   /* the peer has ended its side */
#define TRANSPORT_FAILED (-1) /* the connection is lost */
#define TRANSPORT_LATER (-2) /* nothing now: try again when the socket is ready */

/* Take over a socket (and its TLS), which becomes the transport's own. */
void transport_open(struct transport *transport, int socket, SSL *tls);

ssize_t transport_read(struct transport *transport, void *buffer, size_t size);

/* Write from one or two pieces of memory. */
ssize_t transport_write(struct transport *transport, const struct iovec *pieces, int count);

/* Send what says "no more from this side" (RFC 6455, section 7.1.1). Reading goes on. */
void transport_end(struct transport *transport);

void transport_close(struct transport *transport);

#endif
