/* Frames on the wire (RFC 6455, section 5.2). */
#ifndef AH_FRAME_H
#define AH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Section 11.8 */
enum opcode {
    OPCODE_CONTINUATION = 0x0,
    OPCODE_TEXT = 0x1,
    OPCODE_BINARY = 0x2,
    OPCODE_CLOSE = 0x8,
    OPCODE_PING = 0x9,
    OPCODE_PONG = 0xA,
};

/* Section 7.4.1 */
enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_UNSUPPORTED_DATA = 1003,
    CLOSE_NO_STATUS = 1005, /* never sent: the frame had no code */
    CLOSE_ABNORMAL = 1006,  /* never sent: there was no frame */
    CLOSE_INVALID_DATA = 1007,
    CLOSE_POLICY_VIOLATION = 1008,
    CLOSE_MESSAGE_TOO_BIG = 1009,
    CLOSE_INTERNAL_ERROR = 1011,
};

/* Section 5.5: the most that a control frame holds. */
#define MAX_CONTROL_SIZE 125
/* Of which a close frame has two for the code. */
#define MAX_REASON_SIZE (MAX_CONTROL_SIZE - 2)

/* Two bytes, eight of length, four of mask. */
#define MAX_HEADER_SIZE 14

/* RSV1, which permessage-deflate uses (RFC 7692, section 6). */
#define FRAME_COMPRESSED 0x40

/* In the second byte: the payload is masked. */
#define FRAME_MASKED 0x80u

static inline bool opcode_is_control(int opcode)
{
    return opcode >= OPCODE_CLOSE;
}

/* Write the header of an unmasked, final frame, as servers send them; returns its size. `flags` is 0
 * or FRAME_COMPRESSED. */
size_t frame_header(uint8_t header[MAX_HEADER_SIZE], int opcode, unsigned flags, uint64_t size);

/* The bytes that a header has which begins with these; 2 until the second one is there. */
size_t frame_header_size(const uint8_t *header, size_t size);

/* Apply a mask (section 5.3) in place, or take it off. `offset` is the place of data[0] in the frame's
 * payload. */
void frame_mask(uint8_t *data, size_t size, const uint8_t mask[4], uint64_t offset);

/* Whether an endpoint may send this close code (section 7.4). */
bool close_code_is_valid(unsigned code);

#endif
