/* Texts of multipart bodies: the boundary of the whole, and the headers of a part (RFC 7578, RFC 2046). */
#ifndef AH_MULTIPART_H
#define AH_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_BOUNDARY 70 /* RFC 2046, section 5.1.1 */

/* Take the boundary out of a Content-Type; its size, or 0 when there is none that may be. */
size_t multipart_boundary(const char *content_type, char boundary[MAX_BOUNDARY]);

/* A parameter of a header such as Content-Disposition, copied; `*value` is null when it is not there. False when
 * memory is short. */
bool multipart_parameter(const char *header, size_t size, const char *name, char **value);

#endif
