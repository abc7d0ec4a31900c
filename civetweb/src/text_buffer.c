#include "text_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 512

static bool make_room(struct text_buffer *text, size_t more)
{
    size_t room = text->room > 0 ? text->room : FIRST_ROOM;
    char *bytes;

    if (text->failed)
        return false;
    while (room - text->size < more)
        room *= 2;
    if (room == text->room)
        return true;
    bytes = realloc(text->bytes, room);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

char *text_extend(struct text_buffer *text, size_t size)
{
    if (!make_room(text, size))
        return NULL;
    text->size += size;
    return text->bytes + text->size - size;
}

void text_append(struct text_buffer *text, const void *bytes, size_t size)
{
    char *end = size == 0 ? NULL : text_extend(text, size);

    if (end != NULL)
        memcpy(end, bytes, size);
}

void text_append_string(struct text_buffer *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_format(struct text_buffer *text, const char *format, ...)
{
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0 || !make_room(text, (size_t)length + 1)) {
        text->failed = true;
        return;
    }
    va_start(values, format);
    vsnprintf(text->bytes + text->size, (size_t)length + 1, format, values);
    va_end(values);
    text->size += (size_t)length;
}

void text_clear(struct text_buffer *text)
{
    text->size = 0;
    text->failed = false;
}

void text_free(struct text_buffer *text)
{
    free(text->bytes);
    *text = (struct text_buffer){0};
}
