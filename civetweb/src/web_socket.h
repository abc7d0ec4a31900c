/*
 * WebSockets on CivetWeb's threads: its frames in, whole messages out.
 *
 * CivetWeb hands over the raw first byte of each frame, neither joins fragments nor answers pings
 * and closes without a handshake; what stands here makes the callbacks of RFC 6455 of that.
 */
#ifndef AH_WEB_SOCKET_H
#define AH_WEB_SOCKET_H

#include <stdatomic.h>
#include <stddef.h>

#include "alusus_http/alusus_http.h"

struct server;
struct web_socket_route;

/* RFC 6455, section 11.8 */
enum web_socket_opcode {
    OPCODE_CONTINUATION = 0x0,
    OPCODE_TEXT = 0x1,
    OPCODE_BINARY = 0x2,
    OPCODE_CLOSE = 0x8,
    OPCODE_PING = 0x9,
    OPCODE_PONG = 0xA,
};

/* The part of a connection that is used once it has been upgraded. */
struct web_socket {
    /* From the ready callback to the close callback: the time in which frames may be written. */
    atomic_bool open;
    /* One Close frame is sent, whoever asks first (RFC 6455, section 5.5.1), and nothing after it. */
    atomic_bool close_sent;

    /* The fragments of a message that has begun; used by the connection's own thread only. */
    enum web_socket_opcode message_opcode; /* OPCODE_CONTINUATION: none has begun */
    char *message;
    size_t message_size;
};

void web_socket_free_routes(struct server *server);

#endif
