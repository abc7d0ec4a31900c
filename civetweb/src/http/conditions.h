/* Conditional requests and ranges (RFC 9110 sections 13 and 14): what the client's headers ask of a representation. */
#ifndef AH_CONDITIONS_H
#define AH_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MAX_ENTITY_TAG 64

/* What is to be sent, as its headers name it. */
struct representation {
    char entity_tag[MAX_ENTITY_TAG]; /* quoted; strong */
    time_t modified;
    int64_t size;
};

/* The headers that the client sent; null for each that is missing. */
struct conditions {
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since, *if_range, *range;
};

/* The status that the conditions lead to for GET and HEAD, in the order of RFC 9110 section 13.2.2: 304, 412, or
 * 200 to go on. */
int conditions_status(const struct conditions *conditions, const struct representation *representation);

struct range {
    int64_t first, length;
};

/* The status for a GET that may ask for a part: 206 with the part in `range`, 416, or 200 with the whole. A header
 * that is malformed, conditioned on another representation or asks for several parts counts as none. */
int conditions_range(const struct conditions *conditions, const struct representation *representation,
                     struct range *range);

/* Whether an Accept-Encoding (null: missing) allows gzip. */
bool conditions_accept_gzip(const char *accept_encoding);

#endif
