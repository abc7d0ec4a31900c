/* The work of ah-http on CivetWeb alone.      civetweb-http PORT FOLDER */
#include <stdio.h>
#include <string.h>

#include "civetweb.h"
#include "until_interrupted.h"

static int on_request(struct mg_connection *connection)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

    if (strcmp(mg_get_request_info(connection)->local_uri, "/small") != 0)
        return 0;
    mg_write(connection, answer, sizeof answer - 1);
    return 200;
}

int main(int argc, char **argv)
{
    sigset_t interrupts = hold_interrupts();
    char address[64];
    struct mg_callbacks callbacks = {.begin_request = on_request};
    struct mg_context *server;

    if (argc != 3) {
        fprintf(stderr, "usage: civetweb-http PORT FOLDER\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    const char *options[] = {"listening_ports", address, "document_root", argv[2], "enable_keep_alive", "yes",
                             "tcp_nodelay", "1", NULL};
    mg_init_library(0);
    server = mg_start(&callbacks, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "CivetWeb does not start at %s\n", address);
        return 1;
    }
    wait_for_interrupt(&interrupts);
    mg_stop(server);
    mg_exit_library();
    return 0;
}
