/* What is sent to /send reaches every WebSocket at /receive, until interrupted.      ah-broadcast PORT */
#include <alusus_http/alusus_http.h>

#include <stdio.h>

#include "until_interrupted.h"

enum { TEXT = 1, BINARY = 2 };

static const char group[] = "receivers";

static void on_ready(ah_connection *connection, void *user_data)
{
    (void)user_data;
    ah_join_group(connection, group);
}

static int32_t on_message(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *server)
{
    (void)connection;
    if (opcode == TEXT || opcode == BINARY)
        ah_write_to_group(server, group, opcode, data, data_len);
    return 1;
}

int main(int argc, char **argv)
{
    sigset_t interrupts = hold_interrupts();
    char address[64];
    const char *options[] = {"listening_ports", address, "websocket_threads", "8", NULL};

    if (argc != 2) {
        fprintf(stderr, "usage: ah-broadcast PORT\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    ah_context *server = ah_start_server(NULL, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_set_web_socket_message_handler(server, "/receive", NULL, on_ready, NULL, NULL, NULL);
    ah_set_web_socket_message_handler(server, "/send", NULL, NULL, on_message, NULL, server);
    printf("Broadcast at ws://%s/send and /receive\n", address);
    fflush(stdout);
    wait_for_interrupt(&interrupts);
    ah_stop_server(server);
    return 0;
}
