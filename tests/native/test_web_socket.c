/* What a WebSocket owes to other threads while its own is held up, to clients that leave, and to a group. */
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

/* What callbacks write to a group is gathered; in what order it comes is for nobody to see. */

enum { MEMBERS = 3, LETTERS = 26 };

static Context *grouped;

static Int write_alphabet(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)opcode;
    (void)length;
    (void)nothing;
    switch (*data) {
    case 'j':
        CHECK(ah_join_group(connection, TEXT("all")) == 0);
        CHECK(ah_write_text_to_web_socket(connection, TEXT("j"), 1) == 1);
        break;
    case 'w': /* more than are gathered for one send; the writer's own come from both sides */
        for (char letter = 'a'; letter < 'a' + LETTERS; ++letter) {
            CHECK(ah_write_text_to_group(grouped, TEXT("all"), (Char *)&letter, 1) == MEMBERS);
            if (letter % 3 == 0)
                CHECK(ah_write_text_to_web_socket(connection, TEXT("!"), 1) == 1);
        }
        CHECK(ah_get_queued_bytes(connection) > 0);
        break;
    case 'b':
        sem_post(&entered);
        CHECK(comes(&go_on));
        break;
    case 'g':
        for (char letter = 'x'; letter <= 'z'; ++letter) {
            CHECK(ah_write_text_to_group(grouped, TEXT("all"), (Char *)&letter, 1) == MEMBERS);
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* each is gathered, and sent by another thread */
        }
        break;
    case 'h':
        CHECK(ah_write_text_to_group(grouped, TEXT("all"), TEXT("h"), 1) == MEMBERS);
        CHECK(comes(&go_on));
        break;
    case 'c':
        CHECK(ah_write_text_to_group(grouped, TEXT("all"), TEXT("c"), 1) == MEMBERS);
        CHECK(ah_close_web_socket(connection) == 0);
        CHECK(ah_write_text_to_group(grouped, TEXT("all"), TEXT("d"), 1) == MEMBERS - 1);
        break;
    default:
        break;
    }
    return 1;
}

static bool receives(struct client *client, char letter)
{
    uint8_t data[16];
    size_t size = sizeof data;
    int opcode = client_receive_frame(client, data, &size);
    return letter == '\b' ? opcode == 8 : opcode == 1 && size == 1 && data[0] == (uint8_t)letter;
}

/* A server with clients that have all joined the group. */
static struct served serve_group(WebSocketMessageCallback on_message, struct client members[MEMBERS])
{
    struct served served = serve(on_message);
    members[0] = served.client;
    grouped = served.context;
    for (int i = 0; i < MEMBERS; ++i) {
        CHECK(i == 0 || client_open(&members[i], served.port));
        send_letters(&members[i], "j");
        CHECK(receives(&members[i], 'j'));
    }
    return served;
}

static void what_goes_to_a_group_comes_in_order(void)
{
    struct client members[MEMBERS];
    struct served served = serve_group(write_alphabet, members);
    send_letters(&members[0], "ww"); /* at once, and then each for itself */
    send_letters(&members[0], "w");
    for (int i = 0; i < MEMBERS; ++i)
        for (int times = 0; times < 3; ++times)
            for (char letter = 'a'; letter < 'a' + LETTERS; ++letter) {
                CHECK(receives(&members[i], letter));
                CHECK(i > 0 || letter % 3 != 0 || receives(&members[i], '!'));
            }
    send_letters(&members[1], "b"); /* a callback that blocks holds up nobody, not even its own client ... */
    CHECK(comes(&entered));
    send_letters(&members[0], "g");
    for (int i = 0; i < MEMBERS; ++i)
        for (char letter = 'x'; letter <= 'z'; ++letter)
            CHECK(receives(&members[i], letter));
    sem_post(&go_on);
    send_letters(&members[0], "h"); /* ... nor those that it has written to */
    for (int i = 0; i < MEMBERS; ++i)
        CHECK(receives(&members[i], 'h'));
    sem_post(&go_on);
    send_letters(&members[0], "c");
    for (int i = 0; i < MEMBERS; ++i) {
        CHECK(receives(&members[i], 'c'));
        CHECK(receives(&members[i], i == 0 ? '\b' : 'd'));
    }
    for (int i = 1; i < MEMBERS; ++i) {
        client_leave(&members[i]);
        CHECK(comes(&closed));
    }
    end(&served);
}

static sem_t written;

/* The first message is the size of those that go to the group, until somebody's queue is full. */
static Int fill_group(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    static Char text[LONG_ANSWER];
    int reached = MEMBERS;
    (void)opcode;
    (void)length;
    (void)nothing;
    if (*data == 'j') {
        CHECK(ah_join_group(connection, TEXT("all")) == 0);
        CHECK(ah_write_text_to_web_socket(connection, TEXT("j"), 1) == 1);
        return 1;
    }
    for (int i = 0; i < 1000 && reached == MEMBERS; ++i)
        reached = ah_write_binary_to_group(grouped, TEXT("all"), text, sizeof text);
    CHECK(reached < MEMBERS); /* nobody reads: their queues of 150,000 bytes are full */
    sem_post(&written);
    return 1;
}

static void a_group_waits_for_nobody(void)
{
    struct client members[MEMBERS];
    struct served served = serve_group(fill_group, members);
    send_letters(&members[0], "f");
    CHECK(comes(&written));
    for (int i = 1; i < MEMBERS; ++i) {
        client_leave(&members[i]);
        CHECK(comes(&closed));
    }
    end(&served);
}

/* Each message is a way to be closed. */
static Int close_with_reason(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)length;
    (void)nothing;
    CHECK(ah_get_close_reason(connection) == NULL || opcode == 8);
    if (opcode == 1 && *data == 'c')
        CHECK(ah_close_web_socket_with_reason(connection, 4000, TEXT("enough")) == 0);
    return 1;
}

static const char *expected_reason; /* null: there is none */

static void check_reason(Connection *connection, void *nothing)
{
    const char *reason = (const char *)ah_get_close_reason(connection);
    CHECK(expected_reason == NULL ? reason == NULL : reason != NULL && strcmp(reason, expected_reason) == 0);
    CHECK(ah_last_error() == NULL);
    on_close(connection, nothing);
}

static void the_reason_of_a_close_is_told(void)
{
    static const struct {
        int first; /* byte of the frame that the client sends */
        const char *data;
        size_t size;
        const char *reason;
    } ends[] = {
        {0x81, "c", 1, "enough"},
        {0x88, "\x0f\xa1" "bye", 5, "bye"},
        {0x88, "\x03\xe8", 2, NULL},
        {0x83, "", 0, "the opcode is reserved"},
    };
    struct served served = serve(close_with_reason);
    ah_set_web_socket_message_handler(served.context, TEXT("/"), NULL, NULL, close_with_reason, check_reason, NULL);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i) {
        struct client client;
        uint8_t frame[32];
        expected_reason = ends[i].reason;
        CHECK(client_open(&client, served.port));
        CHECK(client_send(&client, frame, client_frame(frame, ends[i].first, ends[i].data, ends[i].size)));
        if (i == 0)
            CHECK(client_send(&client, frame, client_frame(frame, 0x88, "\x0f\xa0", 2)));
        CHECK(comes(&closed));
        client_leave(&client);
    }
    end(&served);
}

int main(void)
{
    sem_init(&closed, 0, 0);
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    sem_init(&written, 0, 0);
    clients_that_leave_at_once_are_noticed();
    gathered_answers_may_fill_the_queue();
    a_blocking_callback_does_not_hold_up_writers();
    what_goes_to_a_group_comes_in_order();
    a_group_waits_for_nobody();
    the_reason_of_a_close_is_told();
    return failed_checks != 0;
}
