/* UTF-8, checked as it arrives (RFC 3629; RFC 6455, section 8.1). */
#ifndef AH_UTF8_H
#define AH_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a check stands between two parts of a text. All zero: at the start of a character. */
struct utf8 {
    uint8_t missing;        /* bytes that the begun character still needs */
    uint8_t least, greatest; /* the bounds of the next of them */
};

/* Check the next part; false as soon as no continuation could make the text valid. */
bool utf8_check(struct utf8 *utf8, const uint8_t *data, size_t size);

/* Whether the text may end here. */
static inline bool utf8_is_complete(const struct utf8 *utf8)
{
    return utf8->missing == 0;
}

#endif
