/* What sockets are read by. It is not on the stack, for the thread may be the program's, with little of that. Each
 * thread keeps its own, which the cache of its processor has. */
#ifndef AH_READ_BUFFER_H
#define AH_READ_BUFFER_H

#include <stdint.h>

#define READ_BUFFER_SIZE 131072

/* This thread's buffer, until it gives it back; meanwhile it may take another one. Null without memory. */
uint8_t *read_buffer_take(void);
void read_buffer_give(uint8_t *buffer);

#endif
