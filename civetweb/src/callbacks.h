/* CivetWeb's callbacks, turned into those of the spec. */
#ifndef AH_CALLBACKS_H
#define AH_CALLBACKS_H

#include <stdbool.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"

struct connection;

/* Fill CivetWeb's table: what the library itself needs, and an adapter for each callback in `wanted`.
 * The adapters find their server as CivetWeb's user data. `tls`: the server has a TLS port. */
void callbacks_install(struct mg_callbacks *table, const ah_callbacks *wanted, bool tls);

/* Ask the program's httpError for an error page. False: it has none, or has sent nothing. */
bool callbacks_http_error(struct connection *connection, int status, const char *message);

#endif
