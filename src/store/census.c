/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Census: counts by key, read without a lock
 *
 * An open-addressing table of two words a place: key and count.
 *
 *      | key 64, n | empty | key 64, n | key 64, 0 | ...       16 bytes each
 *
 * Keys are hashes under the process's random seed and stand for what was hashed: two of ten million
 * are equal once in 300 000 runs, and what comes of it is a limit that is off by one. A key whose
 * count is 0 keeps its place until the table is built anew. Growth builds another table and
 * publishes it; the old one, as it was then, is what a reader that holds it goes by, and control
 * retires it.
 *
 * Laws: written under the registry's lock. At least three places in sixteen are empty, so every
 *       search ends.
 */
#include "store/census.h"

#include <errno.h>
#include <stdlib.h>

#include "base/relaxed.h"
#include "store/family.h"

#define CENSUS_MIN 64u

struct census_place {
    relaxed_u64 key; /* 0: empty */
    relaxed_u64 n;
};

struct census_table {
    struct retired retired;
    size_t n_places; /* a power of two */
    size_t n_used;   /* keys, those without any included; under the lock */
    struct census_place places[];
};

/* No key is 0, which is an empty place. */
static uint64_t key_of(uint64_t key)
{
    return key != 0 ? key : 1;
}

/* The place of @key, or the empty one where it would stand. */
static struct census_place *place_of(struct census_table *t, uint64_t key)
{
    for (size_t i = (size_t)key & (t->n_places - 1);; i = (i + 1) & (t->n_places - 1)) {
        /* Acquire pairs with census_add(): the count is set. */
        uint64_t there = atomic_load_explicit(&t->places[i].key, memory_order_acquire);

        if (there == key || there == 0)
            return &t->places[i];
    }
}

uint32_t census_get(const struct census *c, uint64_t key)
{
    /* Acquire pairs with the publication: the table is whole. */
    struct census_table *t = atomic_load_explicit(&c->table, memory_order_acquire);
    struct census_place *place;

    if (t == NULL)
        return 0;
    place = place_of(t, key_of(key));
    if (relaxed_load(&place->key) == 0)
        return 0;
    /* Acquire pairs with the release of the count: what was counted before is there. */
    return (uint32_t)atomic_load_explicit(&place->n, memory_order_acquire);
}

static struct census_table *table_now(const struct census *c)
{
    return atomic_load_explicit(&c->table, memory_order_relaxed);
}

static size_t count_used(const struct census_table *t)
{
    size_t n = 0;

    for (size_t i = 0; t != NULL && i < t->n_places; i++)
        n += relaxed_load(&t->places[i].n) > 0;
    return n;
}

static void copy_used(struct census_table *to, const struct census_table *from)
{
    for (size_t i = 0; from != NULL && i < from->n_places; i++) {
        uint64_t key = relaxed_load(&from->places[i].key), n = relaxed_load(&from->places[i].n);
        struct census_place *place;

        if (n == 0)
            continue;
        place = place_of(to, key);
        relaxed_store(&place->n, n);
        relaxed_store(&place->key, key);
        to->n_used++;
    }
}

int census_reserve(struct registry *r, struct census *c, size_t n)
{
    struct census_table *old = table_now(c), *t;
    size_t n_places = CENSUS_MIN, n_used;

    if (old != NULL && old->n_used + n <= old->n_places / 16 * 13)
        return 0;
    n_used = count_used(old) + n;
    while (n_places / 8 * 5 < n_used)
        n_places *= 2;
    t = calloc(1, sizeof *t + n_places * sizeof t->places[0]);
    if (t == NULL)
        return -ENOMEM;
    t->n_places = n_places;
    copy_used(t, old);
    /* Release: the table is whole. */
    atomic_store_explicit(&c->table, t, memory_order_release);
    if (old != NULL)
        registry_outgrow(r, &old->retired, retired_free_whole);
    return 0;
}

uint32_t census_add(struct census *c, uint64_t key)
{
    struct census_table *t = table_now(c);
    struct census_place *place = place_of(t, key_of(key));
    uint64_t n = relaxed_load(&place->n) + 1;

    /* Release: what was counted before this is there for who sees it. */
    atomic_store_explicit(&place->n, n, memory_order_release);
    if (relaxed_load(&place->key) == 0) {
        t->n_used++;
        atomic_store_explicit(&place->key, key_of(key), memory_order_release);
    }
    return (uint32_t)n;
}

uint32_t census_drop(struct census *c, uint64_t key)
{
    struct census_place *place = place_of(table_now(c), key_of(key));
    uint64_t n = relaxed_load(&place->n) - 1;

    atomic_store_explicit(&place->n, n, memory_order_release);
    return (uint32_t)n;
}

void census_release(struct census *c)
{
    free(table_now(c));
    atomic_init(&c->table, NULL); /* nobody looks any more */
}
