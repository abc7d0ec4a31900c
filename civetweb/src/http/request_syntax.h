/* What a request's head must keep to (RFC 9112) and CivetWeb's parser lets pass. */
#ifndef AH_REQUEST_SYNTAX_H
#define AH_REQUEST_SYNTAX_H

#include "civetweb.h"

/* The status to refuse the request with, and in `reason` why; 0 when nothing is wrong with it.
 * `request` is as CivetWeb hands it to begin_request: its strings lie in the buffer that was read, each ended
 * by a NUL in the place of what followed it, the path decoded in place. `end` is the end of the head there.
 * Two readers of one connection must agree on where each request ends, or one client's bytes become another's
 * request: whatever a proxy in front could read differently is refused. */
int request_syntax_check(const struct mg_request_info *request, const char *end, const char **reason);

#endif
