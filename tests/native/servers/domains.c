/* A server of two hosts, each with a certificate; /reload has it read them again.
   domains listening_ports host certificate host certificate */
#include <string.h>

#include "serve.h"

static Int onRequest(Connection *connection)
{
    RequestInfo *info = ah_get_request_info(connection);
    CharsPtr host = ah_get_header(connection, TEXT("Host"));
    Int reloaded = -1;

    if (strcmp((char *)info->localUri, "/reload") == 0)
        reloaded = ah_reload_certificates(ah_get_context(connection));
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"));
    ah_print(connection, TEXT("host=%s reloaded=%d"), host == NULL ? TEXT("") : host, reloaded);
    return 200;
}

int main(int argc, char **argv)
{
    CharsPtr ports = port_of(argc, argv);

    if (argc != 6)
        return 2;
    Context *context = started(ah_start_server_with_arguments_no_data(
        onRequest, 6, "listening_ports", ports, "authentication_domain", argv[2], "ssl_certificate", argv[3]));
    CharsPtr domain[] = {TEXT("authentication_domain"), TEXT(argv[4]), TEXT("ssl_certificate"), TEXT(argv[5]), NULL};
    if (ah_start_domain(context, domain) != 0)
        fprintf(stderr, "%s\n", (char *)ah_last_error());
    return serve_until_enter(context);
}
