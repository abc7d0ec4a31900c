/*
 * The handshake, with any request line and headers that an HTTP parser could hand over.
 *
 * Input: lines; the first is one letter for the policy, then the method, the version, and "Name: value".
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "web_socket/handshake.h"

#define MAX_HEADERS ((int)(sizeof((ah_request_info *)0)->http_headers / sizeof(ah_header)))

/* The next line, ended by NUL in place; at the end of the text an empty one. */
static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    *text = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL)
        *end = '\0';
    return line;
}

static void fill(ah_request_info *request, char *text)
{
    request->request_method = next_line(&text);
    request->http_version = next_line(&text);
    while (*text != '\0' && request->number_headers < MAX_HEADERS) {
        char *name = next_line(&text), *value = strstr(name, ": ");
        if (value == NULL)
            continue;
        *value = '\0';
        request->http_headers[request->number_headers++] = (ah_header){name, value + 2};
    }
}

static int count_headers(const ah_request_info *request, const char *name)
{
    int count = 0;
    for (int i = 0; i < request->number_headers; ++i)
        count += strcasecmp(request->http_headers[i].name, name) == 0;
    return count;
}

/* An answer is a head of lines that end with CR LF, and nothing of the client's can add a line to it. */
static void check_answer(const char *answer, size_t size, const char *status_line)
{
    const char *end;
    REQUIRE(size < MAX_HANDSHAKE_RESPONSE && strlen(answer) == size);
    REQUIRE(strncmp(answer, status_line, strlen(status_line)) == 0);
    end = strstr(answer, "\r\n\r\n");
    REQUIRE(end != NULL);
    for (; answer < end; ++answer)
        REQUIRE(isprint((unsigned char)*answer) || *answer == '\r' || (*answer == '\n' && answer[-1] == '\r'));
}

static void check_accepted(const ah_request_info *request, const struct handshake *handshake,
                           const struct handshake_policy *policy)
{
    char answer[MAX_HANDSHAKE_RESPONSE];
    size_t size = handshake_response(handshake, answer);

    check_answer(answer, size, "HTTP/1.1 101 ");
    REQUIRE(strcmp(answer + size - 4, "\r\n\r\n") == 0);
    REQUIRE(strcmp(request->request_method, "GET") == 0 && strcmp(request->http_version, "1.1") == 0);
    REQUIRE(count_headers(request, "Host") == 1 && count_headers(request, "Sec-WebSocket-Key") == 1);
    REQUIRE(count_headers(request, "Upgrade") > 0 && count_headers(request, "Connection") > 0);
    REQUIRE(count_headers(request, "Sec-WebSocket-Version") == 1 && strlen(handshake->key) == 24);
    REQUIRE(handshake->subprotocol == NULL || count_headers(request, "Sec-WebSocket-Protocol") > 0);
    REQUIRE(!handshake->compressed || (policy->compression && count_headers(request, "Sec-WebSocket-Extensions") > 0));
    if (handshake->compressed) {
        REQUIRE(handshake->deflate.server_max_window_bits >= 9 && handshake->deflate.server_max_window_bits <= 15);
        REQUIRE(handshake->deflate.client_max_window_bits >= 8 && handshake->deflate.client_max_window_bits <= 15);
    }
    REQUIRE((strstr(answer, "permessage-deflate") != NULL) == handshake->compressed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const subprotocols[] = {"superchat", "chat", NULL};
    char *text = malloc(size + 1), *at = text;
    ah_request_info request = {0};
    char policy_letter, answer[MAX_HANDSHAKE_RESPONSE];

    memcpy(text, data, size);
    text[size] = '\0';
    policy_letter = *next_line(&at);
    fill(&request, at);
    const struct handshake_policy policy = {
        .origins = policy_letter & 1 ? "https://example.org, https://example.com" : NULL,
        .subprotocols = policy_letter & 2 ? subprotocols : NULL,
        .compression = policy_letter & 4,
    };
    struct handshake handshake = handshake_check(&request, &policy);
    if (handshake.status == 101) {
        check_accepted(&request, &handshake, &policy);
    } else {
        REQUIRE(handshake.status == 400 || handshake.status == 403 || handshake.status == 405 || handshake.status == 426);
        check_answer(answer, handshake_refusal(&handshake, answer), "HTTP/1.1 4");
    }
    free(text);
    return 0;
}
