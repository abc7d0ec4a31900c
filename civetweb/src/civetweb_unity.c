/* CivetWeb itself, in one translation unit with the few functions that read its private structs. */
#include "civetweb.c"

#include "civetweb_internal.h"

bool civetweb_upgrades_to_web_socket(struct mg_connection *connection)
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

    return connection->protocol_type == PROTOCOL_TYPE_WEBSOCKET &&
           get_request_handler(connection, WEBSOCKET_HANDLER, &request, &subprotocols, &connect, &ready, &data, &close,
                               &authorization, &user_data, &info);
}

bool civetweb_answer_is_unsent(const struct mg_connection *connection)
{
    return connection->num_bytes_sent == 0;
}
