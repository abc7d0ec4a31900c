/* Handles that name nothing: every function refuses them, says so, and touches nothing. */
#include "alusus_abi.h"
#include "check.h"
#include "loopback.h"

#define REFUSED(call, failure)                                                                                         \
    do {                                                                                                               \
        CHECK((call) == (failure));                                                                                    \
        CHECK(ah_last_error() != NULL);                                                                                \
    } while (0)

static void connection_is_refused(Connection *connection)
{
    char buffer[8];
    REFUSED(ah_get_request_info(connection), NULL);
    REFUSED(ah_get_header(connection, TEXT("Host")), NULL);
    REFUSED(ah_read(connection, buffer, sizeof buffer), -1);
    REFUSED(ah_write(connection, TEXT("text"), 4), -1);
    REFUSED(ah_print(connection, TEXT("%s"), "text"), -1);
    REFUSED(ah_write_web_socket(connection, 1, TEXT("text"), 4), -1);
    REFUSED(ah_write_web_socket_text(connection, TEXT("text"), 4), -1);
    REFUSED(ah_write_web_socket_binary(connection, TEXT("text"), 4), -1);
    REFUSED(ah_write_to_web_socket(connection, 1, TEXT("text"), 4), -1);
    REFUSED(ah_write_text_to_web_socket(connection, TEXT("text"), 4), -1);
    REFUSED(ah_write_string_to_web_socket(connection, TEXT("text")), -1);
    REFUSED(ah_write_binary_to_web_socket(connection, TEXT("text"), 4), -1);
    REFUSED(ah_close_web_socket(connection), -1);
}

#define REFUSES(call)                                                                                                  \
    do {                                                                                                               \
        call;                                                                                                          \
        CHECK(ah_last_error() != NULL);                                                                                \
    } while (0)

static void context_is_refused(Context *context)
{
    CharsPtr protocols[] = {TEXT("chat"), NULL};
    REFUSES(ah_stop_server(context));
    REFUSES(ah_set_web_socket_handler(context, TEXT("/ws"), NULL, NULL, NULL, NULL, NULL));
    REFUSES(ah_set_web_socket_message_handler(context, TEXT("/ws"), NULL, NULL, NULL, NULL, NULL));
    REFUSES(ah_set_web_socket_handler_with_subprotocols(context, TEXT("/ws"), protocols, NULL, NULL, NULL, NULL, NULL));
    REFUSES(ah_set_web_socket_message_handler_with_subprotocols(context, TEXT("/ws"), protocols, NULL, NULL, NULL, NULL,
                                                                NULL));
}

int main(void)
{
    char address[64];
    int local = 0;

    connection_is_refused(NULL);
    context_is_refused(NULL);
    /* Neither an address nor a number that happens to look like a handle is one. */
    connection_is_refused((Connection *)(void *)&local);
    context_is_refused((Context *)(void *)&local);
    connection_is_refused((Connection *)(intptr_t)-1);
    context_is_refused((Context *)(intptr_t)1);

    free_address(address, sizeof address);
    Context *context = ah_start_server_on_port(NULL, NULL, TEXT(address));
    CHECK(context != NULL);
    connection_is_refused((Connection *)(void *)context);
    REFUSES(ah_set_web_socket_handler(context, NULL, NULL, NULL, NULL, NULL, NULL));
    ah_set_web_socket_handler(context, TEXT("/ws"), NULL, NULL, NULL, NULL, NULL);
    CHECK(ah_last_error() == NULL); /* the last call succeeded */
    ah_stop_server(context);
    CHECK(ah_last_error() == NULL);
    context_is_refused(context); /* stopped: a second stop is refused, too */
    return failed_checks != 0;
}
