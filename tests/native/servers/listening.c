/* Listens wherever its options say and echoes at /echo; a page tells how it was reached.
   listening listening_ports [ssl_certificate] */
#include "serve.h"

static Int onRequest(Connection *connection)
{
    RequestInfo *info = ah_get_request_info(connection);
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"));
    ah_print(connection, TEXT("isSsl=%d remoteAddr=%s"), info->isSsl, info->remoteAddr);
    return 200;
}

static Int onData(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen, void *userData)
{
    (void)userData;
    return opcode != 1 || ah_write_text_to_web_socket(connection, data, dataLen) > 0;
}

int main(int argc, char **argv)
{
    CharsPtr ports = port_of(argc, argv);
    Context *context =
        argc > 2 ? ah_start_server_with_arguments(onRequest, NULL, 4, "listening_ports", ports, "ssl_certificate", argv[2])
                 : ah_start_server_with_arguments_no_data(onRequest, 2, "listening_ports", ports);
    ah_set_web_socket_message_handler(started(context), TEXT("/echo"), NULL, NULL, onData, NULL, NULL);
    return serve_until_enter(context);
}
