/* What a WebSocket may use and how long it may take: the options whose names begin with websocket_. */
#ifndef AH_LIMITS_H
#define AH_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

struct options;

/* What happens to a message for a client whose queue is full. */
enum queue_policy {
    QUEUE_CLOSE, /* the client is too slow: end its connection */
    QUEUE_DROP,  /* the message is dropped, and the sender told so */
    QUEUE_BLOCK, /* the sender waits, unless it is one of the library's own threads */
};

struct web_socket_limits {
    size_t max_message_size; /* bytes */
    size_t max_queue_size;   /* bytes */
    enum queue_policy queue_policy;
    size_t max_connections;
    int threads;
    int ping_interval; /* milliseconds, as all below; 0: never */
    int ping_timeout;
    int idle_timeout;
    int close_timeout;
    bool compression;
    char *origins; /* owned; null: any */
};

/* Take the library's own options out of the list, which goes to CivetWeb. The strings are checked, and
 * those that last are copied. False, with the error set, for a value that is not allowed. */
bool limits_take(struct web_socket_limits *limits, struct options *options);

/* The names of the options that limits_take knows, ended by null. */
extern const char *const limits_option_names[];

#endif
