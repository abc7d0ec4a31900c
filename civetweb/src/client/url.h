/* URLs of servers (RFC 3986; RFC 6455, section 3; RFC 9110, section 4.2). */
#ifndef AH_URL_H
#define AH_URL_H

#include <stdbool.h>

#define MAX_URL_SIZE 8192
#define MAX_HOST_SIZE 253 /* of a name of the DNS (RFC 1035, section 2.3.4, as text) */

struct url {
    bool secure;
    bool at_socket;               /* the host is the path of a unix socket */
    char host[MAX_HOST_SIZE + 1]; /* without the brackets of an IPv6 address */
    int port;
    char authority[MAX_HOST_SIZE + 10]; /* as the Host header has it */
    char place[MAX_HOST_SIZE + 20];     /* for the texts of errors: "example.org port 80" */
    const char *target;                 /* path and query, in the string that was parsed; may lack its slash */
};

enum url_kind { URL_WEB_SOCKET, URL_HTTP };

/* Take a URL apart. False, with the error set, for one that is not of this kind, or has what no request
 * may have: spaces, line ends, user names, fragments. */
bool url_parse(struct url *url, const char *text, enum url_kind kind);

/* What to write before `target`: an empty path is written as a slash (RFC 9112, section 3.2.1). */
const char *url_slash(const struct url *url);

#endif
