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

/* Give an option a value, a constant, unless it has one. False, with the error set, when out of memory. */
bool options_default(struct options *options, const char *name, const char *value);

/* Refuse what CivetWeb would refuse without a reason, or take without a word. Sets the error.
 * `certified`: a callback brings the certificates for TLS, so that no option has to. */
bool options_check(const struct options *options, bool certified);

/* The value of an option; null when it is not given. */
const char *options_value(const struct options *options, const char *name);

/* The same, and remove the option. */
const char *options_take(struct options *options, const char *name);

/* An option that startServer takes; all strings are constants. */
struct option_info {
    const char *name;
    const char *kind;  /* as getValidOptions says */
    const char *value; /* the default; null for none */
};

/* The options, by index from 0: CivetWeb's, then the library's own. False when there is none of that index. */
bool options_known(size_t index, struct option_info *option);

/* Say in the error that there is no such option, and which is meant perhaps, if one is near. */
void options_set_unknown_error(const char *name);

/* Whether a port of the value of "listening_ports" speaks TLS, or leads to one that does. */
bool options_ask_for_tls(const char *ports);

/* The longest time that an option of milliseconds takes. */
#define DAY_MS (24L * 60 * 60 * 1000)

/* Take a whole number, or a "yes" or "no", out of the list; `value` holds the default, and keeps it when
 * the option is not given. False, with the error set, for another value. */
bool options_take_number(struct options *options, const char *name, long least, long greatest, long *value);
bool options_take_flag(struct options *options, const char *name, bool *value);

/* Refuse a name without a value. */
bool options_check_pairs(const struct options *options);

void options_free(struct options *options);

#endif
