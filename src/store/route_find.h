/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: the way to find one
 *
 * What the engine does for every line, so the compiler is to see all of it. route.c tells the
 * table; here are its layout, the hash and the look at a route's home.
 *
 * The hash is a chain of multiplications whose 128 bits are folded to 64, sixteen bytes at a step,
 * as the hash functions for short keys have it (wyhash, XXH3). Name and suffix go through one
 * chain; the keys are the process's own, so nobody outside can aim at a place.
 *
 * Contract: private to route.c, the engine's feeding files and tests.
 */
#ifndef STORE_ROUTE_FIND_H
#define STORE_ROUTE_FIND_H

#include "store/route.h"

#define ROUTE_WINDOW     16u

/* With routes and cells some hundred KiB. */
#define ROUTE_SLOTS_NEAR 4096u

/* The bits of a slot's hash that are its heat; all of them: hot. */
#define ROUTE_HEAT       UINT64_C(3)

struct route_slot {
    uint64_t hash;
    struct route *route;
};

struct routes {
    struct route_slot *slots; /* n_slots + ROUTE_WINDOW: windows do not wrap */
    uint64_t n_slots;
    uint64_t max_slots;
    uint64_t max_bytes;
    uint64_t keys[2];
    uint64_t n;      /* routes */
    uint64_t n_gone; /* places that were given up */
    uint64_t n_evicted;
    uint64_t n_route_bytes;
    uint64_t hand; /* the next place to grow older */
    uint64_t n_resizes;
    struct route *limbo;
};

static inline uint64_t route_load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* ---- the key ---- */

static inline uint64_t route_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* @s goes into @h. The last step overlaps the one before; lengths are in @h from the beginning. */
static inline uint64_t route_chain(struct slice s, uint64_t h, uint64_t key)
{
    const char *p = s.p;
    size_t left = s.len;

    if (left < 8)
        return route_fold(slice_word(s) ^ key, h);
    for (; left > 16; p += 16, left -= 16)
        h = route_fold(route_load(p) ^ key, route_load(p + 8) ^ h);
    if (s.len >= 16)
        return route_fold(route_load(p + left - 16) ^ key, route_load(p + left - 8) ^ h);
    return route_fold(route_load(p) ^ key, route_load(p + left - 8) ^ h);
}

/* Of keys that are too long for any route. */
#define ROUTE_LENS_NONE (UINT64_MAX - 1)

/* The key of (@name, @suffix), with @word: slice_word() of the suffix. */
static inline struct route_key route_key_of(const struct routes *t, struct slice name,
                                            struct slice suffix, uint64_t word)
{
    uint64_t lens = (name.len | suffix.len) <= ROUTE_MAX_KEY ? name.len | (uint64_t)suffix.len << 32
                                                             : ROUTE_LENS_NONE;
    uint64_t h = route_chain(name, t->keys[0] ^ lens, t->keys[1]);

    if (word != 0)
        h = route_fold(word ^ t->keys[1], h);
    else
        h = route_chain(suffix, h, t->keys[1]);
    return (struct route_key){h & ~ROUTE_HEAT, word, lens, name, suffix};
}

static inline struct route_key route_key(const struct routes *t, struct slice name,
                                         struct slice suffix)
{
    return route_key_of(t, name, suffix, slice_word(suffix));
}

/* ---- the place ---- */

/* Are they so few that they stay in a processor's own cache? */
static inline bool routes_are_near(const struct routes *t)
{
    return t->n_slots <= ROUTE_SLOTS_NEAR;
}

/* The lowest bits are heat, so home comes from those above. */
static inline uint64_t route_home(uint64_t hash, uint64_t n_slots)
{
    return (hash >> 2) & (n_slots - 1);
}

/* Is the hash in @slot @hash, whatever its heat? */
static inline bool route_slot_has(const struct route_slot *slot, uint64_t hash)
{
    return (slot->hash ^ hash) <= ROUTE_HEAT;
}

static inline struct route *route_slot_hit(struct route_slot *slot)
{
    if ((slot->hash & ROUTE_HEAT) != ROUTE_HEAT)
        slot->hash |= ROUTE_HEAT;
    return slot->route;
}

/* ---- the comparison ---- */

/* Are @len bytes the same? Most keys are some words long, and a call would cost as much as the
 * answer. The last words overlap those before. */
static inline bool route_same(const char *a, const char *b, size_t len)
{
    uint64_t differ;

    if (len < 8 || len > 64)
        return memcmp(a, b, len) == 0;
    differ = (route_load(a) ^ route_load(b)) | (route_load(a + len - 8) ^ route_load(b + len - 8));
    if (len > 16)
        differ |= (route_load(a + 8) ^ route_load(b + 8)) |
                  (route_load(a + len - 16) ^ route_load(b + len - 16));
    for (size_t i = 16; i + 16 < len; i += 8)
        differ |= route_load(a + i) ^ route_load(b + i);
    return differ == 0;
}

static inline bool route_is(const struct route *r, const struct route_key *key)
{
    return r->lens == key->lens && r->word == key->word &&
           route_same(r->bytes, key->name.p, key->name.len) &&
           (key->word != 0 || route_same(r->bytes + key->name.len, key->suffix.p, key->suffix.len));
}

/* ---- finding ---- */

/* Looks at the whole window. */
struct route *route_find_further(struct routes *t, const struct route_key *key);

/* The route of @key, or NULL. Borrowed until route_flush() after its replacement. */
static inline struct route *route_find(struct routes *t, const struct route_key *key)
{
    struct route_slot *slot = &t->slots[route_home(key->hash, t->n_slots)];

    /* Nearly always it is at home. */
    if (slot->route != NULL && route_slot_has(slot, key->hash) && route_is(slot->route, key))
        return route_slot_hit(slot);
    return route_find_further(t, key);
}

/* Have the place of @hash fetched. */
static inline void route_prefetch(const struct routes *t, uint64_t hash)
{
    __builtin_prefetch(&t->slots[route_home(hash, t->n_slots)]);
}

/* Have the route fetched that is likely to be that of @hash. Its place, good until anything is put,
 * aged or walked; NULL: there is no route. */
static inline struct route_slot *route_probe(struct routes *t, uint64_t hash)
{
    struct route_slot *slot = &t->slots[route_home(hash, t->n_slots)];

    for (unsigned i = 0; i < ROUTE_WINDOW && slot->route != NULL; i++, slot++) {
        if (route_slot_has(slot, hash)) {
            __builtin_prefetch(slot->route);
            __builtin_prefetch((const char *)slot->route + 64);
            return slot;
        }
    }
    return NULL;
}

/* The route of @key, where route_probe() gave @slot. */
static inline struct route *route_find_probed(struct routes *t, struct route_slot *slot,
                                              const struct route_key *key)
{
    if (slot == NULL)
        return NULL;
    return route_is(slot->route, key) ? route_slot_hit(slot) : route_find_further(t, key);
}

#endif
