#define _GNU_SOURCE /* memmem */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include "../errors.h"
#include "head.h"
#include "stream.h"

/* What has arrived of a response. */
struct input {
    char *data;
    size_t size;
};

/* The length of the head at the beginning of the input, its empty line included; 0: it is not complete. */
static size_t head_size(const struct input *input)
{
    const char *end = input->size < 4 ? NULL : memmem(input->data, input->size, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - input->data) + 4;
}

static bool refuse(const struct url *url, const char *why)
{
    error_set(AH_ERROR_CONNECT_FAILED, "%s: the answer is no HTTP response: %s", url->place, why);
    return false;
}

static struct reply *reply_new(const struct input *input, size_t head)
{
    struct reply *reply = calloc(1, sizeof *reply + input->size + 1);

    if (reply == NULL) {
        error_set_no_memory();
        return NULL;
    }
    memcpy(reply->strings, input->data, input->size);
    reply->rest = reply->strings + head;
    reply->rest_size = input->size - head;
    return reply;
}

/* Read until the head is complete; its size, or 0 with the error set. */
static size_t read_head(struct transport *transport, struct input *input, const struct url *url,
                        const struct patience *patience, const char *step, const char *option)
{
    size_t head;

    while ((head = head_size(input)) == 0) {
        ssize_t count;

        if (input->size == MAX_RESPONSE_HEAD) {
            refuse(url, "its headers have more than 16384 bytes");
            return 0;
        }
        count = stream_read(transport, input->data + input->size, MAX_RESPONSE_HEAD - input->size, patience);
        if (count == TRANSPORT_LATER) {
            patience_error(patience, url->place, step, option);
            return 0;
        }
        if (count <= 0) {
            error_set(AH_ERROR_CONNECT_FAILED, "%s: the server closed the connection during %s, before it had answered",
                      url->place, step);
            return 0;
        }
        input->size += (size_t)count;
    }
    return head;
}

static bool is_interim(const struct reply *reply)
{
    return reply->info.status_code < 200 && reply->info.status_code != 101;
}

struct reply *reply_read(struct transport *transport, const struct url *url, const struct patience *patience,
                         const char *step, const char *option)
{
    char data[MAX_RESPONSE_HEAD];
    struct input input = {data, 0};
    struct reply *reply = NULL;
    size_t head;

    do {
        if (reply != NULL) { /* an interim one: go on behind it */
            memmove(data, reply->rest, reply->rest_size);
            input.size = reply->rest_size;
            free(reply);
        }
        head = read_head(transport, &input, url, patience, step, option);
        reply = head == 0 ? NULL : reply_new(&input, head);
        if (reply == NULL)
            return NULL;
        if (!head_parse(reply->strings, head, &reply->info)) {
            free(reply);
            refuse(url, "its status line or headers are malformed, or it has more than 64 headers");
            return NULL;
        }
    } while (is_interim(reply));
    return reply;
}
