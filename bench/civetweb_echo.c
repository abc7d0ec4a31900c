/* The echo on CivetWeb's own WebSockets, a thread for each, until interrupted.      civetweb-echo PORT */
#include <stdio.h>

#include "civetweb.h"
#include "until_interrupted.h"

static int on_data(struct mg_connection *connection, int bits, char *data, size_t size, void *user_data)
{
    int opcode = bits & 0xF;

    (void)user_data;
    if (opcode == MG_WEBSOCKET_OPCODE_TEXT || opcode == MG_WEBSOCKET_OPCODE_BINARY)
        mg_websocket_write(connection, opcode, data, size);
    return opcode != MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE;
}

int main(int argc, char **argv)
{
    sigset_t interrupts = hold_interrupts();
    char address[64];
    /* A thread for each of the most connections that are measured, and a few for the rest. */
    const char *options[] = {"listening_ports", address, "num_threads", "260", "tcp_nodelay", "1", NULL};
    struct mg_callbacks callbacks = {0};
    struct mg_context *server;

    if (argc != 2) {
        fprintf(stderr, "usage: civetweb-echo PORT\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    mg_init_library(MG_FEATURES_WEBSOCKET);
    server = mg_start(&callbacks, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "CivetWeb does not start at %s\n", address);
        return 1;
    }
    mg_set_websocket_handler(server, "/", NULL, NULL, on_data, NULL, NULL);
    printf("Echo at ws://%s/\n", address);
    fflush(stdout);
    wait_for_interrupt(&interrupts);
    mg_stop(server);
    mg_exit_library();
    return 0;
}
