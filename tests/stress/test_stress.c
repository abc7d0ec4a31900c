/*
 * Everything at once: servers that come and go, clients of all manners, threads that write to and close whatever
 * handle they have got hold of, handlers that are replaced, callbacks that block and callbacks that stop a server.
 *
 *     test_stress [seconds]
 *
 * Run it with a sanitizer. It checks by itself that the callbacks of a connection come in order and never overlap,
 * that a close comes exactly once for each ready, that nothing comes after a server's end, that messages arrive whole
 * and in their writer's order, and that no thread and no descriptor is left.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"
#include "stress.h"

enum { HOSTS = 2, CLIENTS = 8, BYSTANDERS = 4, HANDLES = 64, LONGEST_RUN_MS = 1500 };

static atomic_bool over;

/* What has happened: a run in which something never did proves nothing about it. */
static struct counters {
    atomic_long servers, stops_from_callbacks, readies, messages, refused_writes, writes, group_writes, replaced;
    atomic_long statistics, queued, reasons;
} counters;

/* Notes: writer, number and size, and bytes that follow from them */

#define FIRST_BYSTANDER 100u /* writers below are clients, who get their notes back */
#define CALLBACKS 109u       /* those of all connections, to groups */
#define MAX_WRITERS 110u
#define MAX_NOTE_SIZE 70000u

struct note {
    uint32_t writer, number, size;
};

static size_t make_note(uint8_t *data, uint32_t writer, uint32_t number, uint32_t filling)
{
    struct note note = {writer, number, (uint32_t)sizeof note + filling};
    memcpy(data, &note, sizeof note);
    for (uint32_t i = sizeof note; i < note.size; ++i)
        data[i] = (uint8_t)(writer + number + i);
    return note.size;
}

static bool note_is_whole(const uint8_t *data, size_t size, struct note *note)
{
    if (size < sizeof *note)
        return false;
    memcpy(note, data, sizeof *note);
    if (note->size != size || note->writer >= MAX_WRITERS)
        return false;
    for (uint32_t i = sizeof *note; i < note->size; ++i)
        if (data[i] != (uint8_t)(note->writer + note->number + i))
            return false;
    return true;
}

static CharsPtr any_group(void)
{
    static const char *const groups[] = {"lobby", "kitchen", "roof"};
    return TEXT(groups[random_below(3)]);
}

/* Servers */

/* One server's life. */
struct host {
    _Atomic(Context *) context;
    atomic_int port;
    atomic_bool serving, exited, stop_wanted;
    atomic_long connections, open;
};

/* One connection's: RequestInfo.connData. */
struct life {
    struct life *next; /* kept until the run is over */
    struct host *host;
    enum { ACCEPTED, CONNECTED, READY, CLOSED } stage;
    atomic_flag busy;
    uint32_t next_number;
};

static struct host hosts[HOSTS];
static _Atomic(struct life *) lives;
static _Atomic(Connection *) handles[HANDLES]; /* of connections that were ready once */

static struct life *enter(Connection *connection)
{
    struct life *life = ah_get_request_info(connection)->connData;
    CHECK(!life->host->exited);
    CHECK(!atomic_flag_test_and_set(&life->busy)); /* callbacks of one connection never overlap */
    return life;
}

static void leave(struct life *life)
{
    atomic_flag_clear(&life->busy);
}

static Int on_init_connection(Connection *connection, void **connection_data)
{
    struct life *life = calloc(1, sizeof *life);
    (void)connection;
    *connection_data = life;
    life->next = lives;
    while (!atomic_compare_exchange_weak(&lives, &life->next, life))
        ;
    return 0;
}

static Int on_request(Connection *connection)
{
    atomic_store(&handles[random_below(HANDLES)], connection);
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    return 200;
}

static void on_connection_close(Connection *connection)
{
    RequestInfo *info = ah_get_request_info(connection); /* none if no request has come */
    CHECK(info == NULL || ((struct life *)info->connData)->stage != READY);
    CHECK(ah_close_web_socket(connection) == -1);
}

static void on_exit_context(Context *context)
{
    for (int i = 0; i < HOSTS; ++i)
        if (hosts[i].context == context)
            hosts[i].exited = true;
}

static Int on_connect(Connection *connection, void *host)
{
    struct life *life = ah_get_request_info(connection)->connData;
    life->host = host;
    CHECK(enter(connection)->stage == ACCEPTED);
    life->stage = CONNECTED;
    atomic_store(&handles[random_below(HANDLES)], connection); /* others write to it too early */
    leave(life);
    return random_below(20) == 0;
}

static void on_ready(Connection *connection, void *host)
{
    struct life *life = enter(connection);
    CHECK(life->stage == CONNECTED && life->host == host);
    life->stage = READY;
    ++life->host->open;
    ++counters.readies;
    CHECK(ah_join_group(connection, any_group()) == 0 || ah_last_error() != NULL); /* others may have closed it */
    atomic_store(&handles[random_below(HANDLES)], connection);
    leave(life);
}

static void stop(struct host *host)
{
    ah_stop_server(host->context);
    if (ah_last_error() == NULL)
        ++counters.stops_from_callbacks;
}

/* The notes of callbacks, each of which is a writer whose numbers go on. */
static void write_to_group_from(Connection *connection)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* so that each member gets them in order */
    static uint32_t next;
    static Char data[MAX_NOTE_SIZE];
    pthread_mutex_lock(&mutex);
    size_t size = make_note((uint8_t *)data, CALLBACKS, next++, random_below(20) == 0 ? 60000 : random_below(300));
    counters.group_writes += ah_write_to_others_in_group(connection, any_group(), 2, data, size) > 0;
    pthread_mutex_unlock(&mutex);
}

/* What a program may ask and do from any thread, with a handle that may have ended. */
static void ask(Connection *connection, Context *context)
{
    WebSocketStatistics *statistics = ah_get_web_socket_statistics(context);
    CHECK(statistics != NULL || ah_last_error() != NULL);
    if (statistics != NULL) {
        CHECK(statistics->open >= 0);
        ++counters.statistics;
    }
    if (ah_get_queued_bytes(connection) >= 0)
        ++counters.queued;
    else
        CHECK(ah_last_error() != NULL);
    if (random_below(50) == 0 && ah_close_web_socket_with_reason(connection, 4000, TEXT("a whim")) == 0)
        ++counters.reasons;
    (void)ah_is_web_socket_open(connection);
    (void)ah_get_header(connection, TEXT("Host")); /* the next request may be replacing this one */
}

static Int on_message(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *host)
{
    struct life *life = enter(connection);
    CHECK(life->stage == READY && life->host == host);
    if (opcode == 2) {
        struct note note;
        CHECK(note_is_whole(data, length, &note));
        CHECK(note.number == life->next_number);
        life->next_number = note.number + 1;
        ++counters.messages;
    }
    if (random_below(100) == 0)
        sleep_ms((long)random_below(30)); /* others take over meanwhile */
    for (int i = 0; i < HOSTS; ++i)
        if (hosts[i].stop_wanted && random_below(4) == 0)
            stop(&hosts[i]); /* this connection's server, or another one */
    if (opcode == 2 && ah_write_binary_to_web_socket(connection, data, length) < 0)
        CHECK(ah_last_error() != NULL);
    if (opcode == 2 && random_below(4) == 0)
        write_to_group_from(connection);
    leave(life);
    return random_below(500) != 0;
}

static Int on_data(Connection *connection, Int opcode, CharsPtr data, Int length, void *host)
{
    return on_message(connection, opcode, data, (ArchWord)length, host);
}

static void on_close(Connection *connection, void *host)
{
    struct life *life = enter(connection);
    CHECK(life->stage == READY && life->host == host);
    life->stage = CLOSED;
    --life->host->open;
    CHECK(ah_write_binary_to_web_socket(connection, TEXT("late"), 4) == -1);
    leave(life);
}

static void set_handlers(struct host *host)
{
    if (random_below(2) == 0)
        ah_set_web_socket_handler(host->context, TEXT("/"), on_connect, on_ready, on_data, on_close, host);
    else
        ah_set_web_socket_message_handler(host->context, TEXT("/"), on_connect, on_ready, on_message, on_close, host);
    ++counters.replaced;
}

static void start(struct host *host)
{
    static const char *const policies[] = {"close", "drop", "block"};
    char address[64];
    Callbacks callbacks = {
        .beginRequest = on_request,
        .initConnection = on_init_connection,
        .connectionClose = on_connection_close,
        .exitContext = on_exit_context,
    };
    CharsPtr options[] = {
        TEXT("listening_ports"), TEXT(address),
        TEXT("num_threads"), TEXT("4"),
        TEXT("request_timeout_ms"), TEXT("500"),
        TEXT("enable_keep_alive"), TEXT("yes"),
        TEXT("websocket_threads"), TEXT("6"),
        TEXT("websocket_queue_policy"), TEXT(policies[random_below(3)]),
        TEXT("websocket_max_queue_size"), TEXT("100000"),
        TEXT("websocket_ping_interval_ms"), TEXT("100"),
        TEXT("websocket_ping_timeout_ms"), TEXT("300"),
        TEXT("websocket_close_timeout_ms"), TEXT("300"),
        NULL,
    };
    host->exited = false;
    host->stop_wanted = false;
    free_address(address, sizeof address);
    host->port = atoi(strchr(address, ':') + 1);
    host->context = ah_start_server(&callbacks, host, options);
    CHECK(host->context != NULL);
    if (host->context == NULL) {
        fprintf(stderr, "%s\n", (char *)ah_last_error());
        exit(1);
    }
    set_handlers(host);
    ++counters.servers;
}

static void *run_host(void *argument)
{
    struct host *host = argument;
    while (!over) {
        start(host);
        host->serving = true;
        sleep_ms((long)random_below(LONGEST_RUN_MS));
        if (random_below(2) == 0) {
            host->stop_wanted = true;
            sleep_ms(200);
        }
        ah_stop_server(host->context);
        if (ah_last_error() == NULL)
            CHECK(host->exited); /* it has waited for everything */
        while (!host->exited) /* a callback was first: another thread stops it */
            sleep_ms(1);
        host->serving = false;
        CHECK(host->open == 0); /* a close for every ready */
    }
    return NULL;
}

static void *replace_handlers(void *nothing)
{
    while (!over) {
        struct host *host = &hosts[random_below(HOSTS)];
        if (host->serving)
            set_handlers(host);
        if (random_below(10) == 0)
            ah_set_web_socket_handler(host->context, TEXT("/"), NULL, NULL, NULL, NULL, NULL);
        sleep_ms(5);
    }
    return nothing;
}

/* Writes to handles that may have ended, or not begun, and keeps using those that it knows to have. */
static void *stand_by(void *number)
{
    uint32_t writer = FIRST_BYSTANDER + (uint32_t)(uintptr_t)number, next = 0;
    Char *data = malloc(MAX_NOTE_SIZE);
    while (!over) {
        Connection *connection = handles[random_below(HANDLES)];
        int times = (int)random_below(5);
        if (random_below(4) == 0) {
            size_t size = make_note(data, writer, next++, random_below(200));
            counters.group_writes += ah_write_binary_to_group(hosts[random_below(HOSTS)].context, any_group(), data, size) > 0;
        }
        if (random_below(10) == 0)
            (void)(random_below(2) == 0 ? ah_join_group : ah_leave_group)(connection, any_group());
        for (int i = 0; i < times; ++i) {
            size_t size = make_note(data, writer, next++, random_below(20) == 0 ? 60000 : random_below(200));
            if (ah_write_binary_to_web_socket(connection, data, size) < 0) {
                CHECK(ah_last_error() != NULL);
                ++counters.refused_writes;
            } else {
                ++counters.writes;
            }
        }
        if (random_below(200) == 0)
            (void)ah_close_web_socket(connection);
        ask(connection, hosts[random_below(HOSTS)].context);
        sleep_ms(1);
    }
    free(data);
    return NULL;
}

/* Clients */

struct visitor {
    struct client client;
    uint32_t writer;
    bool closed;                /* the server's Close frame has come */
    uint32_t next[MAX_WRITERS]; /* the least number that each writer's next note may have */
    uint8_t data[MAX_NOTE_SIZE], frame[MAX_NOTE_SIZE + CLIENT_MAX_HEADER];
};

/* A frame, now and then in two pieces. */
static bool send_frame(struct visitor *visitor, int first, const uint8_t *data, size_t size)
{
    size_t all = client_frame(visitor->frame, first, data, size);
    size_t cut = random_below(4) == 0 ? 1 + random_below((uint32_t)all - 1) : all;
    return client_send(&visitor->client, visitor->frame, cut) &&
           client_send(&visitor->client, visitor->frame + cut, all - cut);
}

/* A note, perhaps in fragments with a ping between them. */
static bool send_note(struct visitor *visitor, uint32_t number)
{
    uint8_t *data = visitor->data;
    size_t size = make_note(data, visitor->writer, number, random_below(10) == 0 ? random_below(60000) : random_below(300));
    size_t cut = random_below((uint32_t)size);
    if (random_below(3) > 0)
        return send_frame(visitor, 0x82, data, size);
    return send_frame(visitor, 0x02, data, cut) && send_frame(visitor, 0x89, data, cut % 126) &&
           send_frame(visitor, 0x80, data + cut, size - cut);
}

enum received {
    NOTE_BACK, /* a client's note: its own */
    OTHER,     /* something else: a bystander's note, a ping, a pong */
    CLOSE,     /* a Close frame, the last of all */
    LOST,      /* the end of the stream, or nothing for seconds */
};

static enum received receive(struct visitor *visitor)
{
    size_t size = MAX_NOTE_SIZE;
    struct note note = {0};
    int opcode = client_receive_frame(&visitor->client, visitor->data, &size);
    CHECK(opcode == -1 || !visitor->closed); /* a Close frame is the last */
    switch (opcode) {
    case 2:
        CHECK(note_is_whole(visitor->data, size, &note));
        if (note.writer >= MAX_WRITERS)
            return LOST;
        CHECK(note.number >= visitor->next[note.writer]);
        visitor->next[note.writer] = note.number + 1;
        return note.writer < FIRST_BYSTANDER ? NOTE_BACK : OTHER;
    case 8:
        visitor->closed = true;
        return CLOSE;
    case 9:
        send_frame(visitor, 0x8A, visitor->data, size);
        return OTHER;
    case 10:
        return OTHER;
    default:
        CHECK(opcode == -1);
        return LOST;
    }
}

static void talk(struct visitor *visitor)
{
    int count = 1 + (int)random_below(30);
    int in_flight = 1 + (int)random_below(8);
    int sent = 0, received = 0;
    time_t until = time(NULL) + 2; /* a message may have been dropped */
    while (received < count && time(NULL) < until) {
        while (sent < count && sent - received < in_flight)
            if (!send_note(visitor, (uint32_t)sent++))
                return;
        switch (receive(visitor)) {
        case NOTE_BACK:
            ++received;
            break;
        case OTHER:
            break;
        case CLOSE: /* the server stops, or a bystander has closed it: the message may be lost */
        case LOST:
            return;
        }
    }
    send_frame(visitor, 0x88, (const uint8_t *)"\x03\xe8", 2);
    while (receive(visitor) != LOST)
        ;
}

/* Several requests over one connection. */
static void browse(struct client *client, int port)
{
    static const char request[] = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[40];
    if (client_connect(client, port))
        for (int i = 0; i < 20 && client_send(client, request, sizeof request - 1); ++i)
            if (!client_read(client, answer, sizeof answer))
                break;
    client_leave(client);
}

/* Speak to a server for a while, in one of the manners that servers meet. */
static void visit(struct visitor *visitor, int port)
{
    uint32_t number = 0;
    visitor->closed = false;
    memset(visitor->next, 0, sizeof visitor->next);
    if (random_below(9) == 0) {
        browse(&visitor->client, port);
        return;
    }
    if (!client_open(&visitor->client, port))
        return;
    switch (random_below(8)) {
    case 0: /* leaves with a reset */
        send_note(visitor, 0);
        client_reset(&visitor->client);
        return;
    case 1: /* leaves after a message, without a word */
        send_note(visitor, 0);
        break;
    case 2: /* sends and never reads */
        while (number < 20 && send_note(visitor, number))
            number++;
        sleep_ms((long)random_below(400));
        break;
    case 3: /* stalls within a frame */
        client_send(&visitor->client, "\x82\xfe\x01", 3);
        sleep_ms((long)random_below(200));
        break;
    case 4: /* breaks the rules: a frame without a mask */
        client_send(&visitor->client, "\x82\x01x", 3);
        while (receive(visitor) != LOST)
            ;
        break;
    default:
        talk(visitor);
    }
    client_leave(&visitor->client);
}

static void *run_client(void *number)
{
    struct visitor *visitor = malloc(sizeof *visitor);
    visitor->writer = 1 + (uint32_t)(uintptr_t)number;
    while (!over) {
        struct host *host = &hosts[random_below(HOSTS)];
        if (host->serving)
            visit(visitor, host->port);
        else
            sleep_ms(5);
    }
    free(visitor);
    return NULL;
}

/* The run */

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 5;
    pthread_t threads[HOSTS + CLIENTS + BYSTANDERS + 1];
    int count = 0;

    alarm((unsigned)seconds + 60); /* a deadlock ends it */
    char address[64];
    free_address(address, sizeof address);
    ah_stop_server(ah_start_server_on_port(on_request, NULL, TEXT(address))); /* what is opened once and for all */
    int descriptors = entries("/proc/self/fd"), before = entries("/proc/self/task");

    for (intptr_t i = 0; i < HOSTS; ++i)
        pthread_create(&threads[count++], NULL, run_host, &hosts[i]);
    for (intptr_t i = 0; i < CLIENTS; ++i)
        pthread_create(&threads[count++], NULL, run_client, (void *)i);
    for (intptr_t i = 0; i < BYSTANDERS; ++i)
        pthread_create(&threads[count++], NULL, stand_by, (void *)i);
    pthread_create(&threads[count++], NULL, replace_handlers, NULL);
    sleep_ms(seconds * 1000L);
    over = true;
    while (count > 0)
        pthread_join(threads[--count], NULL);

    for (int i = 0; i < 100 && entries("/proc/self/task") > before; ++i)
        sleep_ms(10); /* a thread that has stopped a server for a callback is about to end */
    CHECK(entries("/proc/self/task") == before);
    CHECK(entries("/proc/self/fd") == descriptors);
    for (struct life *life = lives, *next; life != NULL; life = next) {
        next = life->next;
        free(life);
    }
    CHECK(counters.messages > 0 && counters.readies > 0 && counters.writes > 0 && counters.refused_writes > 0);
    CHECK(counters.stops_from_callbacks > 0 && counters.group_writes > 0);
    CHECK(counters.statistics > 0 && counters.queued > 0 && counters.reasons > 0);
    printf("%ld servers (%ld stopped by callbacks), %ld WebSockets, %ld messages, %ld bystanders' writes, "
           "%ld refused, %ld to groups, %ld handlers set\n", counters.servers, counters.stops_from_callbacks, counters.readies,
           counters.messages, counters.writes, counters.refused_writes, counters.group_writes, counters.replaced);
    return failed_checks != 0;
}
