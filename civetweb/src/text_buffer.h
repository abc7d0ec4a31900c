/* Text that grows while it is written. */
#ifndef AH_TEXT_BUFFER_H
#define AH_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed, it is empty. Once memory is short, it stays as it is and `failed`, so that a writer looks once. */
struct text_buffer {
    char *bytes; /* null when empty; without a NUL at the end */
    size_t size, room;
    bool failed;
};

/* Append bytes for the caller to fill: their place, until the next call for this text; null when it has failed. */
char *text_extend(struct text_buffer *text, size_t size);

void text_append(struct text_buffer *text, const void *bytes, size_t size);
void text_append_string(struct text_buffer *text, const char *string);
void text_format(struct text_buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(struct text_buffer *text); /* keeps its memory */
void text_free(struct text_buffer *text);

#endif
