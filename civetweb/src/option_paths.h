/* The files and folders that options name: what cannot be used is refused at the start, since CivetWeb would go on
 * without it, and without a word. */
#ifndef AH_OPTION_PATHS_H
#define AH_OPTION_PATHS_H

#include <stdbool.h>

#include "civetweb.h"
#include "options.h"

/* Refuse a path that cannot be used. Sets the error. */
bool option_paths_check(const struct options *options);

/* Refuse a file that cannot be read, if the option is given. */
bool option_paths_check_readable(const struct options *options, const char *name);

/* Have the log say that there is nothing at the path of the "document_root", if so. It is no error: programs that
 * answer everything themselves have always been able to name a folder that is made later, or never. */
void option_paths_tell_missing_root(const struct options *options, struct mg_context *civetweb);

#endif
