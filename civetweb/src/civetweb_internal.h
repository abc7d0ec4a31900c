/* What the runtime needs of CivetWeb beyond its public header; civetweb_unity.c alone reaches in. */
#ifndef AH_CIVETWEB_INTERNAL_H
#define AH_CIVETWEB_INTERNAL_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "civetweb.h"

/* Whether this request asks for an upgrade to WebSocket. */
bool civetweb_asks_for_web_socket(const struct mg_connection *connection);

/* Have CivetWeb take this request for one, which it has not seen: it looks at the first Upgrade header only. */
void civetweb_ask_for_web_socket(struct mg_connection *connection);

/* Take off the white space behind the values of header fields, which CivetWeb leaves there. */
void civetweb_trim_fields(struct mg_connection *connection);

/* Take control characters, which decoding may have left, out of the target of a request: what is refused for them is
 * logged all the same, and a line of a log stays one line. */
void civetweb_mask_controls(struct mg_connection *connection);

/* Forget who the user is. CivetWeb, when it finds that out, loses the name that it had noted before. */
void civetweb_forget_user(struct mg_connection *connection);

/* Answer a request whose head could not be read by the status that says why: to CivetWeb, all of them are bad (400).
 * False: that is what it is, or this has been done. For http_error. */
bool civetweb_answer_unread(struct mg_connection *connection);

/* Whether CivetWeb closes the connection without an answer to its last request: the target is "*", or a URI with
 * another authority. */
bool civetweb_passes_over(const struct mg_connection *connection);

/* The user data of the WebSocket handler that CivetWeb would call for this request (its
 * get_request_handler); null if it asks for no upgrade, or there is no handler for it. */
void *civetweb_web_socket_handler(struct mg_connection *connection);

/* Whether a handler's URI is meant by a path: it is the path, or a folder above it, or a pattern for all
 * of it. CivetWeb's own search takes a pattern for the beginning of the path as well. */
bool civetweb_uri_matches(const char *uri, const char *path);

/* The value of an option for the connection's domain; empty without one. */
enum civetweb_option {
    CIVETWEB_ADDITIONAL_HEADER,
    CIVETWEB_ALLOW_ORIGIN,
    CIVETWEB_AUTHENTICATION_DOMAIN,
    CIVETWEB_ERROR_PAGES,
    CIVETWEB_STRICT_TRANSPORT_AGE,
};
const char *civetweb_option(const struct mg_connection *connection, enum civetweb_option option);

/* Check who the user is, by the options that protect URIs. False when its sender is to be asked for a password. */
bool civetweb_is_authorized(struct mg_connection *connection);

/* Whether the request has the password of a user in the file; below 0, with errno, when that cannot be read. The
 * user's name is the request's from then on, or nobody's. */
int civetweb_check_password(struct mg_connection *connection, const char *domain, const char *file_name);

/* A new nonce for digest access authentication, which stays good until the server stops. */
uint64_t civetweb_nonce(struct mg_connection *connection);

/* Read what has arrived of the request's body, up to `size` bytes, waiting for the first one: mg_read waits
 * until the buffer is full. 0 at the end of the body; one of these when it cannot be read to its end, which is to be
 * the last call for this body. */
enum {
    CIVETWEB_READ_CLOSED = -1,   /* the client has gone, or the server is being stopped */
    CIVETWEB_READ_LATE = -2,     /* nothing has come for the time of civetweb_request_timeout */
    CIVETWEB_READ_MALFORMED = -3 /* the chunks break the rules (RFC 9112, section 7.1) */
};
int civetweb_read(struct mg_connection *connection, void *buffer, size_t size);

/* What a thread does while it waits for a body: `work` is called whenever `descriptor` can be read. It may write to
 * the connection. False: the body is not waited for any longer, and counts as late. */
struct civetweb_meanwhile {
    int descriptor;
    bool (*work)(void *argument);
    void *argument;
};

/* civetweb_read, with that. */
int civetweb_read_meanwhile(struct mg_connection *connection, void *buffer, size_t size,
                            const struct civetweb_meanwhile *meanwhile);

/* How much of the request's body, or of the current chunk of it, has not been read. */
int64_t civetweb_body_left(const struct mg_connection *connection);

/* Whether all of the request's body has arrived and been read. */
bool civetweb_body_is_complete(const struct mg_connection *connection);

/* As mg_write, mg_send_mime_file2 and mg_send_http_error, for any thread: what leaves through these is counted. */
int civetweb_write(struct mg_connection *connection, const void *data, size_t size);
void civetweb_send_named_file(struct mg_connection *connection, const char *path, const char *type);
void civetweb_send_error(struct mg_connection *connection, int status, const char *message);

/* Send "100 Continue", which is no part of the answer. */
void civetweb_send_continue(struct mg_connection *connection);

/* Whether the client may still be sending when its request has been answered: the rest of the body, or further
 * requests, of which the first bytes are here. */
bool civetweb_client_goes_on(const struct mg_connection *connection);

/* Whether the client sends nothing any more: it has ended its side, or the connection is lost. Without waiting, and
 * what has arrived before the end comes first. */
bool civetweb_client_has_left(const struct mg_connection *connection);

/* End the answer of a connection that is closed although its client may still be sending: bytes that nobody reads
 * would make the system throw away what the client has not read yet (RFC 9112, section 9.6). */
void civetweb_drain(struct mg_connection *connection);

/* Whether the connection goes on after this answer, as far as is known now. */
bool civetweb_keeps_alive(const struct mg_connection *connection);

/* Let CivetWeb's own answer be one: it names whatever version the client has sent, and has no head at all for a
 * client that asked for an upgrade. */
void civetweb_answer_as_http(struct mg_connection *connection);

/* Whether CivetWeb can do anything with the method of a request, if no callback answers it. */
bool civetweb_knows_method(const struct mg_connection *connection);

/* Close the connection when the request has been answered, whatever the client wants. */
void civetweb_close_after_answer(struct mg_connection *connection);

/* The end of the request's head in the buffer that holds the strings of mg_request_info. */
const char *civetweb_head_end(const struct mg_connection *connection);

#define CIVETWEB_PATH_SIZE 4096

enum civetweb_target {
    TARGET_OTHER,    /* no file, or one that CivetWeb runs or lists: it goes on with the request */
    TARGET_ANSWERED, /* the client may not have it, and has been told */
    TARGET_FOLDER,   /* a folder, without the slash that its path should end with */
    TARGET_FILE
};

/* What a GET or HEAD means by its path, as CivetWeb finds it out; `path` is that of the file. For a request
 * that no callback has answered. */
enum civetweb_target civetweb_find_target(struct mg_connection *connection, char path[CIVETWEB_PATH_SIZE]);

/* Open a file that civetweb_find_target found, or one beside it; -1 with errno. */
int civetweb_open_target(const struct mg_connection *connection, const char *path);

/* The media type for a file's name, not ended by NUL. */
const char *civetweb_media_type(struct mg_connection *connection, const char *path, int *length);

/* Begin the head of an answer with what the options ask for in each; mg_response_header_add adds fields. */
void civetweb_begin_head(struct mg_connection *connection, int status);

/* Send it, in one piece. False when the client has gone. */
bool civetweb_send_head(struct mg_connection *connection);

/* Send a part of a file, from the kernel where that can be. False when not all of it was sent. */
bool civetweb_send_file(struct mg_connection *connection, int file, int64_t first, int64_t length);

/* Send the rest of a stream, gzipped, in chunks. */
void civetweb_send_compressed(struct mg_connection *connection, FILE *stream);

/* Close the ports, while the server runs. False, with errno, when not all of them could be. */
bool civetweb_stop_listening(struct mg_context *context);

/* Whether the server is being stopped: nothing more is sent then. */
bool civetweb_is_stopping(const struct mg_connection *connection);

/* How much of a body with a length has arrived together with the headers and waits to be read. */
size_t civetweb_early_body(const struct mg_connection *connection);

/* Whether something of the next request has arrived, too (its client does not wait for answers). */
bool civetweb_has_next_request(const struct mg_connection *connection);

/* Whether something can be read without waiting for the socket. */
bool civetweb_has_input(const struct mg_connection *connection);

/* The functions below serve the requests that follow on a connection whose worker stays in begin_request, on
 * another thread, which does not wait. CivetWeb's state is always that of one request whose end its loop, which is
 * the worker's, has not come to: whenever the worker leaves begin_request, that loop goes on as it would have. */

/* Whether they may come on this connection: nothing about its request has to wait for somebody, such as TLS, a rate or
 * a log, it has been read to its end and nothing follows yet. */
bool civetweb_may_read_ahead(const struct mg_connection *connection);

enum civetweb_ahead {
    AHEAD_NOTHING, /* nothing has come */
    AHEAD_REQUEST, /* one that CivetWeb's loop would hand on as it is, whole with its body, and nothing behind it */
    AHEAD_OTHER,   /* anything else, the end of the stream too: it is for the worker, for whom it is kept */
};

/* Read what has come behind the request, without waiting. */
enum civetweb_ahead civetweb_read_ahead(struct mg_connection *connection);

/* End the request, answered with `status`, and begin the one that was read ahead: end_request is called, and
 * begin_request for the next one, unless memory is short. */
void civetweb_begin_next(struct mg_connection *connection, int status);

/* Send as much as the socket takes at once. The number of bytes, which may be 0, or -1 when the client has
 * gone. TLS is used here: not by two threads at a time. */
ssize_t civetweb_write_some(struct mg_connection *connection, const void *data, size_t size);

/* How long a client may take to send something, or to take something, in milliseconds. */
int civetweb_request_timeout(const struct mg_connection *connection);

/* The socket, to poll it. */
int civetweb_socket(const struct mg_connection *connection);

/* What has arrived behind the request's headers. It is CivetWeb's memory, until the request is over. */
const uint8_t *civetweb_early_bytes(const struct mg_connection *connection, size_t *size);

/* Take the socket (and its TLS, or null) out of a connection, which is CivetWeb's data no more. CivetWeb then ends its
 * own without touching it. */
int civetweb_take_socket(struct mg_connection *connection, SSL **tls);

/* Have the request count as answered with that status, where CivetWeb does not learn it from a callback. */
void civetweb_note_status(struct mg_connection *connection, int status);

/* Close the connections that were accepted and reached no worker before the server stopped, which CivetWeb
 * forgets. For exit_context: the threads have ended, and their memory is still there. */
void civetweb_close_unserved(const struct mg_context *civetweb);

/* How many sockets a server listens on, Unix sockets included. */
int civetweb_listeners(const struct mg_context *civetweb);

/* How many worker threads it has, and how many accepted connections wait for one. */
int civetweb_workers(const struct mg_context *civetweb);
int civetweb_waiting(struct mg_context *civetweb);

/* What has been read and written for the request that a connection has just answered. */
int64_t civetweb_bytes_read(const struct mg_connection *connection);
int64_t civetweb_bytes_written(const struct mg_connection *connection);

/* Whether a value of "access_control_list" is one. */
bool civetweb_reads_access_list(const char *list);

/* Write a line of the error log that is about no client. */
void civetweb_log(struct mg_context *civetweb, const char *message);

/* Have the access log tell the bytes of the answer without its framing, from here on. */
void civetweb_log_content_only(struct mg_connection *connection);

/* The status by which a request was answered that CivetWeb does not count as one, for it could not read its head or
 * found no path in it; 0 if the last request was none such. */
int civetweb_unhandled_status(const struct mg_connection *connection);

/* Write the line of the access log for such a request. */
void civetweb_log_access(struct mg_connection *connection);

/* Go back to the server's own domain, for the next connection of this worker: CivetWeb would begin its TLS with the
 * domain of this one. */
void civetweb_leave_domain(struct mg_connection *connection);

/* The TLS of a connection, and the client's certificate; null without. They are there before any request. */
SSL *civetweb_tls(const struct mg_connection *connection);
const struct mg_client_cert *civetweb_client_certificate(const struct mg_connection *connection);

/* Whether an option is for one domain, rather than for the whole server. */
bool civetweb_is_domain_option(const char *name);

/* Whether a server has a domain of that name. */
bool civetweb_has_domain(struct mg_context *civetweb, const char *name);

/* Have every domain use the handlers of the server's own: CivetWeb gives each a list that nothing can
 * fill. Called after each mg_start_domain2. */
bool civetweb_share_handlers(struct mg_context *civetweb);

/* Whether a server has a TLS port. */
bool civetweb_uses_tls(const struct mg_context *civetweb);

/* Read the certificates of all domains again, and use them for new connections; with open ones goes on what
 * they began with. False, with nothing changed, when one cannot be used: CivetWeb's log says which. */
bool civetweb_reload_certificates(struct mg_context *civetweb);

/* Free what CivetWeb forgets of the domains. For exit_context, as above. */
void civetweb_free_domains(struct mg_context *civetweb);

#endif
