/* What is in the values of headers: lists, mostly (RFC 9110, section 5.6). */
#ifndef AH_HEADER_LIST_H
#define AH_HEADER_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "alusus_http/alusus_http.h"

/* Part of a string. */
struct text {
    const char *start;
    size_t length;
};

/* Whether a text is this string; case does not matter. */
bool text_is(struct text text, const char *string);

/* Without the white space at both ends. */
struct text trim(const char *start, const char *end);

/* The next item of a list, up to `separator` outside of quotes; false at the end. */
bool next_item(const char **at, const char *end, char separator, struct text *item);

/* Goes through the items of all headers of one name, which together are one list (section 5.3). */
struct header_items {
    const ah_header *headers;
    int count;
    const char *name;
    int index; /* of the next header to look at */
    const char *at, *end;
};

struct header_items header_items(const ah_header *headers, int count, const char *name);
bool next_header_item(struct header_items *items, struct text *item);

/* Whether an item of the headers of one name is this one; case does not matter. */
bool header_lists(const ah_header *headers, int count, const char *name, const char *wanted);

/* The value of a header that must be there once; null if it is missing or repeated. */
const char *only_header(const ah_header *headers, int count, const char *name);

#endif
