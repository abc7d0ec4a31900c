#include "read_buffer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t kept; /* null while it is taken */
static bool keeps;         /* the system has had a key */

static void initialize(void)
{
    keeps = pthread_key_create(&kept, free) == 0;
}

uint8_t *read_buffer_take(void)
{
    uint8_t *buffer;

    pthread_once(&once, initialize);
    buffer = keeps ? pthread_getspecific(kept) : NULL;
    if (buffer == NULL)
        return malloc(READ_BUFFER_SIZE);
    pthread_setspecific(kept, NULL);
    return buffer;
}

void read_buffer_give(uint8_t *buffer)
{
    if (!keeps || pthread_getspecific(kept) != NULL || pthread_setspecific(kept, buffer) != 0)
        free(buffer);
}
