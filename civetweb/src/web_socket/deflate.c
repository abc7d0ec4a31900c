#include "deflate.h"

#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

/* The end of every DEFLATE block that a sender has cut off (RFC 7692, section 7.2.1). */
static const uint8_t tail[] = {0x00, 0x00, 0xFF, 0xFF};

#define CHUNK 16384

struct inflater {
    z_stream stream;
    bool no_context_takeover;
};

struct inflater *inflater_new(struct deflate_side sender)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);

    if (inflater == NULL)
        return NULL;
    inflater->no_context_takeover = sender.no_context_takeover;
    if (inflateInit2(&inflater->stream, -sender.max_window_bits) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void inflater_free(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflateEnd(&inflater->stream);
    free(inflater);
}

static enum inflated inflate_part(z_stream *stream, const uint8_t *data, size_t size, size_t *limit, inflate_sink sink,
                                  void *context)
{
    uint8_t chunk[CHUNK];
    size_t produced;
    int status;

    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    do {
        stream->next_out = chunk;
        stream->avail_out = sizeof chunk;
        status = inflate(stream, Z_SYNC_FLUSH);
        if (status == Z_MEM_ERROR)
            return INFLATE_NO_MEMORY;
        /* A final block: another one follows (section 7.2.3.4), which may refer to the same window. */
        if (status == Z_STREAM_END)
            inflateResetKeep(stream);
        else if (status != Z_OK && status != Z_BUF_ERROR)
            return INFLATE_BAD_DATA;
        produced = sizeof chunk - stream->avail_out;
        if (produced > *limit)
            return INFLATED_TOO_MUCH;
        *limit -= produced;
        if (produced > 0 && !sink(context, chunk, produced))
            return INFLATE_NO_MEMORY;
    } while (stream->avail_out == 0 || (status == Z_STREAM_END && stream->avail_in > 0));
    return stream->avail_in == 0 ? INFLATED : INFLATE_BAD_DATA;
}

enum inflated inflater_inflate(struct inflater *inflater, const uint8_t *data, size_t size, bool end, size_t limit,
                               inflate_sink sink, void *context)
{
    enum inflated result = inflate_part(&inflater->stream, data, size, &limit, sink, context);

    if (result == INFLATED && end) {
        result = inflate_part(&inflater->stream, tail, sizeof tail, &limit, sink, context);
        /* 128 says: between two blocks (see inflate() in zlib.h). Elsewhere, some of the data is missing. */
        if (result == INFLATED && !(inflater->stream.data_type & 128))
            result = INFLATE_BAD_DATA;
        if (inflater->no_context_takeover)
            inflateReset(&inflater->stream);
    }
    return result;
}

struct deflater {
    z_stream stream;
    bool no_context_takeover;
    uint8_t *result;
    size_t capacity;
};

struct deflater *deflater_new(struct deflate_side sender)
{
    struct deflater *deflater = calloc(1, sizeof *deflater);

    if (deflater == NULL)
        return NULL;
    deflater->no_context_takeover = sender.no_context_takeover;
    if (deflateInit2(&deflater->stream, Z_BEST_SPEED, Z_DEFLATED, -sender.max_window_bits, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return NULL;
    }
    return deflater;
}

void deflater_free(struct deflater *deflater)
{
    if (deflater == NULL)
        return;
    deflateEnd(&deflater->stream);
    free(deflater->result);
    free(deflater);
}

bool deflater_deflate(struct deflater *deflater, const uint8_t *data, size_t size, const uint8_t **result,
                      size_t *result_size)
{
    z_stream *stream = &deflater->stream;
    size_t wanted = deflateBound(stream, size) + 16; /* the flush adds an empty block */

    if (size > UINT_MAX)
        return false;
    if (wanted > deflater->capacity) {
        uint8_t *grown = realloc(deflater->result, wanted);

        if (grown == NULL)
            return false;
        deflater->result = grown;
        deflater->capacity = wanted;
    }
    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    stream->next_out = deflater->result;
    stream->avail_out = (uInt)deflater->capacity;
    if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in > 0) {
        deflateReset(stream); /* what it has taken, the peer will never see */
        return false;
    }
    *result = deflater->result;
    *result_size = deflater->capacity - stream->avail_out - sizeof tail;
    if (deflater->no_context_takeover)
        deflateReset(stream);
    return true;
}
