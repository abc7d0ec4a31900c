/* Why the last call failed: one record for each thread, as errno is. */
#ifndef AH_ERRORS_H
#define AH_ERRORS_H

#include "alusus_http/alusus_http.h"

/* Forget the calling thread's error. Every exported function does this first, so that afterwards
 * "no error" means "this call succeeded". */
void error_clear(void);

/* Record why the current call fails. The text is for the person who has to act on it: what was
 * wrong and what to do. Text beyond the record's size is cut. */
void error_set(enum ah_error_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Record a failure of malloc. */
void error_set_no_memory(void);

#endif
