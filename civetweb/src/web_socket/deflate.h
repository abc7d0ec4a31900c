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

struct inflater;

enum inflated {
    INFLATED,
    INFLATED_TOO_MUCH, /* more than `limit` */
    INFLATE_NO_MEMORY,
    INFLATE_BAD_DATA,
};

/* Takes a part of the output; false: out of memory. */
typedef bool (*inflate_sink)(void *context, const uint8_t *data, size_t size);

/* Costs about 40 KiB, most of it once the first message comes. NULL: out of memory. */
struct inflater *inflater_new(const struct deflate_parameters *parameters);
void inflater_free(struct inflater *inflater);

/* Decompress the next part of a message, of which at most `limit` bytes may come; `end`: its last. */
enum inflated inflater_inflate(struct inflater *inflater, const uint8_t *data, size_t size, bool end, size_t limit,
                               inflate_sink sink, void *context);

struct deflater;

/* Costs about 260 KiB at 15 window bits. NULL: out of memory. */
struct deflater *deflater_new(const struct deflate_parameters *parameters);
void deflater_free(struct deflater *deflater);

/* Compress a whole message. The result lives until the next call; false: out of memory. */
bool deflater_deflate(struct deflater *deflater, const uint8_t *data, size_t size, const uint8_t **result,
                      size_t *result_size);

#endif
