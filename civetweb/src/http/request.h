/* The body of a request, on its way in. */
#ifndef AH_REQUEST_H
#define AH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

/* Read what there is of the body, up to `size` bytes, waiting for the first one only. 0 at its end; -1 with
 * the error set. */
int32_t request_read(struct connection *connection, void *buffer, size_t size);

/* Send "100 Continue" to a client that waits for it. */
void request_ask_for_body(struct connection *connection);

/* Whether what is left of the body follows by itself. If the client waits for "100 Continue", which it has
 * not been sent, it may or may not: the connection cannot be used again (RFC 9110, section 10.1.1). */
bool request_body_will_come(const struct connection *connection);

/* Read what is left of the body of a request that has been answered, so that the connection can go on behind it; or
 * have the connection closed, when there is so much left that a new one is cheaper (RFC 9112, section 9.3). */
void request_skip_body(struct connection *connection);

#endif
