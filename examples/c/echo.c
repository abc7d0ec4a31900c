/* A WebSocket at /websocket that sends every text back.      echo [port] */
#include <alusus_http/alusus_http.h>

#include <stdio.h>

static int32_t on_request(ah_connection *connection)
{
    ah_print(connection, "HTTP/1.1 200 OK\r\n");
    ah_print(connection, "Content-Type: text/html\r\n");
    ah_print(connection, "Connection: close\r\n\r\n");
    ah_print(connection, "<h1>WebSocket Server</h1>");
    return 200;
}

static void on_ready(ah_connection *connection, void *user_data)
{
    (void)user_data;
    ah_write_string_to_web_socket(connection, "Welcome!");
}

static int32_t on_data(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    (void)user_data;
    if (opcode == 1) { /* text */
        printf("Received: %.*s\n", (int)data_len, data);
        ah_write_text_to_web_socket(connection, data, data_len);
    }
    return 1; /* keep the connection open */
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "8080";
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);

    ah_context *server = ah_start_server_on_port(on_request, NULL, address);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_set_web_socket_message_handler(server, "/websocket", NULL, on_ready, on_data, NULL, NULL);

    printf("Echo at ws://%s/websocket\nPress Enter to stop.\n", address);
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
