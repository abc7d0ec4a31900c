/* The headers that a program adds to a request. */
#ifndef AH_CLIENT_HEADERS_H
#define AH_CLIENT_HEADERS_H

#include <stdbool.h>

#include "../text_buffer.h"

/* Refuse a name that is no token or one of `reserved` (ended by null), which the library writes itself, and a value
 * with a line end or another control character (RFC 9110, section 5.5). `headers`: names and values by turns, ended
 * by null; or null. Sets the error. */
bool headers_check(const char *const *headers, const char *const *reserved);

/* Write them as lines of a request. */
void headers_write(struct text_buffer *request, const char *const *headers);

/* Whether one is given. */
bool headers_have(const char *const *headers, const char *name);

#endif
