/* A WebSocket client as small as the tests of threads need it: blocking, without manners of its own. */
#ifndef CLIENT_H
#define CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

struct client {
    int socket;
};

static inline bool client_send(struct client *client, const void *data, size_t size)
{
    return send(client->socket, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static inline bool client_read(struct client *client, void *data, size_t size)
{
    return recv(client->socket, data, size, MSG_WAITALL) == (ssize_t)size;
}

static inline void client_leave(struct client *client)
{
    close(client->socket);
}

static inline void client_reset(struct client *client)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(client->socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(client->socket);
}

/* Connect to 127.0.0.1; false when nobody is there. Close the socket in either case. */
static inline bool client_connect(struct client *client, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = 3};

    client->socket = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(client->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return connect(client->socket, (struct sockaddr *)&to, sizeof to) == 0;
}

/* Connect and shake hands; false when the server does not want to, or has gone. */
static inline bool client_open(struct client *client, int port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char answer[2048];
    size_t size = 0;

    if (client_connect(client, port) && client_send(client, request, sizeof request - 1))
        while (size < sizeof answer - 1 && client_read(client, answer + size, 1)) {
            answer[++size] = '\0';
            if (size < 4 || memcmp(answer + size - 4, "\r\n\r\n", 4) != 0)
                continue;
            if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0)
                break;
            CHECK_HOLDS(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            return true;
        }
    client_leave(client);
    return false;
}

#define CLIENT_MAX_HEADER 14

/* Write a masked frame that begins with the byte `first` (RFC 6455, section 5.2); returns its size. */
static inline size_t client_frame(uint8_t *frame, int first, const void *data, size_t size)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t header = 2;

    frame[0] = (uint8_t)first;
    frame[1] = (uint8_t)(0x80 | (size < 126 ? size : size <= 0xFFFF ? 126 : 127));
    for (int i = size < 126 ? 0 : size <= 0xFFFF ? 2 : 8; i > 0; --i)
        frame[header++] = (uint8_t)((uint64_t)size >> 8 * (i - 1));
    memcpy(frame + header, mask, sizeof mask);
    header += sizeof mask;
    for (size_t i = 0; i < size; ++i)
        frame[header + i] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    return header + size;
}

/* Read a frame: its opcode, or -1 at the end of the stream or after seconds of nothing. Servers' frames are whole
 * and not masked; `size` is the room in `data` before and what has been read after. */
static inline int client_receive_frame(struct client *client, uint8_t *data, size_t *size)
{
    uint8_t header[10];
    size_t length;

    if (!client_read(client, header, 2))
        return -1;
    CHECK((header[0] & 0xF0) == 0x80 && !(header[1] & 0x80));
    length = header[1];
    if (length >= 126) {
        int bytes = length == 126 ? 2 : 8;
        if (!client_read(client, header + 2, (size_t)bytes))
            return -1;
        length = 0;
        for (int i = 0; i < bytes; ++i)
            length = length << 8 | header[2 + i];
    }
    CHECK(length <= *size);
    if (length > *size || !client_read(client, data, length))
        return -1;
    *size = length;
    return header[0] & 0x0F;
}

#endif
