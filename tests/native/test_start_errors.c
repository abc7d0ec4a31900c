/* A server that cannot start says why, in words that its user can act on, and leaves nothing behind. */
#include "alusus_abi.h"
#include "check.h"
#include "loopback.h"

static Int answer(Connection *connection)
{
    (void)connection;
    return 404;
}

/* With the options of a null-terminated list; NULL is expected. */
static void refuses(const char *const *options, const char *part_of_the_error)
{
    CHECK(ah_start_server(NULL, NULL, (CharsPtr *)options) == NULL);
    CHECK_HOLDS(ah_last_error(), part_of_the_error);
}

static void a_port_in_use(void)
{
    char address[64];
    int listener = listen_on_loopback(address, sizeof address);
    CHECK(ah_start_server_on_port(answer, NULL, TEXT(address)) == NULL);
    CHECK_HOLDS(ah_last_error(), address);
    CHECK_HOLDS(ah_last_error(), "in use");
    close(listener);
}

static void an_unknown_option_names_the_nearest(void)
{
    refuses((const char *[]){"listenning_port", "8080", NULL}, "\"listenning_port\"");
    CHECK_HOLDS(ah_last_error(), "\"listening_ports\"");
    refuses((const char *[]){"document_rot", "/", NULL}, "\"document_root\"");
    refuses((const char *[]){"", "x", NULL}, "\"\"");
}

static void a_value_of_the_wrong_kind(void)
{
    refuses((const char *[]){"num_threads", "many", NULL}, "num_threads");
    refuses((const char *[]){"enable_keep_alive", "maybe", NULL}, "enable_keep_alive");
    refuses((const char *[]){"listening_ports", "99999", NULL}, "99999");
    refuses((const char *[]){"listening_ports", "nonsense", NULL}, "nonsense");
}

static void an_option_for_what_is_not_built(void)
{
    refuses((const char *[]){"lua_script_pattern", "**.lua$", NULL}, "built without");
    CHECK_HOLDS(ah_last_error(), "Lua");
    refuses((const char *[]){"enable_http2", "yes", NULL}, "HTTP/2");
    refuses((const char *[]){"cgi_timeout_ms", "1000", NULL}, "built without");
}

static void an_option_about_files(void)
{
    refuses((const char *[]){"follow_symlinks", "maybe", NULL}, "follow_symlinks");
    refuses((const char *[]){"serve_hidden_file", "yes", NULL}, "\"serve_hidden_files\"");
}

static void an_option_without_a_value(void)
{
    refuses((const char *[]){"listening_ports", NULL}, "listening_ports");
}

static void a_missing_certificate(void)
{
    refuses((const char *[]){"listening_ports", "127.0.0.1:0s", "ssl_certificate", "/no/such/file.pem", NULL},
            "/no/such/file.pem");
    refuses((const char *[]){"listening_ports", "127.0.0.1:0s", NULL}, "ssl_certificate");
}

/* startServer(callback, count, "name", "value", ...): the pack arrives as C's variable arguments. */
static void packs_of_arguments(void)
{
    char address[64];
    free_address(address, sizeof address);
    Context *context = ah_start_server_with_arguments(answer, NULL, 4, "listening_ports", address, "num_threads", "2");
    CHECK(context != NULL);
    CHECK(ah_last_error() == NULL);
    ah_stop_server(context);

    free_address(address, sizeof address);
    context = ah_start_server_with_arguments_no_data(answer, 2, "listening_ports", address);
    CHECK(context != NULL);
    ah_stop_server(context);

    CHECK(ah_start_server_with_arguments(answer, NULL, 3, "listening_ports", address, "num_threads") == NULL);
    CHECK_HOLDS(ah_last_error(), "num_threads");
    CHECK(ah_start_server_with_arguments_no_data(answer, 1, "listening_ports") == NULL);
    CHECK_HOLDS(ah_last_error(), "listening_ports");
    CHECK(ah_start_server_with_arguments(answer, NULL, -1) == NULL);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_start_server_with_arguments_no_data(answer, -2147483647 - 1) == NULL);
    CHECK(ah_last_error() != NULL);
}

/* startServer(callback, userData, Array): its first element's address and its length. */
static void counted_options(void)
{
    char address[64];
    free_address(address, sizeof address);
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("no_such_option"), TEXT("beyond the count")};
    Context *context = ah_start_server_with_options(answer, NULL, options, 2);
    CHECK(context != NULL);
    ah_stop_server(context);

    CHECK(ah_start_server_with_options(answer, NULL, options, 3) == NULL);
    CHECK_HOLDS(ah_last_error(), "no_such_option");
    CHECK(ah_start_server_with_options(answer, NULL, options, -1) == NULL);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_start_server_with_options(answer, NULL, NULL, 2) == NULL);
    CHECK(ah_last_error() != NULL);
    CHECK(ah_start_server_on_port(answer, NULL, NULL) == NULL);
    CHECK(ah_last_error() != NULL);
}

static void a_failed_start_leaves_the_port_free(void)
{
    char address[64];
    free_address(address, sizeof address);
    CharsPtr broken[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("none"), NULL};
    CHECK(ah_start_server(NULL, NULL, broken) == NULL);
    Context *context = ah_start_server_on_port(answer, NULL, TEXT(address));
    CHECK(context != NULL);
    CHECK(ah_last_error() == NULL);
    ah_stop_server(context);
}

int main(void)
{
    a_port_in_use();
    an_unknown_option_names_the_nearest();
    a_value_of_the_wrong_kind();
    an_option_for_what_is_not_built();
    an_option_about_files();
    an_option_without_a_value();
    a_missing_certificate();
    packs_of_arguments();
    counted_options();
    a_failed_start_leaves_the_port_free();
    return failed_checks != 0;
}
