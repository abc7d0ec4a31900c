/*
 * The polled driver: threads that take events, are held up, answer, and stop the server they answer for, in turns with
 * a single one that waits for the queue's descriptor. Half of the WebSockets are claimed, by a thread for each.
 *
 *     test_polled [seconds]
 *
 * Run it with a sanitizer. It checks by itself that each run belongs to one thread, that messages come in order and
 * are echoed so, that a close comes exactly once for each ready, and that every server and every queue ends.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "alusus_http/alusus_http_events.h"
#include "check.h"
#include "client.h"
#include "loopback.h"
#include "stress.h"

enum { POLLERS = 3, CLIENTS = 6, CAPACITY = 16, MEMORY = 3 * AH_EVENT_COPIED, SLOTS = 4096, LONG_MESSAGE = 20000 };

static atomic_long readies, closes, messages, helped, in_runs, stopped_in_callbacks, claimed;
static atomic_int readers;
static _Thread_local bool reads;

/* One server's life, and its queue's. */
static struct round {
    ah_event_queue *queue;
    _Atomic(ah_context *) context;
    int port;
    bool stops_itself;
    atomic_bool over;
} current;

/* What is known of a connection, by the lower half of its handle, which no two have at a time. */
static struct {
    atomic_flag busy;
    uint32_t next;
    bool open;
} slots[SLOTS];

static size_t slot_of(const ah_connection *connection)
{
    return (uintptr_t)connection % SLOTS;
}

/* Handle an event of an open WebSocket; returns its answer. */
static int32_t handle_mail(const ah_event *event)
{
    ah_connection *connection = event->arguments.web_socket_ready.connection;
    const char *data = event->arguments.web_socket_message.data;
    size_t size = event->arguments.web_socket_message.data_len, slot = slot_of(connection);
    uint32_t number;

    switch (event->kind) {
    case AH_EVENT_WEB_SOCKET_READY:
        CHECK(!slots[slot].open);
        slots[slot].open = true;
        slots[slot].next = 0;
        atomic_fetch_add(&readies, 1);
        return 0;
    case AH_EVENT_WEB_SOCKET_CLOSE:
        CHECK(slots[slot].open);
        slots[slot].open = false;
        atomic_fetch_add(&closes, 1);
        return 0;
    default:
        CHECK(slots[slot].open);
        if (event->arguments.web_socket_message.opcode != 2)
            return 1;
        CHECK(size >= sizeof number);
        memcpy(&number, data, sizeof number);
        CHECK(number == slots[slot].next++);
        atomic_fetch_add(&messages, 1);
        if (random_below(300) == 0)
            sleep_ms(6);
        ah_write_to_web_socket(connection, 2, data, size);
        if (!reads && random_below(500) == 0 && current.stops_itself && !atomic_load(&current.over)) {
            ah_stop_server(atomic_load(&current.context));
            atomic_fetch_add(&stopped_in_callbacks, 1);
        }
        return random_below(400) != 0;
    }
}

static bool is_mail(const ah_event *event)
{
    return event->kind == AH_EVENT_WEB_SOCKET_READY || event->kind == AH_EVENT_WEB_SOCKET_MESSAGE ||
           event->kind == AH_EVENT_WEB_SOCKET_CLOSE;
}

/* Serve one WebSocket, until its end or for a while. */
static void *read_claimed(void *connection)
{
    ah_event events[CAPACITY];
    char memory[AH_EVENT_COPIED];
    uint64_t first = 0, last = 0;
    bool closed = false;
    int32_t count = 0, i;

    reads = true;
    while (!closed && count >= 0 && random_below(100) != 0) {
        count = ah_next_events_of(connection, last, random_below(5) == 0 ? (int32_t)random_below(4) : -1, events, CAPACITY,
                                  memory, sizeof memory);
        for (i = 0; i < count; ++i) {
            CHECK(is_mail(&events[i]) && events[i].arguments.web_socket_ready.connection == connection);
            closed = events[i].kind == AH_EVENT_WEB_SOCKET_CLOSE;
            handle_mail(&events[i]);
        }
        if (count <= 0)
            continue;
        if (count > 1)
            atomic_fetch_add(&in_runs, count);
        first = events[0].id;
        last = events[count - 1].id;
    }
    ah_release_web_socket(connection);
    ah_answer_events(current.queue, first, last, 1);
    atomic_fetch_sub(&readers, 1);
    return NULL;
}

static void claim(ah_connection *connection)
{
    pthread_t thread;

    CHECK(ah_claim_web_socket(connection) == 0);
    atomic_fetch_add(&readers, 1);
    atomic_fetch_add(&claimed, 1);
    CHECK(pthread_create(&thread, NULL, read_claimed, connection) == 0);
    pthread_detach(thread);
}

/* Handle events of one WebSocket that stand together; returns how many. */
static int handle_run(const ah_event *events, int count)
{
    ah_connection *connection = events->arguments.web_socket_ready.connection;
    uint64_t begin = events->id;
    int i;

    CHECK(!atomic_flag_test_and_set(&slots[slot_of(connection)].busy));
    for (i = 0; i < count && is_mail(&events[i]) && events[i].arguments.web_socket_ready.connection == connection; ++i) {
        CHECK(events[i].id == events->id + (uint64_t)i);
        if (handle_mail(&events[i]) == 0 && events[i].kind == AH_EVENT_WEB_SOCKET_MESSAGE) {
            if (begin < events[i].id)
                CHECK(ah_answer_events(current.queue, begin, events[i].id - 1, 1) > 0);
            if (i + 1 < count && is_mail(&events[i + 1]) &&
                events[i + 1].arguments.web_socket_ready.connection == connection) {
                CHECK(ah_answer_events(current.queue, events[i].id, events[i].id, 0) == 1);
                begin = events[i].id + 1;
            }
        }
    }
    if (i > 1)
        atomic_fetch_add(&in_runs, i);
    if (events->kind == AH_EVENT_WEB_SOCKET_READY && random_below(2) == 0)
        claim(connection);
    atomic_flag_clear(&slots[slot_of(connection)].busy); /* before the next run can be taken */
    CHECK(ah_answer_events(current.queue, begin, events[i - 1].id, 1) > 0);
    return i;
}

static void handle(const ah_event *events, int count)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int i;

    for (i = 0; i < count;) {
        if (is_mail(&events[i])) {
            i += handle_run(&events[i], count - i);
            continue;
        }
        if (events[i].kind == AH_EVENT_REQUEST) {
            ah_write(events[i].arguments.request.connection, page, sizeof page - 1);
            CHECK(ah_answer_events(current.queue, events[i].id, events[i].id, 200) == 1);
        } else {
            CHECK(ah_answer_events(current.queue, events[i].id, events[i].id, 0) == 1);
        }
        ++i;
    }
}

static void *poll_queue(void *descriptor)
{
    struct pollfd watched = {.fd = descriptor == NULL ? -1 : *(int *)descriptor, .events = POLLIN};
    ah_event events[CAPACITY];
    char memory[MEMORY];
    int32_t count;

    for (;;) {
        count = ah_next_events(current.queue, descriptor == NULL ? -1 : 0, events, CAPACITY, memory, sizeof memory);
        if (count < 0)
            return NULL;
        handle(events, count);
        if (count == 0 && descriptor == NULL)
            atomic_fetch_add(&helped, 1);
        else if (count == 0)
            poll(&watched, 1, 100); /* not for ever, for a closed queue's descriptor is gone */
    }
}

/* Send several messages at once, and read them back. */
static bool talk(struct client *client, uint8_t *frames, uint8_t *back, uint32_t *number)
{
    uint32_t burst = 1 + random_below(12), first = *number, i;
    uint8_t data[LONG_MESSAGE] = {0};
    size_t all = 0, size;
    int opcode;

    for (i = 0; i < burst; ++i, ++*number) {
        memcpy(data, number, sizeof *number);
        size = random_below(20) == 0 ? LONG_MESSAGE : sizeof *number + random_below(100);
        all += client_frame(frames + all, 0x82, data, size);
    }
    if (!client_send(client, frames, all))
        return false;
    for (i = 0; i < burst; ++i) {
        do {
            size = LONG_MESSAGE;
            opcode = client_receive_frame(client, back, &size);
        } while (opcode == 9 || opcode == 10);
        if (opcode != 2)
            return false; /* closed: a handler's wish, or the server's end */
        CHECK(memcmp(back, &(uint32_t){first + i}, sizeof first) == 0);
    }
    return true;
}

static void *run_client(void *nothing)
{
    uint8_t *frames = malloc(16 * (LONG_MESSAGE + CLIENT_MAX_HEADER)), *back = malloc(LONG_MESSAGE);
    static const char request[] = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct client client;
    char answer[40];
    uint32_t number, i;

    while (!atomic_load(&current.over)) {
        if (random_below(4) == 0) {
            if (client_connect(&client, current.port) && client_send(&client, request, sizeof request - 1))
                (void)client_read(&client, answer, sizeof answer);
            client_leave(&client);
            continue;
        }
        if (!client_open(&client, current.port)) {
            sleep_ms(5);
            continue;
        }
        number = 0;
        for (i = random_below(60); i > 0 && !atomic_load(&current.over) && talk(&client, frames, back, &number); --i)
            ;
        if (random_below(2) == 0)
            client_leave(&client);
        else
            client_reset(&client);
    }
    free(frames);
    free(back);
    return nothing;
}

static void run_round(int number)
{
    char address[32];
    const char *options[] = {"listening_ports", address, "num_threads", "6", "websocket_close_timeout_ms", "500", NULL};
    ah_callbacks callbacks = {.begin_request = ah_post_request, .connection_close = ah_post_connection_close};
    pthread_t pollers[POLLERS], clients[CLIENTS];
    int count = number % 3 == 2 ? 1 : POLLERS, descriptor, i;
    ah_context *context;
    void *receiver;

    free_address(address, sizeof address);
    current.port = atoi(strchr(address, ':') + 1);
    current.stops_itself = number % 2 == 0;
    atomic_store(&current.over, false);
    current.queue = ah_open_event_queue();
    CHECK(current.queue != NULL);
    receiver = ah_event_receiver(current.queue, 7);
    descriptor = count == 1 ? ah_event_queue_descriptor(current.queue) : -1;
    for (i = 0; i < count; ++i)
        pthread_create(&pollers[i], NULL, poll_queue, count == 1 ? &descriptor : NULL);
    context = ah_start_server(&callbacks, receiver, options);
    CHECK(context != NULL);
    atomic_store(&current.context, context);
    ah_set_web_socket_message_handler(context, "/", ah_post_web_socket_connect, ah_post_web_socket_ready,
                                      ah_post_web_socket_message, ah_post_web_socket_close, receiver);
    for (i = 0; i < CLIENTS; ++i)
        pthread_create(&clients[i], NULL, run_client, NULL);
    sleep_ms(400 + (long)random_below(400));
    atomic_store(&current.over, true);
    ah_stop_server(context); /* unless a callback has done so */
    for (i = 0; i < CLIENTS; ++i)
        pthread_join(clients[i], NULL);
    /* A server that a callback has stopped ends in its own time; until then it posts. */
    for (i = 0; i < 500 && atomic_load(&closes) < atomic_load(&readies); ++i)
        sleep_ms(10);
    CHECK(atomic_load(&closes) == atomic_load(&readies));
    for (i = 0; i < 500 && atomic_load(&readers) > 0; ++i)
        sleep_ms(10);
    CHECK(atomic_load(&readers) == 0);
    ah_close_event_queue(current.queue);
    for (i = 0; i < count; ++i)
        pthread_join(pollers[i], NULL);
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
    int number = 0, i;

    for (i = 0; i < SLOTS; ++i)
        atomic_flag_clear(&slots[i].busy);
    while (time(NULL) < end || number < 4)
        run_round(number++);
    CHECK(readies > 0 && claimed > 0 && messages > 0 && in_runs > 0);
    printf("%d servers, %ld stopped in callbacks, %ld WebSockets, %ld of them claimed, %ld messages, %ld of them in runs, %ld calls for help\n", number,
           stopped_in_callbacks, readies, claimed, messages, in_runs, helped);
    return failed_checks != 0;
}
