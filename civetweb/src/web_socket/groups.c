#include "groups.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../connection.h"
#include "../errors.h"
#include "../server.h"
#include "frame.h"
#include "messages.h"
#include "runtime.h"
#include "shared_frame.h"
#include "web_sockets.h"

#define FIRST_CAPACITY 16

struct group {
    struct group *next; /* of the same place in the table */
    struct connection **members;
    size_t count, capacity;
    char name[];
};

void groups_init(struct groups *groups)
{
    pthread_rwlockattr_t writers_first;

    /* Else members could not leave while several threads go on writing to groups. */
    pthread_rwlockattr_init(&writers_first);
    pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&groups->lock, &writers_first);
    pthread_rwlockattr_destroy(&writers_first);
}

void groups_free(struct groups *groups)
{
    free(groups->table);
    pthread_rwlock_destroy(&groups->lock);
}

/* FNV-1a */
static uint64_t hash(const char *name)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        value = (value ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return value;
}

/* The link that leads to a group, or to the null where it would be; null without a table. */
static struct group **find_link(const struct groups *groups, const char *name)
{
    struct group **link;

    if (groups->capacity == 0)
        return NULL;
    link = &groups->table[hash(name) & (groups->capacity - 1)];
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static struct group *find(const struct groups *groups, const char *name)
{
    struct group **link = find_link(groups, name);

    return link == NULL ? NULL : *link;
}

static bool grow_table(struct groups *groups)
{
    size_t capacity = groups->capacity > 0 ? groups->capacity * 2 : FIRST_CAPACITY, i;
    struct group **table = calloc(capacity, sizeof *table);

    if (table == NULL)
        return false;
    for (i = 0; i < groups->capacity; i++) {
        struct group *group = groups->table[i], *next;

        for (; group != NULL; group = next) {
            size_t place = hash(group->name) & (capacity - 1);

            next = group->next;
            group->next = table[place];
            table[place] = group;
        }
    }
    free(groups->table);
    groups->table = table;
    groups->capacity = capacity;
    return true;
}

static struct group *add_group(struct groups *groups, const char *name)
{
    struct group **link, *group;
    size_t size = strlen(name) + 1;

    if (groups->count == groups->capacity && !grow_table(groups))
        return NULL;
    group = calloc(1, sizeof *group + size);
    if (group == NULL)
        return NULL;
    memcpy(group->name, name, size);
    link = find_link(groups, name);
    *link = group;
    groups->count++;
    return group;
}

static void remove_if_empty(struct groups *groups, struct group *group)
{
    if (group->count > 0)
        return;
    *find_link(groups, group->name) = group->next;
    groups->count--;
    free(group->members);
    free(group);
}

/* Make room for one more item of a list of pointers. */
static bool reserve(void **items, size_t count, size_t *capacity)
{
    size_t wanted = *capacity > 0 ? *capacity * 2 : 4;
    void *grown;

    if (count < *capacity)
        return true;
    grown = realloc(*items, wanted * sizeof(void *));
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static size_t place_in(const struct membership *membership, const struct group *group)
{
    size_t i;

    for (i = 0; i < membership->count && membership->groups[i] != group; i++)
        ;
    return i;
}

static void remove_member(struct groups *groups, struct group *group, const struct connection *connection)
{
    size_t i;

    for (i = 0; group->members[i] != connection; i++)
        ;
    group->members[i] = group->members[--group->count];
    remove_if_empty(groups, group);
}

void groups_leave_all(struct groups *groups, struct connection *connection)
{
    struct membership *membership = &connection->web_socket.membership;

    pthread_rwlock_wrlock(&groups->lock);
    while (membership->count > 0)
        remove_member(groups, membership->groups[--membership->count], connection);
    free(membership->groups);
    membership->groups = NULL;
    membership->capacity = 0;
    pthread_rwlock_unlock(&groups->lock);
}

static bool join(struct groups *groups, struct connection *connection, const char *name)
{
    struct membership *membership = &connection->web_socket.membership;
    struct group *group = find(groups, name);

    if (group != NULL && place_in(membership, group) < membership->count)
        return true;
    if (group == NULL)
        group = add_group(groups, name);
    if (group == NULL)
        return false;
    if (!reserve((void **)&group->members, group->count, &group->capacity) ||
        !reserve((void **)&membership->groups, membership->count, &membership->capacity)) {
        remove_if_empty(groups, group);
        return false;
    }
    group->members[group->count++] = connection;
    membership->groups[membership->count++] = group;
    return true;
}

int32_t rt_join_group(struct connection *connection, const char *name)
{
    struct groups *groups = &web_sockets_of(connection)->groups;
    struct sender *sender = &connection->web_socket.sender;
    bool open, joined = false;

    /* Under the lock, for the end of the connection takes it to leave all groups. */
    pthread_rwlock_wrlock(&groups->lock);
    pthread_mutex_lock(&sender->mutex);
    open = message_can_be_sent(sender);
    pthread_mutex_unlock(&sender->mutex);
    if (open) {
        joined = join(groups, connection, name);
        if (!joined)
            error_set_no_memory();
    }
    pthread_rwlock_unlock(&groups->lock);
    return joined ? 0 : -1;
}

int32_t rt_leave_group(struct connection *connection, const char *name)
{
    struct groups *groups = &web_sockets_of(connection)->groups;
    struct membership *membership = &connection->web_socket.membership;
    struct group *group;
    size_t place;

    pthread_rwlock_wrlock(&groups->lock);
    group = find(groups, name);
    if (group != NULL && (place = place_in(membership, group)) < membership->count) {
        membership->groups[place] = membership->groups[--membership->count];
        remove_member(groups, group, connection);
    }
    pthread_rwlock_unlock(&groups->lock);
    return 0;
}

/* Send to all members but one; returns how many got it. The frame is made once, and nobody is waited
 * for: a member whose queue is full is treated as the policy says, a blocking one as by "drop".
 *
 * What callbacks write is gathered until the loop has handled the events at hand: what the system does for
 * each send takes most of the time, and is the same for one frame and for all those of a busy chat. */
static int32_t write_to_group(struct web_sockets *sockets, const struct connection *left_out, const char *name,
                              int32_t opcode, const char *data, size_t size)
{
    bool in_callback = server_is_in_callback();
    struct shared_frame *frame;
    struct group *group;
    int32_t count = 0;
    size_t i;

    if (opcode == OPCODE_CLOSE) {
        error_set(AH_ERROR_INVALID_ARGUMENT, "a close frame is sent to one WebSocket at a time: use closeWebSocket");
        return -1;
    }
    if (!message_is_valid(opcode, data, size))
        return -1;
    frame = shared_frame_new(opcode, data, size);
    if (frame == NULL) {
        error_set_no_memory();
        return -1;
    }

    pthread_rwlock_rdlock(&sockets->groups.lock);
    group = find(&sockets->groups, name);
    for (i = 0; group != NULL && i < group->count; i++)
        if (group->members[i] != left_out && message_send_frame(group->members[i], frame, in_callback))
            count++;
    pthread_rwlock_unlock(&sockets->groups.lock);
    shared_frame_release(frame);
    if (!opcode_is_control(opcode)) {
        statistics_add(&sockets->statistics, MESSAGES_SENT, count);
        statistics_add(&sockets->statistics, BYTES_SENT, (int64_t)size * count);
    }
    return count;
}

int32_t rt_write_to_group(struct server *server, const char *name, int32_t opcode, const char *data, size_t data_len)
{
    return write_to_group(&server->web_sockets, NULL, name, opcode, data, data_len);
}

int32_t rt_write_text_to_group(struct server *server, const char *name, const char *data, size_t data_len)
{
    return rt_write_to_group(server, name, OPCODE_TEXT, data, data_len);
}

int32_t rt_write_binary_to_group(struct server *server, const char *name, const char *data, size_t data_len)
{
    return rt_write_to_group(server, name, OPCODE_BINARY, data, data_len);
}

int32_t rt_write_to_others_in_group(struct connection *connection, const char *name, int32_t opcode, const char *data,
                                    size_t data_len)
{
    return write_to_group(web_sockets_of(connection), connection, name, opcode, data, data_len);
}
