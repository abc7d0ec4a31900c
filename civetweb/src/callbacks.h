/* CivetWeb's callbacks, turned into those of the spec. */
#ifndef AH_CALLBACKS_H
#define AH_CALLBACKS_H

#include "alusus_http/alusus_http.h"
#include "civetweb.h"

/* Fill CivetWeb's table: what the library itself needs, and an adapter for each callback in `wanted`.
 * The adapters find their server as CivetWeb's user data. */
void callbacks_install(struct mg_callbacks *table, const ah_callbacks *wanted);

#endif
