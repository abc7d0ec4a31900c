/* Groups of WebSockets: what is written to a group goes to all of its members. */
#ifndef AH_GROUPS_H
#define AH_GROUPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct connection;
struct group;

/* The groups of a server. A group exists as long as it has members. */
struct groups {
    pthread_rwlock_t lock; /* guards all groups and every connection's membership */
    struct group **table;  /* by the hash of the name; a power of two, or none yet */
    size_t capacity, count;
};

/* The groups that a connection is in. */
struct membership {
    struct group **groups;
    size_t count, capacity;
};

void groups_init(struct groups *groups);

/* When no connection is left, and so no group. */
void groups_free(struct groups *groups);

/* Take a connection out of all groups, before it is freed. */
void groups_leave_all(struct groups *groups, struct connection *connection);

#endif
