/* Threads that read the events of one WebSocket each, where one of them leads and does not come back for more. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "alusus_http/alusus_http_events.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum { CAPACITY = 16, MESSAGES = 40, TRIES = 8, PATIENCE_MS = 3000 };

static void sleep_us(long microseconds)
{
    nanosleep(&(struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000}, NULL);
}

static bool comes(const atomic_int *what)
{
    for (int i = 0; i < PATIENCE_MS && atomic_load(what) == 0; ++i)
        sleep_us(1000);
    return atomic_load(what) != 0;
}

/* A server with one thread that polls. */

struct served {
    ah_event_queue *queue;
    ah_context *context;
    int port;
    pthread_t poller;
    _Atomic(ah_connection *) claimed; /* the last one */
};

static atomic_int poller_works, poller_may_go_on, poller_reads, poller_has_read, poller_turns_away, queue_is_closed,
    claims_are_refused;

/* Have the thread that polls claim a WebSocket, and read a message of it itself. */
static void read_one(struct served *served, const ah_event *ready)
{
    ah_connection *connection = ready->arguments.web_socket_ready.connection;
    ah_event event;
    char memory[AH_EVENT_COPIED];

    CHECK(ah_claim_web_socket(connection) == 0);
    CHECK(ah_answer_events(served->queue, ready->id, ready->id, 1) == 1);
    CHECK(ah_claim_web_socket(connection) == -1 && ah_last_error_code() == AH_ERROR_WRONG_STATE);
    CHECK(ah_next_events_of(connection, 0, -1, &event, 1, memory, sizeof memory) == 1);
    ah_release_web_socket(connection);
    CHECK(ah_answer_events(served->queue, event.id, event.id, 1) == 1);
    atomic_store(&poller_has_read, 1);
}

/* Have it turn to another queue when its own is closed. */
static void turn_away(void)
{
    ah_event_queue *other = ah_open_event_queue();
    ah_event event;
    char memory[AH_EVENT_COPIED];

    atomic_store(&poller_works, 1);
    CHECK(comes(&queue_is_closed));
    CHECK(ah_next_events(other, 0, &event, 1, memory, sizeof memory) == 0 && ah_last_error_code() == AH_OK);
    ah_close_event_queue(other);
}

static void handle(struct served *served, const ah_event *event)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    ah_connection *connection = event->arguments.web_socket_ready.connection;
    int32_t result = 0;

    switch (event->kind) {
    case AH_EVENT_WEB_SOCKET_READY:
        if (atomic_load(&poller_reads)) {
            read_one(served, event);
            return;
        }
        if (atomic_load(&claims_are_refused)) {
            CHECK(ah_claim_web_socket(connection) == -1 && ah_last_error_code() == AH_ERROR_WRONG_STATE);
            atomic_store(&poller_works, 1);
            break;
        }
        CHECK(ah_claim_web_socket(connection) == 0);
        atomic_store(&served->claimed, connection);
        break;
    case AH_EVENT_REQUEST:
        if (strcmp(ah_get_request_info(event->arguments.request.connection)->request_uri, "/hold") == 0) {
            atomic_store(&poller_works, 1);
            CHECK(comes(&poller_may_go_on));
        }
        ah_write(event->arguments.request.connection, page, sizeof page - 1);
        result = 200;
        break;
    default:
        break;
    }
    ah_answer_events(served->queue, event->id, event->id, result);
    if (atomic_load(&poller_turns_away))
        turn_away();
}

static void *poll_events(void *argument)
{
    struct served *served = argument;
    ah_event events[CAPACITY];
    char memory[AH_EVENT_COPIED];
    int32_t count, i;

    while ((count = ah_next_events(served->queue, -1, events, CAPACITY, memory, sizeof memory)) >= 0)
        for (i = 0; i < count; ++i)
            handle(served, &events[i]);
    return NULL;
}

static void start(struct served *served, ah_web_socket_close_callback close)
{
    char address[64];
    const char *options[] = {"listening_ports", address, "num_threads", "6", "websocket_close_timeout_ms", "200", NULL};
    ah_callbacks callbacks = {.begin_request = ah_post_request};
    void *receiver;

    free_address(address, sizeof address);
    served->port = atoi(strchr(address, ':') + 1);
    served->queue = ah_open_event_queue();
    receiver = ah_event_receiver(served->queue, 1);
    CHECK(pthread_create(&served->poller, NULL, poll_events, served) == 0);
    served->context = ah_start_server(&callbacks, receiver, options);
    CHECK(served->context != NULL);
    ah_set_web_socket_message_handler(served->context, "/", ah_post_web_socket_connect, ah_post_web_socket_ready,
                                      ah_post_web_socket_message, close, receiver);
}

static void stop(struct served *served)
{
    ah_stop_server(served->context);
    ah_close_event_queue(served->queue);
    pthread_join(served->poller, NULL);
}

static ah_connection *open_claimed(struct served *served, struct client *client)
{
    ah_connection *connection;

    atomic_store(&served->claimed, NULL);
    CHECK(client_open(client, served->port));
    for (int i = 0; i < PATIENCE_MS && (connection = atomic_load(&served->claimed)) == NULL; ++i)
        sleep_us(1000);
    CHECK(connection != NULL);
    return connection;
}

static void *ask(void *request)
{
    struct client *client = request;
    char head[15];

    CHECK(client_read(client, head, sizeof head) && memcmp(head, "HTTP/1.1 200 OK", sizeof head) == 0);
    client_leave(client);
    return NULL;
}

static void begin_request(struct client *client, int port, const char *path)
{
    char text[100];
    int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);

    CHECK(client_connect(client, port) && client_send(client, text, (size_t)size));
}

static void send_byte(struct client *client, char byte)
{
    uint8_t frame[CLIENT_MAX_HEADER + 1];

    CHECK(client_send(client, frame, client_frame(frame, 0x82, &byte, 1)));
}

static void expect_byte(struct client *client, char byte)
{
    char answer[3];

    CHECK(client_read(client, answer, sizeof answer) && answer[2] == byte);
}

/* While the only thread that polls is at work, a reader gets its mail from the loop's own thread, leads, and is held
 * up: for as long as that lasts, the other one has to get requests. */

static atomic_int reader_is_held, reader_may_go_on;

static void *read_and_be_held(void *argument)
{
    struct served *served = argument;
    ah_connection *connection = atomic_load(&served->claimed);
    ah_event events[CAPACITY];
    char memory[AH_EVENT_COPIED];
    uint64_t last = 0;
    int32_t count;

    for (int read = 0; read < MESSAGES;) {
        count = ah_next_events_of(connection, last, -1, events, 1, memory, sizeof memory);
        CHECK(count == 1);
        if (count != 1)
            break;
        last = events[0].id;
        ++read;
        sleep_us(read * 2000 / MESSAGES);
    }
    atomic_store(&reader_is_held, 1);
    CHECK(comes(&reader_may_go_on));
    ah_release_web_socket(connection);
    CHECK(ah_answer_events(served->queue, last, last, 1) == 1);
    return NULL;
}

static void a_held_reader_holds_up_nobody(struct served *served)
{
    uint8_t frames[MESSAGES * (CLIENT_MAX_HEADER + 1)];
    struct client web_socket, held, asking;
    pthread_t reader, asks[2];
    size_t size = 0;

    (void)open_claimed(served, &web_socket);
    atomic_store(&poller_works, 0);
    atomic_store(&poller_may_go_on, 0);
    atomic_store(&reader_is_held, 0);
    atomic_store(&reader_may_go_on, 0);
    begin_request(&held, served->port, "/hold");
    CHECK(comes(&poller_works));
    CHECK(pthread_create(&reader, NULL, read_and_be_held, served) == 0);
    sleep_us(10000);
    for (int i = 0; i < MESSAGES; ++i)
        size += client_frame(frames + size, 0x82, "x", 1);
    CHECK(client_send(&web_socket, frames, size));
    CHECK(comes(&reader_is_held));

    atomic_store(&poller_may_go_on, 1);
    CHECK(pthread_create(&asks[0], NULL, ask, &held) == 0);
    sleep_us(10000); /* the poller is back, and sleeps */
    begin_request(&asking, served->port, "/");
    CHECK(pthread_create(&asks[1], NULL, ask, &asking) == 0);
    pthread_join(asks[0], NULL);
    pthread_join(asks[1], NULL);
    atomic_store(&reader_may_go_on, 1);
    pthread_join(reader, NULL);
    client_leave(&web_socket);
}

/* A reader that leads, and whose WebSocket another thread releases, comes back. */

static atomic_int reader_is_back;

static void *read_until_released(void *connection)
{
    ah_event event;
    char memory[AH_EVENT_COPIED];

    while (ah_next_events_of(connection, 0, -1, &event, 1, memory, sizeof memory) >= 0)
        continue;
    atomic_store(&reader_is_back, 1);
    return NULL;
}

static void a_release_ends_a_wait(struct served *served)
{
    struct client client, held, again;
    pthread_t reader, asks[2];
    ah_connection *connection = open_claimed(served, &client);

    atomic_store(&poller_works, 0);
    atomic_store(&poller_may_go_on, 0);
    atomic_store(&reader_is_back, 0);
    begin_request(&held, served->port, "/hold"); /* so that nobody else can lead */
    CHECK(comes(&poller_works));
    sleep_us(20000); /* until it is no leader any more */
    CHECK(pthread_create(&reader, NULL, read_until_released, connection) == 0);
    sleep_us(20000);
    ah_release_web_socket(connection);
    CHECK(comes(&reader_is_back));
    atomic_store(&poller_may_go_on, 1);
    CHECK(pthread_create(&asks[0], NULL, ask, &held) == 0);
    begin_request(&again, served->port, "/");
    CHECK(pthread_create(&asks[1], NULL, ask, &again) == 0);
    pthread_join(asks[0], NULL);
    pthread_join(asks[1], NULL);
    client_leave(&client);
    pthread_join(reader, NULL);
}

/* A thread that polls may read one WebSocket between two batches, and is still known once: when it is held up then,
 * the loop's own thread looks at all that are. */
static void a_thread_polls_and_reads(struct served *served)
{
    struct client client, held;

    atomic_store(&poller_works, 0);
    atomic_store(&poller_may_go_on, 0);
    atomic_store(&poller_has_read, 0);
    atomic_store(&poller_reads, 1);
    CHECK(client_open(&client, served->port));
    send_byte(&client, 'x');
    CHECK(comes(&poller_has_read));
    atomic_store(&poller_reads, 0);
    begin_request(&held, served->port, "/hold");
    CHECK(comes(&poller_works));
    sleep_us(20000);
    send_byte(&client, 'p');
    atomic_store(&poller_may_go_on, 1);
    ask(&held);
    client_leave(&client);
}

/* A reader that leads turns to the WebSocket of another queue, and ends. */

static void *read_two(void *argument)
{
    struct served **two = argument;
    ah_event events[2];
    char memory[AH_EVENT_COPIED];

    for (int i = 0; i < 2; ++i)
        CHECK(ah_next_events_of(atomic_load(&two[i]->claimed), 0, -1, &events[i], 1, memory, sizeof memory) == 1);
    for (int i = 0; i < 2; ++i)
        CHECK(ah_answer_events(two[i]->queue, events[i].id, events[i].id, 1) == 1);
    return NULL;
}

static void a_reader_of_two_queues_is_forgotten_by_both(struct served *one, struct served *other)
{
    struct client clients[2], asking;
    struct served *two[] = {one, other};
    ah_connection *connections[] = {open_claimed(one, &clients[0]), open_claimed(other, &clients[1])};
    pthread_t reader, asks;
    uint8_t frame[CLIENT_MAX_HEADER + 1];
    size_t size = client_frame(frame, 0x82, "x", 1);

    CHECK(client_send(&clients[1], frame, size));
    CHECK(pthread_create(&reader, NULL, read_two, two) == 0);
    CHECK(client_send(&clients[0], frame, size));
    pthread_join(reader, NULL);
    begin_request(&asking, one->port, "/");
    CHECK(pthread_create(&asks, NULL, ask, &asking) == 0);
    pthread_join(asks, NULL);
    for (int i = 0; i < 2; ++i) {
        ah_release_web_socket(connections[i]);
        client_leave(&clients[i]);
    }
}

/* Readers that answer each message with itself, and have answered many: what they write may be sent together. Some are
 * held up behind their answer, which comes nevertheless, as those of the others do. */

enum { READERS = 8, WARM_UP = 40 };

static atomic_int held_may_go_on, sleeping, most_sleeping;

static void *write_back(void *connection)
{
    CHECK(ah_write_to_web_socket(connection, 2, "t", 1) == 1);
    return NULL;
}

static void sleep_a_little(void)
{
    int now = atomic_fetch_add(&sleeping, 1) + 1, most = atomic_load(&most_sleeping);

    while (now > most && !atomic_compare_exchange_weak(&most_sleeping, &most, now))
        continue;
    sleep_us(1000);
    atomic_fetch_sub(&sleeping, 1);
}

/* "s": sleep a little; "h": answer and be held up; "t": be held up while another thread answers. */
static void *echo(void *connection)
{
    ah_event events[CAPACITY];
    char memory[AH_EVENT_COPIED];
    uint64_t last = 0;
    pthread_t writer;
    int32_t count;

    while ((count = ah_next_events_of(connection, last, -1, events, CAPACITY, memory, sizeof memory)) > 0)
        for (int i = 0; i < count; ++i) {
            const char *data = events[i].arguments.web_socket_message.data;

            last = events[i].id;
            if (events[i].kind != AH_EVENT_WEB_SOCKET_MESSAGE || events[i].arguments.web_socket_message.opcode != 2)
                continue;
            if (*data == 's')
                sleep_a_little();
            if (*data == 't')
                CHECK(pthread_create(&writer, NULL, write_back, connection) == 0);
            else
                CHECK(ah_write_to_web_socket(connection, 2, data, 1) == 1);
            if (*data == 't' || *data == 'h')
                CHECK(comes(&held_may_go_on));
            if (*data == 't')
                pthread_join(writer, NULL);
        }
    return NULL;
}

static void each_once(struct client *clients, char byte)
{
    for (int i = 0; i < READERS; ++i)
        send_byte(&clients[i], byte);
    for (int i = 0; i < READERS; ++i)
        expect_byte(&clients[i], byte);
}

static void answers_come_from_those_that_are_held_up_and_from_others(struct served *served, const char *messages)
{
    struct client clients[READERS], held;
    pthread_t readers[READERS], asks;
    int i, round;

    atomic_store(&held_may_go_on, 0);
    atomic_store(&poller_works, 0);
    atomic_store(&poller_may_go_on, 0);
    for (i = 0; i < READERS; ++i) {
        ah_connection *connection = open_claimed(served, &clients[i]);

        CHECK(pthread_create(&readers[i], NULL, echo, connection) == 0);
    }
    for (round = 0; round < WARM_UP; ++round)
        each_once(clients, 'x');
    begin_request(&held, served->port, "/hold");
    CHECK(comes(&poller_works));
    for (i = 0; i < READERS; ++i)
        send_byte(&clients[i], messages[i]);
    for (i = 0; i < READERS; ++i)
        expect_byte(&clients[i], messages[i]);
    for (i = 0; i < READERS; ++i)
        if (messages[i] == 'x') {
            send_byte(&clients[i], 'y');
            expect_byte(&clients[i], 'y');
        }
    atomic_store(&held_may_go_on, 1);
    atomic_store(&poller_may_go_on, 1);
    CHECK(pthread_create(&asks, NULL, ask, &held) == 0);
    pthread_join(asks, NULL);
    for (i = 0; i < READERS; ++i) {
        send_byte(&clients[i], 'z');
        expect_byte(&clients[i], 'z');
        client_leave(&clients[i]);
    }
    for (i = 0; i < READERS; ++i)
        pthread_join(readers[i], NULL);
}

/* Readers that wait for something, however short, do so at the same time, and are trusted again when they do not. */
static void readers_sleep_at_the_same_time(struct served *served)
{
    struct client clients[READERS];
    pthread_t readers[READERS];
    int i, round, together = 0;

    for (i = 0; i < READERS; ++i) {
        ah_connection *connection = open_claimed(served, &clients[i]);

        CHECK(pthread_create(&readers[i], NULL, echo, connection) == 0);
    }
    for (round = 0; round < WARM_UP; ++round) {
        atomic_store(&most_sleeping, 0);
        each_once(clients, 's');
        together += atomic_load(&most_sleeping) > READERS / 2;
    }
    CHECK(together > WARM_UP / 2);
    for (round = 0; round < WARM_UP; ++round)
        each_once(clients, 'x');
    for (i = 0; i < READERS; ++i) {
        client_leave(&clients[i]);
        pthread_join(readers[i], NULL);
    }
}

/* A reader would wait for itself if it stopped the server, which goes on. */

static void *try_to_stop(void *argument)
{
    struct served *served = argument;
    ah_connection *connection = atomic_load(&served->claimed);
    ah_event event;
    char memory[AH_EVENT_COPIED];

    CHECK(ah_next_events_of(connection, 0, -1, &event, 1, memory, sizeof memory) == 1);
    ah_stop_server(served->context);
    CHECK(ah_last_error_code() == AH_ERROR_WRONG_THREAD);
    CHECK(ah_write_to_web_socket(connection, 2, "s", 1) == 1);
    CHECK(ah_next_events_of(connection, event.id, -1, &event, 1, memory, sizeof memory) == 1);
    CHECK(event.kind == AH_EVENT_WEB_SOCKET_CLOSE);
    CHECK(ah_answer_events(served->queue, event.id, event.id, 1) == 1);
    return NULL;
}

static void a_reader_does_not_stop_its_server(struct served *served)
{
    struct client client;
    pthread_t reader;

    (void)open_claimed(served, &client);
    CHECK(pthread_create(&reader, NULL, try_to_stop, served) == 0);
    send_byte(&client, 'x');
    expect_byte(&client, 's');
    client_leave(&client);
    pthread_join(reader, NULL);
}

/* What a reader writes when its queue has been closed under it goes out like anything else. */

static void *write_late(void *argument)
{
    struct served *served = argument;
    ah_connection *connection = atomic_load(&served->claimed);
    ah_event events[CAPACITY];
    char memory[AH_EVENT_COPIED];
    uint64_t last = 0;

    for (int read = 0; read <= WARM_UP; ++read) {
        CHECK(ah_next_events_of(connection, last, -1, events, 1, memory, sizeof memory) == 1);
        last = events[0].id;
        if (read < WARM_UP)
            CHECK(ah_write_to_web_socket(connection, 2, "x", 1) == 1);
    }
    CHECK(ah_answer_events(served->queue, last, last, 1) == 1);
    atomic_store(&reader_is_held, 1);
    CHECK(comes(&queue_is_closed));
    CHECK(ah_write_to_web_socket(connection, 2, "l", 1) == 1);
    CHECK(comes(&reader_may_go_on));
    CHECK(ah_next_events_of(connection, 0, -1, events, 1, memory, sizeof memory) == -1);
    return NULL;
}

static void a_reader_outlives_its_queue(struct served *served)
{
    struct client client;
    pthread_t reader;

    (void)open_claimed(served, &client);
    atomic_store(&reader_is_held, 0);
    atomic_store(&reader_may_go_on, 0);
    CHECK(pthread_create(&reader, NULL, write_late, served) == 0);
    for (int i = 0; i < WARM_UP; ++i) {
        send_byte(&client, 'x');
        expect_byte(&client, 'x');
    }
    send_byte(&client, 'x');
    CHECK(comes(&reader_is_held));
    ah_close_event_queue(served->queue);
    atomic_store(&queue_is_closed, 1);
    expect_byte(&client, 'l');
    atomic_store(&reader_may_go_on, 1);
    pthread_join(reader, NULL);
    client_leave(&client);
    ah_stop_server(served->context);
    pthread_join(served->poller, NULL);
}

/* That a thread's queue has been closed is no error of its next call, which is for another queue. */
static void a_closed_queue_is_no_error_of_another(struct served *served)
{
    struct client asking;

    atomic_store(&poller_works, 0);
    atomic_store(&queue_is_closed, 0);
    atomic_store(&poller_turns_away, 1);
    begin_request(&asking, served->port, "/");
    ask(&asking);
    CHECK(comes(&poller_works));
    ah_close_event_queue(served->queue);
    atomic_store(&queue_is_closed, 1);
    pthread_join(served->poller, NULL);
    atomic_store(&poller_turns_away, 0);
    ah_stop_server(served->context);
}

/* Without a close callback nobody could tell the reader of the end. */

static void a_claim_needs_a_close_callback(void)
{
    static struct served served;
    struct client client;

    start(&served, NULL);
    atomic_store(&poller_works, 0);
    atomic_store(&claims_are_refused, 1);
    CHECK(client_open(&client, served.port));
    CHECK(comes(&poller_works));
    atomic_store(&claims_are_refused, 0);
    client_leave(&client);
    stop(&served);
}

int main(void)
{
    static struct served one, other, third;

    start(&one, ah_post_web_socket_close);
    start(&other, ah_post_web_socket_close);
    start(&third, ah_post_web_socket_close);
    for (int i = 0; i < TRIES; ++i) {
        a_held_reader_holds_up_nobody(&one);
        a_release_ends_a_wait(&one);
        a_thread_polls_and_reads(&one);
        a_reader_of_two_queues_is_forgotten_by_both(&one, &other);
        answers_come_from_those_that_are_held_up_and_from_others(&one, "hxtxhxtx");
        answers_come_from_those_that_are_held_up_and_from_others(&one, "hhhhhhhh");
    }
    readers_sleep_at_the_same_time(&one);
    a_reader_does_not_stop_its_server(&one);
    stop(&one);
    a_reader_outlives_its_queue(&other);
    a_closed_queue_is_no_error_of_another(&third);
    a_claim_needs_a_close_callback();
    return failed_checks != 0;
}
