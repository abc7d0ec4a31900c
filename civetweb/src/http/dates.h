/* Dates in headers (RFC 9110, section 5.6.7), in English whatever locale the program has set. */
#ifndef AH_DATES_H
#define AH_DATES_H

#include <time.h>

#define DATE_SIZE 40

/* Write a time as "Sun, 06 Nov 1994 08:49:37 GMT". */
void date_format(time_t time, char text[DATE_SIZE]);

/* A date in any of the forms of that section; -1 when it is none. */
time_t date_parse(const char *text);

#endif
