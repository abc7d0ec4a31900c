/* What CivetWeb logs first on a thread that wants to know why something failed: its own error codes say less. */
#ifndef AH_LOG_LISTENER_H
#define AH_LOG_LISTENER_H

enum { LOG_TEXT = 768 }; /* bytes of a message that are kept, with the NUL */

struct log_listener {
    char text[LOG_TEXT]; /* the first message; "" for none */
    struct log_listener *outer;
};

void log_listen(struct log_listener *listener);
void log_unlisten(void); /* the one that listened last */

/* CivetWeb logs a message on this thread. */
void log_hear(const char *message);

#endif
