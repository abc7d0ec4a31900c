/* The checks that every exported function makes of its arguments. Each sets the error. */
#ifndef AH_CHECKS_H
#define AH_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

/* An argument that must not be null. */
bool check_given(const char *name, bool given);

/* A length of a signed type. */
bool check_length(const char *name, int64_t length);

/* An address with its length, which has been checked: null only when there is nothing to read. */
bool check_data(const char *name, const void *data, uint64_t length);

#endif
