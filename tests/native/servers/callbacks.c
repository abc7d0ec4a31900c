/* Callbacks as the structure of function pointers that Alusus fills: each prints its name.      callbacks port */
#include <stdatomic.h>
#include <string.h>

#include "serve.h"

static Context *ours;

static Int beginRequest(Connection *connection)
{
    RequestInfo *info = ah_get_request_info(connection);
    printf("beginRequest %s connData=%s\n", (char *)info->localUri, (char *)info->connData);
    if (strcmp((char *)info->localUri, "/teapot") == 0)
        return 418; /* nothing written: the library sends the error's page */
    if (strcmp((char *)info->localUri, "/missing") == 0)
        return 0; /* the server goes on by itself: no such file */
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
    return 200;
}

static void endRequest(Connection *connection, Int replyStatusCode)
{
    (void)connection;
    printf("endRequest %d\n", replyStatusCode);
}

static Int logAccess(Connection *connection, CharsPtr message)
{
    (void)connection;
    printf("logAccess %s\n", (char *)message);
    return 1;
}

static void connectionClose(Connection *connection)
{
    printf("connectionClose %d\n", connection != NULL);
}

static Int httpError(Connection *connection, Int status, CharsPtr message)
{
    (void)message;
    printf("httpError %d\n", status);
    ah_print(connection, TEXT("HTTP/1.1 %d Mine\r\nContent-Length: 7\r\nConnection: close\r\n\r\nmy page"), status);
    return 0; /* this callback has sent the page */
}

static void initContext(Context *context)
{
    ours = context;
    printf("initContext\n");
}

static void exitContext(Context *context)
{
    printf("exitContext %d\n", context == ours);
}

static atomic_int threads;

static void initThread(Context *context, Int threadType)
{
    (void)context;
    (void)threadType;
    ++threads;
}

static void exitThread(Context *context, Int threadType, void *threadPtr)
{
    (void)context;
    (void)threadType;
    (void)threadPtr;
    --threads;
}

static Int initConnection(Connection *connection, void **connData)
{
    (void)connection;
    *connData = "of the connection";
    return 0;
}

int main(int argc, char **argv)
{
    Callbacks callbacks = {
        .beginRequest = beginRequest,
        .endRequest = endRequest,
        .logAccess = logAccess,
        .connectionClose = connectionClose,
        .httpError = httpError,
        .initContext = initContext,
        .exitContext = exitContext,
        .initThread = initThread,
        .exitThread = exitThread,
        .initConnection = initConnection,
    };
    CharsPtr options[] = {TEXT("listening_ports"), port_of(argc, argv), TEXT("num_threads"), TEXT("2"), NULL};
    Context *context = started(ah_start_server(&callbacks, NULL, options));
    memset(&callbacks, 0xA5, sizeof callbacks); /* the library has its own copy */
    memset(options, 0xA5, sizeof options);
    printf("same context %d\n", context == ours);
    serve_until_enter(context);
    printf("threads left %d\n", threads);
    return 0;
}
