#include "checks.h"

#include <inttypes.h>

#include "errors.h"

bool check_given(const char *name, bool given)
{
    if (given)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "%s is null; it has to be given", name);
    return false;
}

bool check_length(const char *name, int64_t length)
{
    if (length >= 0)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "%s is %" PRId64 "; a length is not negative", name, length);
    return false;
}

bool check_data(const char *name, const void *data, uint64_t length)
{
    return check_given(name, data != NULL || length == 0);
}
