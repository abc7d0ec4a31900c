/* Options whose texts have a format of their own: CivetWeb passes over what it cannot read in them, without a word, or
 * sends it as it is. */
#ifndef AH_OPTION_FORMATS_H
#define AH_OPTION_FORMATS_H

#include <stdbool.h>

/* Refuse the value of an option that does not have its format. Sets the error. */
bool option_format_check(const char *name, const char *value);

#endif
