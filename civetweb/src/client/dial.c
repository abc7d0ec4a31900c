#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../errors.h"
#include "resolve.h"
#include "tls.h"

/* An address has this long before the next one is tried beside it (RFC 8305, section 5). */
#define HEAD_START_MS 250

#define MAX_ATTEMPTS 16

/* Connections to several addresses of a host on their way, of which the first one that is there wins. */
struct race {
    struct pollfd sockets[MAX_ATTEMPTS]; /* -1: has failed */
    int count;
    int error; /* of the last one that failed; 0: none has */
};

static bool start(struct race *race, int family, const struct sockaddr *address, socklen_t size)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (descriptor < 0) {
        race->error = errno;
        return false;
    }
    /* A unix socket whose server has no room says EAGAIN, and nothing would tell when it has. */
    if (connect(descriptor, address, size) != 0 && errno != EINPROGRESS) {
        race->error = errno;
        close(descriptor);
        return false;
    }
    race->sockets[race->count++] = (struct pollfd){descriptor, POLLOUT, 0};
    return true;
}

/* The socket that has connected, taken out of the race; -1 when none has. The failed ones leave it. */
static int winner(struct race *race)
{
    int i, won;

    for (i = 0; i < race->count; i++) {
        int error = 0;
        socklen_t size = sizeof error;

        if (race->sockets[i].fd < 0 || race->sockets[i].revents == 0)
            continue;
        won = race->sockets[i].fd;
        race->sockets[i].fd = -1;
        getsockopt(won, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0)
            return won;
        race->error = error;
        close(won);
    }
    return -1;
}

static bool is_on(const struct race *race)
{
    int i;

    for (i = 0; i < race->count; i++)
        if (race->sockets[i].fd >= 0)
            return true;
    return false;
}

static void end(struct race *race)
{
    int i;

    for (i = 0; i < race->count; i++)
        if (race->sockets[i].fd >= 0)
            close(race->sockets[i].fd);
}

/* Start with the next address that can be started with; false: that was the last one. */
static bool start_next(struct race *race, const struct addrinfo **next)
{
    bool started = false;

    while (*next != NULL && !started && race->count < MAX_ATTEMPTS) {
        started = start(race, (*next)->ai_family, (*next)->ai_addr, (*next)->ai_addrlen);
        *next = (*next)->ai_next;
    }
    return *next != NULL && race->count < MAX_ATTEMPTS;
}

/* The first socket that connects; -1 when all have failed, or none has for so long. */
static int await(struct race *race, const struct patience *patience, int64_t milliseconds)
{
    int won = -1;

    while (won < 0 && is_on(race) && patience_poll(patience, race->sockets, (nfds_t)race->count, milliseconds))
        won = winner(race);
    return won;
}

static int connect_to_any(const struct addrinfo *addresses, const struct url *url, const struct patience *patience)
{
    const struct addrinfo *next = addresses;
    struct race race = {.error = 0};
    int won = -1;

    while (won < 0 && !patience_is_over(patience)) {
        bool more = start_next(&race, &next);

        if (!more && !is_on(&race))
            break;
        won = await(&race, patience, more ? HEAD_START_MS : NO_OTHER_LIMIT);
    }
    end(&race);
    if (won >= 0)
        return won;
    if (is_on(&race) || race.error == 0)
        patience_error(patience, url->place, "connecting", "connect_timeout_ms");
    else
        error_set(AH_ERROR_CONNECT_FAILED, "cannot connect to %s: %s; check that the server runs there", url->place,
                  strerror(race.error));
    return -1;
}

static int connect_to_host(const struct url *url, const struct patience *patience)
{
    struct addrinfo *addresses = resolve(url, patience);
    int descriptor;

    if (addresses == NULL)
        return -1;
    descriptor = connect_to_any(addresses, url, patience);
    freeaddrinfo(addresses);
    return descriptor;
}

static int connect_to_socket(const struct url *url, const struct patience *patience)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct addrinfo only = {
        .ai_family = AF_UNIX,
        .ai_addr = (struct sockaddr *)&address,
        .ai_addrlen = sizeof address,
    };

    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", url->host);
    return connect_to_any(&only, url, patience);
}

bool dial(struct transport *transport, const struct url *url, SSL_CTX *tls, const struct patience *patience)
{
    int descriptor = url->at_socket ? connect_to_socket(url, patience) : connect_to_host(url, patience);

    if (descriptor < 0)
        return false;
    transport_open(transport, descriptor, NULL);
    if (!url->secure || tls_connect(transport, url, tls, patience))
        return true;
    transport_close(transport);
    return false;
}
