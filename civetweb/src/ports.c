/* Where a server listens. */
#include <stdlib.h>

#include "civetweb_internal.h"
#include "errors.h"
#include "runtime.h"
#include "server.h"

#define PROTOCOL_IPV6 3 /* of mg_server_port; a socket for both families is an IPv6 one */

/* The listeners on a TCP port, and how many there are; null, with the error set, when out of memory. */
static struct mg_server_port *read_ports(struct server *server, int *count)
{
    int room = civetweb_listeners(server->civetweb);
    struct mg_server_port *ports = calloc((size_t)room, sizeof *ports);

    if (ports == NULL) {
        error_set_no_memory();
        return NULL;
    }
    pthread_mutex_lock(&server->mutex);
    *count = mg_get_server_ports(server->civetweb, room, ports);
    pthread_mutex_unlock(&server->mutex);
    return ports;
}

int32_t rt_get_server_ports(struct server *server, ah_server_port *ports, size_t capacity)
{
    int count, i;
    struct mg_server_port *found = read_ports(server, &count);

    if (found == NULL)
        return -1;
    for (i = 0; i < count && (size_t)i < capacity; i++)
        ports[i] = (ah_server_port){
            .port = found[i].port,
            .is_ssl = found[i].is_ssl,
            .is_redirect = found[i].is_redirect,
            .is_ipv6 = found[i].protocol == PROTOCOL_IPV6,
        };
    free(found);
    return count;
}

int32_t rt_get_server_port(struct server *server)
{
    ah_server_port first;
    int32_t count = rt_get_server_ports(server, &first, 1);

    if (count > 0)
        return first.port;
    if (count == 0)
        error_set(AH_ERROR_WRONG_STATE, "this server has no TCP port: it listens on Unix sockets only");
    return -1;
}
