/* stopServer from every callback: it returns at once, and the server stops behind it. Its handle is good for as long
 * as close callbacks may come. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum where { INIT_CONTEXT, INIT_THREAD, REQUEST, CONNECT, READY, MESSAGE, CLOSE, CONNECTION_CLOSE, PLACES };

static enum where stop_in;
static atomic_bool stopped;
static atomic_int returned; /* callbacks that have */
static sem_t exited;

static void stop_if(enum where where, Context *context)
{
    if (stop_in != where || atomic_exchange(&stopped, true))
        return;
    ah_stop_server(context);
    CHECK(ah_last_error() == NULL);
    ah_stop_server(context);
    CHECK_HOLDS(ah_last_error(), "ended");
    CHECK(ah_get_user_data(context) == &exited);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    CHECK(sem_trywait(&exited) != 0); /* the server waits for this callback */
    ++returned;
}

static Context *_Atomic running;

static void on_init_context(Context *context)
{
    running = context;
    stop_if(INIT_CONTEXT, context);
}

static void on_exit_context(Context *context)
{
    (void)context;
    CHECK(returned == 1);
    sem_post(&exited);
}

static void on_init_thread(Context *context, Int type)
{
    (void)type;
    stop_if(INIT_THREAD, context);
}

static Int on_request(Connection *connection)
{
    stop_if(REQUEST, running);
    CHECK(ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")) > 0);
    return 200;
}

static void on_connection_close(Connection *connection)
{
    (void)connection;
    stop_if(CONNECTION_CLOSE, running);
}

static Int on_connect(Connection *connection, void *nothing)
{
    (void)connection;
    (void)nothing;
    stop_if(CONNECT, running);
    return 0;
}

static void on_ready(Connection *connection, void *nothing)
{
    (void)connection;
    (void)nothing;
    stop_if(READY, running);
}

static Int on_message(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)nothing;
    if (opcode != 1)
        return 1;
    stop_if(MESSAGE, running);
    if (ah_write_text_to_web_socket(connection, data, length) != (Int)length)
        CHECK(stop_in != MESSAGE && stop_in != CLOSE); /* where the goodbye comes after this */
    return 1;
}

static void on_close(Connection *connection, void *nothing)
{
    (void)connection;
    (void)nothing;
    stop_if(CLOSE, running);
    CHECK(ah_write_text_to_group(running, TEXT("all"), TEXT("gone"), 4) == 0);
}

/* Ask for a page, and for a WebSocket with an echo; whatever of it the server still does. */
static void visit(int port)
{
    uint8_t data[128], frame[32];
    size_t size = sizeof data;
    struct client client;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};

    client.socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client.socket, (struct sockaddr *)&to, sizeof to) == 0) {
        client_send(&client, "GET / HTTP/1.0\r\n\r\n", 18);
        while (recv(client.socket, data, sizeof data, 0) > 0)
            ;
    }
    client_leave(&client);
    if (!client_open(&client, port))
        return;
    client_send(&client, frame, client_frame(frame, 0x81, "text", 4));
    if (client_receive_frame(&client, data, &size) == 1)
        CHECK(size == 4);
    client_leave(&client);
}

static void stopped_in(enum where where)
{
    Callbacks callbacks = {
        .beginRequest = on_request,
        .initContext = on_init_context,
        .exitContext = on_exit_context,
        .initThread = on_init_thread,
        .connectionClose = on_connection_close,
    };
    char address[64];
    struct timespec until;

    stop_in = where;
    stopped = false;
    returned = 0;
    free_address(address, sizeof address);
    CharsPtr options[] = {
        TEXT("listening_ports"), TEXT(address),
        TEXT("num_threads"), TEXT("2"),
        TEXT("websocket_close_timeout_ms"), TEXT("500"),
        NULL,
    };
    Context *context = ah_start_server(&callbacks, &exited, options);
    CHECK(context == running);
    if (where > INIT_THREAD) {
        ah_set_web_socket_message_handler(context, TEXT("/"), on_connect, on_ready, on_message, on_close, NULL);
        visit(atoi(strchr(address, ':') + 1));
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    CHECK(sem_timedwait(&exited, &until) == 0);
    ah_stop_server(context);
    CHECK_HOLDS(ah_last_error(), "ended");
}

/* stopListening */

static atomic_bool listens;

static void *come(void *port)
{
    struct client client;

    while (client_connect(&client, *(int *)port))
        client_leave(&client);
    client_leave(&client);
    return NULL;
}

static void *look(void *context)
{
    ServerPort port;

    while (listens)
        CHECK(ah_get_server_ports(context, &port, 1) == 1);
    return NULL;
}

static void *stop_listening(void *context)
{
    ah_stop_listening(context);
    CHECK(ah_last_error() == NULL);
    return NULL;
}

static void stopped_listening_by_many(void)
{
    char options_text[128], address[64], path[] = "/tmp/test_stop.XXXXXX";
    pthread_t threads[6];
    int port, i;

    CHECK(mkdtemp(path) != NULL);
    free_address(address, sizeof address);
    port = atoi(strchr(address, ':') + 1);
    snprintf(options_text, sizeof options_text, "%s,x%s/socket", address, path);
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(options_text), TEXT("num_threads"), TEXT("2"), NULL};
    Context *context = ah_start_server(NULL, NULL, options);
    CHECK(context != NULL);
    listens = true;
    for (i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, i < 2 ? come : i < 4 ? look : stop_listening, i < 2 ? (void *)&port : context);
    for (i = 4; i < 6; i++)
        pthread_join(threads[i], NULL);
    listens = false;
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ah_stop_server(context);
    CHECK(rmdir(path) == 0);
}

/* awaitRequests */

static void *ask(void *port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct client client;
    uint8_t answer;
    int i;

    for (i = 0; i < 20; i++) {
        if (client_connect(&client, *(int *)port) && client_send(&client, request, sizeof request - 1))
            while (client_read(&client, &answer, 1))
                ;
        client_leave(&client);
    }
    return NULL;
}

static void *await(void *context)
{
    while (listens)
        CHECK(ah_await_requests(context, -1) == 0);
    return NULL;
}

static void requests_awaited_by_many(void)
{
    char address[64];
    pthread_t threads[4];
    int port, i;

    stop_in = PLACES;
    free_address(address, sizeof address);
    port = atoi(strchr(address, ':') + 1);
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("2"), NULL};
    Context *context = ah_start_server(&(Callbacks){.beginRequest = on_request}, NULL, options);
    CHECK(context != NULL);
    listens = true;
    for (i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i < 2 ? ask : await, i < 2 ? (void *)&port : context);
    for (i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    listens = false;
    for (i = 2; i < 4; i++)
        pthread_join(threads[i], NULL);
    ah_stop_server(context);
    CHECK(ah_await_requests(context, -1) == -1);
    CHECK_HOLDS(ah_last_error(), "ended");
}

int main(void)
{
    sem_init(&exited, 0, 0);
    stopped_listening_by_many();
    requests_awaited_by_many();
    for (enum where where = INIT_CONTEXT; where < PLACES; ++where)
        stopped_in(where);
    return failed_checks != 0;
}
