/* What a Sec-WebSocket-Extensions header says of permessage-deflate (RFC 7692, section 7.1). */
#ifndef AH_EXTENSION_H
#define AH_EXTENSION_H

#include <stdbool.h>

#include "../http/header_list.h"
#include "deflate.h"

/* Read a client's offer, or a server's answer. False: it is another extension, or has a parameter that is
 * unknown, repeated or wrong. */
bool extension_read(struct text extension, bool answer, struct deflate_parameters *read);

#endif
