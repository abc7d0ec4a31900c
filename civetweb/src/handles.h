/*
 * The handle table: what callers hold instead of addresses.
 *
 * A handle is a slot's index and generation in the clothing of a pointer. A slot that is used again
 * gets the next generation, so a handle kept after its object ended matches no slot, for ever: a
 * call with it fails, and reaches neither freed memory nor whoever has the slot now.
 */
#ifndef AH_HANDLES_H
#define AH_HANDLES_H

#include <stdbool.h>

enum handle_kind {
    HANDLE_CONTEXT = 1,
    HANDLE_CLIENT,
    HANDLE_CONNECTION,
    HANDLE_EVENT_QUEUE,
    HANDLE_EVENT_RECEIVER,
};

/* A new handle for `object`, which the table only refers to. NULL, with the error set, when memory
 * or slots are exhausted. */
void *handle_open(enum handle_kind kind, void *object);

/* The object of a live handle, pinned: handle_close() waits until handle_unpin() is called. NULL,
 * with the error set, for a handle that is null, ended, of another kind or never was one. */
void *handle_pin(enum handle_kind kind, const void *handle);
void handle_unpin(const void *handle);

/* The same handle with a mark, for who keeps handles of two sorts in one place: as such it names nothing. */
void *handle_mark(const void *handle);
bool handle_is_marked(const void *handle);
void *handle_unmark(const void *handle);

/* End a handle: from now on handle_pin() fails for it. False when it had ended already: of several
 * callers, one gets true, and calls handle_release() next. */
bool handle_end(const void *handle);

/* Wait until nobody has the object of an ended handle pinned: it is the caller's alone then. The caller
 * holds no pin of its own. */
void handle_release(const void *handle);

/* Both. False when the handle had ended already. */
bool handle_close(const void *handle);

#endif
