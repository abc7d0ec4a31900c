/* Reading and writing a transport in the manner of a call that waits. */
#ifndef AH_STREAM_H
#define AH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../web_socket/transport.h"
#include "patience.h"

/* Wait for `events` (POLLIN or POLLOUT), or for what TLS wants just now. False: the time is over. */
bool stream_wait(const struct transport *transport, short events, const struct patience *patience);

/* What has arrived, at least one byte. Or as transport_read returns it: TRANSPORT_LATER is that the time
 * is over. */
ssize_t stream_read(struct transport *transport, void *buffer, size_t size, const struct patience *patience);

/* Write all of the bytes: returns 1, TRANSPORT_FAILED, or TRANSPORT_LATER when the time is over. */
ssize_t stream_write(struct transport *transport, const void *data, size_t size, const struct patience *patience);

#endif
