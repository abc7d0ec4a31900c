#include "stream.h"

#include <openssl/ssl.h>
#include <poll.h>

#include "../clock.h"

bool stream_wait(const struct transport *transport, short events, const struct patience *patience)
{
    struct pollfd socket = {transport->socket, events, 0};

    if (transport->tls != NULL)
        socket.events = SSL_want_write(transport->tls) ? POLLOUT : POLLIN;
    return patience_poll(patience, &socket, 1, NO_OTHER_LIMIT);
}

ssize_t stream_read(struct transport *transport, void *buffer, size_t size, const struct patience *patience)
{
    ssize_t count;

    while ((count = transport_read(transport, buffer, size)) == TRANSPORT_LATER)
        if (!stream_wait(transport, POLLIN, patience))
            break;
    return count;
}

ssize_t stream_write(struct transport *transport, const void *data, size_t size, const struct patience *patience)
{
    struct iovec piece = {(void *)data, size};
    ssize_t count;

    while (piece.iov_len > 0) {
        count = transport_write(transport, &piece, 1);
        if (count == TRANSPORT_LATER && !stream_wait(transport, POLLOUT, patience))
            return TRANSPORT_LATER;
        if (count == TRANSPORT_FAILED || count == TRANSPORT_CLOSED)
            return TRANSPORT_FAILED;
        if (count > 0) {
            piece.iov_base = (char *)piece.iov_base + count;
            piece.iov_len -= (size_t)count;
        }
    }
    return 1;
}
