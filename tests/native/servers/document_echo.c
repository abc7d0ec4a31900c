/* The example of the WebSocket document, function for function as Alusus would compile it.   document_echo port */
#include "serve.h"

static Int handleHttpRequest(Connection *connection)
{
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\n"));
    ah_print(connection, TEXT("Content-Type: text/html\r\n\r\n"));
    ah_print(connection, TEXT("<h1>WebSocket Server</h1>"));
    return 1;
}

static Int onConnect(Connection *connection, void *userData)
{
    (void)connection;
    (void)userData;
    printf("WebSocket client connected\n");
    return 0; /* Accept connection */
}

static void onReady(Connection *connection, void *userData)
{
    (void)userData;
    printf("WebSocket ready\n");
    ah_write_web_socket_text(connection, TEXT("Welcome!"), 8);
}

static Int onData(Connection *connection, Int bits, CharsPtr data, Int dataLen, void *userData)
{
    (void)userData;
    if (bits == 1) { /* Text frame */
        printf("Received: %.*s\n", dataLen, (char *)data);
        ah_write_web_socket_text(connection, data, dataLen);
    }
    return 1;
}

static void onClose(Connection *connection, void *userData)
{
    (void)connection;
    (void)userData;
    printf("WebSocket client disconnected\n");
}

int main(int argc, char **argv)
{
    Context *context = started(ah_start_server_on_port(handleHttpRequest, NULL, port_of(argc, argv)));
    ah_set_web_socket_handler(context, TEXT("/websocket"), onConnect, onReady, onData, onClose, NULL);
    return serve_until_enter(context);
}
