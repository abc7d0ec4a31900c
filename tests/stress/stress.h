/* What the programs of this folder share. */
#ifndef STRESS_H
#define STRESS_H

#include <dirent.h>
#include <stdint.h>
#include <time.h>

/* Marsaglia's xorshift, a sequence for each thread. */
static inline uint32_t random_below(uint32_t limit)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = (uint64_t)(uintptr_t)&state ^ (uint64_t)time(NULL) << 32;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

static inline void sleep_ms(long milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

/* How many things a folder of /proc/self has: threads, open files. */
static inline int entries(const char *folder)
{
    int count = 0;
    DIR *opened = opendir(folder);
    while (opened != NULL && readdir(opened) != NULL)
        ++count;
    closedir(opened);
    return count;
}

#endif
