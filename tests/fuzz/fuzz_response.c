/*
 * Any bytes as a server's response: the head is refused or has strings of its own, and the body comes out the same
 * however its bytes are cut.
 */
#define _GNU_SOURCE /* memmem */
#include "client/body.h"
#include "client/head.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Decode, `in` bytes at a time into room for `out`. What came out, and how it ended, are left in `result`. */
struct decoded {
    char *data;
    size_t size;
    bool failed, done;
};

static struct decoded decode(struct body body, const char *data, size_t size, size_t in, size_t out)
{
    struct decoded result = {.data = malloc(size + 1)};
    char *room = malloc(out);

    while (!result.failed) {
        size_t part = size < in ? size : in, taken;
        ptrdiff_t count = body_decode(&body, data, part, &taken, room, out);

        REQUIRE(taken <= part && count <= (ptrdiff_t)out);
        data += taken;
        size -= taken;
        result.failed = count < 0;
        if (count > 0) {
            memcpy(result.data + result.size, room, (size_t)count);
            result.size += (size_t)count;
        } else if (body.state == BODY_DONE || size == 0) {
            break;
        }
    }
    result.done = body.state == BODY_DONE;
    free(room);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    const uint8_t *end = size < 4 ? NULL : memmem(input, size, "\r\n\r\n", 4);
    size_t head_size = end == NULL ? 0 : (size_t)(end - input) + 4;
    ah_response_info info = {0};
    struct body body;
    char *head;
    int i;

    if (end == NULL)
        return 0;
    head = (char *)copy_exactly(input, head_size);
    if (head_parse(head, head_size, &info)) {
        REQUIRE(info.status_code >= 100 && info.status_code <= 999 && info.content_length >= -1);
        REQUIRE(strpbrk(info.status_text, "\r\n") == NULL);
        for (i = 0; i < info.number_headers; i++)
            REQUIRE(*info.http_headers[i].name != '\0' && strpbrk(info.http_headers[i].value, "\r\n") == NULL);
        if (body_begin(&body, "GET", &info)) {
            size_t rest_size = size - head_size;
            char *rest = (char *)copy_exactly(input + head_size, rest_size);
            struct decoded whole = decode(body, rest, rest_size, size, size + 1);
            struct decoded bytes = decode(body, rest, rest_size, 1, 3);

            REQUIRE(whole.size == bytes.size && memcmp(whole.data, bytes.data, whole.size) == 0);
            REQUIRE(whole.failed == bytes.failed && whole.done == bytes.done);
            free(rest);
            free(whole.data);
            free(bytes.data);
        }
    }
    free(head);
    return 0;
}
