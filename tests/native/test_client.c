/* Clients and a server in one process: both generations of callbacks, many threads, and ends at every moment. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum { THREADS = 4, ROUNDS = 8, MESSAGES = 20 };

static Context *server;
static Char web_socket_url[80], page_url[80];
static sem_t closed;

static bool comes(sem_t *event)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    return sem_timedwait(event, &until) == 0;
}

/* The server: /echo sends back, any other URI answers with the body that it was sent. */

static Int echo(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)nothing;
    if (opcode == 1)
        ah_write_text_to_web_socket(connection, data, length);
    return 1;
}

static Int answer(Connection *connection)
{
    Char body[1000];
    Int count = ah_read(connection, body, sizeof body);
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"), count);
    ah_write(connection, body, count);
    return 200;
}

static void serve(void)
{
    char address[64];
    free_address(address, sizeof address);
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("8"), NULL};
    Callbacks callbacks = {.beginRequest = answer};
    server = ah_start_server(&callbacks, NULL, options);
    CHECK(server != NULL);
    CharsPtr subprotocols[] = {TEXT("echo"), NULL};
    ah_set_web_socket_message_handler_with_subprotocols(server, TEXT("/echo"), subprotocols, NULL, NULL, echo, NULL, NULL);
    snprintf((char *)web_socket_url, sizeof web_socket_url, "ws://%s/echo", address);
    snprintf((char *)page_url, sizeof page_url, "http://%s/", address);
}

/* Clients */

struct tally {
    sem_t complete;
    int received; /* by the callbacks of one connection, which never overlap */
};

static void count(struct tally *tally, Int opcode, CharsPtr data, size_t length)
{
    if (opcode != 1)
        return;
    CHECK(length == 1000 && data[0] == 'a' + tally->received % 26 && data[999] == data[0]);
    if (++tally->received == MESSAGES)
        sem_post(&tally->complete);
}

static Int on_message(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *tally)
{
    (void)connection;
    count(tally, opcode, data, length);
    return 1;
}

static Int on_data(Connection *connection, Int bits, CharsPtr data, Int length, void *tally)
{
    (void)connection;
    count(tally, bits, data, (size_t)length);
    return 1;
}

static void on_close(Connection *connection, void *user_data)
{
    (void)connection;
    (void)user_data;
    sem_post(&closed);
}

static void converse(Client *client, bool first_generation)
{
    struct tally tally = {.received = 0};
    CharsPtr subprotocols[] = {TEXT("other"), TEXT("echo"), NULL};
    CharsPtr headers[] = {TEXT("X-Header"), TEXT("value"), NULL};
    sem_init(&tally.complete, 0, 0);
    Connection *connection =
        first_generation ? ah_connect_web_socket_with_data_handler(client, web_socket_url, NULL, on_data, on_close, &tally,
                                                                   subprotocols, headers)
                         : ah_connect_web_socket(client, web_socket_url, NULL, on_message, on_close, &tally, subprotocols,
                                                 headers);
    CHECK(connection != NULL);
    CHECK_HOLDS(ah_get_subprotocol(connection), "echo");
    CHECK(ah_get_response_info(connection)->statusCode == 101);
    for (int i = 0; i < MESSAGES; ++i) {
        Char text[1000];
        memset(text, 'a' + i % 26, sizeof text);
        CHECK(ah_write_text_to_web_socket(connection, text, sizeof text) == sizeof text);
    }
    CHECK(comes(&tally.complete));
    ah_close_web_socket(connection);
    CHECK(comes(&closed)); /* somebody's: in the end, there were as many as connections */
}

static void ask(Client *client)
{
    static Char body[] = "said and sent back";
    Char received[sizeof body];
    ArchWord size = 0;
    Int part;
    Connection *connection = ah_send_request(client, TEXT("POST"), page_url, NULL, body, sizeof body);
    CHECK(connection != NULL);
    CHECK(ah_get_response_info(connection)->contentLength == sizeof body);
    CHECK_HOLDS(ah_get_header(connection, TEXT("connection")), "close");
    while ((part = ah_read(connection, received + size, (Int)(sizeof received - size))) > 0)
        size += (ArchWord)part;
    CHECK(part == 0 && size == sizeof body && memcmp(received, body, size) == 0);
    ah_close_connection(connection);
    CHECK(ah_read(connection, received, 1) == -1);
}

static void *use(void *client)
{
    for (int i = 0; i < ROUNDS; ++i) {
        ask(client);
        converse(client, i % 2 == 0);
    }
    return NULL;
}

static void many_threads_use_one_client(void)
{
    pthread_t threads[THREADS];
    Client *client = ah_start_client(NULL);
    CHECK(client != NULL);
    for (int i = 0; i < THREADS; ++i)
        pthread_create(&threads[i], NULL, use, client);
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    ah_stop_client(client);
    CHECK(ah_last_error() == NULL);
    CHECK(sem_trywait(&closed) != 0);
    CHECK(ah_send_request(client, TEXT("GET"), page_url, NULL, NULL, 0) == NULL);
    CHECK_HOLDS(ah_last_error(), "this Client has ended");
}

static void *use_until_stopped(void *client)
{
    Connection *connection;
    while ((connection = ah_connect_web_socket(client, web_socket_url, NULL, NULL, on_close, NULL, NULL, NULL)) != NULL) {
        connection = ah_send_request(client, TEXT("GET"), page_url, NULL, NULL, 0);
        if (connection != NULL && ah_get_response_info(connection) != NULL)
            ah_close_connection(connection);
    }
    CHECK(ah_last_error() != NULL);
    return NULL;
}

static void a_client_stops_while_it_is_used(void)
{
    for (int i = 0; i < 5; ++i) {
        pthread_t threads[THREADS];
        Client *client = ah_start_client(NULL);
        for (int j = 0; j < THREADS; ++j)
            pthread_create(&threads[j], NULL, use_until_stopped, client);
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        ah_stop_client(client);
        CHECK(ah_last_error() == NULL);
        for (int j = 0; j < THREADS; ++j)
            pthread_join(threads[j], NULL);
    }
    while (sem_trywait(&closed) == 0)
        continue;
}

static Client *_Atomic stopping;

static void stop_here(Connection *connection, void *nothing)
{
    (void)connection;
    (void)nothing;
    ah_stop_client(stopping);
    CHECK(ah_last_error() == NULL);
    ah_stop_client(stopping);
    CHECK_HOLDS(ah_last_error(), "ended");
}

static void a_callback_stops_its_client(void)
{
    stopping = ah_start_client(NULL);
    /* It may be stopped before this call has come back, and has opened the connection all the same. */
    (void)ah_connect_web_socket(stopping, web_socket_url, stop_here, NULL, on_close, NULL, NULL, NULL);
    CHECK(comes(&closed));
}

static void a_server_stops_before_its_clients(void)
{
    Client *client = ah_start_client(NULL);
    for (int i = 0; i < 20; ++i)
        CHECK(ah_connect_web_socket(client, web_socket_url, NULL, NULL, on_close, NULL, NULL, NULL) != NULL);
    ah_stop_server(server);
    for (int i = 0; i < 20; ++i)
        CHECK(comes(&closed));
    CHECK(ah_connect_web_socket(client, web_socket_url, NULL, NULL, NULL, NULL, NULL, NULL) == NULL);
    CHECK_HOLDS(ah_last_error(), "cannot connect to 127.0.0.1 port");
    ah_stop_client(client);
    CHECK(ah_last_error() == NULL);
}

static void handles_are_not_mixed_up(void)
{
    Client *client = ah_start_client(NULL);
    ah_stop_server((Context *)client);
    CHECK_HOLDS(ah_last_error(), "a Client was passed where a Context belongs");
    ah_stop_client((Client *)server);
    CHECK_HOLDS(ah_last_error(), "a Context was passed where a Client belongs");
    ah_stop_client(client);
    CHECK(ah_last_error() == NULL);
}

int main(void)
{
    sem_init(&closed, 0, 0);
    serve();
    handles_are_not_mixed_up();
    many_threads_use_one_client();
    a_client_stops_while_it_is_used();
    a_callback_stops_its_client();
    a_server_stops_before_its_clients();
    return failed_checks != 0;
}
