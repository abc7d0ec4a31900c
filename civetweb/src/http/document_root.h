/* Opening the files that a server gives out: below its document root, and not hidden. */
#ifndef AH_DOCUMENT_ROOT_H
#define AH_DOCUMENT_ROOT_H

#include <stdbool.h>

#include "../options.h"

/* What the options "follow_symlinks" and "serve_hidden_files" allow; both are off unless asked for. */
struct file_rules {
    bool follow_symlinks; /* also out of the document root */
    bool serve_hidden;    /* names that begin with a dot */
};

#define DOCUMENT_ROOT_OPTIONS 2

/* These options, by index. False when there is none of that index. */
bool document_root_option(size_t index, struct option_info *option);

/* "yes" or "no" for the option of an index. */
const char *document_root_value(const struct file_rules *rules, size_t index);

/* Take the rules out of the options. Sets the error: a wrong value, or a kernel that cannot keep to them. */
bool document_root_take_rules(struct file_rules *rules, struct options *options);

/* Open the file `path` names below the folder `root` ("" and "/" are the folder itself); -1 with errno.
 * However the tree changes meanwhile, what is opened lies below `root`: openat2(2), RESOLVE_BENEATH. It is
 * opened so that a FIFO cannot hold the caller up. Any thread. */
int document_root_open(const struct file_rules *rules, const char *root, const char *path, int flags);

#endif
