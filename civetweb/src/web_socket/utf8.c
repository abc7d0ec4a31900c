#include "utf8.h"

#include <string.h>

/* Begin a character of several bytes. Its second byte has bounds of its own where overlong forms,
 * surrogates and what lies beyond U+10FFFF begin (RFC 3629, section 4). */
static bool begin(struct utf8 *utf8, uint8_t byte)
{
    utf8->least = 0x80;
    utf8->greatest = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        utf8->missing = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        utf8->missing = 2;
        if (byte == 0xE0)
            utf8->least = 0xA0;
        else if (byte == 0xED)
            utf8->greatest = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        utf8->missing = 3;
        if (byte == 0xF0)
            utf8->least = 0x90;
        else if (byte == 0xF4)
            utf8->greatest = 0x8F;
    } else {
        return false;
    }
    return true;
}

bool utf8_check(struct utf8 *utf8, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    while (data < end) {
        if (utf8->missing > 0) {
            if (*data < utf8->least || *data > utf8->greatest)
                return false;
            utf8->least = 0x80;
            utf8->greatest = 0xBF;
            utf8->missing--;
            data++;
            continue;
        }
        /* Most text is ASCII: eight bytes at a time. */
        while (end - data >= 8) {
            uint64_t word;

            memcpy(&word, data, sizeof word);
            if (word & UINT64_C(0x8080808080808080))
                break;
            data += 8;
        }
        while (data < end && *data < 0x80)
            data++;
        if (data < end && !begin(utf8, *data++))
            return false;
    }
    return true;
}
