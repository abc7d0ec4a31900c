#include "frame.h"

#include <string.h>

size_t frame_header(uint8_t header[MAX_HEADER_SIZE], int opcode, unsigned flags, uint64_t size)
{
    int i;

    header[0] = (uint8_t)(0x80u | flags | (unsigned)opcode);
    if (size < 126) {
        header[1] = (uint8_t)size;
        return 2;
    }
    if (size <= 0xFFFF) {
        header[1] = 126;
        header[2] = (uint8_t)(size >> 8);
        header[3] = (uint8_t)size;
        return 4;
    }
    header[1] = 127;
    for (i = 0; i < 8; i++)
        header[2 + i] = (uint8_t)(size >> (56 - 8 * i));
    return 10;
}

size_t frame_header_size(const uint8_t *header, size_t size)
{
    unsigned length;

    if (size < 2)
        return 2;
    length = header[1] & 0x7Fu;
    return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + (header[1] & FRAME_MASKED ? 4 : 0);
}

void frame_mask(uint8_t *data, size_t size, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[4];
    uint64_t word, wide;
    uint32_t narrow;
    size_t i;

    for (i = 0; i < 4; i++)
        turned[i] = mask[(offset + i) & 3];
    memcpy(&narrow, turned, sizeof narrow);
    wide = (uint64_t)narrow << 32 | narrow;
    for (i = 0; size - i >= 8; i += 8) {
        memcpy(&word, data + i, sizeof word);
        word ^= wide;
        memcpy(data + i, &word, sizeof word);
    }
    for (; i < size; i++)
        data[i] ^= turned[i & 3];
}

bool close_code_is_valid(unsigned code)
{
    /* 1004 is reserved; 1005, 1006 and 1015 stand for what no frame says; 1012 to 1014 are registered
     * (IANA's WebSocket Close Code Number Registry); 3000 up are libraries' and applications'. */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
