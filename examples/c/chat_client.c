/* A member of the chat that says hello and prints what the others say.      chat_client [port] */
#include <alusus_http/alusus_http.h>

#include <stdio.h>

static int32_t on_data(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    (void)connection;
    (void)user_data;
    if (opcode == 1) { /* text */
        printf("%.*s\n", (int)data_len, data);
        fflush(stdout);
    }
    return 1; /* keep the connection open */
}

static void on_close(ah_connection *connection, void *user_data)
{
    (void)connection;
    (void)user_data;
    puts("The chat has ended.");
    fflush(stdout);
}

/* Ask for the chat's page, as a browser does, and say how long it is. */
static int fetch_page(ah_client *client, const char *url)
{
    ah_connection *page = ah_send_request(client, "GET", url, NULL, NULL, 0);
    char part[4096];
    int32_t count;
    long size = 0;

    if (page == NULL)
        return -1;
    while ((count = ah_read(page, part, sizeof part)) > 0)
        size += count;
    if (count == 0)
        printf("%s: status %d, %ld bytes\n", url, (int)ah_get_response_info(page)->status_code, size);
    else
        fprintf(stderr, "%s\n", ah_last_error());
    ah_close_connection(page);
    return 0;
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "8080";
    char page[64], chat[64];
    ah_client *client = ah_start_client(NULL);
    ah_connection *connection = NULL;

    snprintf(page, sizeof page, "http://127.0.0.1:%s/", port);
    snprintf(chat, sizeof chat, "ws://127.0.0.1:%s/chat", port);
    if (client != NULL && fetch_page(client, page) == 0)
        connection = ah_connect_web_socket(client, chat, NULL, on_data, on_close, NULL, NULL, NULL);
    if (connection == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_write_string_to_web_socket(connection, "Visitor: hello");

    printf("In the chat at %s\nPress Enter to leave.\n", chat);
    fflush(stdout);
    getchar();
    ah_stop_client(client);
    return 0;
}
