#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

void transport_open(struct transport *transport, int socket, SSL *tls)
{
    int on = 1;

    transport->socket = socket;
    transport->tls = tls;
    fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails for a unix socket, which has no delay */
    if (tls == NULL)
        return;
    SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* A stream may end without close_notify: only a Close frame says that nothing is missing, and what came before
     * the end can still be answered. */
    SSL_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

static ssize_t tls_result(SSL *tls, int result)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_LATER;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_CLOSED;
    default:
        return TRANSPORT_FAILED;
    }
}

static ssize_t socket_result(ssize_t result)
{
    if (result >= 0)
        return result;
    return errno == EAGAIN || errno == EWOULDBLOCK ? TRANSPORT_LATER : TRANSPORT_FAILED;
}

static int tls_size(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

ssize_t transport_read(struct transport *transport, void *buffer, size_t size)
{
    ssize_t result;

    if (transport->tls != NULL) {
        ERR_clear_error();
        return tls_result(transport->tls, SSL_read(transport->tls, buffer, tls_size(size)));
    }
    do
        result = recv(transport->socket, buffer, size, 0);
    while (result < 0 && errno == EINTR);
    return socket_result(result);
}

ssize_t transport_write(struct transport *transport, const struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    ssize_t result, total = 0;
    int i;

    if (transport->tls == NULL) {
        do /* send() where it does: it has less to look at */
            result = count == 1 ? send(transport->socket, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                                : sendmsg(transport->socket, &message, MSG_NOSIGNAL);
        while (result < 0 && errno == EINTR);
        return socket_result(result);
    }
    for (i = 0; i < count; i++) {
        if (pieces[i].iov_len == 0)
            continue;
        ERR_clear_error();
        result = tls_result(transport->tls,
                            SSL_write(transport->tls, pieces[i].iov_base, tls_size(pieces[i].iov_len)));
        if (result <= 0)
            return total > 0 ? total : result;
        total += result;
        if ((size_t)result < pieces[i].iov_len)
            break;
    }
    return total;
}

void transport_end(struct transport *transport)
{
    if (transport->tls != NULL) {
        ERR_clear_error();
        SSL_shutdown(transport->tls);
    }
    shutdown(transport->socket, SHUT_WR);
}

void transport_close(struct transport *transport)
{
    SSL_free(transport->tls);
    close(transport->socket);
}
