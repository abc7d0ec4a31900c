/* The parts of header fields (RFC 9110, section 5). Nothing that a program gives ends a header line. */
#ifndef AH_FIELDS_H
#define AH_FIELDS_H

#include <stdbool.h>

/* Whether text is a token: a method, a field name (section 5.6.2). */
bool is_token(const char *text);

/* Whether text is a field name, a token, or else the error is set. */
bool field_name_check(const char *name);

/* Whether text can be the value of that field, or else the error is set. */
bool field_value_check(const char *name, const char *value);

#endif
