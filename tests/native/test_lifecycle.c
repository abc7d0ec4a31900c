/* Servers that come and go leave no thread, no file descriptor and no port behind. */
#include <dirent.h>
#include <pthread.h>

#include "alusus_abi.h"
#include "check.h"
#include "loopback.h"

/* The entries of a folder of /proc; the folder's own descriptor is one of its own entries, each time. */
static int count(const char *folder)
{
    int entries = 0;
    DIR *opened = opendir(folder);
    if (opened == NULL)
        return -1;
    while (readdir(opened) != NULL)
        ++entries;
    closedir(opened);
    return entries;
}

static void start_and_stop(const char *address)
{
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("4"), NULL};
    Context *context = ah_start_server(NULL, NULL, options);
    CHECK(context != NULL);
    if (context == NULL)
        fprintf(stderr, "%s\n", (char *)ah_last_error());
    ah_stop_server(context);
}

static void twenty_times_on_one_port(void)
{
    char address[64];
    free_address(address, sizeof address);
    start_and_stop(address); /* what is opened once and for all */
    int threads = count("/proc/self/task");
    int descriptors = count("/proc/self/fd");
    for (int i = 0; i < 20; ++i)
        start_and_stop(address);
    CHECK(count("/proc/self/task") == threads);
    CHECK(count("/proc/self/fd") == descriptors);
}

static void several_at_once(void)
{
    enum { SERVERS = 3 };
    Context *contexts[SERVERS];
    char address[64];
    for (int i = 0; i < SERVERS; ++i) {
        free_address(address, sizeof address);
        CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("2"), NULL};
        contexts[i] = ah_start_server(NULL, NULL, options);
        CHECK(contexts[i] != NULL);
        for (int j = 0; j < i; ++j)
            CHECK(contexts[i] != contexts[j]);
    }
    for (int i = 0; i < SERVERS; ++i) {
        ah_stop_server(contexts[i]);
        CHECK(ah_last_error() == NULL);
    }
}

/* A failure on one thread is not a failure of another thread's last call. */
static void *fail(void *nothing)
{
    ah_stop_server(NULL);
    CHECK(ah_last_error() != NULL);
    return nothing;
}

static void errors_belong_to_threads(void)
{
    pthread_t thread;
    char address[64];
    free_address(address, sizeof address);
    start_and_stop(address);
    CHECK(pthread_create(&thread, NULL, fail, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(ah_last_error() == NULL);
}

int main(void)
{
    twenty_times_on_one_port();
    several_at_once();
    errors_belong_to_threads();
    return failed_checks != 0;
}
