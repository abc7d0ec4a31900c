/* A server that greets every visitor.      simple_server [port] */
#include <alusus_http/alusus_http.h>

#include <stdio.h>

static int32_t greet(ah_connection *connection)
{
    const ah_request_info *request = ah_get_request_info(connection);
    ah_print(connection,
             "HTTP/1.1 200 OK\r\n"
             "Content-Type: text/plain; charset=utf-8\r\n"
             "Connection: close\r\n"
             "\r\n"
             "Hello! You asked for %s\n",
             request->local_uri);
    return 200;
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "8080";
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);

    ah_context *server = ah_start_server_on_port(greet, NULL, address);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    printf("Server at http://%s\nPress Enter to stop.\n", address);
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
