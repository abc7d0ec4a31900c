/* Checks that need a live connection. Each text that a client sends names one; the answer is "passed", or the number
   of failed checks, which are printed.      arguments port */
#include "check.h"
#include "serve.h"

static Context *context;

static void negative_lengths(Connection *connection)
{
    CharsPtr text = TEXT("text");
    CHECK(ah_write_web_socket(connection, 1, text, -1) == -1);
    CHECK_HOLDS(ah_last_error(), "dataLen");
    CHECK(ah_write_web_socket_text(connection, text, -1) == -1);
    CHECK_HOLDS(ah_last_error(), "-1");
    CHECK(ah_write_web_socket_binary(connection, text, -2147483647 - 1) == -1);
    CHECK_HOLDS(ah_last_error(), "-2147483648");
}

static void missing_data(Connection *connection)
{
    CHECK(ah_write_web_socket_text(connection, NULL, 4) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_write_text_to_web_socket(connection, NULL, 4) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_write_string_to_web_socket(connection, NULL) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_get_header(connection, NULL) == NULL);
    CHECK(ah_last_error() != NULL);
}

static void opcodes(Connection *connection)
{
    const Int wrong[] = {-1, 3, 7, 11, 15, 16, 0x81};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        CHECK(ah_write_web_socket(connection, wrong[i], TEXT("text"), 4) == -1);
        CHECK(ah_last_error() != NULL);
        CHECK(ah_write_to_web_socket(connection, wrong[i], TEXT("text"), 4) == -1);
        CHECK(ah_last_error() != NULL);
    }
}

/* An Int comes in the lower half of a register, and code compiled by Alusus leaves anything in the upper half. */
static void upper_halves(Connection *connection)
{
    Int (*write)(Connection *, int64_t, CharsPtr, int64_t) =
        (Int(*)(Connection *, int64_t, CharsPtr, int64_t))(void (*)(void))ah_write_web_socket;
    const int64_t dirt = 0x5EED5EED00000000;
    CHECK(write(connection, dirt | 1, TEXT("lower half, not more"), dirt | 10) > 0);
    CHECK(ah_last_error() == NULL);
}

/* The functions of requests do not break a WebSocket's stream. */
static void http_functions(Connection *connection)
{
    char buffer[8];
    CHECK(ah_write(connection, TEXT("text"), 4) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_print(connection, TEXT("text")) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_read(connection, buffer, sizeof buffer) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_get_request_info(connection) != NULL);
    CHECK(ah_last_error() == NULL); /* a success forgets the failure before it */
    CHECK_HOLDS(ah_get_request_info(connection)->localUri, "/arguments");
}

static const struct {
    const char *name;
    void (*check)(Connection *connection);
} checks[] = {
    {"negative lengths", negative_lengths}, {"missing data", missing_data},     {"opcodes", opcodes},
    {"upper halves", upper_halves},         {"http functions", http_functions},
};

static Int onData(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen, void *userData)
{
    char report[64] = "no such check";
    (void)userData;
    if (opcode != 1)
        return 1;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; ++i) {
        if (strlen(checks[i].name) == dataLen && memcmp(checks[i].name, data, dataLen) == 0) {
            failed_checks = 0;
            checks[i].check(connection);
            snprintf(report, sizeof report, failed_checks == 0 ? "passed" : "%d failed", failed_checks);
        }
    }
    ah_write_string_to_web_socket(connection, TEXT(report));
    return 1;
}

static Int onRequest(Connection *connection)
{
    char buffer[8];
    failed_checks = 0;
    CHECK(ah_write(connection, TEXT("text"), -1) == -1);
    CHECK_HOLDS(ah_last_error(), "bufferSize");
    CHECK(ah_read(connection, buffer, -1) == -1);
    CHECK_HOLDS(ah_last_error(), "bufferSize");
    CHECK(ah_write(connection, NULL, 4) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_print(connection, NULL) == -1);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_write_web_socket_text(connection, TEXT("text"), 4) == -1);
    CHECK(ah_last_error() != NULL);
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%d failed"), failed_checks);
    return 200;
}

int main(int argc, char **argv)
{
    context = started(ah_start_server_on_port(onRequest, NULL, port_of(argc, argv)));
    ah_set_web_socket_message_handler(context, TEXT("/arguments"), NULL, NULL, onData, NULL, NULL);
    return serve_until_enter(context);
}
