/* How long a call may wait for another server, and what ends the wait sooner. */
#ifndef AH_PATIENCE_H
#define AH_PATIENCE_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t until;               /* by clock_now() */
    const atomic_bool *canceled; /* the client is being stopped */
};

struct patience patience_of(int milliseconds, const atomic_bool *canceled);

/* How long one step of a wait may be: until the end, but not so long that a stop would have to wait. 0: it
 * is over. */
int patience_step(const struct patience *patience);

/* Whether the wait is over. */
bool patience_is_over(const struct patience *patience);

#define NO_OTHER_LIMIT (INT64_MAX / 2) /* milliseconds, which a time of the clock can be added to */

/* Wait until something happens to one of the sockets, while the patience lasts; `at_most` milliseconds. False: nothing
 * has. */
bool patience_poll(const struct patience *patience, struct pollfd *sockets, nfds_t count, int64_t at_most);

/* Set the error for a wait that is over. `place`: whom the wait was for; `step`: what for. */
void patience_error(const struct patience *patience, const char *place, const char *step, const char *option);

#endif
