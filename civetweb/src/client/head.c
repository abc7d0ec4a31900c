#include "head.h"

#include <ctype.h>
#include <string.h>

#include "../http/fields.h"
#include "../http/header_list.h"

#define MAX_HEADERS ((int)(sizeof((ah_response_info *)0)->http_headers / sizeof(ah_header)))

/* "HTTP/1.1 200 OK": the version, three digits, and any text. Ends its parts with NULs. */
static bool parse_status(char *line, ah_response_info *info)
{
    char *status = line + 8;

    if (strlen(line) < 12 || strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || status[0] != ' ' ||
        !isdigit((unsigned char)status[1]) || !isdigit((unsigned char)status[2]) || !isdigit((unsigned char)status[3]) ||
        (status[4] != ' ' && status[4] != '\0') || strpbrk(line, "\r\n") != NULL)
        return false;
    info->status_code = (status[1] - '0') * 100 + (status[2] - '0') * 10 + status[3] - '0';
    info->status_text = status[4] == ' ' ? status + 5 : status + 4;
    info->http_version = line + 5;
    status[0] = '\0';
    return info->status_code >= 100;
}

/* A header line. White space before the colon, and folded lines, are how requests are smuggled (section 5). */
static bool parse_header(char *line, ah_header *header)
{
    char *colon = strchr(line, ':');
    struct text value;

    if (colon == NULL)
        return false;
    *colon = '\0';
    value = trim(colon + 1, colon + 1 + strlen(colon + 1));
    header->name = line;
    header->value = value.start;
    ((char *)value.start)[value.length] = '\0';
    return is_token(header->name);
}

static bool parse_lines(char *head, size_t size, ah_response_info *info)
{
    char *line = head, *end;
    ah_header header;
    bool valid;

    if (memchr(head, '\0', size) != NULL)
        return false;
    head[size - 2] = '\0'; /* the empty line */
    end = strstr(line, "\r\n");
    *end = '\0';
    valid = parse_status(line, info);
    for (line = end + 2; valid && *line != '\0'; line = end + 2) {
        end = strstr(line, "\r\n");
        *end = '\0';
        valid = strpbrk(line, "\r\n") == NULL && parse_header(line, &header);
        valid = valid && info->number_headers < MAX_HEADERS;
        if (valid)
            info->http_headers[info->number_headers++] = header;
    }
    return valid;
}

/* Content-Length, -1 without one; false for one that is no number or not the same everywhere (section 6.3). */
static bool parse_length(ah_response_info *info)
{
    struct header_items items = header_items(info->http_headers, info->number_headers, "Content-Length");
    struct text item;

    info->content_length = -1;
    while (next_header_item(&items, &item)) {
        int64_t length = 0;
        size_t i;

        if (item.length > 18)
            return false;
        for (i = 0; i < item.length; i++) {
            if (!isdigit((unsigned char)item.start[i]))
                return false;
            length = length * 10 + item.start[i] - '0';
        }
        if (info->content_length != -1 && info->content_length != length)
            return false;
        info->content_length = length;
    }
    return true;
}

bool head_parse(char *head, size_t size, ah_response_info *info)
{
    return parse_lines(head, size, info) && parse_length(info);
}
