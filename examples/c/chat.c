/* A chat: the page at /, the conversation at /chat.      chat [port [folder of the page]] */
#include <alusus_http/alusus_http.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_MEMBERS = 100 };

/* Callbacks of different connections run at the same time: the list is only touched under its lock. */
static pthread_mutex_t members_lock = PTHREAD_MUTEX_INITIALIZER;
static ah_connection *members[MOST_MEMBERS];
static int member_count;

static bool add_member(ah_connection *connection)
{
    pthread_mutex_lock(&members_lock);
    bool added = member_count < MOST_MEMBERS;
    if (added)
        members[member_count++] = connection;
    pthread_mutex_unlock(&members_lock);
    return added;
}

static bool remove_member(ah_connection *connection)
{
    bool removed = false;
    pthread_mutex_lock(&members_lock);
    for (int i = 0; i < member_count && !removed; ++i) {
        if (members[i] == connection) {
            members[i] = members[--member_count];
            removed = true;
        }
    }
    pthread_mutex_unlock(&members_lock);
    return removed;
}

/* Sends outside the lock: a slow member delays nobody who joins or leaves. Whoever leaves meanwhile is no
   danger: a write to an ended connection is refused and reaches nobody. */
static void broadcast(const char *text, size_t length)
{
    ah_connection *receivers[MOST_MEMBERS];
    pthread_mutex_lock(&members_lock);
    int count = member_count;
    memcpy(receivers, members, sizeof members);
    pthread_mutex_unlock(&members_lock);

    for (int i = 0; i < count; ++i)
        ah_write_text_to_web_socket(receivers[i], text, length);
}

static void announce(const char *notice)
{
    broadcast(notice, strlen(notice));
}

static void on_ready(ah_connection *connection, void *user_data)
{
    (void)user_data;
    announce("* Someone joined");
    if (!add_member(connection)) {
        ah_write_string_to_web_socket(connection, "* The chat is full");
        ah_close_web_socket(connection);
    }
}

static int32_t on_data(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    (void)connection;
    (void)user_data;
    if (opcode == 1) /* text: "name: words" */
        broadcast(data, data_len);
    return 1;
}

static void on_close(ah_connection *connection, void *user_data)
{
    (void)user_data;
    if (remove_member(connection))
        announce("* Someone left");
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
    ah_set_web_socket_message_handler(server, "/chat", NULL, on_ready, on_data, on_close, NULL);

    printf("Chat at http://%s\nPress Enter to stop.\n", address);
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
