/* Request and authorization handlers that are replaced while requests run, and texts in buffers of all sizes. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

#define CLIENTS 4
#define ROUNDS 300

static char address[32];
static atomic_bool over;
static atomic_int answers[2], refusals;

/* User data of one registration: valid until the server has stopped. */
struct data {
    int number;
};

static Int answer(Connection *connection, void *userData)
{
    struct data *data = userData;
    char body[20];

    snprintf(body, sizeof body, "%d", data->number);
    ++answers[data->number];
    CHECK(ah_respond(connection, 200, TEXT("text/plain"), TEXT(body), strlen(body)) == 0 || ah_last_error() != NULL);
    return 200;
}

static Int allow(Connection *connection, void *userData)
{
    (void)connection;
    return *(Int *)userData;
}

static void *ask(void *unused)
{
    static const char request[] = "GET /x/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    to.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
    while (!over) {
        struct client client = {socket(AF_INET, SOCK_STREAM, 0)};
        char reply[500] = "";

        if (connect(client.socket, (struct sockaddr *)&to, sizeof to) == 0 &&
            client_send(&client, request, sizeof request - 1)) {
            client_read(&client, reply, sizeof reply - 1);
            CHECK_HOLDS(reply, "HTTP/1.1 ");
            if (strstr(reply, " 403 ") != NULL)
                ++refusals;
        }
        client_leave(&client);
    }
    return unused;
}

static void test_replacing(void)
{
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), NULL};
    static Int yes = 1, no = 0;
    struct data *data[ROUNDS];
    pthread_t clients[CLIENTS];
    Context *context;
    int i;

    free_address(address, sizeof address);
    context = ah_start_server(NULL, NULL, options);
    CHECK(context != NULL);
    for (i = 0; i < CLIENTS; i++)
        pthread_create(&clients[i], NULL, ask, NULL);
    for (i = 0; i < ROUNDS; i++) {
        data[i] = malloc(sizeof *data[i]);
        data[i]->number = i % 2;
        ah_set_request_handler(context, TEXT("/x"), answer, data[i]);
        ah_set_auth_handler(context, TEXT("/x/y"), allow, i % 3 == 0 ? &no : &yes);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (i % 5 == 0)
            ah_set_request_handler(context, TEXT("/x"), NULL, NULL);
        if (i % 7 == 0)
            ah_set_auth_handler(context, TEXT("/x/y"), NULL, NULL);
        CHECK(ah_last_error() == NULL);
    }
    over = true;
    for (i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    ah_stop_server(context);
    for (i = 0; i < ROUNDS; i++)
        free(data[i]);
    CHECK(answers[0] > 0 && answers[1] > 0 && refusals > 0);
    ah_set_request_handler(context, TEXT("/x"), answer, NULL);
    CHECK_HOLDS(ah_last_error(), "ended");
}

/* Texts and the results of CivetWeb, with a canary behind each buffer. */
static void test_values(void)
{
    Char out[8];
    Int size;

    for (size = 0; size < 8; size++) {
        memset(out, '#', sizeof out);
        CHECK(ah_get_cookie(TEXT("a=1; b=\"two\""), TEXT("b"), out, (uint64_t)size) == (size == 0 ? -2 : size < 4 ? -3 : 3));
        CHECK(out[size] == '#' && (size == 0 || strcmp((char *)out, size < 4 ? "" : "two") == 0));
        memset(out, '#', sizeof out);
        CHECK(ah_get_variable(TEXT("a=1&b=%74w+"), 11, TEXT("b"), out, size) == (size < 4 ? -2 : 3));
        CHECK(out[size] == '#' && (size == 0 || strcmp((char *)out, size < 4 ? "" : "tw ") == 0));
        memset(out, '#', sizeof out);
        CHECK(ah_encode_url(TEXT("a/"), out, size) == (size < 5 ? -1 : 4));
        CHECK(out[size] == '#' && (size == 0 || strcmp((char *)out, size < 5 ? "" : "a%2F") == 0));
        memset(out, '#', sizeof out);
        CHECK(ah_decode_url(TEXT("a%2F"), 4, out, size, 0) == (size < 3 ? -1 : 2));
        CHECK(out[size] == '#' && (size == 0 || strcmp((char *)out, size < 3 ? "" : "a/") == 0));
    }
    CHECK(ah_get_cookie(NULL, TEXT("b"), out, sizeof out) == -1 && ah_last_error() == NULL && out[0] == '\0');
    CHECK(ah_get_variable(NULL, 0, TEXT("b"), out, sizeof out) == -1 && ah_last_error() == NULL);
    CHECK(ah_get_variable(TEXT("b=1"), 1, TEXT("b"), out, sizeof out) == -1 && ah_last_error() == NULL);
    CHECK(ah_get_variable(TEXT("b=1"), -1, TEXT("b"), out, sizeof out) == -1);
    CHECK_HOLDS(ah_last_error(), "not negative");
    CHECK(ah_get_cookie(TEXT("b=1"), NULL, out, sizeof out) == -1);
    CHECK_HOLDS(ah_last_error(), "name is null");
    CHECK(ah_get_cookie(TEXT("b=1"), TEXT("b"), NULL, 5) == -1);
    CHECK_HOLDS(ah_last_error(), "out is null");
    CHECK_HOLDS(ah_get_mime_type(TEXT("a.HTML")), "text/html");
    CHECK(ah_get_mime_type(NULL) == NULL);
    CHECK(ah_respond(NULL, 200, NULL, NULL, 0) == -1);
    CHECK_HOLDS(ah_last_error(), "Connection is null");
}

int main(void)
{
    test_values();
    test_replacing();
    return failed_checks != 0;
}
