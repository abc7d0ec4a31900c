#include "patience.h"

#include "../clock.h"
#include "../errors.h"

/* A stop is noticed after this time, at the latest. */
#define STEP_MS 50

struct patience patience_of(int milliseconds, const atomic_bool *canceled)
{
    return (struct patience){clock_now() + milliseconds, canceled};
}

int patience_step(const struct patience *patience)
{
    int64_t left = patience->until - clock_now();

    if (left <= 0 || atomic_load(patience->canceled))
        return 0;
    return left < STEP_MS ? (int)left : STEP_MS;
}

bool patience_is_over(const struct patience *patience)
{
    return patience_step(patience) == 0;
}

bool patience_poll(const struct patience *patience, struct pollfd *sockets, nfds_t count, int64_t at_most)
{
    int64_t end = clock_now() + at_most;

    for (;;) {
        int64_t left = end - clock_now();
        int step = patience_step(patience);

        if (poll(sockets, count, left < step ? (int)(left > 0 ? left : 0) : step) > 0)
            return true;
        if (left <= 0 || step == 0)
            return false;
    }
}

void patience_error(const struct patience *patience, const char *place, const char *step, const char *option)
{
    if (atomic_load(patience->canceled))
        error_set(AH_ERROR_CONNECTION_CLOSED, "%s: %s ended, for the client is being stopped", place, step);
    else
        error_set(AH_ERROR_TIMED_OUT, "%s: %s took longer than the option \"%s\" allows", place, step, option);
}
