/* Answers each request with what RequestInfo holds, read in place at the offsets that Alusus computes from the
   class: a structure of the same members in C would follow a mistake of its own.      request_info port */
#include <string.h>

#include "serve.h"

static CharsPtr chars(const Char *info, size_t offset)
{
    CharsPtr value;
    memcpy(&value, info + offset, sizeof value);
    return value == NULL ? TEXT("(null)") : value;
}

static Int integer(const Char *info, size_t offset)
{
    Int value;
    memcpy(&value, info + offset, sizeof value);
    return value;
}

static Int64 integer64(const Char *info, size_t offset)
{
    Int64 value;
    memcpy(&value, info + offset, sizeof value);
    return value;
}

static Int answer(Connection *connection)
{
    const Char *info = (const Char *)ah_get_request_info(connection);
    CharsPtr found = ah_get_header(connection, TEXT("x-LOOKED-for"));
    char body[64] = "";
    Int body_length = integer64(info, 104) > 0 ? ah_read(connection, body, sizeof body - 1) : 0;

    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"));
    ah_print(connection, TEXT("requestMethod=%s\nrequestUri=%s\nlocalUriRaw=%s\nlocalUri=%s\n"), chars(info, 0),
             chars(info, 8), chars(info, 16), chars(info, 24));
    ah_print(connection, TEXT("httpVersion=%s\nqueryString=%s\nremoteUser=%s\nremoteAddr=%s\n"), chars(info, 32),
             chars(info, 40), chars(info, 48), info + 56);
    ah_print(connection, TEXT("contentLength=%lld\nremotePort=%d\nserverPort=%d\nisSsl=%d\n"),
             (long long)integer64(info, 104), integer(info, 112), integer(info, 116), integer(info, 120));
    ah_print(connection, TEXT("userData=%s\nnumberHeaders=%d\n"), chars(info, 128), integer(info, 144));
    for (Int i = 0; i < integer(info, 144); ++i) {
        size_t header = 152 + 16 * (size_t)i;
        ah_print(connection, TEXT("%s: %s\n"), chars(info, header), chars(info, header + 8));
    }
    ah_print(connection, TEXT("getHeader=%s\nread=%d:%s\n"), found == NULL ? TEXT("(null)") : found, body_length, body);
    return 200;
}

int main(int argc, char **argv)
{
    Context *context = started(ah_start_server_on_port(answer, "the server's own", port_of(argc, argv)));
    return serve_until_enter(context);
}
