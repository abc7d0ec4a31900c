/* What programs send to a WebSocket: checked, and queued by the policy for slow clients. */
#ifndef AH_MESSAGES_H
#define AH_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct sender;
struct shared_frame;

/* Whether a message may be sent at all. Sets the error. */
bool message_is_valid(int32_t opcode, const char *data, size_t size);

/* Whether anything may be sent now, with the sender's mutex. Sets the error. */
bool message_can_be_sent(const struct sender *sender);

/* Send a frame, which may wait until the loop has handled the events at hand, and leave with others then.
 * False when the connection does not get it: it is closing, or its queue is full. Waits for nobody. */
bool message_send_frame(struct connection *connection, struct shared_frame *frame, bool may_wait);

#endif
