/* The head of a response taken apart (RFC 9112, sections 4 and 5), without any socket. */
#ifndef AH_HEAD_H
#define AH_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "alusus_http/alusus_http.h"

/* Parse a head with its empty line, in place: `info`, which has been zeroed, points into it. False: it is malformed. */
bool head_parse(char *head, size_t size, ah_response_info *info);

#endif
