/* The files of the Unix sockets that a server is to listen at. */
#ifndef AH_UNIX_SOCKETS_H
#define AH_UNIX_SOCKETS_H

#include <stdbool.h>

/* Make room for them: the socket of a server that was killed is removed, for nobody accepts there. False, with the
 * error set, when a path cannot be listened at. `ports` is the option "listening_ports", or null. */
bool unix_sockets_make_room(const char *ports);

#endif
