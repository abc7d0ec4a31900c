/*
 * Echoes, and does what it is told, so that tests can see the engine from both ends.
 *
 *     echo_server LISTENING_PORTS [option value]...
 *
 * /echo           sends every message back; a pong, too, as text, so that it can be seen
 * /subprotocols   the same, with subprotocols: v2.chat before v1.chat
 * /refuse         its connect callback refuses everybody
 * /do             obeys the texts that it gets, see obey()
 * /forbidden      over HTTP, the status 403; all else over HTTP, "ok"
 *
 * The callbacks of a connection are printed if its URI has a query string, each line beginning with it. On
 * standard input, "stop" stops the server and prints what is left of it, "start" starts it again; an empty line
 * or the end of the input ends the program.
 */
#include <alusus_http/alusus_http.h>

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG(connection, ...)                                                                                           \
    do {                                                                                                               \
        const ah_request_info *info = ah_get_request_info(connection);                                                 \
        if (info != NULL && info->query_string != NULL) {                                                              \
            flockfile(stdout);                                                                                         \
            printf("%s ", info->query_string);                                                                         \
            printf(__VA_ARGS__);                                                                                       \
            putchar('\n');                                                                                             \
            funlockfile(stdout);                                                                                       \
        }                                                                                                              \
    } while (0)

static int32_t on_request(ah_connection *connection)
{
    if (strcmp(ah_get_request_info(connection)->local_uri, "/forbidden") == 0)
        return 403; /* for the library to answer */
    ah_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    return 200;
}

static int32_t on_connect(ah_connection *connection, void *user_data)
{
    (void)user_data;
    LOG(connection, "connect");
    return 0;
}

static int32_t refuse(ah_connection *connection, void *user_data)
{
    on_connect(connection, user_data);
    return 1;
}

static void on_ready(ah_connection *connection, void *user_data)
{
    (void)user_data;
    LOG(connection, "ready");
}

static int32_t on_echo(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    (void)user_data;
    LOG(connection, "data %d %zu", opcode, data_len);
    if (opcode == 1 || opcode == 2)
        ah_write_to_web_socket(connection, opcode, data, data_len);
    return 1;
}

/* Whatever a close callback still writes is refused. */
static void on_close(ah_connection *connection, void *user_data)
{
    int32_t written = ah_write_string_to_web_socket(connection, "too late");
    int32_t code = ah_last_error_code();

    (void)user_data;
    LOG(connection, "close %s", written == -1 && code == AH_ERROR_CONNECTION_CLOSED ? "refused" : "WROTE");
}

/* What one thread writes: messages that say their thread and number, and end in dots up to their size. */
struct writing {
    ah_connection *connection;
    int thread, count;
    size_t size;
    int written, refused;
    int32_t code; /* of the last refusal */
};

static void *write_all(void *argument)
{
    struct writing *writing = argument;
    char *message = malloc(writing->size + 32);
    int i;

    for (i = 0; i < writing->count; i++) {
        int length = sprintf(message, "%d:%d:", writing->thread, i);
        size_t size = writing->size > (size_t)length ? writing->size : (size_t)length;

        memset(message + length, '.', size - (size_t)length);
        if (ah_write_text_to_web_socket(writing->connection, message, size) > 0) {
            writing->written++;
        } else {
            writing->refused++;
            writing->code = ah_last_error_code();
        }
    }
    free(message);
    return NULL;
}

static const char *code_name(int32_t code)
{
    switch (code) {
    case AH_OK:
        return "nothing";
    case AH_ERROR_CONNECTION_CLOSED:
        return "closed";
    case AH_ERROR_INVALID_HANDLE: /* it ended meanwhile */
        return "ended";
    case AH_ERROR_QUEUE_FULL:
        return "full";
    default:
        return "another error";
    }
}

static void report(const struct writing *writing)
{
    printf("written %d refused %d for %s\n", writing->written, writing->refused, code_name(writing->code));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static int releases; /* guarded by the mutex */

static void wait_for_release(void)
{
    int before;

    pthread_mutex_lock(&mutex);
    for (before = releases; releases == before;)
        pthread_cond_wait(&released, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void release(void)
{
    pthread_mutex_lock(&mutex);
    releases++;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&mutex);
}

#define MAX_WRITERS 16

static void write_from_threads(ah_connection *connection, int threads, int count, size_t size)
{
    struct writing writings[MAX_WRITERS] = {{0}};
    pthread_t ids[MAX_WRITERS];
    int i;

    for (i = 0; i < threads && i < MAX_WRITERS; i++) {
        writings[i] = (struct writing){.connection = connection, .thread = i, .count = count, .size = size};
        pthread_create(&ids[i], NULL, write_all, &writings[i]);
    }
    for (i = 0; i < threads && i < MAX_WRITERS; i++) {
        pthread_join(ids[i], NULL);
        report(&writings[i]);
    }
}

/*
 *     wait                           the callback blocks until another one obeys a release, then writes "released"
 *     release                        lets all that wait go on
 *     nap MILLISECONDS               the callback takes its time, then writes "awake"
 *     write COUNT SIZE               writes messages from the callback
 *     threads THREADS COUNT SIZE     writes messages from other threads, for which the callback waits
 *     close | return                 closes, by call or by the callback's result
 * Anything else is sent back. A ping may tell to nap, too.
 */
static int32_t obey(ah_connection *connection, int32_t opcode, const char *data, size_t data_len, void *user_data)
{
    char command[64];
    int first = 0, second = 0, third = 0;

    (void)user_data;
    if ((opcode != 1 && opcode != 9) || data_len >= sizeof command)
        return 1;
    memcpy(command, data, data_len);
    command[data_len] = '\0';
    if (opcode == 9 && strncmp(command, "nap", 3) != 0)
        return 1;
    LOG(connection, "told to %s", command);
    if (strcmp(command, "wait") == 0) {
        wait_for_release();
        ah_write_string_to_web_socket(connection, "released");
    } else if (strcmp(command, "release") == 0) {
        release();
    } else if (sscanf(command, "nap %d", &first) == 1) {
        nanosleep(&(struct timespec){first / 1000, first % 1000 * 1000000L}, NULL);
        ah_write_string_to_web_socket(connection, "awake");
    } else if (sscanf(command, "write %d %d", &first, &second) == 2) {
        struct writing writing = {.connection = connection, .count = first, .size = (size_t)second};

        write_all(&writing);
        report(&writing);
    } else if (sscanf(command, "threads %d %d %d", &first, &second, &third) == 3) {
        write_from_threads(connection, first, second, (size_t)third);
    } else if (strcmp(command, "close") == 0) {
        ah_close_web_socket(connection);
    } else if (strcmp(command, "return") == 0) {
        return 0;
    } else {
        ah_write_text_to_web_socket(connection, data, data_len);
    }
    return 1;
}

static ah_context *start(const char *const *options, int count)
{
    const char *const subprotocols[] = {"v2.chat", "v1.chat", NULL};
    ah_context *server = ah_start_server_with_options(on_request, NULL, options, count);

    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        exit(1);
    }
    ah_set_web_socket_message_handler(server, "/echo", on_connect, on_ready, on_echo, on_close, NULL);
    ah_set_web_socket_message_handler_with_subprotocols(server, "/subprotocols", subprotocols, on_connect, on_ready,
                                                        on_echo, on_close, NULL);
    ah_set_web_socket_message_handler(server, "/refuse", refuse, on_ready, on_echo, on_close, NULL);
    ah_set_web_socket_message_handler(server, "/do", on_connect, on_ready, obey, on_close, NULL);
    puts("serving");
    return server;
}

static int threads_before, descriptors_before;

static int entries(const char *folder)
{
    DIR *opened = opendir(folder);
    int count = 0;

    while (readdir(opened) != NULL)
        count++;
    closedir(opened);
    return count;
}

static void stop(ah_context *server)
{
    struct timespec before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    ah_stop_server(server);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("stopped after %ld ms: %d more threads, %d more descriptors, heap of %zu\n",
           (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
           entries("/proc/self/task") - threads_before, entries("/proc/self/fd") - descriptors_before,
           mallinfo2().uordblks);
}

int main(int argc, char **argv)
{
    const char **options = calloc((size_t)argc + 1, sizeof *options);
    ah_context *server;
    char line[16];
    int i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    threads_before = entries("/proc/self/task");
    descriptors_before = entries("/proc/self/fd");
    options[0] = "listening_ports";
    options[1] = argc > 1 ? argv[1] : "8080";
    for (i = 2; i < argc; i++)
        options[i] = argv[i];
    server = start(options, i);
    while (fgets(line, sizeof line, stdin) != NULL && line[0] != '\n') {
        if (strcmp(line, "stop\n") == 0 && server != NULL) {
            stop(server);
            server = NULL;
        } else if (strcmp(line, "start\n") == 0 && server == NULL) {
            server = start(options, i);
        }
    }
    if (server != NULL)
        ah_stop_server(server);
    free(options);
    return 0;
}
