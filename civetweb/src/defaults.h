/* What a server does unless its options ask for something else, where CivetWeb's own choice is not the best or
 * not safe. */
#ifndef AH_DEFAULTS_H
#define AH_DEFAULTS_H

#include "options.h"

struct mg_context;

/* The default of an option when no option is given at all; null where it is CivetWeb's. */
const char *defaults_value(const char *name);

/* Complete the checked options of a server. False when out of memory, here and below. */
bool defaults_apply(struct options *options);

/* Complete those of a domain, which gets the rest from its server: scripts may run in one of them only, and what
 * does not run is hidden there. */
bool defaults_apply_to_domain(struct options *options, const struct mg_context *server);

#endif
