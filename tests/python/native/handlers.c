/* Handlers that a server in Python gives its clients to; compiled by test_native.py. */
#include "alusus_http/alusus_http.h"

#include <stdatomic.h>
#include <string.h>

struct room {
    const char *greeting;
    atomic_int messages, closed;
};

struct room room = {.greeting = "welcome to C"};

int32_t on_connect(ah_connection *connection, void *user_data)
{
    (void)user_data;
    return ah_get_header(connection, "X-Refuse") != NULL;
}

void on_ready(ah_connection *connection, void *user_data)
{
    const struct room *room = user_data;

    ah_write_text_to_web_socket(connection, room->greeting, strlen(room->greeting));
}

int32_t on_message(ah_connection *connection, int32_t opcode, const char *data, size_t length, void *user_data)
{
    struct room *room = user_data;

    if (opcode == 1 || opcode == 2) {
        atomic_fetch_add(&room->messages, 1);
        ah_write_to_web_socket(connection, opcode, data, length);
    }
    return 1;
}

void on_close(ah_connection *connection, void *user_data)
{
    struct room *room = user_data;

    (void)connection;
    atomic_fetch_add(&room->closed, 1);
}

int32_t on_request(ah_connection *connection)
{
    const ah_request_info *info = ah_get_request_info(connection);

    ah_print(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nC at %s, data %d", info->local_uri,
             info->user_data == &room);
    return 200;
}
