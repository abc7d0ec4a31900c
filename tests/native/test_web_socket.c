/* What a WebSocket owes to other threads while its own is held up, and to clients that leave. */
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

#define MEBIBYTE ((size_t)1 << 20)

static sem_t closed, entered, go_on;
static Connection *held;

static bool comes(sem_t *event)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return sem_timedwait(event, &until) == 0;
}

static void on_close(Connection *connection, void *nothing)
{
    (void)connection;
    (void)nothing;
    sem_post(&closed);
}

struct served {
    Context *context;
    int port;
    struct client client;
};

static struct served serve(WebSocketMessageCallback on_message)
{
    struct served served;
    char address[64];
    free_address(address, sizeof address);
    CharsPtr options[] = {
        TEXT("listening_ports"), TEXT(address),
        TEXT("num_threads"), TEXT("2"),
        TEXT("websocket_ping_interval_ms"), TEXT("0"), /* they would find out, too */
        TEXT("websocket_close_timeout_ms"), TEXT("500"),
        TEXT("websocket_queue_policy"), TEXT("block"),
        TEXT("websocket_max_queue_size"), TEXT("150000"),
        NULL,
    };
    served.context = ah_start_server(NULL, NULL, options);
    served.port = atoi(strchr(address, ':') + 1);
    ah_set_web_socket_message_handler(served.context, TEXT("/"), NULL, NULL, on_message, on_close, NULL);
    CHECK(client_open(&served.client, served.port));
    return served;
}

static void end(struct served *served)
{
    client_leave(&served->client);
    CHECK(comes(&closed));
    ah_stop_server(served->context);
    CHECK(ah_last_error() == NULL);
}

/* Each letter is a message; all of them are sent at once. */
static void send_letters(struct client *client, const char *letters)
{
    uint8_t frames[64];
    size_t size = 0;
    for (; *letters != '\0'; ++letters)
        size += client_frame(frames + size, 0x81, letters, 1);
    CHECK(client_send(client, frames, size));
}

static Int ignore(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)connection;
    (void)opcode;
    (void)data;
    (void)length;
    (void)nothing;
    return 1;
}

/* The end of the stream arrives together with the last bytes: one event for both. */
static void clients_that_leave_at_once_are_noticed(void)
{
    struct served served = serve(ignore);
    for (int i = 0; i < 30; ++i) {
        struct client client;
        CHECK(client_open(&client, served.port));
        send_letters(&client, "x");
        client_leave(&client);
        CHECK(comes(&closed));
    }
    end(&served);
}

enum { LONG_ANSWER = 100000 };

static Int answer(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    static Char text[LONG_ANSWER];
    size_t size = length == 1 && *data == 'L' ? LONG_ANSWER : 1;
    (void)opcode;
    (void)nothing;
    CHECK(ah_write_binary_to_web_socket(connection, text, size) == (Int)size);
    return 1;
}

/* Answers to messages that came together are gathered, which must not count as the client's slowness. */
static void gathered_answers_may_fill_the_queue(void)
{
    static uint8_t data[LONG_ANSWER];
    struct served served = serve(answer);
    send_letters(&served.client, "LLs");
    for (int i = 0; i < 3; ++i) {
        size_t size = sizeof data;
        CHECK(client_receive_frame(&served.client, data, &size) == 2);
        CHECK(size == (i < 2 ? LONG_ANSWER : 1));
    }
    end(&served);
}

static Int hold(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)opcode;
    (void)data;
    (void)length;
    (void)nothing;
    CHECK(ah_write_text_to_web_socket(connection, TEXT("held"), 4) == 4);
    held = connection;
    sem_post(&entered);
    CHECK(comes(&go_on));
    return 1;
}

enum { WRITES = 16 };

static void *write_much(void *answer)
{
    for (int i = 0; i < WRITES; ++i)
        CHECK(ah_write_binary_to_web_socket(held, answer, MEBIBYTE) == (Int)MEBIBYTE);
    return NULL;
}

/* A callback that blocks holds up neither what it has written nor what others write to its connection. */
static void a_blocking_callback_does_not_hold_up_writers(void)
{
    struct served served = serve(hold);
    uint8_t *data = calloc(1, MEBIBYTE), *received = malloc(MEBIBYTE);
    size_t size = MEBIBYTE;
    pthread_t writer;

    send_letters(&served.client, "xy");
    CHECK(comes(&entered));
    CHECK(client_receive_frame(&served.client, received, &size) == 1 && size == 4);
    CHECK(pthread_create(&writer, NULL, write_much, data) == 0);
    for (int i = 0; i < WRITES; ++i) {
        size = MEBIBYTE;
        CHECK(client_receive_frame(&served.client, received, &size) == 2);
    }
    pthread_join(writer, NULL);
    sem_post(&go_on);
    sem_post(&go_on);
    free(data);
    free(received);
    end(&served);
}

int main(void)
{
    sem_init(&closed, 0, 0);
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    clients_that_leave_at_once_are_noticed();
    gathered_answers_may_fill_the_queue();
    a_blocking_callback_does_not_hold_up_writers();
    return failed_checks != 0;
}
