/* A file that comes into being whole, or not at all. */
#ifndef AH_STORING_H
#define AH_STORING_H

#include <stdbool.h>
#include <stddef.h>

/* Until it is finished, the file has a name of its own that begins with ".part-". */
struct storing {
    int directory, file;
    char part[32];
    const char *name; /* the caller's */
};

/* Begin to write a new file `name` in a directory: a plain name, that of a hidden file neither. False with the
 * error set, as with the others. */
bool storing_begin(struct storing *storing, const char *directory, const char *name);

/* Write all of it to a file; false, with errno, when that failed. */
bool write_all(int file, const void *data, size_t size);

bool storing_write(struct storing *storing, const void *data, size_t size);

/* Give the file its name. One that is there already is left alone, and the new one is gone. */
bool storing_finish(struct storing *storing);

/* Leave nothing behind; the error stays. */
void storing_abandon(struct storing *storing);

/* The error for what the system refused. */
void storing_set_error(const char *what, const char *name);

#endif
