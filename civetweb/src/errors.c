#include "errors.h"

#include <stdarg.h>
#include <stdio.h>

struct error_record {
    enum ah_error_code code;
    char text[1024];
};

static _Thread_local struct error_record last_error;

void error_clear(void)
{
    last_error.code = AH_OK;
    last_error.text[0] = '\0';
}

void error_set(enum ah_error_code code, const char *format, ...)
{
    va_list values;

    last_error.code = code;
    va_start(values, format);
    vsnprintf(last_error.text, sizeof last_error.text, format, values);
    va_end(values);
}

void error_set_no_memory(void)
{
    error_set(AH_ERROR_NO_MEMORY, "out of memory");
}

const char *ah_last_error(void)
{
    return last_error.code == AH_OK ? NULL : last_error.text;
}

int32_t ah_last_error_code(void)
{
    return (int32_t)last_error.code;
}
