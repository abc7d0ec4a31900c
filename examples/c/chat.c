/* A chat: the page at /, the conversation at /chat.      chat [port [folder of the page]] */
#include <alusus_http/alusus_http.h>

#include <stdio.h>
#include <string.h>

#define GROUP "chat"
#define TEXT 1 /* the opcode of a text message */

static void tell_others(ah_connection *connection, const char *notice)
{
    ah_write_to_others_in_group(connection, GROUP, TEXT, notice, strlen(notice));
}

/* A member leaves the group by itself when its connection ends. */
static void on_ready(ah_connection *connection, void *user_data)
{
    (void)user_data;
    ah_join_group(connection, GROUP);
    tell_others(connection, "* Someone joined");
}

static int32_t on_data(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    ah_context *server = user_data;

    (void)connection;
    if (opcode == TEXT) /* "name: words" */
        ah_write_text_to_group(server, GROUP, data, data_len);
    return 1;
}

static void on_close(ah_connection *connection, void *user_data)
{
    (void)user_data;
    tell_others(connection, "* Someone left");
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "8080";
    const char *page = argc > 2 ? argv[2] : "examples/page";
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    const char *options[] = {"listening_ports", address, "document_root", page, NULL};

    ah_context *server = ah_start_server(NULL, NULL, options);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_set_web_socket_message_handler(server, "/chat", NULL, on_ready, on_data, on_close, server);

    printf("Chat at http://%s\nPress Enter to stop.\n", address);
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
