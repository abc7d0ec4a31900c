#define _GNU_SOURCE /* timegm */
#include "dates.h"

#include <stdio.h>
#include <string.h>

/* strftime and strptime would follow the program's locale. */
static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void date_format(time_t time, char text[DATE_SIZE])
{
    struct tm at;

    gmtime_r(&time, &at);
    snprintf(text, DATE_SIZE, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * at.tm_wday, at.tm_mday,
             months + 3 * at.tm_mon, at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

static int month_number(const char *name)
{
    const char *found = strlen(name) == 3 ? strstr(months, name) : NULL;

    return found == NULL || (found - months) % 3 != 0 ? -1 : (int)(found - months) / 3;
}

time_t date_parse(const char *text)
{
    struct tm at = {0};
    char month[4];
    int end = 0;
    const char *day = strchr(text, ',');

    if (day != NULL && sscanf(day, ", %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &at.tm_mday, month, &at.tm_year, &at.tm_hour,
                              &at.tm_min, &at.tm_sec, &end) == 6 && end > 0)
        ; /* Sun, 06 Nov 1994 08:49:37 GMT */
    else if (day != NULL && sscanf(day, ", %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &at.tm_mday, month, &at.tm_year,
                                   &at.tm_hour, &at.tm_min, &at.tm_sec, &end) == 6 && end > 0)
        at.tm_year += at.tm_year < 70 ? 2000 : 1900; /* Sunday, 06-Nov-94 08:49:37 GMT */
    else if (day != NULL || sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month, &at.tm_mday, &at.tm_hour,
                                   &at.tm_min, &at.tm_sec, &at.tm_year, &end) != 6 || end == 0)
        return -1; /* else Sun Nov  6 08:49:37 1994 */
    at.tm_mon = month_number(month);
    at.tm_year -= 1900;
    return at.tm_mon < 0 ? -1 : timegm(&at);
}
