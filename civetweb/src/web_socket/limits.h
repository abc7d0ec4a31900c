/* What a WebSocket may use and how long it may take: the options whose names begin with websocket_. */
#ifndef AH_LIMITS_H
#define AH_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

struct option_info;
struct options;

/* What happens to a message for a client whose queue is full. */
enum queue_policy {
    QUEUE_CLOSE, /* the client is too slow: end its connection */
    QUEUE_DROP,  /* the message is dropped, and the sender told so */
    QUEUE_BLOCK, /* the sender waits, unless it is one of the library's own threads */
};

/* Bytes in a second, at which a message may arrive for as long as it takes. */
#define LEAST_PACE 1024

struct web_socket_limits {
    size_t max_message_size; /* bytes */
    size_t max_queue_size;   /* bytes */
    enum queue_policy queue_policy;
    size_t max_connections;
    int threads;
    int ping_interval; /* milliseconds, as all below; 0: never */
    int ping_timeout;
    int message_timeout; /* and one second more for each LEAST_PACE bytes; 0: none */
    int idle_timeout;
    int close_timeout;
    bool compression;
    char *origins; /* owned; null: any */
};

/* Take the library's own options out of the list, which goes to CivetWeb. The strings are checked, and
 * those that last are copied. False, with the error set, for a value that is not allowed. */
bool limits_take(struct web_socket_limits *limits, struct options *options);

/* The options that limits_take knows, by index. False when there is none of that index. */
bool limits_option(size_t index, struct option_info *option);

/* The value of such an option; null when it has none. A number is written to `text`, which holds
 * LIMIT_TEXT_SIZE characters. */
const char *limits_value(const struct web_socket_limits *limits, size_t index, char *text);

#define LIMIT_TEXT_SIZE 24

#endif
