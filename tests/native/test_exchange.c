/* Requests as exchanges: answered from another thread, piece by piece, while clients are slow, go, or send
 * everything at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "alusus_http/alusus_http_events.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum { CLIENTS = 6, REQUESTS = 60, LARGE = 3 << 20 };

static char address[64];
static int port;
static ah_event_queue *queue;
static atomic_int gone, undecided_gone;
static char large[LARGE];

/* The program: it answers "/" at once, "/body" when the body is there, and "/large" in two pieces of which the
 * client will not take all at once. */

static const char *path_of(const char *head)
{
    return head + strlen(head) + 1;
}

static void answer(ah_connection *connection, uint64_t exchange, int32_t status)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    ah_exchange_write(connection, exchange, text, sizeof text - 1, status);
}

static void begin(const ah_event *event)
{
    ah_connection *connection = event->arguments.exchange.connection;
    uint64_t exchange = event->arguments.exchange.exchange;
    const char *path = path_of(event->arguments.exchange.data);
    char head[80];

    if (strcmp(path, "/large") == 0) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE);
        ah_exchange_write(connection, exchange, head, strlen(head), 0);
        if (ah_exchange_write(connection, exchange, large, LARGE, 200) < 0)
            ah_exchange_abandon(connection, exchange, 200);
    } else if (strcmp(path, "/wait") == 0) {
        return; /* for AH_EXCHANGE_GONE */
    } else if (event->arguments.exchange.flags & AH_EXCHANGE_MORE_BODY) {
        CHECK(ah_exchange_read(connection, exchange) == 0);
    } else {
        answer(connection, exchange, 200);
    }
}

static void handle(const ah_event *event)
{
    ah_connection *connection = event->arguments.exchange.connection;
    uint64_t exchange = event->arguments.exchange.exchange;

    switch (event->arguments.exchange.what) {
    case AH_EXCHANGE_REQUEST:
        begin(event);
        break;
    case AH_EXCHANGE_BODY:
        if (event->arguments.exchange.flags & AH_EXCHANGE_MORE_BODY)
            CHECK(ah_exchange_read(connection, exchange) == 0);
        else
            answer(connection, exchange, 200);
        break;
    case AH_EXCHANGE_GONE:
        atomic_fetch_add(&gone, 1);
        ah_exchange_abandon(connection, exchange, 0);
        break;
    }
}

static void *poll_events(void *nothing)
{
    char memory[AH_EVENT_COPIED];
    ah_event event;
    int32_t count;
    /* A WebSocket for which there is no answer as long as its client is there, and that event. */
    ah_connection *web_socket = NULL;
    uint64_t undecided = 0;

    while ((count = ah_next_events(queue, -1, &event, 1, memory, sizeof memory)) >= 0) {
        if (count == 0)
            continue;
        if (event.kind == AH_EVENT_WEB_SOCKET_CONNECT) {
            web_socket = event.arguments.web_socket_connect.connection;
            CHECK(ah_exchange_watch(web_socket) == 0);
            undecided = event.id;
            continue;
        }
        handle(&event);
        ah_answer_events(queue, event.id, event.id, 0);
        if (undecided != 0 && event.arguments.exchange.what == AH_EXCHANGE_GONE &&
            event.arguments.exchange.connection == web_socket) {
            CHECK(ah_answer_events(queue, undecided, undecided, 1) == 1);
            atomic_store(&undecided_gone, 1);
            undecided = 0;
        }
    }
    return nothing;
}

/* Clients */

static bool skip_head(struct client *client)
{
    char last[4] = "";

    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        memmove(last, last + 1, 3);
        if (!client_read(client, last + 3, 1))
            return false;
    }
    return true;
}

static bool receive_ok(struct client *client)
{
    char body[2];

    return skip_head(client) && client_read(client, body, 2) && memcmp(body, "ok", 2) == 0;
}

#define SEND(client, text) client_send(client, text, sizeof text - 1)

static void *be_client(void *nothing)
{
    char *received = malloc(LARGE);
    struct client client;

    CHECK(received != NULL);
    CHECK(client_connect(&client, port));
    for (int i = 0; i < REQUESTS; ++i) {
        CHECK(SEND(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") && receive_ok(&client));
        CHECK(SEND(&client, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc"));
        if (i % 8 == 0)
            usleep(1000);
        CHECK(SEND(&client, "def") && receive_ok(&client));
        CHECK(SEND(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        CHECK(receive_ok(&client) && receive_ok(&client));
    }
    CHECK(SEND(&client, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n") && skip_head(&client));
    usleep(20000);
    CHECK(client_read(&client, received, LARGE));
    CHECK(SEND(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") && receive_ok(&client));
    usleep(600000); /* longer than the worker lingers */
    CHECK(SEND(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") && receive_ok(&client));
    client_leave(&client);
    free(received);
    return nothing;
}

static void clients_of_every_kind(void)
{
    pthread_t threads[CLIENTS];

    for (int i = 0; i < CLIENTS; ++i)
        CHECK(pthread_create(&threads[i], NULL, be_client, NULL) == 0);
    for (int i = 0; i < CLIENTS; ++i)
        pthread_join(threads[i], NULL);
}

static bool grows(atomic_int *count, int before)
{
    for (int i = 0; i < 300 && atomic_load(count) == before; ++i)
        usleep(10000);
    return atomic_load(count) > before;
}

static void clients_that_go(void)
{
    struct client client;
    int before = atomic_load(&gone);

    for (int i = 0; i < 20; ++i) {
        CHECK(client_connect(&client, port) && SEND(&client, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
        client_reset(&client);
    }
    CHECK(client_connect(&client, port) && SEND(&client, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    client_leave(&client);
    CHECK(grows(&gone, before));
}

static void clients_that_go_before_their_web_socket_is_open(void)
{
    struct client client;

    CHECK(client_connect(&client, port));
    CHECK(SEND(&client, "GET /decide HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    usleep(700000); /* it is looked after, and there */
    CHECK(atomic_load(&undecided_gone) == 0);
    client_leave(&client);
    CHECK(grows(&undecided_gone, 0));
}

static void a_late_answer_reaches_nobody(void)
{
    CHECK(ah_exchange_write((ah_connection *)1, 1, "x", 1, 200) == -1);
    CHECK(ah_last_error_code() == AH_ERROR_INVALID_HANDLE);
    CHECK(ah_exchange_read(NULL, 1) == -1);
    CHECK(ah_exchange_watch(NULL) == -1);
}

/* A request that nobody answers does not keep the server from stopping. */
static void stopping(ah_context *context)
{
    struct client client;

    CHECK(client_connect(&client, port) && SEND(&client, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    ah_stop_server(context);
    CHECK(ah_last_error() == NULL);
    client_leave(&client);
}

int main(void)
{
    const char *options[] = {"listening_ports", address, "num_threads", "10", "enable_keep_alive", "yes",
                             "keep_alive_timeout_ms", "3000", NULL};
    ah_callbacks callbacks = {.begin_request = ah_post_exchange};
    ah_context *context;
    pthread_t thread = 0;

    free_address(address, sizeof address);
    port = atoi(strchr(address, ':') + 1);
    queue = ah_open_event_queue();
    context = ah_start_server(&callbacks, ah_event_receiver(queue, 1), options);
    CHECK(context != NULL && pthread_create(&thread, NULL, poll_events, NULL) == 0);

    clients_of_every_kind();
    clients_that_go();
    ah_set_web_socket_message_handler(context, "/decide", ah_post_web_socket_connect, NULL, NULL, NULL,
                                      ah_event_receiver(queue, 2));
    clients_that_go_before_their_web_socket_is_open();
    a_late_answer_reaches_nobody();
    stopping(context);

    ah_close_event_queue(queue);
    pthread_join(thread, NULL);
    return failed_checks != 0;
}
