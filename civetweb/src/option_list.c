#include "option_list.h"

#include <stdlib.h>
#include <string.h>

#include "errors.h"

bool option_list_check(const char *name, const char *value, bool (*check)(const char *name, const char *entry))
{
    static const char space[] = " \t";
    char *copy = strdup(value), *entry, *rest;
    bool good = true;

    if (copy == NULL) {
        error_set_no_memory();
        return false;
    }
    for (entry = strtok_r(copy, ",", &rest); entry != NULL && good; entry = strtok_r(NULL, ",", &rest)) {
        char *end = entry + strlen(entry);

        entry += strspn(entry, space);
        while (end > entry && strchr(space, end[-1]) != NULL)
            *--end = '\0';
        good = *entry == '\0' || check(name, entry);
    }
    free(copy);
    return good;
}
