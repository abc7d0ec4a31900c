/* Checks of the test programs: a failed one is printed with its place, and the program goes on. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int failed_checks;

#define CHECK(condition) check_((condition), #condition, __FILE__, __LINE__)

/* `text` is there and holds `part`. */
#define CHECK_HOLDS(text, part) check_holds_((const char *)(text), (part), __FILE__, __LINE__)

static inline void check_(int holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    ++failed_checks;
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
}

static inline void check_holds_(const char *text, const char *part, const char *file, int line)
{
    if (text != NULL && strstr(text, part) != NULL)
        return;
    ++failed_checks;
    fprintf(stderr, "%s:%d: failed: \"%s\" should hold \"%s\"\n", file, line, text == NULL ? "(null)" : text, part);
}

#endif
