/* CivetWeb itself, in one translation unit with the few functions that read its private structs. */
#include "civetweb.c"

#include "civetweb_internal.h"

bool civetweb_asks_for_web_socket(const struct mg_connection *connection)
{
    return connection->protocol_type == PROTOCOL_TYPE_WEBSOCKET;
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

bool civetweb_answer_is_unsent(const struct mg_connection *connection)
{
    return connection->num_bytes_sent == 0;
}

void civetweb_close_after_answer(struct mg_connection *connection)
{
    connection->must_close = 1;
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
    return taken;
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
