/* CivetWeb's callbacks, turned into those of the spec. */
#ifndef AH_CALLBACKS_H
#define AH_CALLBACKS_H

#include <stdbool.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"

struct connection;

/* Fill CivetWeb's table: what the library itself needs, and an adapter for each callback in `wanted`.
 * The adapters find their server as CivetWeb's user data. */
/* What CivetWeb logs first on a thread that wants to know why something failed: its own error codes say less. */
struct log_listener {
    char text[256]; /* the first message; "" for none */
    struct log_listener *outer;
};

void log_listen(struct log_listener *listener);
void log_unlisten(void); /* the one that listened last */

void callbacks_install(struct mg_callbacks *table, const ah_callbacks *wanted);

/* Ask the program's httpError for an error page. False: it has none, or has sent nothing. */
bool callbacks_http_error(struct connection *connection, int status, const char *message);

#endif
