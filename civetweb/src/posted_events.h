/* What a program is told about the exchanges of a connection; alusus_http_events.h has what the events hold. All is
 * called by whoever holds the mutex of the posted exchange. */
#ifndef AH_POSTED_EVENTS_H
#define AH_POSTED_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

/* Write down where the connection goes from and to, which every request's event says. Once, before the first. */
void posted_events_note_addresses(struct connection *connection);

/* Post the request that CivetWeb has read, with what has come of its body. False when nobody gets it: memory is
 * short, or the queue is closed. */
bool posted_events_request(struct connection *connection);

/* Post another event of the exchange: an ah_exchange_event, with flags and data, which is copied. Without memory for
 * it, the program is not told. */
void posted_events_tell(struct connection *connection, int what, int32_t flags, const void *data, size_t size);

#endif
