/*
 * Load for WebSocket servers, from one thread.
 *
 *   load [options] echo PORT       connections send messages and check what comes back
 *   load [options] broadcast PORT  one connection sends to /send, the others read at /receive
 *   load [options] idle PORT       connections that do nothing, until standard input ends
 *
 * Prints one line of JSON. In a run of `echo`, each connection keeps a number of messages in flight:
 * every echo is checked (its opcode, its size, its content, its order) and answered by the next
 * message, and what a connection has to send at once leaves in one system call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TEXT 0x1
#define BINARY 0x2
#define CLOSE 0x8
#define PING 0x9
#define PONG 0xA
#define FINAL 0x80

#define MAX_SERVER_HEADER 10
#define MAX_CLIENT_HEADER 14
#define NUMBER_SIZE 8 /* each message begins with its number on the connection, in letters */
#define MAX_CONTROL_SIZE 125
#define INPUT_SIZE (256 * 1024)
#define MAX_EVENTS 256

/* An address has 28,000 ports for connections to one server. */
#define CONNECTIONS_PER_ADDRESS 10000
#define MAX_CONNECTIONS 100000

#define HANDSHAKE_SECONDS 10
#define STALL_MS 10000   /* a run in which nothing comes for so long has failed */
#define QUIET_MS 100     /* at its end, nothing is on its way when nothing comes for so long */
#define JOIN_MS 500      /* a server may count a receiver in some time after it has answered the handshake */
#define CLOSE_MS 1000    /* a server that does not answer a Close in this time is left */
#define LIFE_SECONDS 120 /* beside what is measured; whatever happens, the program ends then */

static const uint8_t mask[4] = {0x5A, 0xC3, 0x17, 0x8E};

static struct {
    uint16_t port;
    int connections;
    int in_flight;
    size_t size;
    int opcode;
    double seconds, warm_up;
} settings = {.connections = 1, .in_flight = 1, .size = 64, .opcode = BINARY, .seconds = 2, .warm_up = 0.2};

struct client {
    int socket;

    /* The frame that is being read. */
    uint8_t header[MAX_SERVER_HEADER];
    size_t header_size;
    uint64_t payload_size, payload_read;
    uint8_t control[MAX_CONTROL_SIZE];

    uint64_t sent, received; /* messages */
    int64_t *sent_at;        /* times of what is in flight, by number modulo settings.in_flight; a receiver has the sender's */
    uint8_t *out;            /* room for all that can be in flight */
    size_t out_start, out_end;
};

static struct client *clients;
static int client_count;
static int closing_count; /* of them have sent a Close and wait for its answer */
static int epoll;

/* Messages as they are to be sent (masked) and to come back, but for their numbers. */
static uint8_t *request;
static size_t request_header, request_size;
static uint8_t *payload;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;

    fputs("load: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        fail("out of memory");
    return memory;
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Latencies: 32 classes for each power of two, so that a quantile is exact to about 2 %. */

#define CLASS_BITS 5
#define CLASSES (1 << CLASS_BITS)

static uint64_t histogram[64 * CLASSES];
static uint64_t measured;

static void record(int64_t nanoseconds)
{
    uint64_t value = nanoseconds < CLASSES ? CLASSES : (uint64_t)nanoseconds;
    int shift = 63 - __builtin_clzll(value) - CLASS_BITS;

    histogram[shift * CLASSES + (int)(value >> shift)]++;
    measured++;
}

static double quantile_us(double quantile)
{
    uint64_t left = (uint64_t)((double)measured * quantile);
    int class = 0;

    while (class < 63 * CLASSES && histogram[class] <= left)
        left -= histogram[class++];
    if (class < CLASSES)
        return 0;
    return (double)((uint64_t)(CLASSES + class % CLASSES) << (class / CLASSES - 1)) / 1000;
}

/* Messages */

static void write_number(uint8_t letters[NUMBER_SIZE], uint64_t number)
{
    for (int i = 0; i < NUMBER_SIZE; i++)
        letters[i] = (uint8_t)('a' + (number >> 4 * i & 0xF));
}

static void prepare_messages(void)
{
    size_t size = settings.size;

    payload = allocate(size, 1);
    for (size_t i = 0; i < size; i++)
        payload[i] = settings.opcode == TEXT ? (uint8_t)(' ' + i % 95) : (uint8_t)(i * 7);
    request = allocate(MAX_CLIENT_HEADER + size, 1);
    request[0] = (uint8_t)(FINAL | settings.opcode);
    if (size < 126) {
        request[1] = (uint8_t)size;
        request_header = 2;
    } else if (size <= 0xFFFF) {
        request[1] = 126;
        request[2] = (uint8_t)(size >> 8);
        request[3] = (uint8_t)size;
        request_header = 4;
    } else {
        request[1] = 127;
        for (int i = 0; i < 8; i++)
            request[2 + i] = (uint8_t)(size >> (56 - 8 * i));
        request_header = 10;
    }
    request[1] |= 0x80;
    memcpy(request + request_header, mask, 4);
    request_header += 4;
    for (size_t i = 0; i < size; i++)
        request[request_header + i] = payload[i] ^ mask[i & 3];
    request_size = request_header + size;
}

static void flush_output(struct client *client)
{
    while (client->out_start < client->out_end) {
        ssize_t sent = send(client->socket, client->out + client->out_start, client->out_end - client->out_start,
                            MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            fail("send: %s", strerror(errno));
        client->out_start += (size_t)sent;
    }
    client->out_start = client->out_end = 0;
}

static void add_message(struct client *client, int64_t time)
{
    uint8_t number[NUMBER_SIZE], *frame;

    if (client->out_start > 0 && client->out_end + request_size > (size_t)settings.in_flight * request_size) {
        memmove(client->out, client->out + client->out_start, client->out_end - client->out_start);
        client->out_end -= client->out_start;
        client->out_start = 0;
    }
    frame = client->out + client->out_end;
    memcpy(frame, request, request_size);
    write_number(number, client->sent);
    for (int i = 0; i < NUMBER_SIZE; i++)
        frame[request_header + i] = number[i] ^ mask[i & 3];
    client->out_end += request_size;
    client->sent_at[client->sent++ % (uint64_t)settings.in_flight] = time;
}

/* What came is to be the next message's bytes from `offset` on. */
static void check_message(struct client *client, const uint8_t *data, uint64_t offset, size_t size)
{
    uint8_t number[NUMBER_SIZE];
    size_t of_number = 0;

    if (offset < NUMBER_SIZE) {
        of_number = NUMBER_SIZE - (size_t)offset < size ? NUMBER_SIZE - (size_t)offset : size;
        write_number(number, client->received);
        if (memcmp(data, number + offset, of_number) != 0)
            fail("what came is not the next message");
    }
    if (memcmp(data + of_number, payload + offset + of_number, size - of_number) != 0)
        fail("what came differs from what was sent");
}

/* Behind nothing that is half sent: a connection that is pinged has been quiet for long, one that is
 * closed has been waited for. */
static void send_control(struct client *client, int opcode, const uint8_t *data, size_t size)
{
    uint8_t frame[6 + MAX_CONTROL_SIZE] = {(uint8_t)(FINAL | opcode), (uint8_t)(0x80u | size)};

    memcpy(frame + 2, mask, 4);
    for (size_t i = 0; i < size; i++)
        frame[6 + i] = data[i] ^ mask[i & 3];
    if (send(client->socket, frame, 6 + size, MSG_NOSIGNAL) != (ssize_t)(6 + size))
        fail("send: %s", strerror(errno));
}

/* Read the header up to its end; false when more bytes are needed. */
static bool read_header(struct client *client, const uint8_t **data, size_t *size)
{
    size_t full = 2;

    while (*size > 0 && client->header_size < full) {
        client->header[client->header_size++] = *(*data)++;
        (*size)--;
        if (client->header_size >= 2)
            full = client->header[1] == 126 ? 4 : client->header[1] == 127 ? 10 : 2;
    }
    if (client->header_size < full)
        return false;
    client->payload_size = 0;
    client->payload_read = 0;
    if (full == 2)
        client->payload_size = client->header[1];
    for (size_t i = 2; i < full; i++)
        client->payload_size = client->payload_size << 8 | client->header[i];
    if (client->header[0] == (FINAL | settings.opcode)
            ? client->payload_size != settings.size
            : client->payload_size > MAX_CONTROL_SIZE ||
                  (client->header[0] != (FINAL | PING) && (client->header[0] != (FINAL | CLOSE) || closing_count == 0)))
        fail("unexpected frame: first byte %02x, %llu bytes", client->header[0], (unsigned long long)client->payload_size);
    return true;
}

/* Take in what has arrived; returns how many messages are complete. */
static int take_in(struct client *client, const uint8_t *data, size_t size, int64_t time, bool measuring)
{
    int complete = 0;

    while (size > 0) {
        uint64_t missing;
        size_t part;
        bool is_control;

        if (client->payload_read == client->payload_size) { /* between two frames */
            if (!read_header(client, &data, &size))
                break;
            client->header_size = 0;
        }
        is_control = client->header[0] != (FINAL | settings.opcode);
        missing = client->payload_size - client->payload_read;
        part = missing < size ? (size_t)missing : size;
        if (is_control)
            memcpy(client->control + client->payload_read, data, part);
        else
            check_message(client, data, client->payload_read, part);
        data += part;
        size -= part;
        client->payload_read += part;
        if (client->payload_read < client->payload_size)
            continue;
        if (is_control) {
            if (client->header[0] == (FINAL | PING) && closing_count == 0)
                send_control(client, PONG, client->control, (size_t)client->payload_size);
            continue;
        }
        if (measuring)
            record(time - client->sent_at[client->received % (uint64_t)settings.in_flight]);
        client->received++;
        complete++;
    }
    return complete;
}

/* Connections */

static void read_handshake(int descriptor)
{
    char answer[4096];
    size_t size = 0;

    while (size < 4 || memcmp(answer + size - 4, "\r\n\r\n", 4) != 0) {
        ssize_t count = recv(descriptor, answer + size, sizeof answer - 1 - size, 0);

        if (count <= 0)
            fail("connection %d: no answer to the handshake", client_count + 1);
        size += (size_t)count;
    }
    answer[size] = '\0';
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0 || strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL)
        fail("connection %d was refused: %.*s", client_count + 1, (int)strcspn(answer, "\r"), answer);
}

static struct client *add_client(const char *path)
{
    const struct timeval patience = {.tv_sec = HANDSHAKE_SECONDS};
    struct sockaddr_in source = {.sin_family = AF_INET}, server = source;
    struct client *client = &clients[client_count];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
    char text[512];
    int on = 1, size;

    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->socket < 0)
        fail("socket: %s", strerror(errno));
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(client_count / CONNECTIONS_PER_ADDRESS));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(settings.port);
    /* The port is chosen when the connection is made: it may be one that another address uses. */
    setsockopt(client->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(client->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(client->socket, (struct sockaddr *)&source, sizeof source) != 0 ||
        connect(client->socket, (struct sockaddr *)&server, sizeof server) != 0)
        fail("connection %d: %s", client_count + 1, strerror(errno));
    /* The key of RFC 6455, section 1.3, whose answer is known. */
    size = snprintf(text, sizeof text,
                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                    path, settings.port);
    if (send(client->socket, text, (size_t)size, MSG_NOSIGNAL) != size)
        fail("connection %d: %s", client_count + 1, strerror(errno));
    read_handshake(client->socket);
    if (fcntl(client->socket, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, client->socket, &event) != 0)
        fail("epoll_ctl: %s", strerror(errno));
    client_count++;
    return client;
}

/* Runs */

struct run {
    int64_t begin, end; /* what is measured */
    uint64_t messages;
};

static bool is_measured(const struct run *run, int64_t time)
{
    return time >= run->begin && time < run->end;
}

static void make_sender(struct client *client)
{
    client->sent_at = allocate((size_t)settings.in_flight, sizeof *client->sent_at);
    client->out = allocate((size_t)settings.in_flight, request_size);
}

static void send_messages(struct client *client, int count)
{
    int64_t time = now();

    while (count-- > 0)
        add_message(client, time);
    flush_output(client);
}

/* Read what there is for a client, `complete` being told how many messages each time. */
static void read_input(struct client *client, struct run *run, void (*complete)(struct client *client, int count))
{
    static uint8_t input[INPUT_SIZE];
    ssize_t size;

    do {
        int64_t time;
        int count;

        size = recv(client->socket, input, sizeof input, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0 && closing_count > 0) {
            close(client->socket);
            closing_count--;
            return;
        }
        if (size <= 0)
            fail("connection %d of %d was lost: %s", (int)(client - clients) + 1, client_count,
                 size == 0 ? "closed by the server" : strerror(errno));
        time = now();
        count = take_in(client, input, (size_t)size, time, is_measured(run, time));
        if (is_measured(run, time))
            run->messages += (uint64_t)count;
        if (count > 0)
            complete(client, count);
    } while ((size_t)size == sizeof input);
}

/* Handle the events that there are, or the first to come in so many milliseconds; false: none came. */
static bool handle_events(struct run *run, void (*complete)(struct client *client, int count), int timeout)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(epoll, events, MAX_EVENTS, timeout);

    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) && client->out_start < client->out_end)
            flush_output(client);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            read_input(client, run, complete);
    }
    return count > 0;
}

static void ignore(struct client *client, int count)
{
    (void)client;
    (void)count;
}

/* Take in what is on its way and end all connections in good order. */
static void close_clients(void)
{
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xFF};
    struct run run = {0};
    int64_t end = now() + STALL_MS * INT64_C(1000000);

    while (handle_events(&run, ignore, QUIET_MS))
        if (now() > end)
            fail("the messages do not end");
    closing_count = client_count;
    for (int i = 0; i < client_count; i++)
        send_control(&clients[i], CLOSE, normal, sizeof normal);
    end = now() + CLOSE_MS * INT64_C(1000000);
    while (closing_count > 0 && now() < end)
        handle_events(&run, ignore, QUIET_MS);
}

static void measure(void (*complete)(struct client *client, int count))
{
    struct run run;

    run.begin = now() + (int64_t)(settings.warm_up * 1e9);
    run.end = run.begin + (int64_t)(settings.seconds * 1e9);
    run.messages = 0;
    while (now() < run.end)
        if (!handle_events(&run, complete, STALL_MS))
            fail("nothing has come for %d s", STALL_MS / 1000);
    printf("{\"messages_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           (double)run.messages / settings.seconds, quantile_us(0.5), quantile_us(0.99));
    fflush(stdout);
}

static void run_echo(void)
{
    while (client_count < settings.connections)
        make_sender(add_client("/"));
    for (int i = 0; i < client_count; i++)
        send_messages(&clients[i], settings.in_flight);
    measure(send_messages);
}

/* The first client sends; the others count how many of them each message has reached. */
static int *reached;
static uint64_t oldest;

static void count_receivers(struct client *client, int count)
{
    struct client *sender = &clients[0];
    int finished = 0;

    while (count-- > 0)
        reached[(client->received - 1 - (uint64_t)count) % (uint64_t)settings.in_flight]++;
    for (; oldest < sender->sent && reached[oldest % (uint64_t)settings.in_flight] == settings.connections; oldest++) {
        reached[oldest % (uint64_t)settings.in_flight] = 0;
        finished++;
    }
    if (finished > 0)
        send_messages(sender, finished);
}

static void run_broadcast(void)
{
    struct client *sender = add_client("/send");

    make_sender(sender);
    reached = allocate((size_t)settings.in_flight, sizeof *reached);
    while (client_count <= settings.connections)
        add_client("/receive")->sent_at = sender->sent_at;
    poll(NULL, 0, JOIN_MS);
    send_messages(sender, settings.in_flight);
    measure(count_receivers);
}

static void expect_nothing(struct client *client, int count)
{
    (void)count;
    fail("connection %d got a message", (int)(client - clients) + 1);
}

static void run_idle(void)
{
    struct pollfd waiting[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = epoll, .events = POLLIN}};
    struct run run = {0};

    while (client_count < settings.connections) {
        add_client("/");
        handle_events(&run, expect_nothing, 0); /* the first ones may be pinged before the last are there */
    }
    printf("{\"connections\": %d}\n", client_count);
    fflush(stdout);
    while (poll(waiting, 2, -1) > 0 && waiting[0].revents == 0)
        handle_events(&run, expect_nothing, 0);
}

static double number_of(const char *name, double least, double greatest)
{
    char *end;
    double value = strtod(optarg, &end);

    if (end == optarg || *end != '\0' || !(value >= least && value <= greatest))
        fail("--%s is \"%s\"; give a number from %g to %g", name, optarg, least, greatest);
    return value;
}

static void __attribute__((noreturn)) usage(void)
{
    fputs("usage: load [--connections N] [--in-flight N] [--size BYTES] [--text] [--seconds S] [--warm-up S] "
          "echo|broadcast|idle PORT\n", stderr);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"connections", required_argument, NULL, 'c'}, {"in-flight", required_argument, NULL, 'f'},
        {"size", required_argument, NULL, 'z'},        {"text", no_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 's'},     {"warm-up", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
        const char *name = options[index].name;

        switch (option) {
        case 'c':
            settings.connections = (int)number_of(name, 1, MAX_CONNECTIONS);
            break;
        case 'f':
            settings.in_flight = (int)number_of(name, 1, 1024);
            break;
        case 'z':
            settings.size = (size_t)number_of(name, NUMBER_SIZE, 1 << 24);
            break;
        case 't':
            settings.opcode = TEXT;
            break;
        case 's':
            settings.seconds = number_of(name, 0.1, 600);
            break;
        case 'w':
            settings.warm_up = number_of(name, 0, 60);
            break;
        default:
            usage();
        }
    }
    if (argc - optind != 2)
        usage();
    optarg = argv[optind + 1];
    settings.port = (uint16_t)number_of("port", 1, 65535);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"echo", run_echo}, {"broadcast", run_broadcast}, {"idle", run_idle}};
    struct rlimit files;

    read_options(argc, argv);
    alarm(LIFE_SECONDS + (unsigned)(settings.warm_up + settings.seconds));
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < (rlim_t)settings.connections + 16) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    clients = allocate((size_t)settings.connections + 1, sizeof *clients);
    prepare_messages();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[optind], modes[i].name) == 0) {
            modes[i].run();
            close_clients();
            return 0;
        }
    }
    usage();
}
