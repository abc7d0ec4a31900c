/* Percent-encoding (RFC 3986, section 2.1), and that of forms, where a space is "+". */
#ifndef AH_ESCAPES_H
#define AH_ESCAPES_H

#include <stdbool.h>
#include <stddef.h>

/* The value of a hexadecimal digit; -1 for any other character. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode one byte of `size` at `from`; returns how many bytes it took. A "%" without two hexadecimal digits
 * behind it stands for itself. */
size_t escape_decode(const char *from, size_t size, bool is_form, char *to);

#endif
