#include "limits.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../errors.h"
#include "../option_list.h"
#include "../options.h"

#define MAX_THREADS 1024

enum number {
    MAX_MESSAGE_SIZE,
    MAX_QUEUE_SIZE,
    MAX_CONNECTIONS,
    THREADS,
    PING_INTERVAL,
    PING_TIMEOUT,
    MESSAGE_TIMEOUT,
    IDLE_TIMEOUT,
    CLOSE_TIMEOUT,
    NUMBERS
};

static const struct {
    const char *name, *value; /* the default */
    long least, greatest;
} numbers[NUMBERS] = {
    [MAX_MESSAGE_SIZE] = {"websocket_max_message_size", "1048576", 1, INT_MAX}, /* 1 MiB */
    [MAX_QUEUE_SIZE] = {"websocket_max_queue_size", "4194304", 1, LONG_MAX},    /* 4 MiB */
    [MAX_CONNECTIONS] = {"websocket_max_connections", "65536", 1, INT_MAX},
    [THREADS] = {"websocket_threads", "50", 1, MAX_THREADS},
    [PING_INTERVAL] = {"websocket_ping_interval_ms", "20000", 0, DAY_MS},
    [PING_TIMEOUT] = {"websocket_ping_timeout_ms", "20000", 1, DAY_MS},
    [MESSAGE_TIMEOUT] = {"websocket_message_timeout_ms", "30000", 0, DAY_MS},
    [IDLE_TIMEOUT] = {"websocket_idle_timeout_ms", "0", 0, DAY_MS},
    [CLOSE_TIMEOUT] = {"websocket_close_timeout_ms", "10000", 1, DAY_MS},
};

static const struct option_info others[] = {
    {"websocket_queue_policy", "choice", "close"},
    {"websocket_compression", "boolean", "yes"},
    {"websocket_origins", "list", NULL},
};

#define POLICY (others[0].name)
#define COMPRESSION (others[1].name)
#define ORIGINS (others[2].name)

static const char *const policies[] = {[QUEUE_CLOSE] = "close", [QUEUE_DROP] = "drop", [QUEUE_BLOCK] = "block"};

bool limits_option(size_t index, struct option_info *option)
{
    if (index >= NUMBERS + sizeof others / sizeof *others)
        return false;
    *option = index < NUMBERS ? (struct option_info){numbers[index].name, "number", numbers[index].value}
                              : others[index - NUMBERS];
    return true;
}

const char *limits_value(const struct web_socket_limits *limits, size_t index, char *text)
{
    const long long values[NUMBERS] = {
        [MAX_MESSAGE_SIZE] = (long long)limits->max_message_size,
        [MAX_QUEUE_SIZE] = (long long)limits->max_queue_size,
        [MAX_CONNECTIONS] = (long long)limits->max_connections,
        [THREADS] = limits->threads,
        [PING_INTERVAL] = limits->ping_interval,
        [PING_TIMEOUT] = limits->ping_timeout,
        [MESSAGE_TIMEOUT] = limits->message_timeout,
        [IDLE_TIMEOUT] = limits->idle_timeout,
        [CLOSE_TIMEOUT] = limits->close_timeout,
    };

    if (index < NUMBERS) {
        snprintf(text, LIMIT_TEXT_SIZE, "%lld", values[index]);
        return text;
    }
    switch (index - NUMBERS) {
    case 0:
        return policies[limits->queue_policy];
    case 1:
        return limits->compression ? "yes" : "no";
    default:
        return limits->origins;
    }
}

static bool take_policy(struct options *options, enum queue_policy *policy)
{
    const char *value = options_take(options, POLICY);
    int i;

    *policy = QUEUE_CLOSE;
    if (value == NULL)
        return true;
    for (i = QUEUE_CLOSE; i <= QUEUE_BLOCK; i++)
        if (strcmp(value, policies[i]) == 0) {
            *policy = (enum queue_policy)i;
            return true;
        }
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" is \"%s\"; give \"close\", \"drop\" or \"block\"", POLICY,
              value);
    return false;
}

/* Scheme, host and port, if that is not the scheme's own (RFC 6454, section 6.2). Programs with pages in files, such as
 * those of Android's WebView, send "file://". */
static bool check_origin(const char *name, const char *entry)
{
    const char *host = strstr(entry, "://");

    if (strcmp(entry, "*") == 0 || strcmp(entry, "null") == 0 || strcmp(entry, "file://") == 0 ||
        (host != NULL && host > entry && host[3] != '\0' && strchr(host + 3, '/') == NULL))
        return true;
    error_set(AH_ERROR_INVALID_ARGUMENT, "option \"%s\" has \"%s\"; give origins as browsers send them, such as "
                                         "\"https://example.org,http://localhost:8080\", or \"*\" for any", name, entry);
    return false;
}

static bool take_origins(struct options *options, char **origins)
{
    const char *value = options_take(options, ORIGINS);

    if (value != NULL && !option_list_check(ORIGINS, value, check_origin))
        return false;
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
    for (i = 0; i < NUMBERS; i++) {
        values[i] = strtol(numbers[i].value, NULL, 10);
        if (!options_take_number(options, numbers[i].name, numbers[i].least, numbers[i].greatest, &values[i]))
            return false;
    }
    limits->max_message_size = (size_t)values[MAX_MESSAGE_SIZE];
    limits->max_queue_size = (size_t)values[MAX_QUEUE_SIZE];
    limits->max_connections = (size_t)values[MAX_CONNECTIONS];
    limits->threads = (int)values[THREADS];
    limits->ping_interval = (int)values[PING_INTERVAL];
    limits->ping_timeout = (int)values[PING_TIMEOUT];
    limits->message_timeout = (int)values[MESSAGE_TIMEOUT];
    limits->idle_timeout = (int)values[IDLE_TIMEOUT];
    limits->close_timeout = (int)values[CLOSE_TIMEOUT];
    limits->compression = true;
    heed_civetweb(limits, options);
    return take_policy(options, &limits->queue_policy) && options_take_flag(options, COMPRESSION, &limits->compression) &&
           take_origins(options, &limits->origins);
}
