/* Many requests at once, whose answers are put off and sent by another thread: each gets its own, whole and in order,
 * also from a program that does not come back for more. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "alusus_http/alusus_http_events.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum { CLIENTS = 24, REQUESTS = 40, ROUNDS = 8, LARGEST = 70000, EVENTS = 64 };

static const int sizes[] = {1, 900, 100, 15000, 20000, 3, LARGEST, 16000};

static char address[64];
static int port;
static ah_event_queue *queue;

/* The program: "/SIZE/LETTER" is answered by so many of these letters, and "/pause" when more has come. It stays away
 * when it has written `away_at` answers, until that is 0. */

static atomic_int asked, answered, away_at;
static atomic_bool ends; /* and does not come back at all */

static void answer(const ah_event *event)
{
    static _Thread_local char block[LARGEST + 100];
    const char *path = event->arguments.exchange.data + strlen(event->arguments.exchange.data) + 1;
    char letter = 'p';
    int size = 1, head;

    if (strcmp(path, "/pause") == 0)
        usleep(20000);
    else
        CHECK(sscanf(path, "/%d/%c", &size, &letter) == 2 && size <= LARGEST);
    head = snprintf(block, sizeof block, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);
    memset(block + head, letter, (size_t)size);
    CHECK(ah_exchange_write(event->arguments.exchange.connection, event->arguments.exchange.exchange, block,
                            (size_t)(head + size), 200) >= 0);
    memset(block, '!', (size_t)(head + size)); /* it is the program's again */
    atomic_fetch_add(&answered, 1);
}

static void *poll_events(void *nothing)
{
    static _Thread_local char memory[AH_EVENT_COPIED];
    ah_event events[EVENTS];
    int32_t count;

    while ((count = ah_next_events(queue, -1, events, EVENTS, memory, sizeof memory)) >= 0) {
        if (count >= CLIENTS)
            usleep(500); /* the thread that has taken its place meanwhile is ready to send what it puts off */
        for (int32_t i = 0; i < count; ++i)
            if (events[i].arguments.exchange.what == AH_EXCHANGE_REQUEST)
                answer(&events[i]);
        if (count > 0)
            ah_answer_events(queue, events[0].id, events[count - 1].id, 0);
        while (atomic_load(&away_at) > 0 && atomic_load(&answered) >= atomic_load(&away_at)) {
            if (atomic_load(&ends))
                return nothing;
            usleep(200);
        }
    }
    return nothing;
}

static pthread_t start_program(void)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, poll_events, NULL) == 0);
    return thread;
}

/* Clients */

static bool ask(struct client *client, int size, char letter)
{
    char request[80];
    int length = snprintf(request, sizeof request, "GET /%d/%c HTTP/1.1\r\nHost: x\r\n\r\n", size, letter);

    atomic_fetch_add(&asked, 1);
    return client_send(client, request, (size_t)length);
}

static bool receive(struct client *client, int size, char letter)
{
    static _Thread_local char expected[LARGEST + 100], received[LARGEST + 100];
    int head = snprintf(expected, sizeof expected, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);

    memset(expected + head, letter, (size_t)size);
    return client_read(client, received, (size_t)(head + size)) && memcmp(received, expected, (size_t)(head + size)) == 0;
}

static char letter_of(int client, int request)
{
    return (char)('a' + (client + request) % 26);
}

static int size_of(int client, int request)
{
    return sizes[(client + request) % (int)(sizeof sizes / sizeof *sizes)];
}

/* Most clients wait for their answers; of the others, each third does not, and each third reads late. */
static void *be_client(void *number)
{
    int me = (int)(intptr_t)number;
    struct client client;
    int ahead = me % 3 == 1 ? 1 + me % 2 : 0;

    CHECK(client_connect(&client, port));
    for (int i = 0; i < REQUESTS + ahead; ++i) {
        if (i < REQUESTS)
            CHECK(ask(&client, size_of(me, i), letter_of(me, i)));
        if (me % 3 == 2 && i % 8 == 0)
            usleep(3000);
        if (i >= ahead)
            CHECK(receive(&client, size_of(me, i - ahead), letter_of(me, i - ahead)));
    }
    client_leave(&client);
    return number;
}

static void clients_of_every_kind(void)
{
    pthread_t threads[CLIENTS];

    for (intptr_t i = 0; i < CLIENTS; ++i)
        CHECK(pthread_create(&threads[i], NULL, be_client, (void *)i) == 0);
    for (int i = 0; i < CLIENTS; ++i)
        pthread_join(threads[i], NULL);
}

/* A client that asks and does not read, beyond what sockets hold: the others have their answers, and it gets its own
 * when it reads. */
static void a_client_that_reads_nothing(void)
{
    enum { UNREAD = 500, SIZE = 16000 };
    struct client lazy, others[CLIENTS];

    CHECK(client_connect(&lazy, port));
    for (int i = 0; i < CLIENTS; ++i)
        CHECK(client_connect(&others[i], port));
    for (int i = 0; i < UNREAD; ++i) {
        CHECK(ask(&lazy, SIZE, letter_of(0, i)));
        for (int j = 0; j < CLIENTS; ++j)
            CHECK(ask(&others[j], 10, letter_of(j, i)));
        for (int j = 0; j < CLIENTS; ++j)
            CHECK(receive(&others[j], 10, letter_of(j, i)));
    }
    for (int i = 0; i < UNREAD; ++i)
        CHECK(receive(&lazy, SIZE, letter_of(0, i)));
    for (int i = 0; i < CLIENTS; ++i)
        client_leave(&others[i]);
    client_leave(&lazy);
}

/* Connections that have had an answer are those whose next ones may be put off. */
static void open_all(struct client *clients, struct client *pausing)
{
    for (int i = 0; i < CLIENTS; ++i)
        CHECK(client_connect(&clients[i], port) && ask(&clients[i], 1, 'x') && receive(&clients[i], 1, 'x'));
    CHECK(client_connect(pausing, port) && ask(pausing, 1, 'x') && receive(pausing, 1, 'x'));
}

static void leave_all(struct client *clients, struct client *pausing)
{
    for (int i = 0; i < CLIENTS; ++i)
        client_leave(&clients[i]);
    client_leave(pausing);
}

/* Have all clients ask while the program pauses, so that it gets them all at once, and stays away then. */
static void ask_at_once(struct client *clients, struct client *pausing, int round)
{
    static const char pause[] = "GET /pause HTTP/1.1\r\nHost: x\r\n\r\n";

    atomic_fetch_add(&asked, 1);
    atomic_store(&away_at, atomic_load(&asked) + CLIENTS);
    CHECK(client_send(pausing, pause, sizeof pause - 1));
    usleep(3000);
    for (int i = 0; i < CLIENTS; ++i)
        CHECK(ask(&clients[i], 100, letter_of(i, round)));
}

static void await_answers(void)
{
    for (int i = 0; i < 30000 && atomic_load(&answered) < atomic_load(&away_at); ++i)
        usleep(100);
    CHECK(atomic_load(&answered) == atomic_load(&away_at));
}

static void receive_all(struct client *clients, struct client *pausing, int round)
{
    for (int i = 0; i < CLIENTS; ++i)
        CHECK(receive(&clients[i], 100, letter_of(i, round)));
    CHECK(receive(pausing, 1, 'p'));
}

/* Then it ends there, and at last the server is stopped. */
static void programs_that_stay_away(ah_context *context, pthread_t program)
{
    struct client clients[CLIENTS], pausing;

    open_all(clients, &pausing);
    for (int round = 0; round < ROUNDS; ++round) {
        ask_at_once(clients, &pausing, round);
        receive_all(clients, &pausing, round); /* while it is away */
        atomic_store(&away_at, 0);
    }
    for (int round = 0; round < ROUNDS; ++round) {
        atomic_store(&ends, true);
        ask_at_once(clients, &pausing, round);
        pthread_join(program, NULL);
        receive_all(clients, &pausing, round);
        atomic_store(&ends, false);
        atomic_store(&away_at, 0);
        program = start_program();
    }
    ask_at_once(clients, &pausing, 0);
    await_answers();
    ah_stop_server(context);
    CHECK(ah_last_error() == NULL);
    receive_all(clients, &pausing, 0);
    atomic_store(&away_at, 0);
    leave_all(clients, &pausing);
    ah_close_event_queue(queue);
    pthread_join(program, NULL);
}

/* The queue of a program that has answered all and does not come back is closed. */
static void a_queue_that_is_closed(const ah_callbacks *callbacks, const char **options)
{
    struct client clients[CLIENTS], pausing;
    ah_context *context;
    pthread_t program;

    queue = ah_open_event_queue();
    context = ah_start_server(callbacks, ah_event_receiver(queue, 1), options);
    CHECK(context != NULL);
    program = start_program();
    open_all(clients, &pausing);
    ask_at_once(clients, &pausing, 0);
    await_answers();
    ah_close_event_queue(queue);
    receive_all(clients, &pausing, 0);
    atomic_store(&away_at, 0);
    pthread_join(program, NULL);
    ah_stop_server(context);
    leave_all(clients, &pausing);
}

int main(void)
{
    const char *options[] = {"listening_ports", address, "num_threads", "40", "enable_keep_alive", "yes",
                             "keep_alive_timeout_ms", "3000", NULL};
    ah_callbacks callbacks = {.begin_request = ah_post_exchange};
    ah_context *context;
    pthread_t program;

    free_address(address, sizeof address);
    port = atoi(strchr(address, ':') + 1);
    queue = ah_open_event_queue();
    context = ah_start_server(&callbacks, ah_event_receiver(queue, 1), options);
    CHECK(context != NULL);
    program = start_program();

    clients_of_every_kind();
    a_client_that_reads_nothing();
    programs_that_stay_away(context, program);
    a_queue_that_is_closed(&callbacks, options);
    return failed_checks != 0;
}
