/* Ports of 127.0.0.1 for tests that start servers of their own. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that listens on a port of the system's choice; its address goes to `text` as "127.0.0.1:port". */
static inline int listen_on_loopback(char *text, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        perror("cannot listen on 127.0.0.1");
        exit(1);
    }
    snprintf(text, size, "127.0.0.1:%d", ntohs(address.sin_port));
    return listener;
}

/* A port that was free a moment ago. */
static inline void free_address(char *text, size_t size)
{
    close(listen_on_loopback(text, size));
}

#endif
