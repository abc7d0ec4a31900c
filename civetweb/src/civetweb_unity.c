/* CivetWeb itself, in one translation unit with the few functions that read its private structs. */
#define _GNU_SOURCE /* both as CivetWeb has them */
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "civetweb_internal.h"
#include "connection.h"
#include "http/dates.h"
#include "http/document_root.h"
#include "key_files.h"
#include "http/fields.h"
#include "options.h"
#include "server.h"
#include "web_socket/transport.h"

/* Whatever file CivetWeb touches, it touches through these: they keep it below the document root, and from
 * writing unless the server may be written to. `conn` is the connection that a caller in CivetWeb has in scope;
 * those that have none serve no client, and find this one. */
static const struct mg_connection *const conn = NULL;

static int client_stat(const struct mg_connection *conn, const char *path, struct stat *status);
static FILE *client_fopen(const struct mg_connection *conn, const char *path, const char *mode);
static DIR *client_opendir(const struct mg_connection *conn, const char *path);
static struct dirent *client_readdir(const struct mg_connection *conn, DIR *folder);
static bool client_may_write(const struct mg_connection *conn);
static int poll_meanwhile(struct pollfd *sockets, nfds_t count, int milliseconds);
static unsigned long chunk_strtoul(const struct mg_connection *conn, const char *text, char **end, int base);
static ssize_t counted_sendfile(int out, int in, off_t *offset, size_t count);
static ssize_t counted_send(int socket, const void *data, size_t size, int flags);
static int counted_tls_write(SSL *tls, const void *data, int size);
static int clock_for_request(const struct mg_connection *conn, clockid_t clock, struct timespec *time);
static const char *tls_error_text(unsigned long error);

#define stat(path, status) client_stat(conn, path, status)
#define fopen(path, mode) client_fopen(conn, path, mode)
#define opendir(path) client_opendir(conn, path)
#define readdir(folder) client_readdir(conn, folder)
#define mkdir(path, mode) (client_may_write(conn) ? mkdir(path, mode) : -1)
#define remove(path) (client_may_write(conn) ? remove(path) : -1)
#define rename(from, to) (client_may_write(conn) ? rename(from, to) : -1)
#define rmdir(path) (client_may_write(conn) ? rmdir(path) : -1)
#define poll(sockets, count, milliseconds) poll_meanwhile(sockets, count, milliseconds)
#define strtoul(text, end, base) chunk_strtoul(conn, text, end, base)
#define sendfile(out, in, offset, count) counted_sendfile(out, in, offset, count)
#define send(socket, data, size, flags) counted_send(socket, data, size, flags)
#define SSL_write(tls, data, size) counted_tls_write(tls, data, size)
#define clock_gettime(clock, time) clock_for_request(conn, clock, time)
#define ERR_error_string(error, text) tls_error_text(error)
#define SSL_CTX_use_certificate_file(tls, path, type) key_files_use_certificate(tls, path, type)
#define SSL_CTX_use_PrivateKey_file(tls, path, type) key_files_use_key(tls, path, type)
#define SSL_CTX_use_certificate_chain_file(tls, path) key_files_use_chain(tls, path)
#define SSL_CTX_load_verify_locations(tls, file, path) key_files_trust(tls, file, path)

/* CivetWeb refuses a head with a tab, which RFC 9110, section 5.5, allows around and within a value. */
static int is_print_or_tab(int c)
{
    return c == '\t' || isprint(c);
}
#undef isprint
#define isprint is_print_or_tab

/* CivetWeb's parser refuses methods that it has no use for, before anybody else has seen them; RFC 9110, section 9.1,
 * has the program decide. It asks is_valid_http_method(ri->...), which becomes is_token(ri->...), and the function
 * itself, is_valid_http_method(const ...), is renamed. */
#define is_valid_http_method(argument) METHOD_OF_##argument)
#define METHOD_OF_ri is_token(ri
#define METHOD_OF_const is_method_of_civetweb(const

/* The address of a client at a Unix socket, which has none; nginx says it so, too. */
#define UNIX_DOMAIN_SOCKET_SERVER_NAME "unix:"

#include "civetweb.c"

#undef stat
#undef fopen
#undef opendir
#undef readdir
#undef mkdir
#undef remove
#undef rename
#undef rmdir
#undef poll
#undef strtoul
#undef sendfile
#undef send
#undef SSL_write
#undef clock_gettime
#undef ERR_error_string
#undef SSL_CTX_use_certificate_file
#undef SSL_CTX_use_PrivateKey_file
#undef SSL_CTX_use_certificate_chain_file
#undef SSL_CTX_load_verify_locations
#undef is_valid_http_method
#undef METHOD_OF_ri
#undef METHOD_OF_const
#undef snprintf /* that CivetWeb forbids itself */

/* The connection whose answer this thread sends: a worker's from the time at which it begins to read a request. */
static _Thread_local struct mg_connection *answering;

static bool is_logged(const struct mg_connection *connection)
{
    return connection->phys_ctx->callbacks.log_access != NULL || connection->dom_ctx->config[ACCESS_LOG_FILE] != NULL;
}

/* The access log tells the bytes of the body: the framing's are counted as they leave, whoever has written them. */
static void note_sent(const struct mg_connection *connection, const char *data, ssize_t size)
{
    struct connection *client = connection == NULL ? NULL : connection_of(connection);

    if (client != NULL && size > 0 && is_logged(connection))
        sent_framing_note(&client->sent_framing, data, (size_t)size);
}

/* CivetWeb counts what it writes, but not what it has the kernel send from a file. */
static ssize_t counted_sendfile(int out, int in, off_t *offset, size_t count)
{
    ssize_t sent = sendfile(out, in, offset, count);

    if (sent > 0 && answering != NULL)
        answering->num_bytes_sent += sent;
    return sent;
}

static ssize_t counted_send(int socket, const void *data, size_t size, int flags)
{
    ssize_t count = send(socket, data, size, flags);

    note_sent(answering, data, count);
    return count;
}

static int counted_tls_write(SSL *tls, const void *data, int size)
{
    int count = SSL_write(tls, data, size);

    note_sent(answering, data, count);
    return count;
}

/* CivetWeb looks for the domain of each request, and keeps that of the one before when it finds none. Over TLS, the
 * handshake has decided. */
static void begin_request_on(struct mg_connection *connection)
{
    struct connection *client = connection_of(connection);

    if (connection->ssl == NULL)
        connection->dom_ctx = &connection->phys_ctx->dd;
    if (client != NULL)
        client->sent_framing = (struct sent_framing){0};
    answering = connection;
}

/* CivetWeb notes the time when it begins to read a request, and nothing else tells that. */
static int clock_for_request(const struct mg_connection *connection, clockid_t clock, struct timespec *time)
{
    if (connection != NULL && time == &connection->req_time)
        begin_request_on((struct mg_connection *)connection);
    return clock_gettime(clock, time);
}

/* What OpenSSL says of a failed handshake; of the usual mistake, in words that name it. */
static const char *tls_error_text(unsigned long error)
{
    static _Thread_local char text[256];

    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST)
        return "a client spoke plain HTTP to a TLS port";
    ERR_error_string_n(error, text, sizeof text);
    return text;
}

/* What this thread does while CivetWeb waits for a socket; null: nothing. */
static _Thread_local const struct civetweb_meanwhile *meanwhile;

/* CivetWeb looks at its own clock when a wait was interrupted. */
static int poll_meanwhile(struct pollfd *sockets, nfds_t count, int milliseconds)
{
    const struct civetweb_meanwhile *now = meanwhile;
    struct pollfd polled[2];
    int result;

    if (now == NULL || count != 1)
        return poll(sockets, count, milliseconds);
    polled[0] = *sockets;
    polled[1] = (struct pollfd){.fd = now->descriptor, .events = POLLIN};
    result = poll(polled, 2, milliseconds);
    sockets->revents = result > 0 ? polled[0].revents : 0;
    if (result <= 0)
        return result;
    if (sockets->revents != 0)
        return 1;
    meanwhile = NULL; /* it may wait itself */
    errno = now->work(now->argument) ? EINTR : ECANCELED;
    meanwhile = now;
    return -1;
}

/* The size of a chunk, which alone is written in base 16. CivetWeb adds it to a signed number: one that is too great
 * reads as none, which it refuses; so does one with a CR amid its digits, where CivetWeb stops to look. It skips a chunk
 * extension up to a CR, whatever that contains, and a proxy that ends it elsewhere sees another end of the body: then
 * nothing that follows is read. */
static unsigned long chunk_strtoul(const struct mg_connection *connection, const char *text, char **end, int base)
{
    unsigned long size = strtoul(text, end, base);
    struct connection *client;

    if (base != 16)
        return size;
    if (size > (unsigned long)INT64_MAX / 2 || strcmp(*end, "\r\n") != 0) {
        *end = (char *)text;
        return 1;
    }
    if (connection->connection_type == CONNECTION_TYPE_REQUEST && (client = connection_of(connection)) != NULL) {
        if (client->chunk_start + (int64_t)strlen(text) != connection->content_len)
            civetweb_close_after_answer((struct mg_connection *)connection);
        client->chunk_start = connection->content_len + (int64_t)size + (int64_t)strlen("\r\n");
    }
    return size;
}

/* Only a server that names who may write is written to. CivetWeb alone would let whoever passes an
 * authorization handler. */
static bool client_may_write(const struct mg_connection *connection)
{
    if (connection == NULL || connection->dom_ctx->config[PUT_DELETE_PASSWORDS_FILE] != NULL)
        return true;
    errno = EACCES;
    return false;
}

/* Password files are for the server itself, not for clients, and the one that is not found protects nothing: they
 * may be anywhere. */
static bool is_password_file(const struct mg_connection *connection, const char *path)
{
    char *const *config = connection->dom_ctx->config;
    const char *name = strrchr(path, '/'), *list = config[PROTECT_URI];
    struct vec uri, file;

    if (strcmp(name == NULL ? path : name + 1, PASSWORDS_FILE_NAME) == 0 ||
        (config[GLOBAL_PASSWORDS_FILE] != NULL && strcmp(path, config[GLOBAL_PASSWORDS_FILE]) == 0) ||
        (config[PUT_DELETE_PASSWORDS_FILE] != NULL && strcmp(path, config[PUT_DELETE_PASSWORDS_FILE]) == 0))
        return true;
    while ((list = next_option(list, &uri, &file)) != NULL)
        if (strlen(path) == file.len && strncmp(path, file.ptr, file.len) == 0)
            return true;
    return false;
}

/* What follows the document root in a path below it; null for others, which no client has named. */
static const char *below_root(const struct mg_connection *connection, const char *path)
{
    const char *root = connection == NULL ? NULL : connection->dom_ctx->config[DOCUMENT_ROOT];
    size_t length = root == NULL ? 0 : strlen(root);

    if (length == 0 || strncmp(path, root, length) != 0 || is_password_file(connection, path))
        return NULL;
    return root[length - 1] == '/' || path[length] == '/' || path[length] == '\0' ? path + length : NULL;
}

static int client_open(const struct mg_connection *connection, const char *below, int flags)
{
    const struct server *server = connection->phys_ctx->user_data;

    return document_root_open(&server->file_rules, connection->dom_ctx->config[DOCUMENT_ROOT], below, flags);
}

static int client_stat(const struct mg_connection *connection, const char *path, struct stat *status)
{
    const char *below = below_root(connection, path);
    int file, result;

    if (below == NULL)
        return stat(path, status);
    file = client_open(connection, below, O_PATH);
    if (file < 0)
        return -1;
    result = fstat(file, status);
    close(file);
    return result;
}

static FILE *client_fopen(const struct mg_connection *connection, const char *path, const char *mode)
{
    const char *below = below_root(connection, path);
    FILE *stream;
    int file;

    if (*mode == 'w' && !client_may_write(connection))
        return NULL;
    if (below == NULL || *mode == 'a') /* a log */
        return fopen(path, mode);
    file = client_open(connection, below, *mode == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY);
    if (file < 0)
        return NULL;
    stream = fdopen(file, mode);
    if (stream == NULL)
        close(file);
    return stream;
}

static DIR *client_opendir(const struct mg_connection *connection, const char *path)
{
    const char *below = below_root(connection, path);
    DIR *folder;
    int file;

    if (below == NULL)
        return opendir(path);
    file = client_open(connection, below, O_RDONLY | O_DIRECTORY);
    if (file < 0)
        return NULL;
    folder = fdopendir(file);
    if (folder == NULL)
        close(file);
    return folder;
}

/* A listing names no hidden files. */
static struct dirent *client_readdir(const struct mg_connection *connection, DIR *folder)
{
    const struct server *server = connection == NULL ? NULL : connection->phys_ctx->user_data;
    struct dirent *entry;

    do
        entry = readdir(folder);
    while (entry != NULL && server != NULL && !server->file_rules.serve_hidden && entry->d_name[0] == '.');
    return entry;
}

/* How long a client may go on sending to a connection that is being closed. */
#define DRAIN_MS 500

bool civetweb_asks_for_web_socket(const struct mg_connection *connection)
{
    return connection->protocol_type == PROTOCOL_TYPE_WEBSOCKET;
}

void civetweb_ask_for_web_socket(struct mg_connection *connection)
{
    connection->protocol_type = PROTOCOL_TYPE_WEBSOCKET;
}

/* CivetWeb has cut the head's text into strings in place. */
void civetweb_trim_fields(struct mg_connection *connection)
{
    struct mg_request_info *info = &connection->request_info;
    int i;

    for (i = 0; i < info->num_headers; i++) {
        char *value = (char *)info->http_headers[i].value, *end = value + strlen(value);

        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            *--end = '\0';
    }
}

static void mask_controls(char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '_';
}

void civetweb_mask_controls(struct mg_connection *connection)
{
    struct mg_request_info *info = &connection->request_info;

    mask_controls((char *)info->request_uri); /* of which local_uri_raw is a part */
    mask_controls((char *)info->local_uri);
    mask_controls((char *)info->query_string);
}

bool civetweb_answer_unread(struct mg_connection *connection)
{
    int found = connection->request_len;

    if (found >= 0)
        return false;
    connection->request_len = 0; /* CivetWeb comes here again for the new status */
    connection->in_error_handler = 0;
    if (found == -2 && memchr(connection->buf, '\n', (size_t)connection->data_len) == NULL)
        mg_send_http_error(connection, 414, "%s", "the target is longer than max_request_size allows");
    else if (found == -2)
        mg_send_http_error(connection, 431, "%s", "the head of the request is longer than max_request_size allows");
    else if (get_http_header_len(connection->buf, connection->data_len) == 0)
        mg_send_http_error(connection, 408, "%s", "the head of the request has not arrived in time");
    else
        return false;
    civetweb_drain(connection);
    return true;
}

bool civetweb_passes_over(const struct mg_connection *connection)
{
    return connection->request_len > 0 && connection->status_code == -1 && connection->request_info.local_uri == NULL;
}

void *civetweb_web_socket_handler(struct mg_connection *connection)
{
    mg_request_handler request;
    struct mg_websocket_subprotocols *subprotocols;
    mg_websocket_connect_handler connect;
    mg_websocket_ready_handler ready;
    mg_websocket_data_handler data;
    mg_websocket_close_handler close;
    mg_authorization_handler authorization;
    struct mg_handler_info *info;
    void *user_data;

    if (civetweb_asks_for_web_socket(connection) &&
        get_request_handler(connection, WEBSOCKET_HANDLER, &request, &subprotocols, &connect, &ready, &data, &close,
                            &authorization, &user_data, &info))
        return user_data;
    return NULL;
}

bool civetweb_uri_matches(const char *uri, const char *path)
{
    size_t length = strlen(uri);

    if (strncmp(uri, path, length) == 0 && (path[length] == '\0' || path[length] == '/' || uri[length - 1] == '/'))
        return true;
    return match_prefix(uri, length, path) == (ptrdiff_t)strlen(path);
}

const char *civetweb_option(const struct mg_connection *connection, enum civetweb_option option)
{
    static const int indexes[] = {
        [CIVETWEB_ADDITIONAL_HEADER] = ADDITIONAL_HEADER,
        [CIVETWEB_AUTHENTICATION_DOMAIN] = AUTHENTICATION_DOMAIN,
        [CIVETWEB_ALLOW_ORIGIN] = ACCESS_CONTROL_ALLOW_ORIGIN,
        [CIVETWEB_ERROR_PAGES] = ERROR_PAGES,
        [CIVETWEB_STRICT_TRANSPORT_AGE] = STRICT_HTTPS_MAX_AGE,
    };
    const char *value = connection->dom_ctx->config[indexes[option]];

    return value != NULL ? value : "";
}

/* It notes the name before it has checked the password, too. */
void civetweb_forget_user(struct mg_connection *connection)
{
    mg_free((void *)connection->request_info.remote_user);
    connection->request_info.remote_user = NULL;
}

/* Whether the file that an option names for this request, if any does, can be read: CivetWeb lets everybody in while it
 * cannot. */
static bool can_read_passwords(const struct mg_connection *connection)
{
    const char *path = connection->dom_ctx->config[GLOBAL_PASSWORDS_FILE];
    const char *list = connection->dom_ctx->config[PROTECT_URI];
    const char *uri = connection->request_info.local_uri;
    char protecting[UTF8_PATH_MAX];
    struct vec beginning, file;

    while ((list = next_option(list, &beginning, &file)) != NULL)
        if (strncmp(uri, beginning.ptr, beginning.len) == 0) {
            snprintf(protecting, sizeof protecting, "%.*s", (int)file.len, file.ptr);
            path = protecting;
            break;
        }
    if (path == NULL || access(path, R_OK) == 0)
        return true;
    mg_cry_internal(connection, "nobody is let in: the passwords in %s cannot be read: %s", path, strerror(errno));
    return false;
}

/* Whether the password files let the client have a path. */
static bool is_authorized(struct mg_connection *connection, const char *path)
{
    civetweb_forget_user(connection);
    if (can_read_passwords(connection) && check_authorization(connection, path))
        return true;
    civetweb_forget_user(connection);
    return false;
}

bool civetweb_is_authorized(struct mg_connection *connection)
{
    /* Without these, CivetWeb would look for a password file at the root of the file system. */
    if (connection->dom_ctx->config[PROTECT_URI] == NULL && connection->dom_ctx->config[GLOBAL_PASSWORDS_FILE] == NULL)
        return true;
    return is_authorized(connection, "");
}

int civetweb_check_password(struct mg_connection *connection, const char *domain, const char *file_name)
{
    int result;

    civetweb_forget_user(connection);
    result = mg_check_digest_access_authentication(connection, domain, file_name);
    if (result != 1)
        civetweb_forget_user(connection);
    return result;
}

uint64_t civetweb_nonce(struct mg_connection *connection)
{
    uint64_t nonce;

    mg_lock_context(connection->phys_ctx);
    nonce = (uint64_t)connection->phys_ctx->start_time + connection->dom_ctx->nonce_count++;
    mg_unlock_context(connection->phys_ctx);
    return nonce ^ connection->dom_ctx->auth_nonce_mask;
}

int64_t civetweb_body_left(const struct mg_connection *connection)
{
    return connection->content_len - connection->consumed_content;
}

bool civetweb_body_is_complete(const struct mg_connection *connection)
{
    return connection->is_chunked ? connection->is_chunked >= 3 : civetweb_body_left(connection) <= 0;
}

/* How much has arrived that mg_read has not given out. */
static int64_t unread_bytes(const struct mg_connection *connection)
{
    return (int64_t)connection->data_len - connection->request_len - connection->consumed_content;
}

/* How many bytes can be read without waiting. */
static int64_t readable(const struct mg_connection *connection)
{
    int64_t buffered = unread_bytes(connection);
    int waiting = 0;

    if (buffered > 0)
        return buffered;
    if (connection->ssl != NULL)
        return SSL_pending(connection->ssl);
    return ioctl(connection->client.sock, FIONREAD, &waiting) == 0 ? waiting : 0;
}

bool civetweb_client_goes_on(const struct mg_connection *connection)
{
    return !civetweb_body_is_complete(connection) || readable(connection) > 0;
}

bool civetweb_client_has_left(const struct mg_connection *connection)
{
    char byte;
    ssize_t count = recv(connection->client.sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (connection->ssl != NULL && (SSL_get_shutdown(connection->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
        return true;
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* More of the body, if that needs no waiting; 0 if it does. */
static int read_more(struct mg_connection *connection, char *buffer, int64_t size)
{
    int64_t left = civetweb_body_left(connection);
    int64_t ready = readable(connection);

    if (left < size)
        size = left;
    if (ready < size)
        size = ready;
    if (size <= 0)
        return 0;
    if (!connection->is_chunked || size < left)
        return mg_read_inner(connection, buffer, (size_t)size);
    if (ready >= left + 2) /* the end of the line behind the chunk is here, too */
        return mg_read(connection, buffer, (size_t)size);
    return size > 1 ? mg_read_inner(connection, buffer, (size_t)size - 1) : 0;
}

/* Why nothing could be read. CivetWeb adds to the length whatever part of the chunks it goes on to read: when it has
 * got all of that and fails, what it has got is wrong. */
static int read_failure(const struct mg_connection *connection)
{
    if (connection->is_chunked == 2 && civetweb_body_left(connection) == 0)
        return CIVETWEB_READ_MALFORMED;
    if (civetweb_is_stopping(connection) || civetweb_client_has_left(connection))
        return CIVETWEB_READ_CLOSED;
    return CIVETWEB_READ_LATE;
}

int civetweb_read(struct mg_connection *connection, void *buffer, size_t size)
{
    int total, count;

    if (civetweb_body_is_complete(connection))
        return 0;
    if (size > INT_MAX)
        size = INT_MAX;
    total = mg_read(connection, buffer, 1);
    if (total <= 0)
        return total == 0 && civetweb_body_is_complete(connection) ? 0 : read_failure(connection);
    while ((size_t)total < size && (count = read_more(connection, (char *)buffer + total, (int64_t)size - total)) > 0)
        total += count;
    return total;
}

int civetweb_read_meanwhile(struct mg_connection *connection, void *buffer, size_t size,
                            const struct civetweb_meanwhile *work)
{
    int count;

    meanwhile = work;
    count = civetweb_read(connection, buffer, size);
    meanwhile = NULL;
    return count;
}

void civetweb_send_continue(struct mg_connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct mg_connection *before = answering;

    answering = NULL; /* this is no part of the answer */
    (void)push_all(connection->phys_ctx, NULL, connection->client.sock, connection->ssl, line, sizeof line - 1);
    answering = before;
}

int civetweb_write(struct mg_connection *connection, const void *data, size_t size)
{
    struct mg_connection *before = answering;
    int count;

    answering = connection;
    count = mg_write(connection, data, size);
    answering = before;
    return count;
}

void civetweb_send_named_file(struct mg_connection *connection, const char *path, const char *type)
{
    struct mg_connection *before = answering;

    answering = connection;
    mg_send_mime_file2(connection, path, type, NULL);
    answering = before;
}

void civetweb_send_error(struct mg_connection *connection, int status, const char *message)
{
    struct mg_connection *before = answering;

    answering = connection;
    mg_send_http_error(connection, status, "%s", message);
    answering = before;
}

void civetweb_drain(struct mg_connection *connection)
{
    struct pollfd socket = {.fd = connection->client.sock, .events = POLLIN};
    uint64_t end = mg_get_current_time_ns() + DRAIN_MS * UINT64_C(1000000);
    char bytes[4096];

    if (connection->ssl == NULL)
        shutdown(connection->client.sock, SHUT_WR);
    while (mg_get_current_time_ns() < end && poll(&socket, 1, DRAIN_MS) > 0 &&
           recv(connection->client.sock, bytes, sizeof bytes, 0) > 0)
        ;
}

bool civetweb_keeps_alive(const struct mg_connection *connection)
{
    return should_keep_alive(connection);
}

void civetweb_answer_as_http(struct mg_connection *connection)
{
    const char **version = &connection->request_info.http_version;

    if (*version != NULL && strcmp(*version, "1.0") != 0)
        *version = "1.1";
    if (connection->protocol_type == PROTOCOL_TYPE_WEBSOCKET)
        connection->protocol_type = PROTOCOL_TYPE_HTTP1;
}

bool civetweb_knows_method(const struct mg_connection *connection)
{
    return is_method_of_civetweb(connection->request_info.request_method);
}

void civetweb_close_after_answer(struct mg_connection *connection)
{
    connection->must_close = 1;
}

const char *civetweb_head_end(const struct mg_connection *connection)
{
    return connection->buf + connection->request_len;
}

enum civetweb_target civetweb_find_target(struct mg_connection *connection, char path[CIVETWEB_PATH_SIZE])
{
    const char *uri = connection->request_info.local_uri;
    struct mg_file_stat status;
    int found, script, web_socket, writes, webdav, template;

    _Static_assert(CIVETWEB_PATH_SIZE >= UTF8_PATH_MAX, "CivetWeb's paths must fit");
    if (connection->dom_ctx->config[DOCUMENT_ROOT] == NULL)
        return TARGET_OTHER;
    interpret_uri(connection, path, CIVETWEB_PATH_SIZE, &status, &found, &script, &web_socket, &writes, &webdav, &template);
    if (!found || script || template || must_hide_file(connection, path) ||
        (status.is_directory && uri[strlen(uri) - 1] == '/'))
        return TARGET_OTHER;
    if (!is_authorized(connection, path)) {
        send_authorization_request(connection, NULL);
        return TARGET_ANSWERED;
    }
    return status.is_directory ? TARGET_FOLDER : TARGET_FILE;
}

int civetweb_open_target(const struct mg_connection *connection, const char *path)
{
    const char *below = below_root(connection, path);

    return below != NULL ? client_open(connection, below, O_RDONLY) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

const char *civetweb_media_type(struct mg_connection *connection, const char *path, int *length)
{
    struct vec type;

    get_mime_type(connection, path, &type);
    *length = (int)type.len;
    return type.ptr;
}

void civetweb_begin_head(struct mg_connection *connection, int status)
{
    mg_response_header_start(connection, status);
    send_static_cache_header(connection);
    send_additional_header(connection);
    send_cors_header(connection);
}

bool civetweb_send_head(struct mg_connection *connection)
{
    const struct mg_response_info *response = &connection->response_info;
    const char *phrase = mg_get_response_code_text(connection, connection->status_code);
    char head[MG_BUF_LEN], date[DATE_SIZE];
    size_t size;
    int i;

    date_format(time(NULL), date);
    size = (size_t)snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", connection->status_code,
                            phrase, date, suggest_connection_header(connection));
    for (i = 0; i < response->num_headers && size < sizeof head; i++)
        size += (size_t)snprintf(head + size, sizeof head - size, "%s: %s\r\n", response->http_headers[i].name,
                                 response->http_headers[i].value);
    if (size + 2 >= sizeof head) { /* with a big "additional_header" */
        struct mg_connection *before = answering;
        bool sent;

        answering = connection;
        sent = mg_response_header_send(connection) == 0;
        answering = before;
        return sent;
    }
    memcpy(head + size, "\r\n", 2);
    free_buffered_response_header_list(connection);
    connection->request_state = 3;
    return civetweb_write(connection, head, size + 2) > 0;
}

/* Wait until the socket takes more; false when it does not in time. */
static bool wait_to_send(struct mg_connection *connection)
{
    struct mg_pollfd poll = {.fd = connection->client.sock, .events = POLLOUT};
    const char *timeout = connection->dom_ctx->config[REQUEST_TIMEOUT];
    int left;

    for (left = atoi(timeout); left > 0 && STOP_FLAG_IS_ZERO(&connection->phys_ctx->stop_flag); left -= SOCKET_TIMEOUT_QUANTUM)
        if (mg_poll(&poll, 1, SOCKET_TIMEOUT_QUANTUM, &connection->phys_ctx->stop_flag) > 0)
            return true;
    return false;
}

static bool copy_file(struct mg_connection *connection, int file, off_t offset, int64_t length)
{
    char buffer[1 << 14]; /* a record of TLS */

    while (length > 0) {
        size_t part = length < (int64_t)sizeof buffer ? (size_t)length : sizeof buffer;
        ssize_t size = pread(file, buffer, part, offset);

        if (size <= 0 || mg_write(connection, buffer, (size_t)size) != size)
            return false;
        offset += size;
        length -= size;
    }
    return true;
}

bool civetweb_send_file(struct mg_connection *connection, int file, int64_t first, int64_t length)
{
    off_t offset = (off_t)first;

    if (connection->ssl != NULL || connection->throttle != 0 ||
        strcmp(connection->dom_ctx->config[ALLOW_SENDFILE_CALL], "yes") != 0)
        return copy_file(connection, file, offset, length);
    while (length > 0) {
        ssize_t size = sendfile(connection->client.sock, file, &offset, length < INT_MAX ? (size_t)length : INT_MAX);

        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            return false; /* the file has become shorter, or the client has gone */
        if (size > 0) {
            connection->num_bytes_sent += size;
            length -= size;
        } else if (!wait_to_send(connection)) {
            return false;
        }
    }
    return true;
}

void civetweb_send_compressed(struct mg_connection *connection, FILE *stream)
{
    struct mg_file file = {.access.fp = stream};

    send_compressed_data(connection, &file);
}

/* The master thread reads its list of sockets without a lock. The list therefore stays, and under the number of each
 * socket is a file of which nothing ever comes. The shutdown wakes the master, whose wait would keep the socket open;
 * that its `accept` then fails is nothing to it. The files of Unix sockets go first: when nobody listens at a path, it is
 * the next server's, whose file CivetWeb would remove in the end. */
bool civetweb_stop_listening(struct mg_context *context)
{
    int nothing = eventfd(0, EFD_CLOEXEC);
    bool closed = nothing >= 0;
    unsigned i;

    for (i = 0; closed && i < context->num_listening_sockets; i++) {
        struct socket *listening = &context->listening_sockets[i];
        int number = listening->sock;

        if (listening->lsa.sa.sa_family == AF_UNIX) {
            (void)unlink(listening->lsa.sun.sun_path); /* "" when this is done again */
            listening->lsa.sun.sun_path[0] = '\0';
        }
        (void)shutdown(number, SHUT_RDWR);
        closed = dup3(nothing, number, O_CLOEXEC) >= 0;
    }
    if (nothing >= 0)
        close(nothing);
    return closed;
}

bool civetweb_is_stopping(const struct mg_connection *connection)
{
    return !STOP_FLAG_IS_ZERO(&connection->phys_ctx->stop_flag);
}

size_t civetweb_early_body(const struct mg_connection *connection)
{
    int64_t rest = civetweb_body_left(connection);
    int64_t early = unread_bytes(connection);

    if (connection->is_chunked || rest <= 0 || early <= 0)
        return 0;
    return (size_t)(early < rest ? early : rest);
}

bool civetweb_has_next_request(const struct mg_connection *connection)
{
    return civetweb_body_is_complete(connection) && unread_bytes(connection) > 0;
}

bool civetweb_has_input(const struct mg_connection *connection)
{
    return unread_bytes(connection) > 0 || (connection->ssl != NULL && SSL_pending(connection->ssl) > 0);
}

/* Where the request ends in the buffer, if all of it is there. */
static int64_t request_end(const struct mg_connection *connection)
{
    return connection->request_len + connection->content_len;
}

bool civetweb_may_read_ahead(const struct mg_connection *connection)
{
    return connection->ssl == NULL && !connection->client.ssl_redir && connection->throttle == 0 &&
           !is_logged(connection) && !connection->is_chunked && civetweb_body_is_complete(connection) &&
           connection->data_len == request_end(connection) && should_keep_alive(connection);
}

/* The longest head that is looked at ahead. */
#define AHEAD_HEAD 4096

/* Whether one request fills these bytes, and CivetWeb's loop would do nothing about it but read its head and call
 * handle_request. The parser writes into what it reads, so that it gets a copy. */
static bool is_plain_request(const char *bytes, int size)
{
    struct mg_request_info request;
    char head[AHEAD_HEAD];
    int copied = size < AHEAD_HEAD ? size : AHEAD_HEAD, length, i;
    int64_t body = 0;

    memcpy(head, bytes, (size_t)copied);
    length = parse_http_request(head, copied, &request);
    if (length <= 0 || request.request_method != head || strcmp(request.http_version, "1.1") != 0 ||
        request.request_uri[0] != '/')
        return false;
    for (i = 0; i < request.num_headers; i++) {
        const char *name = request.http_headers[i].name, *value = request.http_headers[i].value;

        if (mg_strcasecmp(name, "Content-Length") == 0)
            body = strtoll(value, NULL, 10); /* begin_request refuses what is no number, or one of several */
        else if (mg_strcasecmp(name, "Transfer-Encoding") == 0 || mg_strcasecmp(name, "Upgrade") == 0 ||
                 mg_strcasecmp(name, "Expect") == 0)
            return false;
    }
    return body == size - length;
}

enum civetweb_ahead civetweb_read_ahead(struct mg_connection *connection)
{
    char *end = connection->buf + connection->data_len;
    int room = connection->buf_size - connection->data_len;
    ssize_t count;

    if (room == 0)
        return AHEAD_OTHER;
    count = recv(connection->client.sock, end, (size_t)room, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return AHEAD_NOTHING;
    if (count <= 0)
        return AHEAD_OTHER;
    connection->data_len += (int)count;
    return is_plain_request(end, (int)count) ? AHEAD_REQUEST : AHEAD_OTHER;
}

void civetweb_begin_next(struct mg_connection *connection, int status)
{
    struct mg_request_info *info = &connection->request_info;
    struct mg_connection *before = answering; /* this thread is no worker */
    int end = (int)request_end(connection), fault;
    char reason[100];

    connection->status_code = status;
    connection->phys_ctx->callbacks.end_request(connection, status);
    free_buffered_response_header_list(connection);
    civetweb_forget_user(connection);
    connection->data_len -= end;
    memmove(connection->buf, connection->buf + end, (size_t)connection->data_len);
    connection->handled_requests++;

    if (get_request(connection, reason, sizeof reason, &fault)) {
        info->local_uri = info->local_uri_raw = info->request_uri;
        connection->protocol_type = PROTOCOL_TYPE_HTTP1;
        handle_request(connection);
    }
    answering = before;
}

ssize_t civetweb_write_some(struct mg_connection *connection, const void *data, size_t size)
{
    struct transport transport = {connection->client.sock, connection->ssl};
    const struct iovec piece = {(void *)data, size};
    ssize_t count;

    if (connection->throttle > 0) /* mg_write knows how */
        return 0;
    if (connection->ssl != NULL) /* what is not taken is tried again from other memory */
        SSL_set_mode(connection->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    connection->request_state = 10; /* as mg_write says that an answer has begun */
    count = transport_write(&transport, &piece, 1);
    if (count == TRANSPORT_LATER)
        return 0;
    if (count < 0)
        return -1;
    connection->num_bytes_sent += count;
    note_sent(connection, data, count);
    return count;
}

int civetweb_request_timeout(const struct mg_connection *connection)
{
    return atoi(connection->dom_ctx->config[REQUEST_TIMEOUT]);
}

int civetweb_socket(const struct mg_connection *connection)
{
    return connection->client.sock;
}

const uint8_t *civetweb_early_bytes(const struct mg_connection *connection, size_t *size)
{
    *size = (size_t)(connection->data_len - connection->request_len);
    return (const uint8_t *)connection->buf + connection->request_len;
}

int civetweb_take_socket(struct mg_connection *connection, SSL **tls)
{
    int taken = connection->client.sock;

    *tls = connection->ssl;
    connection->client.sock = INVALID_SOCKET;
    connection->ssl = NULL;
    connection->must_close = 1;
    connection->status_code = 101;
    mg_set_user_connection_data(connection, NULL);
    return taken;
}

void civetweb_note_status(struct mg_connection *connection, int status)
{
    connection->status_code = status;
}

void civetweb_close_unserved(const struct mg_context *civetweb)
{
    unsigned i;
    int waiting;

    for (waiting = civetweb->sq_tail; waiting < civetweb->sq_head; waiting++)
        closesocket(civetweb->squeue[waiting % civetweb->sq_size].sock);
    /* A worker that wakes up to end takes one more from the queue. 0: it has never had any. */
    for (i = 0; i < civetweb->cfg_worker_threads && civetweb->worker_connections != NULL; i++)
        if (civetweb->worker_connections[i].client.sock > 0)
            closesocket(civetweb->worker_connections[i].client.sock);
}

int civetweb_listeners(const struct mg_context *civetweb)
{
    return (int)civetweb->num_listening_sockets;
}

int civetweb_workers(const struct mg_context *civetweb)
{
    return (int)civetweb->cfg_worker_threads;
}

int civetweb_waiting(struct mg_context *civetweb)
{
    int waiting;

    pthread_mutex_lock(&civetweb->thread_mutex);
    waiting = civetweb->sq_head - civetweb->sq_tail;
    pthread_mutex_unlock(&civetweb->thread_mutex);
    return waiting;
}

int64_t civetweb_bytes_read(const struct mg_connection *connection)
{
    /* Of a request that could not be read, all of what has come is its head. */
    return connection->request_len > 0 ? connection->request_len + connection->consumed_content : connection->data_len;
}

int64_t civetweb_bytes_written(const struct mg_connection *connection)
{
    return connection->num_bytes_sent;
}

bool civetweb_reads_access_list(const char *list)
{
    struct mg_context *reader = mg_calloc(1, sizeof *reader);
    bool reads;

    if (reader == NULL)
        return true; /* the start will fail for want of memory */
    reader->dd.config[ACCESS_CONTROL_LIST] = (char *)(uintptr_t)list;
    reads = set_acl_option(reader) != 0;
    mg_free(reader);
    return reads;
}

void civetweb_log(struct mg_context *civetweb, const char *message)
{
    mg_cry_ctx_internal(civetweb, "%s", message);
}

/* Cut a part of the request line, which is in the connection's own buffer, to the room that is left. */
static void cut(const char *text, size_t *room)
{
    size_t size = text != NULL ? strlen(text) : 0;

    if (size > *room)
        ((char *)text)[size = *room] = '\0';
    *room -= size;
}

void civetweb_log_content_only(struct mg_connection *connection)
{
    const struct connection *client = connection_of(connection);
    const struct mg_request_info *info = &connection->request_info;
    size_t of_method = 100, room = 3500; /* of 4096 for a line, which CivetWeb would cut before the status */

    if (client == NULL || !is_logged(connection))
        return;
    connection->num_bytes_sent -= client->sent_framing.size;
    if (connection->content_len < 0) /* see civetweb_log_access */
        return;
    cut(info->request_method, &of_method);
    cut(info->request_uri, &room);
    cut(info->query_string, &room);
}

int civetweb_unhandled_status(const struct mg_connection *connection)
{
    return connection->request_info.local_uri == NULL && connection->status_code > 0 ? connection->status_code : 0;
}

void civetweb_log_access(struct mg_connection *connection)
{
    struct mg_request_info *info = &connection->request_info;

    if (connection->content_len < 0) { /* not all of the head was read: its parts may not be strings yet */
        info->request_method = info->request_uri = info->query_string = NULL;
        info->http_version = "1.0";
        info->num_headers = 0;
    }
    log_access(connection);
}

void civetweb_leave_domain(struct mg_connection *connection)
{
    connection->dom_ctx = &connection->phys_ctx->dd;
}

SSL *civetweb_tls(const struct mg_connection *connection)
{
    return connection->ssl;
}

const struct mg_client_cert *civetweb_client_certificate(const struct mg_connection *connection)
{
    return connection->request_info.client_cert;
}

bool civetweb_is_domain_option(const char *name)
{
    int index = get_option_index(name);

    return index >= DOCUMENT_ROOT && index != ACCESS_CONTROL_LIST;
}

/* Domains are only ever added, at the end: behind a known one the list can be followed. */
static struct mg_domain_context *next_domain(struct mg_context *civetweb, const struct mg_domain_context *domain)
{
    struct mg_domain_context *next;

    mg_lock_context(civetweb);
    next = domain->next;
    mg_unlock_context(civetweb);
    return next;
}

bool civetweb_has_domain(struct mg_context *civetweb, const char *name)
{
    struct mg_domain_context *domain;

    for (domain = &civetweb->dd; domain != NULL; domain = next_domain(civetweb, domain))
        if (mg_strcasecmp(domain->config[AUTHENTICATION_DOMAIN], name) == 0)
            return true;
    return false;
}

/* A handler of no type, which nothing finds and nothing removes. As the first of the list it lets all
 * domains share what comes and goes behind it. */
#define NO_HANDLER (-1)

bool civetweb_share_handlers(struct mg_context *civetweb)
{
    struct mg_handler_info *first;
    struct mg_domain_context *domain;

    mg_lock_context(civetweb);
    first = civetweb->dd.handlers;
    if (first == NULL || (int)first->handler_type != NO_HANDLER) {
        first = mg_calloc(1, sizeof *first);
        if (first != NULL) {
            first->handler_type = NO_HANDLER;
            first->next = civetweb->dd.handlers;
            civetweb->dd.handlers = first;
        }
    }
    for (domain = civetweb->dd.next; domain != NULL; domain = domain->next)
        domain->handlers = first;
    mg_unlock_context(civetweb);
    return first != NULL;
}

/* End the use of a TLS context: a callback that has brought it is given it back. */
static void release_tls(const struct mg_context *civetweb, const char *domain, SSL_CTX *tls)
{
    const struct mg_callbacks *callbacks = &civetweb->callbacks;
    void *place = tls;
    int kept = 0;

    if (tls == NULL)
        return;
    if (callbacks->external_ssl_ctx != NULL)
        kept = callbacks->external_ssl_ctx(&place, civetweb->user_data);
    if (kept == 0 && callbacks->external_ssl_ctx_domain != NULL)
        kept = callbacks->external_ssl_ctx_domain(domain, &place, civetweb->user_data);
    if (kept == 0)
        SSL_CTX_free(tls);
}

/* A TLS context for a domain as its options and the callbacks say now; null when it cannot be made. */
static SSL_CTX *make_tls(const struct mg_context *civetweb, const struct mg_domain_context *domain)
{
    struct mg_domain_context fresh = {0};
    struct mg_context *shadow = mg_calloc(1, sizeof *shadow); /* the real one changes while it works */
    bool made;

    if (shadow == NULL)
        return NULL;
    shadow->callbacks = civetweb->callbacks;
    shadow->user_data = civetweb->user_data;
    memcpy(shadow->dd.config, civetweb->dd.config, sizeof shadow->dd.config);
    memcpy(fresh.config, domain->config, sizeof fresh.config);
    made = init_ssl_ctx(shadow, &fresh);
    mg_free(shadow);
    if (made)
        return fresh.ssl_ctx;
    SSL_CTX_free(fresh.ssl_ctx);
    return NULL;
}

bool civetweb_uses_tls(const struct mg_context *civetweb)
{
    return options_ask_for_tls(civetweb->dd.config[LISTENING_PORTS]);
}

bool civetweb_reload_certificates(struct mg_context *civetweb)
{
    struct mg_domain_context *domain;
    SSL_CTX **made;
    size_t count = 0, i;
    bool complete = true;

    for (domain = &civetweb->dd; domain != NULL; domain = next_domain(civetweb, domain))
        count++;
    made = mg_calloc(count, sizeof *made);
    if (made == NULL)
        return false;
    for (i = 0, domain = &civetweb->dd; i < count && complete; i++, domain = next_domain(civetweb, domain)) {
        made[i] = make_tls(civetweb, domain);
        complete = made[i] != NULL;
    }
    /* A handshake looks at the context of its domain under this lock, and holds on to it. */
    for (i = 0, domain = &civetweb->dd; i < count; i++, domain = next_domain(civetweb, domain)) {
        SSL_CTX *unused = made[i];

        if (complete) {
            mg_lock_context(civetweb);
            unused = domain->ssl_ctx;
            domain->ssl_ctx = made[i];
            mg_unlock_context(civetweb);
        }
        release_tls(civetweb, domain->config[AUTHENTICATION_DOMAIN], unused);
    }
    mg_free(made);
    return complete;
}

void civetweb_free_domains(struct mg_context *civetweb)
{
    struct mg_domain_context *domain = &civetweb->dd, *next;
    int i;

    for (; domain != NULL; domain = next) {
        next = domain->next;
        release_tls(civetweb, domain->config[AUTHENTICATION_DOMAIN], domain->ssl_ctx);
        domain->ssl_ctx = NULL;
        if (domain == &civetweb->dd)
            continue; /* CivetWeb frees the rest of that one */
        for (i = 0; i < NUM_OPTIONS; i++)
            mg_free(domain->config[i]);
        mg_free(domain);
    }
    civetweb->dd.next = NULL;
}
