#include "resolve.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../errors.h"

/* A question to the system's resolver, which nobody can interrupt: a thread of its own asks, and whoever
 * comes second frees this, the thread or the one that has lost patience. */
struct question {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t answered;
    bool done;
    bool abandoned;
    int error; /* what getaddrinfo returned */
    int system_error;
    struct addrinfo *addresses;

    char host[MAX_HOST_SIZE + 1]; /* as it was asked */
    char port[8];
};

static int ask(const char *host, const char *port, int flags, struct addrinfo **addresses)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };

    return getaddrinfo(host, port, &hints, addresses);
}

static void question_free(struct question *question)
{
    pthread_cond_destroy(&question->answered);
    pthread_mutex_destroy(&question->mutex);
    free(question);
}

static void *answer(void *argument)
{
    struct question *question = argument;
    struct addrinfo *addresses = NULL;
    int error = ask(question->host, question->port, 0, &addresses);
    int system_error = errno;
    bool abandoned;

    pthread_mutex_lock(&question->mutex);
    question->done = true;
    question->error = error;
    question->system_error = system_error;
    question->addresses = addresses;
    abandoned = question->abandoned;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
    if (abandoned) {
        if (addresses != NULL)
            freeaddrinfo(addresses);
        question_free(question);
    }
    return NULL;
}

static void set_resolve_error(const struct url *url, int error, int system_error)
{
    error_set(AH_ERROR_CONNECT_FAILED, "the address of %s cannot be found: %s; check the host in the URL, and this "
                                       "machine's network", url->place,
              error == EAI_SYSTEM ? strerror(system_error) : gai_strerror(error));
}

static struct question *question_new(const struct url *url, const char *port)
{
    struct question *question = calloc(1, sizeof *question);
    pthread_attr_t detached;
    pthread_t thread;
    int error;

    if (question == NULL) {
        error_set_no_memory();
        return NULL;
    }
    pthread_mutex_init(&question->mutex, NULL);
    clock_condition(&question->answered);
    snprintf(question->host, sizeof question->host, "%s", url->host);
    snprintf(question->port, sizeof question->port, "%s", port);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &detached, answer, question);
    pthread_attr_destroy(&detached);
    if (error == 0)
        return question;
    error_set(AH_ERROR_SYSTEM, "no thread could be started to find the address of %s: %s", url->place, strerror(error));
    question_free(question);
    return NULL;
}

struct addrinfo *resolve(const struct url *url, const struct patience *patience)
{
    struct question *question;
    struct addrinfo *addresses = NULL;
    char port[8];
    bool done;
    int step, error, system_error;

    snprintf(port, sizeof port, "%d", url->port);
    if (ask(url->host, port, AI_NUMERICHOST, &addresses) == 0)
        return addresses;
    question = question_new(url, port);
    if (question == NULL)
        return NULL;
    pthread_mutex_lock(&question->mutex);
    while (!question->done && (step = patience_step(patience)) > 0) {
        struct timespec deadline = clock_after(step);

        pthread_cond_timedwait(&question->answered, &question->mutex, &deadline);
    }
    done = question->done;
    question->abandoned = !done;
    addresses = question->addresses;
    error = question->error;
    system_error = question->system_error;
    pthread_mutex_unlock(&question->mutex);
    if (!done) {
        patience_error(patience, url->place, "finding the host's address", "connect_timeout_ms");
        return NULL;
    }
    question_free(question);
    if (error == 0)
        return addresses;
    set_resolve_error(url, error, system_error);
    return NULL;
}
