#include "sent_head.h"

static const char end[] = {'\r', '\n', '\r', '\n'};

void sent_head_note(struct sent_head *head, const char *data, size_t size)
{
    size_t i;

    for (i = 0; i < size && head->matched < (int)sizeof end; i++) {
        if (data[i] == end[head->matched])
            head->matched++;
        else
            head->matched = data[i] == end[0] ? 1 : 0;
        head->size++;
    }
}
