/* permessage-deflate (RFC 7692): the compression of messages, without the frames around them. */
#ifndef AH_DEFLATE_H
#define AH_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was negotiated (section 7.1). Window bits are 8 to 15. */
struct deflate_parameters {
    bool server_no_context_takeover;
    bool client_no_context_takeover;
    bool server_max_window_bits_asked; /* then the answer names them, 15 as well (section 7.1.2.1) */
    int server_max_window_bits;
    int client_max_window_bits;
};

/* What one of the two sides may use when it compresses. */
struct deflate_side {
    bool no_context_takeover;
    int max_window_bits;
};

static inline struct deflate_side deflate_server_side(const struct deflate_parameters *parameters)
{
    return (struct deflate_side){parameters->server_no_context_takeover, parameters->server_max_window_bits};
}

static inline struct deflate_side deflate_client_side(const struct deflate_parameters *parameters)
{
    return (struct deflate_side){parameters->client_no_context_takeover, parameters->client_max_window_bits};
}

/* zlib cannot write raw blocks for a window of 8 bits. */
#define LEAST_DEFLATE_BITS 9

struct inflater;

enum inflated {
    INFLATED,
    INFLATED_TOO_MUCH, /* more than `limit` */
    INFLATE_NO_MEMORY,
    INFLATE_BAD_DATA,
};

/* Takes a part of the output; false: out of memory. */
typedef bool (*inflate_sink)(void *context, const uint8_t *data, size_t size);

/* For what the other side, `sender`, compresses. Costs about 40 KiB, most of it once the first message
 * comes. NULL: out of memory. */
struct inflater *inflater_new(struct deflate_side sender);
void inflater_free(struct inflater *inflater);

/* Decompress the next part of a message, of which at most `limit` bytes may come; `end`: its last. */
enum inflated inflater_inflate(struct inflater *inflater, const uint8_t *data, size_t size, bool end, size_t limit,
                               inflate_sink sink, void *context);

struct deflater;

/* For what this side compresses, with at least LEAST_DEFLATE_BITS window bits. Costs about 260 KiB at 15
 * of them. NULL: out of memory. */
struct deflater *deflater_new(struct deflate_side sender);
void deflater_free(struct deflater *deflater);

/* Compress a whole message. The result lives until the next call; false: out of memory. */
bool deflater_deflate(struct deflater *deflater, const uint8_t *data, size_t size, const uint8_t **result,
                      size_t *result_size);

#endif
