/* The addresses of a host. */
#ifndef AH_RESOLVE_H
#define AH_RESOLVE_H

#include <netdb.h>

#include "patience.h"
#include "url.h"

/* NULL, with the error set, when there are none or the time is over. The caller frees the result with
 * freeaddrinfo. */
struct addrinfo *resolve(const struct url *url, const struct patience *patience);

#endif
