/* A program may end as soon as a callback has asked for its server's stop, whose threads still run then. */
#include <semaphore.h>
#include <sys/wait.h>

#include "alusus_abi.h"
#include "check.h"
#include "client.h"
#include "loopback.h"

enum moment { ASKED, EXITED, MOMENTS };

static enum moment moment;
static sem_t come;
static Context *server;

static Int on_request(Connection *connection)
{
    (void)connection;
    ah_stop_server(server);
    if (moment == ASKED)
        sem_post(&come);
    return 404;
}

static void on_exit_context(Context *context)
{
    (void)context;
    if (moment == EXITED)
        sem_post(&come);
}

static int run(void)
{
    Callbacks callbacks = {.beginRequest = on_request, .exitContext = on_exit_context};
    struct client client;
    char address[64];

    sem_init(&come, 0, 0);
    free_address(address, sizeof address);
    CharsPtr options[] = {TEXT("listening_ports"), TEXT(address), TEXT("num_threads"), TEXT("4"), NULL};
    server = ah_start_server(&callbacks, NULL, options);
    CHECK(server != NULL);
    CHECK(client_connect(&client, atoi(strchr(address, ':') + 1)));
    CHECK(client_send(&client, "GET / HTTP/1.0\r\n\r\n", 18));
    while (sem_wait(&come) != 0)
        ;
    return failed_checks != 0;
}

int main(void)
{
    for (moment = ASKED; moment < MOMENTS; ++moment)
        for (int i = 0; i < 5; ++i) {
            int status = -1;
            pid_t child = fork();
            if (child == 0)
                exit(run()); /* as a return from main does */
            CHECK(waitpid(child, &status, 0) == child);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    return failed_checks != 0;
}
