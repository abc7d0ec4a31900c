/* What the runtime needs of CivetWeb beyond its public header; civetweb_unity.c alone reaches in. */
#ifndef AH_CIVETWEB_INTERNAL_H
#define AH_CIVETWEB_INTERNAL_H

#include <stdbool.h>

#include "civetweb.h"

/* Whether this request asks to upgrade to WebSocket at a URI that has a WebSocket handler, by
 * CivetWeb's own rules of matching (get_request_handler). */
bool civetweb_upgrades_to_web_socket(struct mg_connection *connection);

/* Whether nothing of the answer to this request has been sent yet. */
bool civetweb_answer_is_unsent(const struct mg_connection *connection);

#endif
