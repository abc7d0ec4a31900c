/*
 * A chat with the names published since the document: the callback gets an opcode and an ArchWord length, the
 * options are an Array, and texts go out with and without a length.      published_chat port
 *
 * Its members are a plain array that never forgets anybody: a write to a member who has left must be refused.
 */
#include <pthread.h>
#include <string.h>

#include "serve.h"

enum { MOST = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Connection *members[MOST];
static int count;

static Int serve(Connection *connection)
{
    (void)connection;
    return 404; /* nothing is written: the library sends the error's page */
}

static void onReady(Connection *connection, void *userData)
{
    ah_write_string_to_web_socket(connection, userData);
    pthread_mutex_lock(&lock);
    if (count < MOST)
        members[count++] = connection;
    pthread_mutex_unlock(&lock);
}

static Int onData(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen, void *userData)
{
    int reached = 0;
    char report[32];
    (void)userData;
    if (opcode == 2)
        ah_write_binary_to_web_socket(connection, data, dataLen);
    if (opcode != 1)
        return 1;
    if (dataLen == 5 && memcmp(data, "/quit", 5) == 0)
        return 0; /* the library closes the connection */
    if (dataLen == 6 && memcmp(data, "/close", 6) == 0)
        return ah_close_web_socket(connection) >= 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; ++i)
        reached += ah_write_text_to_web_socket(members[i], data, dataLen) > 0;
    int length = snprintf(report, sizeof report, "reached %d of %d", reached, count);
    pthread_mutex_unlock(&lock);
    ah_write_to_web_socket(connection, 1, TEXT(report), (ArchWord)length);
    return 1;
}

int main(int argc, char **argv)
{
    CharsPtr options[] = {TEXT("listening_ports"), port_of(argc, argv), TEXT("static_file_max_age"), TEXT("0")};
    Context *context = started(ah_start_server_with_options(serve, NULL, options, 4));
    ah_set_web_socket_message_handler(context, TEXT("/chat"), NULL, onReady, onData, NULL, "welcome to the chat");
    return serve_until_enter(context);
}
