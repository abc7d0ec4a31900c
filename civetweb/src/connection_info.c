/* What is known of a connection beside its request. */
#include "clock.h"
#include "connection.h"
#include "errors.h"
#include "runtime.h"
#include "tls_facts.h"

void connection_count_request(struct connection *connection, int64_t received, int64_t sent)
{
    atomic_fetch_add_explicit(&connection->requests, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->bytes_read, received, memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->bytes_written, sent, memory_order_relaxed);
}

const ah_connection_info *rt_get_connection_info(struct connection *connection)
{
    static _Thread_local ah_connection_info info;
    static const struct tls_facts none;
    const struct tls_facts *tls = connection->tls != NULL ? connection->tls : &none;

    info.age = clock_now() - connection->opened_at;
    info.requests = atomic_load_explicit(&connection->requests, memory_order_relaxed);
    info.bytes_received = atomic_load_explicit(&connection->bytes_read, memory_order_relaxed);
    info.bytes_sent = atomic_load_explicit(&connection->bytes_written, memory_order_relaxed);
    info.tls_version = tls->version;
    info.tls_cipher = tls->cipher;
    info.tls_server_name = tls->server_name;
    info.client_subject = tls->subject;
    info.client_issuer = tls->issuer;
    info.client_serial = tls->serial;
    info.client_fingerprint = tls->fingerprint;
    return &info;
}

ah_context *rt_get_context(struct connection *connection)
{
    if (connection->reply == NULL)
        return connection->server->handle;
    error_set(AH_ERROR_WRONG_STATE, "this connection is a client's; only those that a server has accepted have a server");
    return NULL;
}

int32_t rt_set_connection_data(struct connection *connection, void *conn_data)
{
    connection->user_data = conn_data;
    connection->info.conn_data = conn_data;
    return 0;
}
