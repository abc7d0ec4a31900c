/*
 * A server of files, and of what its requests send.
 *
 *     web_root LISTENING_PORTS [option value]...
 *
 * /read      answers with the body that it has read, or with 400 when it cannot be read
 * all else   is left to the library
 */
#include <alusus_http/alusus_http.h>

#include <stdio.h>
#include <string.h>

static int32_t on_request(ah_connection *connection)
{
    static _Thread_local char body[1 << 16];
    int32_t size = 0, part;

    if (strcmp(ah_get_request_info(connection)->local_uri, "/read") != 0)
        return 0;
    while (size < (int32_t)sizeof body && (part = ah_read(connection, body + size, sizeof body - (size_t)size)) != 0) {
        if (part < 0)
            return 400;
        size += part;
    }
    ah_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", (int)size);
    ah_write(connection, body, (size_t)size);
    return 200;
}

int main(int argc, char **argv)
{
    const char *options[64] = {"listening_ports"};
    int i;

    if (argc < 2 || argc % 2 != 0 || argc > 60) {
        fprintf(stderr, "usage: web_root LISTENING_PORTS [option value]...\n");
        return 2;
    }
    for (i = 1; i < argc; i++)
        options[i] = argv[i];
    ah_context *server = ah_start_server_with_options(on_request, NULL, options, (size_t)argc);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    printf("serving\n");
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
