/* What the runtime needs of CivetWeb beyond its public header; civetweb_unity.c alone reaches in. */
#ifndef AH_CIVETWEB_INTERNAL_H
#define AH_CIVETWEB_INTERNAL_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "civetweb.h"

/* Whether this request asks for an upgrade to WebSocket. */
bool civetweb_asks_for_web_socket(const struct mg_connection *connection);

/* The user data of the WebSocket handler that CivetWeb would call for this request (its
 * get_request_handler); null if it asks for no upgrade, or there is no handler for it. */
void *civetweb_web_socket_handler(struct mg_connection *connection);

/* Whether a handler's URI is meant by a path: it is the path, or a folder above it, or a pattern for all
 * of it. CivetWeb's own search takes a pattern for the beginning of the path as well. */
bool civetweb_uri_matches(const char *uri, const char *path);

/* Whether nothing of the answer to this request has been sent yet. */
bool civetweb_answer_is_unsent(const struct mg_connection *connection);

/* Close the connection when the request has been answered, whatever the client wants. */
void civetweb_close_after_answer(struct mg_connection *connection);

/* What has arrived behind the request's headers. It is CivetWeb's memory, until the request is over. */
const uint8_t *civetweb_early_bytes(const struct mg_connection *connection, size_t *size);

/* Take the socket (and its TLS, or null) out of a connection. CivetWeb then ends the connection
 * without touching it. */
int civetweb_take_socket(struct mg_connection *connection, SSL **tls);

/* Close the connections that were accepted and reached no worker before the server stopped, which CivetWeb
 * forgets. For exit_context: the threads have ended, and their memory is still there. */
void civetweb_close_unserved(const struct mg_context *civetweb);

#endif
