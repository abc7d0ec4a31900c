/*
 * One worker thread, so that each connection gets the slot of the one before. The first WebSocket's handle is kept;
 * a later connection that sends "try the old handle" makes the server call every function with it, and is told how
 * many of them did not refuse it.      ended_connection port
 */
#include "check.h"
#include "serve.h"

static Connection *old;

static int accepted; /* calls that did not refuse the old handle */

static void refused(int is_refused, const char *function)
{
    if (is_refused && ah_last_error() != NULL)
        return;
    ++accepted;
    fprintf(stderr, "%s took the handle of an ended connection\n", function);
}

static void try_everything(Connection *ended)
{
    char buffer[8];
    CharsPtr text = TEXT("for another client");
    refused(ah_get_request_info(ended) == NULL, "getRequestInfo");
    refused(ah_get_header(ended, TEXT("Host")) == NULL, "getHeader");
    refused(ah_read(ended, buffer, sizeof buffer) == -1, "read");
    refused(ah_write(ended, text, 18) == -1, "write");
    refused(ah_print(ended, TEXT("%s"), text) == -1, "print");
    refused(ah_write_web_socket(ended, 1, text, 18) == -1, "writeWebSocket");
    refused(ah_write_web_socket_text(ended, text, 18) == -1, "writeWebSocketText");
    refused(ah_write_web_socket_binary(ended, text, 18) == -1, "writeWebSocketBinary");
    refused(ah_write_to_web_socket(ended, 1, text, 18) == -1, "writeToWebSocket");
    refused(ah_write_text_to_web_socket(ended, text, 18) == -1, "writeTextToWebSocket");
    refused(ah_write_string_to_web_socket(ended, text) == -1, "writeTextToWebSocket without a length");
    refused(ah_write_binary_to_web_socket(ended, text, 18) == -1, "writeBinaryToWebSocket");
    refused(ah_close_web_socket(ended) == -1, "closeWebSocket");
}

static void onReady(Connection *connection, void *userData)
{
    (void)userData;
    if (old == NULL)
        old = connection;
    ah_write_string_to_web_socket(connection, TEXT("ready"));
}

static Int onData(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen, void *userData)
{
    char report[64];
    (void)data;
    (void)dataLen;
    (void)userData;
    if (opcode != 1)
        return 1;
    accepted = 0;
    try_everything(old);
    snprintf(report, sizeof report, "same handle: %d, not refused: %d", connection == old, accepted);
    ah_write_string_to_web_socket(connection, TEXT(report));
    return 1;
}

/* An HTTP request that gets the slot next is no way in, either. */
static Int onRequest(Connection *connection)
{
    accepted = 0;
    try_everything(old);
    ah_print(connection,
             TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nsame handle: %d, not refused: %d"),
             connection == old, accepted);
    return 200;
}

int main(int argc, char **argv)
{
    CharsPtr options[] = {TEXT("listening_ports"), port_of(argc, argv), TEXT("num_threads"), TEXT("1")};
    Context *context = started(ah_start_server_with_options(onRequest, NULL, options, 4));
    ah_set_web_socket_message_handler(context, TEXT("/ws"), NULL, onReady, onData, NULL, NULL);
    return serve_until_enter(context);
}
