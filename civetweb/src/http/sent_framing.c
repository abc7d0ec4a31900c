#include "sent_framing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9112, section 6.1: of several codings, chunked is the last one. */
static bool says_chunked(const char *line)
{
    static const char name[] = "Transfer-Encoding:", coding[] = "chunked";
    size_t size = strlen(line);

    return strncasecmp(line, name, sizeof name - 1) == 0 && size >= sizeof name - 1 + sizeof coding - 1 &&
           strcasecmp(line + size - (sizeof coding - 1), coding) == 0;
}

/* Note the end of a line, whose text is in `line`. */
static void end_line(struct sent_framing *framing)
{
    const char *line = framing->line;

    switch (framing->part) {
    case SENT_STATUS_LINE:
        framing->interim = strncmp(line, "HTTP/1.1 1", 10) == 0;
        framing->chunked = false;
        framing->part = SENT_FIELD_LINE;
        break;
    case SENT_FIELD_LINE:
        if (line[0] == '\0')
            framing->part = framing->interim ? SENT_STATUS_LINE : framing->chunked ? SENT_CHUNK_SIZE : SENT_BODY;
        else if (says_chunked(line))
            framing->chunked = true;
        break;
    case SENT_CHUNK_SIZE:
        framing->chunk_left = strtoull(line, NULL, 16);
        framing->part = framing->chunk_left > 0 ? SENT_CHUNK_DATA : SENT_TRAILER;
        break;
    case SENT_CHUNK_END:
        framing->part = SENT_CHUNK_SIZE;
        break;
    default:;
    }
}

/* Take bytes up to the end of the current line. Returns how many these are. */
static size_t take_line(struct sent_framing *framing, const char *data, size_t size)
{
    const char *end = memchr(data, '\n', size);
    size_t taken = end == NULL ? size : (size_t)(end - data) + 1;
    size_t room = sizeof framing->line - 1 - framing->line_size;
    size_t kept = taken - (end != NULL);

    if (kept > room)
        kept = room;
    memcpy(framing->line + framing->line_size, data, kept);
    framing->line_size += kept;
    framing->size += (int64_t)taken;
    if (end == NULL)
        return taken;
    if (framing->line_size > 0 && framing->line[framing->line_size - 1] == '\r')
        framing->line_size--;
    framing->line[framing->line_size] = '\0';
    framing->line_size = 0;
    end_line(framing);
    return taken;
}

static size_t take_data(struct sent_framing *framing, size_t size)
{
    size_t taken = size < framing->chunk_left ? size : (size_t)framing->chunk_left;

    framing->chunk_left -= taken;
    if (framing->chunk_left == 0)
        framing->part = SENT_CHUNK_END;
    return taken;
}

void sent_framing_note(struct sent_framing *framing, const char *data, size_t size)
{
    size_t taken;

    for (; size > 0 && framing->part != SENT_BODY; data += taken, size -= taken)
        taken = framing->part == SENT_CHUNK_DATA ? take_data(framing, size) : take_line(framing, data, size);
}
