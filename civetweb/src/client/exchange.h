/* A request to another server, and its response: what a client's HTTP connection is. */
#ifndef AH_EXCHANGE_H
#define AH_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

struct client;
struct connection;

/* Read the next part of the response's body, as rt_read does. */
int32_t exchange_read(struct connection *connection, void *buffer, size_t size);

/* End all of a client's connections that exchanges use, when no more of them can begin. */
void exchanges_end(struct client *client);

#endif
