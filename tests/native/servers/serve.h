/* The life of each server here: it starts or says why not, and stops when Enter is pressed. */
#ifndef SERVE_H
#define SERVE_H

#include <stdio.h>
#include <stdlib.h>

#include "alusus_abi.h"

/* The port of the command line. */
static inline CharsPtr port_of(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* whoever reads the output through a pipe gets each line at once */
    return TEXT(argc > 1 ? argv[1] : "8080");
}

static inline Context *started(Context *context)
{
    if (context != NULL)
        return context;
    fprintf(stderr, "%s\n", (char *)ah_last_error());
    exit(1);
}

static inline int serve_until_enter(Context *context)
{
    puts("serving"); /* the server listens since it started, and now all handlers are set */
    getchar();
    ah_stop_server(context);
    return 0;
}

#endif
