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
    refuses((const char *[]){"threads", "2", NULL}, "\"num_threads\"");
    refuses((const char *[]){"", "x", NULL}, "\"\"; getValidOptions");
    refuses((const char *[]){"zzzz", "x", NULL}, "\"zzzz\"; getValidOptions");
}

static void a_value_of_the_wrong_kind(void)
{
    refuses((const char *[]){"num_threads", "many", NULL}, "num_threads");
    refuses((const char *[]){"enable_keep_alive", "maybe", NULL}, "enable_keep_alive");
    refuses((const char *[]){"ssl_verify_peer", "true", NULL}, "give \"yes\", \"no\" or \"optional\"");
    refuses((const char *[]){"listening_ports", "99999", NULL}, "\"99999\" in \"listening_ports\"");
    refuses((const char *[]){"listening_ports", "127.0.0.1:0,nonsense", NULL}, "\"nonsense\" in");
    CHECK_HOLDS(ah_last_error(), "give PORT or ADDRESS:PORT");
    refuses((const char *[]){"listening_ports", "x./no-socket,127.0.0.1:0", NULL}, "put Unix sockets behind all ports");
}

static void a_value_outside_of_its_range(void)
{
    refuses((const char *[]){"num_threads", "0", NULL}, "\"num_threads\" is \"0\"; give a whole number from 1 to 65536");
    refuses((const char *[]){"num_threads", "65537", NULL}, "from 1 to 65536");
    refuses((const char *[]){"connection_queue", "0", NULL}, "from 1 to");
    refuses((const char *[]){"max_request_size", "1023", NULL}, "from 1024 to");
    refuses((const char *[]){"request_timeout_ms", "2147483648", NULL}, "to 2147483647");
    refuses((const char *[]){"request_timeout_ms", "0", NULL}, "from 1 to");
    refuses((const char *[]){"keep_alive_timeout_ms", "-1", NULL}, "from 0 to");
    refuses((const char *[]){"linger_timeout_ms", "-3", NULL}, "from -2 to");
    refuses((const char *[]){"ssl_protocol_version", "6", NULL}, "from 0 to 5");
    refuses((const char *[]){"tcp_nodelay", "2", NULL}, "from 0 to 1");
    refuses((const char *[]){"static_file_max_age", "-1", NULL}, "from 0 to");
    refuses((const char *[]){"strict_transport_security_max_age", "-2", NULL}, "from -1 to");
    refuses((const char *[]){"access_control_list", "127.0.0.1", NULL}, "each behind a + to let it in");
    refuses((const char *[]){"run_as_user", "no such user", NULL}, "\"run_as_user\" is \"no such user\"");
}

/* CivetWeb would start, and log nothing, let everybody in, or have no files. */
static void a_path_that_cannot_be_used(void)
{
    refuses((const char *[]){"access_log_file", "/no/such/log", NULL}, "\"access_log_file\" names \"/no/such/log\"");
    refuses((const char *[]){"error_log_file", "/no/such/log", NULL}, "No such file or directory");
    refuses((const char *[]){"error_log_file", "/", NULL}, "Is a directory");
    refuses((const char *[]){"document_root", "/dev/null", NULL}, "\"document_root\" names \"/dev/null\", which is no folder");
    refuses((const char *[]){"global_auth_file", "/no/such/file", NULL}, "\"global_auth_file\" names \"/no/such/file\"");
    refuses((const char *[]){"put_delete_auth_file", "/no/such/file", NULL},
            "\"put_delete_auth_file\" names \"/no/such/file\"");
    refuses((const char *[]){"ssl_ca_path", "/dev/null", NULL}, "\"ssl_ca_path\" names \"/dev/null\", which is no folder");
    refuses((const char *[]){"websocket_root", "/no/such/folder", NULL}, "No such file or directory");
    refuses((const char *[]){"error_pages", "/no/such/folder/", NULL}, "\"error_pages\" is \"/no/such/folder/\"");
    refuses((const char *[]){"error_pages", "/tmp", NULL}, "with a slash at its end");
    refuses((const char *[]){"cgi_interpreter", "/no/such/program", NULL}, "cannot be run");
    refuses((const char *[]){"cgi2_interpreter", "/dev/null", NULL}, "cannot be run");
    refuses((const char *[]){"protect_uri", "/a=/dev/null, /b=/no/such/file", NULL}, "has \"/b=/no/such/file\"");
    refuses((const char *[]){"protect_uri", "private=/dev/null", NULL}, "URI=FILE");
    refuses((const char *[]){"protect_uri", "/private", NULL}, "URI=FILE");
}

/* CivetWeb would pass over what it cannot read, and limit nobody, or send what breaks every answer. */
static void a_text_without_its_format(void)
{
    static const char *const rates[] = {"nonsense", "*", "*=", "=5k", "*=fast", "*=-1", "*=5g", "*=5kb", "*=nan", "*=1e99",
                                        "*=1k,10.0.0.0/99=0", "10.0.0=1k", "downloads/=5k"};
    static const char *const headers[] = {"nonsense", "X Y: z", ": z", "X-A: 1\r\nnonsense", "X-A: \x01"};
    size_t i;

    for (i = 0; i < sizeof rates / sizeof *rates; i++)
        refuses((const char *[]){"throttle", rates[i], NULL}, "give a list of WHAT=RATE");
    refuses((const char *[]){"throttle", "*=1k,/a=nonsense", NULL}, "\"throttle\" has \"/a=nonsense\"");
    for (i = 0; i < sizeof headers / sizeof *headers; i++)
        refuses((const char *[]){"additional_header", headers[i], NULL}, i < 4 ? "give a header" : "control character");
    refuses((const char *[]){"ssl_cipher_list", "nonsense", NULL}, "\"ssl_cipher_list\" has \"nonsense\"; give cipher suites");
    refuses((const char *[]){"ssl_cipher_list", "", NULL}, "give cipher suites");
    refuses((const char *[]){"url_rewrite_patterns", "nonsense", NULL}, "URI=PATH");
    refuses((const char *[]){"extra_mime_types", ".a=b/c,.d", NULL}, "\"extra_mime_types\" has \".d\"");
    refuses((const char *[]){"cgi_environment", "nonsense", NULL}, "NAME=VALUE");
    refuses((const char *[]){"access_control_allow_origin", "a\r\nX: y", NULL}, "control character");
    refuses((const char *[]){"websocket_origins", "https://example.org, example.org", NULL}, "has \"example.org\"");
    refuses((const char *[]){"websocket_origins", "https://example.org/", NULL}, "as browsers send them");
}

static void texts_with_their_format(void)
{
    static const char *const options[][2] = {
        {"throttle", "*=1.5k, 10.0.0.0/8=0,192.168.1.1=2M,[::1]/128=3,/downloads/=5m,**.iso=100"},
        {"throttle", ""},
        {"additional_header", "X-A: 1"},
        {"additional_header", "X-A: 1\r\nX-B:2\r\n"},
        {"additional_header", ""},
        {"ssl_cipher_list", "ECDHE+AESGCM:!aNULL"},
        {"url_rewrite_patterns", "/a=/tmp,/b = /tmp"},
        {"extra_mime_types", ".a=b/c"},
        {"cgi_environment", "A=,B=c=d"},
        {"access_control_allow_methods", "GET, POST"},
        {"websocket_origins", "https://example.org, http://[::1]:8080,file://,null,*"},
        {"error_pages", "/tmp/"},
        {"cgi_interpreter", "/bin/sh"},
        {"linger_timeout_ms", "-2"},
        {"strict_transport_security_max_age", "-1"},
    };
    size_t i;

    for (i = 0; i < sizeof options / sizeof *options; i++) {
        CharsPtr list[] = {TEXT("listening_ports"), TEXT("127.0.0.1:0"), TEXT(options[i][0]), TEXT(options[i][1]), NULL};
        Context *context = ah_start_server(NULL, NULL, list);
        if (context == NULL)
            fprintf(stderr, "%s\n", ah_last_error());
        CHECK(context != NULL);
        ah_stop_server(context);
    }
}

static int logged;

static Int note(Connection *connection, CharsPtr message)
{
    (void)connection;
    logged = strstr((const char *)message, "\"document_root\" names \"/no/such/folder\"") != NULL;
    return 1;
}

static void a_document_root_may_be_made_later(void)
{
    CharsPtr options[] = {TEXT("listening_ports"), TEXT("127.0.0.1:0"), TEXT("document_root"), TEXT("/no/such/folder"), NULL};
    Callbacks callbacks = {.logMessage = note};
    Context *context = ah_start_server(&callbacks, NULL, options);
    CHECK(context != NULL);
    CHECK(logged);
    ah_stop_server(context);
}

/* What was right before is right still: a log that is not there yet, one in this folder, and one that is a device. */
static void logs_that_can_be_written(void)
{
    const char *logs[] = {"/dev/null", "no-such-log", "/tmp/no-such-log", "./no-such-log"};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        CharsPtr options[] = {TEXT("listening_ports"), TEXT("127.0.0.1:0"), TEXT("access_log_file"), TEXT(logs[i]), NULL};
        Context *context = ah_start_server(NULL, NULL, options);
        CHECK(context != NULL);
        ah_stop_server(context);
    }
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
    a_value_outside_of_its_range();
    a_path_that_cannot_be_used();
    a_text_without_its_format();
    texts_with_their_format();
    a_document_root_may_be_made_later();
    logs_that_can_be_written();
    an_option_for_what_is_not_built();
    an_option_about_files();
    an_option_without_a_value();
    a_missing_certificate();
    packs_of_arguments();
    counted_options();
    a_failed_start_leaves_the_port_free();
    return failed_checks != 0;
}
