/* Subprotocols as a null-terminated array that is overwritten and freed as soon as the call has returned.
   /int takes the document's callback, /arch_word the published one, /any an empty list.      subprotocols port */
#include <string.h>

#include "serve.h"

static void onReady(Connection *connection, void *userData)
{
    ah_write_string_to_web_socket(connection, userData);
}

static Int onData(Connection *connection, Int bits, CharsPtr data, Int dataLen, void *userData)
{
    (void)userData;
    return bits == 1 ? ah_write_web_socket_text(connection, data, dataLen) > 0 : 1;
}

static Int onMessage(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen, void *userData)
{
    (void)userData;
    return opcode == 1 ? ah_write_text_to_web_socket(connection, data, dataLen) > 0 : 1;
}

/* The strings of `names`, on the heap. */
static CharsPtr *made(const char *const *names, size_t count)
{
    CharsPtr *array = calloc(count + 1, sizeof *array);
    for (size_t i = 0; i < count; ++i)
        array[i] = TEXT(strdup(names[i]));
    return array;
}

static void destroyed(CharsPtr *array)
{
    for (size_t i = 0; array[i] != NULL; ++i) {
        memset(array[i], 'x', strlen((char *)array[i]));
        free(array[i]);
        array[i] = TEXT("overwritten");
    }
    free(array);
}

int main(int argc, char **argv)
{
    Context *context = started(ah_start_server_on_port(NULL, NULL, port_of(argc, argv)));
    CharsPtr uri = TEXT(strdup("/int"));
    CharsPtr *protocols = made((const char *const[]){"chat.v2", "chat.v1"}, 2);
    ah_set_web_socket_handler_with_subprotocols(context, uri, protocols, NULL, onReady, onData, NULL, "int");
    destroyed(protocols);
    memset(uri, 'x', 4);
    free(uri);

    protocols = made((const char *const[]){"json"}, 1);
    ah_set_web_socket_message_handler_with_subprotocols(context, TEXT("/arch_word"), protocols, NULL, onReady, onMessage,
                                                        NULL, "arch word");
    destroyed(protocols);

    protocols = made(NULL, 0);
    ah_set_web_socket_message_handler_with_subprotocols(context, TEXT("/any"), protocols, NULL, onReady, onMessage, NULL,
                                                        "any");
    destroyed(protocols);

    return serve_until_enter(context);
}
