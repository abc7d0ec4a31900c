/* The options of startServer: checked before CivetWeb sees them, so that an error can say what to do. */
#ifndef AH_OPTIONS_H
#define AH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* A list of names and values for CivetWeb, ended by a null; it points to the caller's strings. */
struct options {
    const char **list;
    size_t count;
};

/* Copy `count` entries; a null entry ends the list earlier. `options_free` works after a failure, too. */
bool options_copy(struct options *options, const char *const *entries, size_t count);

/* Append a name with its value unless the caller has given one. The strings are not copied. */
bool options_default(struct options *options, const char *name, const char *value);

/* Refuse what CivetWeb would refuse without a reason, or take without a word. Sets the error.
 * `certified`: a callback brings the certificates for TLS, so that no option has to. */
bool options_check(const struct options *options, bool certified);

/* The value of an option; null when it is not given. */
const char *options_value(const struct options *options, const char *name);

/* The same, and remove the option. */
const char *options_take(struct options *options, const char *name);

void options_free(struct options *options);

#endif
