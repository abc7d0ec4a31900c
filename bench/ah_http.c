/* A small answer at /small and the files of a folder, connections kept alive.      ah-http PORT FOLDER */
#include <alusus_http/alusus_http.h>

#include <stdio.h>
#include <string.h>

#include "until_interrupted.h"

static int32_t on_request(ah_connection *connection)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

    if (strcmp(ah_get_request_info(connection)->local_uri, "/small") != 0)
        return 0;
    ah_write(connection, answer, sizeof answer - 1);
    return 200;
}

int main(int argc, char **argv)
{
    sigset_t interrupts = hold_interrupts();
    char address[64];

    if (argc != 3) {
        fprintf(stderr, "usage: ah-http PORT FOLDER\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    const char *options[] = {"listening_ports", address, "document_root", argv[2], "enable_keep_alive", "yes", NULL};
    ah_context *server = ah_start_server(&(ah_callbacks){.begin_request = on_request}, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    wait_for_interrupt(&interrupts);
    ah_stop_server(server);
    return 0;
}
