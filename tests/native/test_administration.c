/* What a running server tells of itself, at the limits of the arrays and names that it is given. */
#include <stdlib.h>

#include "alusus_abi.h"
#include "check.h"

static Context *context;
static int marker;

static void options_as_far_as_there_is_room(void)
{
    Int count = ah_get_valid_options(NULL, 0);
    CHECK(count > 40);
    ServerOption *options = calloc((size_t)count + 1, sizeof *options);
    CHECK(ah_get_valid_options(options, 2) == count);
    CHECK(options[1].name != NULL && options[2].name == NULL);
    CHECK(ah_get_valid_options(options, count + 1) == count);
    CHECK(options[count - 1].name != NULL && options[count].name == NULL);
    for (Int i = 0; i < count; ++i) {
        CHECK(ah_get_server_option(context, options[i].name) != NULL || ah_last_error() == NULL);
        CHECK(options[i].kind != NULL);
    }
    free(options);
    CHECK(ah_get_valid_options(NULL, 1) == -1);
    CHECK_HOLDS(ah_last_error(), "options is null");
    CHECK(ah_get_valid_options(NULL, -1) == -1);
    CHECK_HOLDS(ah_last_error(), "capacity is -1");
}

static void options_of_a_server(void)
{
    CHECK_HOLDS(ah_get_server_option(context, TEXT("num_threads")), "2");
    CHECK(ah_get_server_option(context, TEXT("document_root")) == NULL);
    CHECK(ah_last_error() == NULL);
    CHECK(ah_get_server_option(context, TEXT("nothing")) == NULL);
    CHECK_HOLDS(ah_last_error(), "there is no option \"nothing\"");
    CHECK(ah_get_server_option(context, NULL) == NULL);
    CHECK_HOLDS(ah_last_error(), "name is null");
}

static void ports(void)
{
    ServerPort found[3] = {{0}};
    CHECK(ah_get_server_ports(context, NULL, 0) == 2);
    CHECK(ah_get_server_ports(context, found, 1) == 2);
    CHECK(found[0].port > 0 && found[1].port == 0);
    CHECK(ah_get_server_ports(context, found, 3) == 2);
    CHECK(found[1].port > 0 && found[1].port != found[0].port && found[2].port == 0);
    CHECK(ah_get_server_port(context) == found[0].port);
}

static void domains(void)
{
    CharsPtr one[] = {TEXT("authentication_domain"), TEXT("one.test"), NULL};
    CharsPtr two[] = {TEXT("authentication_domain"), TEXT("two.test"), TEXT("document_root"), TEXT("/")};
    CHECK(ah_start_domain(context, one) == 0);
    CHECK(ah_start_domain_with_options(context, two, 4) == 0);
    CHECK(ah_start_domain_with_options(context, two, 4) == -1);
    CHECK_HOLDS(ah_last_error(), "a domain \"two.test\" already");
    CHECK(ah_start_domain_with_options(context, two, 3) == -1);
    CHECK_HOLDS(ah_last_error(), "\"document_root\" has no value");
    CHECK(ah_start_domain_with_options(context, NULL, 0) == -1);
    CHECK_HOLDS(ah_last_error(), "a domain needs a name");
    CHECK(ah_start_domain(context, NULL) == -1);
    CHECK_HOLDS(ah_last_error(), "options is null");
    CHECK(ah_reload_certificates(context) == -1);
    CHECK_HOLDS(ah_last_error(), "no TLS port");
}

int main(void)
{
    CharsPtr options[] = {TEXT("listening_ports"), TEXT("127.0.0.1:0,127.0.0.1:0"), TEXT("num_threads"), TEXT("2"), NULL};
    context = ah_start_server(NULL, &marker, options);
    CHECK(context != NULL);
    if (context == NULL)
        return 1;
    options_as_far_as_there_is_room();
    options_of_a_server();
    ports();
    domains();
    CHECK(ah_get_user_data(context) == &marker);
    CHECK(ah_get_server_statistics(context)->workers == 2);
    ah_stop_server(context);
    CHECK(ah_get_server_port(context) == -1);
    CHECK(ah_get_user_data(context) == NULL && ah_last_error() != NULL);
    return failed_checks != 0;
}
