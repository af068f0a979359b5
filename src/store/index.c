/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index: from a name and labels to the series, without a lock
 *
 * An open-addressing table of hashes and pointers. A writer (under the registry's lock) stores the
 * hash, then the pointer with release; a reader loads the pointer with acquire, then the hash, then
 * compares the text itself. A reader that comes in the middle of something finds at worst "absent"
 * and goes to the lock, where the truth is. Growth builds a new table, publishes it, and leaves the
 * old one to the control thread.
 *
 * Laws: a place is taken once: a series that goes leaves a mark, and marks are left behind when the
 * table is built anew. At least three places in eight are empty, so every search ends.
 */
#include "store/index.h"

#include <errno.h>
#include <stdlib.h>

#include "store/family.h"

#define INDEX_MIN  256u

/* A place in the index whose series is gone; lookups go on behind it. */
#define INDEX_GONE ((struct series *)&index_gone_mark)
static const char index_gone_mark;

struct index_slot {
    relaxed_u64 hash;
    _Atomic(struct series *) series;
};

struct series_index {
    struct retired retired;
    size_t mask;   /* slots - 1 */
    size_t n_used; /* places taken, gone ones included; under the lock */
    struct index_slot slots[];
};

static struct series_index *index_new(size_t n_slots)
{
    struct series_index *x = calloc(1, sizeof *x + n_slots * sizeof x->slots[0]);

    if (x != NULL)
        x->mask = n_slots - 1;
    return x;
}

static struct series_index *index_now(struct registry *r)
{
    /* Acquire pairs with the release that published it. */
    return atomic_load_explicit(&r->index, memory_order_acquire);
}

static bool series_is(const struct series *s, const struct series_key *key)
{
    return slice_eq(series_labels(s), key->labels) && slice_eq(s->family->name, key->name);
}

struct series *index_find(struct registry *r, const struct series_key *key)
{
    const struct series_index *x = index_now(r);

    for (size_t i = key->hash & x->mask;; i = (i + 1) & x->mask) {
        /* Acquire pairs with put(): the series is whole. */
        struct series *s = atomic_load_explicit(&x->slots[i].series, memory_order_acquire);

        if (s == NULL)
            return NULL;
        if (s != INDEX_GONE && relaxed_load(&x->slots[i].hash) == key->hash && series_is(s, key))
            return s;
    }
}

static void put(struct series_index *x, struct series *s)
{
    size_t i = s->hash & x->mask;

    while (atomic_load_explicit(&x->slots[i].series, memory_order_relaxed) != NULL)
        i = (i + 1) & x->mask;
    relaxed_store(&x->slots[i].hash, s->hash);
    /* Release: hash, series and labels are visible before the pointer. */
    atomic_store_explicit(&x->slots[i].series, s, memory_order_release);
    x->n_used++;
}

void index_drop(struct registry *r, struct series *s)
{
    struct series_index *x = index_now(r);

    for (size_t i = s->hash & x->mask;; i = (i + 1) & x->mask) {
        if (atomic_load_explicit(&x->slots[i].series, memory_order_relaxed) != s)
            continue;
        atomic_store_explicit(&x->slots[i].series, INDEX_GONE, memory_order_release);
        return;
    }
}

int index_reserve(struct registry *r)
{
    struct series_index *x = index_now(r);
    size_t n_live = 0, n_slots = INDEX_MIN;
    struct series_index *bigger;

    if (x->n_used < (x->mask + 1) / 8 * 5)
        return 0;
    for (size_t i = 0; i <= x->mask; i++) {
        struct series *s = atomic_load_explicit(&x->slots[i].series, memory_order_relaxed);

        n_live += s != NULL && s != INDEX_GONE;
    }
    while (n_slots / 8 * 3 <= n_live)
        n_slots *= 2;
    bigger = index_new(n_slots);
    if (bigger == NULL)
        return x->n_used < x->mask ? 0 : -ENOMEM;
    for (size_t i = 0; i <= x->mask; i++) {
        struct series *s = atomic_load_explicit(&x->slots[i].series, memory_order_relaxed);

        if (s != NULL && s != INDEX_GONE)
            put(bigger, s);
    }
    atomic_store_explicit(&r->index, bigger, memory_order_release);
    registry_outgrow(r, &x->retired, retired_free_whole);
    return 0;
}

void index_put(struct registry *r, struct series *s)
{
    put(index_now(r), s);
}

int index_init(struct registry *r)
{
    struct series_index *x = index_new(INDEX_MIN);

    if (x == NULL)
        return -ENOMEM;
    atomic_init(&r->index, x);
    return 0;
}

void index_release(struct registry *r, void (*fn)(struct registry *r, struct series *s))
{
    struct series_index *x = index_now(r);

    for (size_t i = 0; x != NULL && i <= x->mask; i++) {
        struct series *s = atomic_load_explicit(&x->slots[i].series, memory_order_relaxed);

        if (s != NULL && s != INDEX_GONE)
            fn(r, s);
    }
    free(x);
}
