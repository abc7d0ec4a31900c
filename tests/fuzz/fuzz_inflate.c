/*
 * The inflater with any data, and whether it brings back what the deflater has made of any data.
 *
 * Input: four bytes of parameters, and the data.
 */
#include "fuzz.h"
#include "web_socket/deflate.h"

struct output {
    uint8_t *data;
    size_t size, limit;
};

static bool collect(void *context, const uint8_t *data, size_t size)
{
    struct output *output = context;
    REQUIRE(size > 0 && size <= output->limit - output->size); /* never more than was allowed */
    output->data = realloc(output->data, output->size + size);
    REQUIRE(output->data != NULL);
    memcpy(output->data + output->size, data, size);
    output->size += size;
    return true;
}

static enum inflated inflate_all(struct inflater *inflater, const uint8_t *data, size_t size, size_t piece,
                                 struct output *output)
{
    enum inflated result = INFLATED;
    do {
        size_t part = size < piece ? size : piece;
        uint8_t *copy = copy_exactly(data, part);
        result = inflater_inflate(inflater, copy, part, part == size, output->limit - output->size, collect, output);
        free(copy);
        data += part;
        size -= part;
    } while (size > 0 && result == INFLATED);
    return result;
}

/* What a hostile client might send as messages of this length. */
static void inflate_anything(struct inflater *inflater, const uint8_t *data, size_t size, size_t length, size_t limit)
{
    while (size > 0) {
        struct output output = {.limit = limit};
        size_t part = size < length ? size : length;
        enum inflated result = inflate_all(inflater, data, part, 1 + length / 3, &output);
        free(output.data);
        data += part;
        size -= part;
        if (result != INFLATED)
            break; /* the connection would end here */
    }
}

static void there_and_back(struct deflater *deflater, struct inflater *inflater, const uint8_t *data, size_t size,
                           size_t length)
{
    while (size > 0) {
        struct output output = {.limit = size};
        const uint8_t *compressed;
        size_t compressed_size, part = size < length ? size : length;

        REQUIRE(deflater_deflate(deflater, data, part, &compressed, &compressed_size));
        REQUIRE(inflate_all(inflater, compressed, compressed_size, 1 + length / 2, &output) == INFLATED);
        REQUIRE(output.size == part && memcmp(output.data, data, part) == 0);
        free(output.data);
        data += part;
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t flags = take_byte(&data, &size), bits = take_byte(&data, &size);
    size_t length = 1 + take_byte(&data, &size), limit = (size_t)1 << take_byte(&data, &size) % 21;
    struct deflate_parameters parameters = {
        .server_no_context_takeover = flags & 1,
        .client_no_context_takeover = flags & 1, /* here the same stream goes both ways */
        .server_max_window_bits = 9 + bits % 7,
        .client_max_window_bits = 8 + (bits >> 4) % 8,
    };
    struct inflater *inflater = inflater_new(deflate_client_side(&parameters));
    struct deflater *deflater;

    inflate_anything(inflater, data, size, length, limit);
    inflater_free(inflater);

    parameters.client_max_window_bits = parameters.server_max_window_bits;
    inflater = inflater_new(deflate_client_side(&parameters));
    deflater = deflater_new(deflate_server_side(&parameters));
    REQUIRE(inflater != NULL && deflater != NULL);
    there_and_back(deflater, inflater, data, size, length);
    inflater_free(inflater);
    deflater_free(deflater);
    return 0;
}
