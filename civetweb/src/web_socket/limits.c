#include "limits.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../errors.h"
#include "../options.h"

#define MEBIBYTE ((long)1 << 20)
#define MAX_THREADS 1024
#define DAY_MS (24L * 60 * 60 * 1000)

enum number {
    MAX_MESSAGE_SIZE,
    MAX_QUEUE_SIZE,
    MAX_CONNECTIONS,
    THREADS,
    PING_INTERVAL,
    PING_TIMEOUT,
    IDLE_TIMEOUT,
    CLOSE_TIMEOUT,
    NUMBERS
};

static const struct {
    const char *name;
    long least, greatest, value;
} numbers[NUMBERS] = {
    [MAX_MESSAGE_SIZE] = {"websocket_max_message_size", 1, INT_MAX, MEBIBYTE},
    [MAX_QUEUE_SIZE] = {"websocket_max_queue_size", 1, LONG_MAX, 4 * MEBIBYTE},
    [MAX_CONNECTIONS] = {"websocket_max_connections", 1, INT_MAX, 65536},
    [THREADS] = {"websocket_threads", 1, MAX_THREADS, 50},
    [PING_INTERVAL] = {"websocket_ping_interval_ms", 0, DAY_MS, 20000},
    [PING_TIMEOUT] = {"websocket_ping_timeout_ms", 1, DAY_MS, 20000},
    [IDLE_TIMEOUT] = {"websocket_idle_timeout_ms", 0, DAY_MS, 0},
    [CLOSE_TIMEOUT] = {"websocket_close_timeout_ms", 1, DAY_MS, 10000},
};

#define POLICY "websocket_queue_policy"
#define COMPRESSION "websocket_compression"
#define ORIGINS "websocket_origins"

const char *const limits_option_names[] = {
    "websocket_max_message_size",
    "websocket_max_queue_size",
    "websocket_max_connections",
    "websocket_threads",
    "websocket_ping_interval_ms",
    "websocket_ping_timeout_ms",
    "websocket_idle_timeout_ms",
    "websocket_close_timeout_ms",
    POLICY,
    COMPRESSION,
    ORIGINS,
    NULL,
};

static bool take_number(struct options *options, enum number number, long *result)
{
    const char *name = numbers[number].name, *value = options_take(options, name);
    char *end;

    *result = numbers[number].value;
    if (value == NULL)
        return true;
    errno = 0;
    *result = strtol(value, &end, 10);
    if (end != value && *end == '\0' && errno == 0 && *result >= numbers[number].least &&
        *result <= numbers[number].greatest)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give a whole number from %ld to %ld", name, value,
              numbers[number].least, numbers[number].greatest);
    return false;
}

static bool take_policy(struct options *options, enum queue_policy *policy)
{
    static const char *const names[] = {[QUEUE_CLOSE] = "close", [QUEUE_DROP] = "drop", [QUEUE_BLOCK] = "block"};
    const char *value = options_take(options, POLICY);
    int i;

    *policy = QUEUE_CLOSE;
    if (value == NULL)
        return true;
    for (i = QUEUE_CLOSE; i <= QUEUE_BLOCK; i++)
        if (strcmp(value, names[i]) == 0) {
            *policy = (enum queue_policy)i;
            return true;
        }
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"" POLICY "\" is \"%s\"; give \"close\", \"drop\" or \"block\"", value);
    return false;
}

static bool take_compression(struct options *options, bool *compression)
{
    const char *value = options_take(options, COMPRESSION);

    *compression = value == NULL || strcmp(value, "yes") == 0;
    if (*compression || strcmp(value, "no") == 0)
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"" COMPRESSION "\" is \"%s\"; give \"yes\" or \"no\"", value);
    return false;
}

static bool take_origins(struct options *options, char **origins)
{
    const char *value = options_take(options, ORIGINS);

    *origins = value == NULL ? NULL : strdup(value);
    if (value == NULL || *origins != NULL)
        return true;
    error_set_no_memory();
    return false;
}

/* CivetWeb's own options for what this library does in its place: who has set them finds them obeyed. */
static void heed_civetweb(struct web_socket_limits *limits, const struct options *options)
{
    const char *pings = options_value(options, "enable_websocket_ping_pong");
    const char *timeout = options_value(options, "websocket_timeout_ms");

    if (pings != NULL && strcmp(pings, "no") == 0)
        limits->ping_interval = 0;
    else if (pings != NULL && timeout != NULL && atoi(timeout) > 0)
        limits->ping_interval = atoi(timeout);
}

bool limits_take(struct web_socket_limits *limits, struct options *options)
{
    long values[NUMBERS];
    int i;

    memset(limits, 0, sizeof *limits);
    for (i = 0; i < NUMBERS; i++)
        if (!take_number(options, (enum number)i, &values[i]))
            return false;
    limits->max_message_size = (size_t)values[MAX_MESSAGE_SIZE];
    limits->max_queue_size = (size_t)values[MAX_QUEUE_SIZE];
    limits->max_connections = (size_t)values[MAX_CONNECTIONS];
    limits->threads = (int)values[THREADS];
    limits->ping_interval = (int)values[PING_INTERVAL];
    limits->ping_timeout = (int)values[PING_TIMEOUT];
    limits->idle_timeout = (int)values[IDLE_TIMEOUT];
    limits->close_timeout = (int)values[CLOSE_TIMEOUT];
    heed_civetweb(limits, options);
    return take_policy(options, &limits->queue_policy) && take_compression(options, &limits->compression) &&
           take_origins(options, &limits->origins);
}
