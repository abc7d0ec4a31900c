/*
 * Whatever bytes a client sends to the real library: a server of files that keeps connections alive. It
 * listens on a Unix socket, for the ports of loopback would be used up within a minute.
 *
 * Input: what the client sends, before it ends its side of the connection. A byte 0xFF is a pause in the sending:
 * what stands before it arrives by itself.
 */
#define _GNU_SOURCE /* memmem */
#include <alusus_http/alusus_http.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"

#define PAUSE 0xFF
#define MAX_ANSWERS (1 << 20)
#define SECRET "the file beside the root"

static char folder[] = "/tmp/fuzz_http.XXXXXX";
static ah_context *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static int32_t on_request(ah_connection *connection)
{
    const ah_request_info *info = ah_get_request_info(connection);
    char body[512];
    int32_t size;

    /* What a program may rely on. */
    REQUIRE(info->local_uri != NULL && info->local_uri[0] == '/' && strstr(info->local_uri, "/../") == NULL);
    for (const char *at = info->local_uri; *at != '\0'; ++at)
        REQUIRE((unsigned char)*at >= ' ' && *at != 0x7f);
    for (int32_t i = 0; i < info->number_headers; ++i)
        REQUIRE(strpbrk(info->http_headers[i].name, " \t\r\n:") == NULL && strpbrk(info->http_headers[i].value, "\r\n") == NULL);
    if (strcmp(info->local_uri, "/read") != 0)
        return 0;
    while ((size = ah_read(connection, body, sizeof body)) > 0)
        ;
    if (size < 0)
        return 400;
    ah_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    return 200;
}

static const struct {
    const char *name, *content; /* a folder has none */
} tree[] = {
    {"", NULL},
    {"/secret", SECRET},
    {"/pages", NULL},
    {"/pages/.hidden", SECRET},
    {"/pages/a.txt", "0123456789"},
    {"/pages/page.shtml", "<!--#include file=\"a.txt\" -->"},
    {"/pages/folder", NULL},
    {"/pages/folder/index.html", "<p>"},
};
#define TREE_SIZE (sizeof tree / sizeof tree[0])

static void make_tree(void)
{
    char path[PATH_MAX];

    REQUIRE(mkdtemp(folder) != NULL);
    for (size_t i = 1; i < TREE_SIZE; ++i) {
        snprintf(path, sizeof path, "%s%s", folder, tree[i].name);
        if (tree[i].content == NULL) {
            REQUIRE(mkdir(path, 0700) == 0);
        } else {
            FILE *file = fopen(path, "w");
            REQUIRE(file != NULL && fputs(tree[i].content, file) >= 0 && fclose(file) == 0);
        }
    }
}

static void stop(void)
{
    char path[PATH_MAX];

    ah_stop_server(server);
    for (size_t i = TREE_SIZE; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", folder, tree[i].name);
        remove(path);
    }
}

static void start(void)
{
    char ports[PATH_MAX], root[PATH_MAX];

    make_tree();
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    snprintf(ports, sizeof ports, "x%s", address.sun_path);
    snprintf(root, sizeof root, "%s/pages", folder);
    const char *options[] = {"listening_ports", ports, "document_root", root, "enable_keep_alive", "yes",
                             "num_threads", "4", "request_timeout_ms", "2000", "ssi_pattern", "**.shtml$"};
    server = ah_start_server_with_options(on_request, NULL, options, sizeof options / sizeof options[0]);
    if (server == NULL)
        fprintf(stderr, "%s\n", ah_last_error());
    REQUIRE(server != NULL);
    atexit(stop);
}

/* Answers are a head of printable lines, and whatever follows; the first one begins at once. A connection that was
 * reset, for the client had sent more than was read, may have lost any part. */
static void check_answers(const char *answers, size_t size, int is_reset)
{
    const char *end = memmem(answers, size, "\r\n\r\n", 4);

    REQUIRE(memmem(answers, size, SECRET, strlen(SECRET)) == NULL);
    if (size == 0 || is_reset)
        return;
    REQUIRE(size > 12 && memcmp(answers, "HTTP/1.", 7) == 0 && isdigit((unsigned char)answers[9]) && end != NULL);
    for (const char *at = answers; at < end; ++at)
        REQUIRE(isprint((unsigned char)*at) || (*at == '\r' && at[1] == '\n') || (*at == '\n' && at[-1] == '\r'));
}

static void send_all(int client, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const uint8_t *pause = memchr(data, PAUSE, size);
        size_t part = pause == NULL ? size : (size_t)(pause - data);
        if (part > 0 && send(client, data, part, MSG_NOSIGNAL) != (ssize_t)part)
            return; /* refused already */
        part += pause != NULL;
        data += part;
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answers[MAX_ANSWERS];
    struct timeval patience = {.tv_sec = 8};
    size_t received = 0;
    ssize_t part;
    int client;

    if (server == NULL)
        start();
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    send_all(client, data, size);
    shutdown(client, SHUT_WR);
    while ((part = recv(client, answers + received, sizeof answers - received, 0)) > 0)
        received += (size_t)part;
    /* The end, or the loss of a connection on which the server had more to read: nobody is kept waiting. */
    REQUIRE(received < sizeof answers && (part == 0 || errno != EAGAIN));
    close(client);
    check_answers(answers, received, part != 0);
    return 0;
}
