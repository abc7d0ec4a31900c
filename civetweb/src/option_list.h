/* Options whose value is a list, as CivetWeb reads it. */
#ifndef AH_OPTION_LIST_H
#define AH_OPTION_LIST_H

#include <stdbool.h>

/* Check each entry of a value, without the white space around it, until one is refused; empty ones are none. False, with
 * the error set, then, or when out of memory. The option's name is passed on. */
bool option_list_check(const char *name, const char *value, bool (*check)(const char *name, const char *entry));

#endif
