#include "handles.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "errors.h"

_Static_assert(sizeof(void *) == 8, "a handle needs 32 bits of index and 32 of generation");

/*
 * A slot's state is one word, so that "is it still that generation?" and "one more pin" are one
 * compare-and-swap:
 *
 *     63 .. 32 generation | 31 open | 30 .. 0 pins
 *
 * Invariant: `kind` and `object` change only while the slot is neither open nor pinned; opening it
 * (a release store) publishes them.
 */
#define GENERATION_SHIFT 32
#define OPEN_BIT UINT64_C(0x80000000)
#define PINS_MASK UINT64_C(0x7fffffff)

struct slot {
    _Atomic uint64_t state;
    enum handle_kind kind;
    void *object;
    uint32_t next_free; /* index + 1 of the next free slot; guarded by `table_mutex` */
};

/* Slots never move, for they are read without a lock: the table grows by blocks. */
#define BLOCK_BITS 10
#define BLOCK_SLOTS (UINT32_C(1) << BLOCK_BITS)
#define MAX_BLOCKS UINT32_C(4096)

static _Atomic(struct slot *) blocks[MAX_BLOCKS];
static _Atomic uint32_t slot_count;
static uint32_t first_free; /* index + 1; 0: none */
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t last_unpin = PTHREAD_COND_INITIALIZER;

static const char *const kind_names[] = {
    [HANDLE_CONTEXT] = "Context",
    [HANDLE_CLIENT] = "Client",
    [HANDLE_CONNECTION] = "Connection",
    [HANDLE_EVENT_QUEUE] = "event queue",
    [HANDLE_EVENT_RECEIVER] = "event receiver",
};

static uint32_t generation_of(uint64_t state)
{
    return (uint32_t)(state >> GENERATION_SHIFT);
}

static void *make_handle(uint32_t index, uint32_t generation)
{
    return (void *)(uintptr_t)((uint64_t)generation << GENERATION_SHIFT | (index + 1));
}

static struct slot *slot_at(uint32_t index)
{
    return &atomic_load_explicit(&blocks[index >> BLOCK_BITS], memory_order_acquire)[index % BLOCK_SLOTS];
}

/* A mark is the highest bit of the index, which no table is long enough to use. */
#define MARK UINT64_C(0x80000000)
_Static_assert(MAX_BLOCKS * (uint64_t)BLOCK_SLOTS < MARK, "an index must leave the mark free");

void *handle_mark(const void *handle)
{
    return (void *)((uintptr_t)handle | MARK);
}

bool handle_is_marked(const void *handle)
{
    return ((uintptr_t)handle & MARK) != 0;
}

void *handle_unmark(const void *handle)
{
    return (void *)((uintptr_t)handle & ~MARK);
}

/* The slot that a handle's index names; NULL if there is none. */
static struct slot *find_slot(const void *handle, uint32_t *generation)
{
    uint64_t word = (uintptr_t)handle;
    uint32_t number = (uint32_t)word;

    if (number == 0 || number > atomic_load_explicit(&slot_count, memory_order_acquire))
        return NULL;
    *generation = (uint32_t)(word >> GENERATION_SHIFT);
    return slot_at(number - 1);
}

/* A free slot's index + 1, under the mutex; 0 when there is no room for another. */
static uint32_t take_free_slot(void)
{
    uint32_t number = first_free;
    uint32_t count;

    if (number != 0) {
        first_free = slot_at(number - 1)->next_free;
        return number;
    }
    count = atomic_load_explicit(&slot_count, memory_order_relaxed);
    if (count % BLOCK_SLOTS == 0) {
        struct slot *block;

        if (count / BLOCK_SLOTS == MAX_BLOCKS)
            return 0;
        block = calloc(BLOCK_SLOTS, sizeof *block);
        if (block == NULL)
            return 0;
        atomic_store_explicit(&blocks[count / BLOCK_SLOTS], block, memory_order_release);
    }
    atomic_store_explicit(&slot_count, count + 1, memory_order_release);
    return count + 1;
}

void *handle_open(enum handle_kind kind, void *object)
{
    struct slot *slot;
    uint32_t number, generation;

    pthread_mutex_lock(&table_mutex);
    number = take_free_slot();
    pthread_mutex_unlock(&table_mutex);
    if (number == 0) {
        error_set_no_memory();
        return NULL;
    }
    slot = slot_at(number - 1);
    slot->kind = kind;
    slot->object = object;
    generation = generation_of(atomic_load_explicit(&slot->state, memory_order_relaxed)) + 1;
    atomic_store_explicit(&slot->state, (uint64_t)generation << GENERATION_SHIFT | OPEN_BIT, memory_order_release);
    return make_handle(number - 1, generation);
}

void *handle_pin(enum handle_kind kind, const void *handle)
{
    uint32_t generation;
    struct slot *slot = find_slot(handle, &generation);
    uint64_t state;

    if (handle == NULL) {
        error_set(AH_ERROR_INVALID_HANDLE, "the %s is null; pass the one that the library gave you", kind_names[kind]);
        return NULL;
    }
    if (slot == NULL) {
        error_set(AH_ERROR_INVALID_HANDLE, "%p is not a %s of this library", handle, kind_names[kind]);
        return NULL;
    }
    state = atomic_load_explicit(&slot->state, memory_order_acquire);
    do {
        if (generation_of(state) != generation || !(state & OPEN_BIT)) {
            error_set(AH_ERROR_INVALID_HANDLE, "this %s has ended; forget it when it is closed", kind_names[kind]);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&slot->state, &state, state + 1, memory_order_acquire,
                                                    memory_order_acquire));
    if (slot->kind != kind) {
        error_set(AH_ERROR_INVALID_HANDLE, "a %s was passed where a %s belongs", kind_names[slot->kind], kind_names[kind]);
        handle_unpin(handle);
        return NULL;
    }
    return slot->object;
}

void handle_unpin(const void *handle)
{
    uint32_t generation;
    struct slot *slot = find_slot(handle, &generation);
    uint64_t before = atomic_fetch_sub_explicit(&slot->state, 1, memory_order_acq_rel);

    if ((before & PINS_MASK) == 1 && !(before & OPEN_BIT)) {
        /* Under the mutex, so that the closer cannot miss it between its look and its wait. */
        pthread_mutex_lock(&table_mutex);
        pthread_cond_broadcast(&last_unpin);
        pthread_mutex_unlock(&table_mutex);
    }
}

bool handle_end(const void *handle)
{
    uint32_t generation;
    struct slot *slot = find_slot(handle, &generation);
    uint64_t state;

    if (slot == NULL)
        return false;
    state = atomic_load_explicit(&slot->state, memory_order_acquire);
    do {
        if (generation_of(state) != generation || !(state & OPEN_BIT))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&slot->state, &state, state & ~OPEN_BIT, memory_order_acq_rel,
                                                    memory_order_acquire));
    return true;
}

void handle_release(const void *handle)
{
    uint32_t generation;
    struct slot *slot = find_slot(handle, &generation);

    pthread_mutex_lock(&table_mutex);
    while (atomic_load_explicit(&slot->state, memory_order_acquire) & PINS_MASK)
        pthread_cond_wait(&last_unpin, &table_mutex);
    slot->object = NULL;
    /* A slot whose generations are used up is left out of the list: a handle is never given twice. */
    if (generation != UINT32_MAX) {
        slot->next_free = first_free;
        first_free = (uint32_t)(uintptr_t)handle;
    }
    pthread_mutex_unlock(&table_mutex);
}

bool handle_close(const void *handle)
{
    if (!handle_end(handle))
        return false;
    handle_release(handle);
    return true;
}
