/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index: from a name and labels to the series, without a lock
 *
 * An open-addressing table of words: half of one is half of the key's hash, the other half the
 * series' number.
 *
 *      slots | hash 32, number 32 | empty | gone | hash 32, number 32 | ...       8 bytes each
 *
 * A writer (under the registry's lock) stores the word with release; a reader loads it with
 * acquire, then compares the text itself. A reader that comes in the middle of something finds at
 * worst "absent" and goes to the lock, where the truth is. Growth builds a new table, publishes it,
 * and leaves the old one to the control thread.
 *
 * A series' home is where its hash stands in the order of all hashes. So the number of slots need
 * not be a power of two, and a table grows by a third or a half; and building it anew walks from
 * the beginning to the end of both.
 *
 * Laws: a place is taken once: a series that goes leaves a mark, and marks are left behind when the
 * table is built anew. At least three places in sixteen are empty, so every search ends.
 */
#include "store/index.h"

#include <errno.h>
#include <stdlib.h>

#include "store/family.h"

#define INDEX_MIN  256u

#define SLOT_EMPTY UINT64_C(0)
/* Its series is gone; lookups go on behind it. No series has this number. */
#define SLOT_GONE  UINT64_C(1)

_Static_assert(SLOT_GONE < SLAB_REF_MIN, "a slot with a series is neither empty nor gone");

struct series_index {
    struct retired retired;
    size_t n_slots; /* below 2^32 */
    size_t n_used;  /* places taken, gone ones included; under the lock */
    relaxed_u64 slots[];
};

static struct series_index *index_new(size_t n_slots)
{
    struct series_index *x = calloc(1, sizeof *x + n_slots * sizeof x->slots[0]);

    if (x != NULL)
        x->n_slots = n_slots;
    return x;
}

static struct series_index *index_now(const struct registry *r)
{
    /* Acquire pairs with the release that published it. */
    return atomic_load_explicit(&r->index, memory_order_acquire);
}

static uint32_t hash_part(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint64_t slot_of(uint64_t hash, uint32_t ref)
{
    return (uint64_t)hash_part(hash) << 32 | ref;
}

static bool has_series(uint64_t slot)
{
    return slot != SLOT_EMPTY && slot != SLOT_GONE;
}

static size_t home_of(const struct series_index *x, uint32_t hash)
{
    return (size_t)((uint64_t)hash * x->n_slots >> 32);
}

static size_t behind(const struct series_index *x, size_t i)
{
    return i + 1 < x->n_slots ? i + 1 : 0;
}

static bool series_is(const struct series *s, const struct series_key *key)
{
    return slice_eq(series_labels(s), key->labels) &&
           slice_eq(family_name(series_family(s)), key->name);
}

struct series *index_find(const struct registry *r, const struct series_key *key)
{
    const struct series_index *x = index_now(r);
    uint32_t hash = hash_part(key->hash);

    for (size_t i = home_of(x, hash);; i = behind(x, i)) {
        /* Acquire pairs with put(): the series is whole. */
        uint64_t slot = atomic_load_explicit(&x->slots[i], memory_order_acquire);
        struct series *s;

        if (slot == SLOT_EMPTY)
            return NULL;
        if (slot == SLOT_GONE || slot >> 32 != hash)
            continue;
        s = series_at(r, (uint32_t)slot);
        if (series_is(s, key))
            return s;
    }
}

static void put(struct series_index *x, uint64_t slot)
{
    size_t i = home_of(x, (uint32_t)(slot >> 32));

    while (relaxed_load(&x->slots[i]) != SLOT_EMPTY)
        i = behind(x, i);
    /* Release: series and labels are visible before the number. */
    atomic_store_explicit(&x->slots[i], slot, memory_order_release);
    x->n_used++;
}

void index_drop(struct registry *r, uint64_t hash, uint32_t ref)
{
    struct series_index *x = index_now(r);
    size_t i = home_of(x, hash_part(hash));

    while (relaxed_load(&x->slots[i]) != slot_of(hash, ref))
        i = behind(x, i);
    atomic_store_explicit(&x->slots[i], SLOT_GONE, memory_order_release);
}

/* 256, 384, 512, 768, ...: the first of which @n_live take less than five in eight. */
static size_t n_slots_for(size_t n_live)
{
    size_t n = INDEX_MIN;

    while (n / 8 * 5 <= n_live && n / 16 * 15 <= n_live)
        n *= 2;
    return n / 8 * 5 > n_live ? n : n / 2 * 3;
}

int index_reserve(struct registry *r)
{
    struct series_index *x = index_now(r);
    size_t n_live = 0, n_slots;
    struct series_index *other;

    if (x->n_used < x->n_slots / 16 * 13)
        return 0;
    for (size_t i = 0; i < x->n_slots; i++)
        n_live += has_series(relaxed_load(&x->slots[i]));
    n_slots = n_slots_for(n_live);
    other = n_slots <= UINT32_MAX ? index_new(n_slots) : NULL;
    if (other == NULL)
        return x->n_used + 1 < x->n_slots ? 0 : -ENOMEM;
    for (size_t i = 0; i < x->n_slots; i++) {
        uint64_t slot = relaxed_load(&x->slots[i]);

        if (has_series(slot))
            put(other, slot);
    }
    atomic_store_explicit(&r->index, other, memory_order_release);
    registry_outgrow(r, &x->retired, retired_free_whole);
    return 0;
}

void index_put(struct registry *r, uint64_t hash, uint32_t ref)
{
    put(index_now(r), slot_of(hash, ref));
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

    for (size_t i = 0; x != NULL && i < x->n_slots; i++) {
        uint64_t slot = relaxed_load(&x->slots[i]);

        if (has_series(slot))
            fn(r, series_at(r, (uint32_t)slot));
    }
    free(x);
}
