#include "conditions.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dates.h"

#define BLANKS " \t"

/* A list of entity tags; "*" means whichever there is. A weak tag (W/) matches in the weak comparison only. */
static bool list_has_tag(const char *list, const char *tag, bool weak_too)
{
    const char *at = list + strspn(list, BLANKS);

    if (*at == '*')
        return true;
    while (*at != '\0') {
        bool weak = strncmp(at, "W/", 2) == 0;
        const char *start = weak ? at + 2 : at, *end;

        if (*start != '"' || (end = strchr(start + 1, '"')) == NULL)
            return false;
        end++;
        if ((weak_too || !weak) && strlen(tag) == (size_t)(end - start) && strncmp(start, tag, strlen(tag)) == 0)
            return true;
        at = end + strspn(end, BLANKS ",");
    }
    return false;
}

/* A date that is none, or lies in the future, conditions nothing. */
static bool is_modified_after(time_t modified, const char *date)
{
    time_t since = date_parse(date);

    return since == -1 || since > time(NULL) || modified > since;
}

int conditions_status(const struct conditions *conditions, const struct representation *representation)
{
    const char *tag = representation->entity_tag;

    if (conditions->if_match != NULL) {
        if (!list_has_tag(conditions->if_match, tag, false))
            return 412;
    } else if (conditions->if_unmodified_since != NULL) {
        time_t since = date_parse(conditions->if_unmodified_since);

        if (since != -1 && representation->modified > since)
            return 412;
    }
    if (conditions->if_none_match != NULL)
        return list_has_tag(conditions->if_none_match, tag, true) ? 304 : 200;
    if (conditions->if_modified_since != NULL &&
        !is_modified_after(representation->modified, conditions->if_modified_since))
        return 304;
    return 200;
}

/* If-Range: a strong entity tag, or exactly the date of Last-Modified. */
static bool is_same(const char *if_range, const struct representation *representation)
{
    if (*if_range == '"' || strncmp(if_range, "W/", 2) == 0)
        return strcmp(if_range, representation->entity_tag) == 0;
    return date_parse(if_range) == representation->modified;
}

/* Digits, as many as there are; a number beyond 63 bits becomes the greatest. False without any. */
static bool take_number(const char **at, int64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return false;
    *number = strtoll(*at, &end, 10);
    *at = end;
    return true;
}

int conditions_range(const struct conditions *conditions, const struct representation *representation,
                     struct range *range)
{
    static const char unit[] = "bytes=";
    int64_t size = representation->size, first = 0, last = INT64_MAX;
    const char *at = conditions->range;
    bool is_suffix;

    *range = (struct range){0, size};
    if (at == NULL || strncasecmp(at, unit, strlen(unit)) != 0 ||
        (conditions->if_range != NULL && !is_same(conditions->if_range, representation)))
        return 200;
    at += strlen(unit);
    is_suffix = !take_number(&at, &first);
    if (*at++ != '-' || (!take_number(&at, &last) && is_suffix) || at[strspn(at, BLANKS)] != '\0' ||
        (!is_suffix && last < first))
        return 200;
    if (is_suffix) {
        first = last < size ? size - last : 0;
        if (last == 0)
            return 416;
        last = size - 1;
    }
    if (first >= size)
        return 416;
    if (last >= size)
        last = size - 1;
    *range = (struct range){first, last - first + 1};
    return 206;
}

/* Whether the parameters of a content coding say that it is not wanted: q=0. strtod would follow the locale. */
static bool is_refused(const char *parameters, size_t length)
{
    const char *q = memchr(parameters, '=', length);

    return q != NULL && q[1] == '0' && strspn(q + 1, "0.") == strcspn(q + 1, BLANKS ";,");
}

bool conditions_accept_gzip(const char *accept_encoding)
{
    const char *at = accept_encoding == NULL ? "" : accept_encoding;

    while (*(at += strspn(at, BLANKS ",")) != '\0') {
        size_t length = strcspn(at, ","), name = strcspn(at, BLANKS ";,");

        if ((name == 4 && strncasecmp(at, "gzip", 4) == 0) || (name == 1 && *at == '*'))
            return !is_refused(at + name, length - name);
        at += length;
    }
    return false;
}
