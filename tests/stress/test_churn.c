/*
 * A thousand clients a second that come, say something and go, each in one of four ways: what a server holds does not
 * grow with them.
 *
 *     test_churn [seconds]
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"
#include "stress.h"

enum { CLIENTS = 8, CLIENTS_PER_SECOND = 1000, LOOP_THREADS = 4 };

/* Of the run, before the server's memory is measured for the first time: what it keeps for ever has come by then. */
#define WARM_UP 0.2

static Context *server;
static int port, seconds;
static atomic_long visits;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(double time)
{
    struct timespec until = {(time_t)time, (long)((time - (double)(time_t)time) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ;
}

static Int on_message(Connection *connection, Int opcode, CharsPtr data, ArchWord length, void *nothing)
{
    (void)nothing;
    if (opcode == 1) {
        CHECK(ah_join_group(connection, TEXT("all")) == 0);
        CHECK(ah_write_text_to_web_socket(connection, data, length) == (Int)length);
    }
    return 1;
}

static void visit(long number)
{
    uint8_t data[256], frame[128];
    size_t size = sizeof data;
    struct client client;

    if (!client_open(&client, port)) {
        CHECK(!"a handshake has failed");
        return;
    }
    CHECK(client_send(&client, frame, client_frame(frame, 0x81, "hello", 5)));
    CHECK(client_receive_frame(&client, data, &size) == 1);
    ++visits;
    switch (number % 4) {
    case 0: /* by handshake */
        CHECK(client_send(&client, frame, client_frame(frame, 0x88, "\x03\xe8", 2)));
        size = sizeof data;
        CHECK(client_receive_frame(&client, data, &size) == 8);
        break;
    case 1: /* without a word, within a frame */
        CHECK(client_send(&client, "\x81\xfe\x01", 3));
        break;
    case 2:
        client_reset(&client);
        return;
    default: /* against the rules */
        CHECK(client_send(&client, "\xff\xff", 2));
        size = sizeof data;
        CHECK(client_receive_frame(&client, data, &size) == 8);
    }
    client_leave(&client);
}

static void *come_and_go(void *first)
{
    double begin = now();
    for (long i = (long)(intptr_t)first; i < (long)seconds * CLIENTS_PER_SECOND; i += CLIENTS) {
        sleep_until(begin + (double)i / CLIENTS_PER_SECOND);
        visit(i / CLIENTS);
    }
    return NULL;
}

struct held {
    int descriptors, threads;
    size_t resident, heap;
};

/* What the process holds when the last of these clients has gone. */
static struct held measure(void)
{
    long pages = 0;
    FILE *file;

    for (int i = 0; i < 500 && ah_get_web_socket_statistics(server)->open > 0; ++i)
        sleep_until(now() + 0.01);
    CHECK(ah_get_web_socket_statistics(server)->open == 0);
    sleep_until(now() + 0.2); /* the end of a connection goes on for a moment after it counts as closed */
    file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return (struct held){
        .descriptors = entries("/proc/self/fd"),
        .threads = entries("/proc/self/task"),
        .resident = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE),
        .heap = mallinfo2().uordblks,
    };
}

static void run(int part)
{
    pthread_t threads[CLIENTS];
    seconds = part;
    for (intptr_t i = 0; i < CLIENTS; ++i)
        pthread_create(&threads[i], NULL, come_and_go, (void *)i);
    for (int i = 0; i < CLIENTS; ++i)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    int all = argc > 1 ? atoi(argv[1]) : 5;
    int warm_up = (int)(all * WARM_UP) + 1;
    struct held first, last;
    char address[64];
    double begin;

    free_address(address, sizeof address);
    port = atoi(strchr(address, ':') + 1);
    CharsPtr options[] = {
        TEXT("listening_ports"), TEXT(address),
        TEXT("num_threads"), TEXT("8"),
        TEXT("websocket_threads"), TEXT("4"),
        NULL,
    };
    server = ah_start_server(NULL, NULL, options);
    CHECK(server != NULL);
    ah_set_web_socket_message_handler(server, TEXT("/"), NULL, NULL, on_message, NULL, NULL);
    begin = now();
    run(warm_up);
    first = measure();
    run(all - warm_up);
    last = measure();
    printf("%ld clients in %.0f s; then %zu KiB more resident, %ld bytes more heap, %d more descriptors, %d more threads\n",
           visits, now() - begin, last.resident > first.resident ? (last.resident - first.resident) >> 10 : 0,
           (long)(last.heap - first.heap), last.descriptors - first.descriptors, last.threads - first.threads);
    CHECK(visits == (long)all * CLIENTS_PER_SECOND);
    CHECK(last.descriptors <= first.descriptors);
    CHECK(last.threads <= first.threads + LOOP_THREADS - 2); /* two there are from the start, and others if need be */
    CHECK(last.heap < first.heap + (64 << 10));
    ah_stop_server(server);
    return failed_checks != 0;
}
