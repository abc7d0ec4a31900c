/* A WebSocket at / that sends every text and binary message back, until interrupted.      ah-echo PORT */
#include <alusus_http/alusus_http.h>

#include <stdio.h>

#include "until_interrupted.h"

enum { TEXT = 1, BINARY = 2 };

static int32_t on_request(ah_connection *connection)
{
    ah_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\necho\n");
    return 200;
}

static int32_t on_message(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    (void)user_data;
    if (opcode == TEXT || opcode == BINARY)
        ah_write_to_web_socket(connection, opcode, data, data_len);
    return 1;
}

int main(int argc, char **argv)
{
    sigset_t interrupts = hold_interrupts();
    char address[64];
    /* Messages of the sizes that conformance suites send. */
    const char *options[] = {"listening_ports", address, "websocket_threads", "8",
                             "websocket_max_message_size", "67108864", "websocket_max_queue_size", "134217728", NULL};

    if (argc != 2) {
        fprintf(stderr, "usage: ah-echo PORT\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    ah_context *server = ah_start_server(&(ah_callbacks){.begin_request = on_request}, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_set_web_socket_message_handler(server, "/", NULL, NULL, on_message, NULL, NULL);
    printf("Echo at ws://%s/\n", address);
    fflush(stdout);
    wait_for_interrupt(&interrupts);
    ah_stop_server(server);
    return 0;
}
