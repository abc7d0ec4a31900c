#include "read_buffer.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t kept; /* null while it is taken */
static bool keeps;         /* the system has had a key */

/* Mapped as a stack is: a thread that reads little at a time costs little memory. */
static uint8_t *map(void)
{
    void *buffer = mmap(NULL, READ_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return buffer == MAP_FAILED ? NULL : buffer;
}

static void unmap(void *buffer)
{
    munmap(buffer, READ_BUFFER_SIZE);
}

static void initialize(void)
{
    keeps = pthread_key_create(&kept, unmap) == 0;
}

uint8_t *read_buffer_take(void)
{
    uint8_t *buffer;

    pthread_once(&once, initialize);
    buffer = keeps ? pthread_getspecific(kept) : NULL;
    if (buffer == NULL)
        return map();
    pthread_setspecific(kept, NULL);
    return buffer;
}

void read_buffer_give(uint8_t *buffer)
{
    if (!keeps || pthread_getspecific(kept) != NULL || pthread_setspecific(kept, buffer) != 0)
        unmap(buffer);
}
