#include "header_list.h"

#include <string.h>
#include <strings.h>

bool text_is(struct text text, const char *string)
{
    return strlen(string) == text.length && strncasecmp(text.start, string, text.length) == 0;
}

struct text trim(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct text){start, (size_t)(end - start)};
}

bool next_item(const char **at, const char *end, char separator, struct text *item)
{
    const char *start = *at;
    bool quoted = false;

    if (start == NULL || start > end)
        return false;
    for (; *at < end && (quoted || **at != separator); ++*at) {
        if (quoted && **at == '\\' && *at + 1 < end)
            ++*at;
        else if (**at == '"')
            quoted = !quoted;
    }
    *item = trim(start, *at);
    ++*at; /* past the separator, or past the end: then the next call says so */
    return true;
}

struct header_items header_items(const ah_header *headers, int count, const char *name)
{
    return (struct header_items){.headers = headers, .count = count, .name = name};
}

bool next_header_item(struct header_items *items, struct text *item)
{
    for (;;) {
        const ah_header *header;

        while (next_item(&items->at, items->end, ',', item))
            if (item->length > 0)
                return true;
        do {
            if (items->index == items->count)
                return false;
            header = &items->headers[items->index++];
        } while (strcasecmp(header->name, items->name) != 0);
        items->at = header->value;
        items->end = header->value + strlen(header->value);
    }
}

bool header_lists(const ah_header *headers, int count, const char *name, const char *wanted)
{
    struct header_items items = header_items(headers, count, name);
    struct text item;

    while (next_header_item(&items, &item))
        if (text_is(item, wanted))
            return true;
    return false;
}

const char *only_header(const ah_header *headers, int count, const char *name)
{
    const char *value = NULL;
    int i;

    for (i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, name) != 0)
            continue;
        if (value != NULL)
            return NULL;
        value = headers[i].value;
    }
    return value;
}
