/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: open addressing in short windows
 *
 * A route's home is a place in a power of two of slots; it stands in one of the places of a window
 * that begins there. Slots carry the whole hash, so a look at one or two cache lines decides, and
 * growing moves slots without touching the routes. How a route is found is in route_find.h.
 *
 *      slots | hash, route | hash, route | empty | ...       16 bytes each
 *                    `--> cell, shape, factors, birth, gen | name and suffix
 *
 * The table doubles while it is more than half full (a small one: a quarter), or a window is full
 * before that, up to its limit; then a route that finds its window full takes the place of the
 * coldest. How hot a route is, is counted in two bits of its slot: a hit sets them to the highest;
 * evictions and age cool them down, and a route without heat is the first to go. A route that was
 * never hit again has none, so one-off identities evict each other. The two bits are taken from the
 * hash's lowest, which would only say where home is.
 *
 * Age goes round the table in about 50 s: what was not met in four rounds is forgotten, what was
 * met only once in one. So a churn of names leaves nothing behind, and a route whose series has
 * expired needs no notice: it is not met any more. When it is, its cell's birth number gives it
 * away.
 *
 * A route that was replaced is not freed at once: the caller may hold it from earlier in its batch.
 *
 * Laws: at most max_slots places and max_bytes of routes. Nothing is ever moved out of its window,
 * so a lookup that has seen its whole window or an empty place is done; a place that is given up is
 * marked gone, not empty.
 */
#include "store/route.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/route_find.h"

#define SLOTS_MIN 512u

/* Odd, half of its bits ones: makes two keys of a seed. */
#define KEY_STEP  UINT64_C(0x9e3779b97f4a7c15)

/* Stands in a place that was given up. No name is that long. */
static const struct route gone_route = {.lens = UINT64_MAX};
#define GONE ((struct route *)&gone_route)

_Static_assert(sizeof(struct route) <= 96, "a route stays within a cache line and a half");

static struct route_slot *slots_new(uint64_t n_slots)
{
    return calloc(n_slots + ROUTE_WINDOW, sizeof(struct route_slot));
}

int routes_new(struct routes **out, uint64_t seed, uint64_t max_routes)
{
    struct routes *t = calloc(1, sizeof *t);

    if (t == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < 2; i++) {
        seed = (seed + KEY_STEP) * KEY_STEP;
        t->keys[i] = seed ^ seed >> 32;
    }
    t->n_slots = SLOTS_MIN;
    t->max_slots = SLOTS_MIN;
    while (t->max_slots < max_routes)
        t->max_slots *= 2;
    t->max_bytes = t->max_slots * ROUTE_MEAN_BYTES;
    t->slots = slots_new(t->n_slots);
    if (t->slots == NULL) {
        free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void routes_free(struct routes *t)
{
    if (t == NULL)
        return;
    route_flush(t);
    for (uint64_t i = 0; i < t->n_slots + ROUTE_WINDOW; i++)
        if (t->slots[i].route != GONE)
            free(t->slots[i].route);
    free(t->slots);
    free(t);
}

static struct route_slot *slot_of(struct routes *t, const struct route_key *key)
{
    struct route_slot *slot = &t->slots[route_home(key->hash, t->n_slots)];

    for (unsigned i = 0; i < ROUTE_WINDOW && slot->route != NULL; i++, slot++)
        if (route_slot_has(slot, key->hash) && route_is(slot->route, key))
            return slot;
    return NULL;
}

struct route *route_find_further(struct routes *t, const struct route_key *key)
{
    struct route_slot *slot = slot_of(t, key);

    return slot != NULL ? route_slot_hit(slot) : NULL;
}

/* A place in the window of @hash that holds no route, or NULL. */
static struct route_slot *free_slot(struct route_slot *slots, uint64_t n_slots, uint64_t hash)
{
    struct route_slot *slot = &slots[route_home(hash, n_slots)];

    for (unsigned i = 0; i < ROUTE_WINDOW; i++, slot++)
        if (slot->route == NULL || slot->route == GONE)
            return slot;
    return NULL;
}

static size_t route_bytes(const struct route *r)
{
    return sizeof *r + route_name(r).len + route_suffix(r).len;
}

/* The route is out of the table, but the caller may still hold it. */
static void route_leave(struct routes *t, struct route *r)
{
    t->n--;
    t->n_route_bytes -= route_bytes(r);
    r->limbo = t->limbo;
    t->limbo = r;
}

static void give_up(struct routes *t, struct route_slot *slot)
{
    route_leave(t, slot->route);
    slot->route = GONE;
    t->n_gone++;
}

/* Move all to a table of @n_slots. A route that finds no place in its window is forgotten. */
static int resize(struct routes *t, uint64_t n_slots)
{
    struct route_slot *slots = slots_new(n_slots);

    if (slots == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < t->n_slots + ROUTE_WINDOW; i++) {
        struct route_slot *from = &t->slots[i];
        struct route_slot *to;

        if (from->route == NULL || from->route == GONE)
            continue;
        to = free_slot(slots, n_slots, from->hash);
        if (to != NULL) {
            *to = *from;
            continue;
        }
        route_leave(t, from->route);
        t->n_evicted++;
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    t->n_gone = 0;
    t->hand = 0;
    t->n_resizes++;
    return 0;
}

/* So many places may be taken. A small table stays emptier: there more routes stand at home, and
 * the memory is none. */
static uint64_t most_taken(const struct routes *t)
{
    return t->n_slots / (t->n_slots < ROUTE_SLOTS_NEAR ? 4 : 2);
}

/* Grow when routes fill it, tidy up when gone places do. Without memory the windows decide. */
static void make_room(struct routes *t)
{
    uint64_t most = most_taken(t);

    if (t->n + t->n_gone < most)
        return;
    if (t->n >= most / 2 && t->n_slots < t->max_slots)
        (void)resize(t, 2 * t->n_slots);
    else if (t->n_gone >= most / 2)
        (void)resize(t, t->n_slots);
}

/* The coldest place in a full window, given up; if it was warm, the others cool down. */
static struct route_slot *evict(struct routes *t, uint64_t hash)
{
    struct route_slot *window = &t->slots[route_home(hash, t->n_slots)];
    struct route_slot *coldest = window;

    for (unsigned i = 1; i < ROUTE_WINDOW; i++)
        if ((window[i].hash & ROUTE_HEAT) < (coldest->hash & ROUTE_HEAT))
            coldest = &window[i];
    if ((coldest->hash & ROUTE_HEAT) != 0)
        for (unsigned i = 0; i < ROUTE_WINDOW; i++)
            if ((window[i].hash & ROUTE_HEAT) != 0)
                window[i].hash--;
    give_up(t, coldest);
    t->n_evicted++;
    return coldest;
}

/* A place for a new route. At half full one window in some thousands has no room left: then it is
 * time to grow, or a few hot routes would push each other out for ever. */
static struct route_slot *take_slot(struct routes *t, uint64_t hash)
{
    struct route_slot *slot;

    make_room(t);
    slot = free_slot(t->slots, t->n_slots, hash);
    if (slot == NULL && t->n >= t->n_slots / 4 && t->n_slots < t->max_slots &&
        resize(t, 2 * t->n_slots) == 0)
        slot = free_slot(t->slots, t->n_slots, hash);
    if (slot == NULL)
        slot = evict(t, hash);
    if (slot->route == GONE)
        t->n_gone--;
    slot->hash = hash;
    return slot;
}

/* Let the next place in turn grow older. True when its route was forgotten. */
static bool age_one(struct routes *t)
{
    struct route_slot *slot = &t->slots[t->hand];

    t->hand = t->hand + 1 < t->n_slots + ROUTE_WINDOW ? t->hand + 1 : 0;
    if (slot->route == NULL || slot->route == GONE)
        return false;
    if ((slot->hash & ROUTE_HEAT) != 0) {
        slot->hash--;
        return false;
    }
    give_up(t, slot);
    return true;
}

void routes_age(struct routes *t)
{
    for (uint64_t i = 0; i < t->n_slots / 512; i++) {
        (void)age_one(t);
        if (t->hand == 0 && t->n_slots > SLOTS_MIN && t->n < t->n_slots / 8)
            (void)resize(t, t->n_slots / 2);
    }
}

static struct route *route_copy(const struct route_key *key, const struct route *what)
{
    struct route *r = malloc(sizeof *r + key->name.len + key->suffix.len);

    if (r == NULL)
        return NULL;
    *r = *what;
    r->limbo = NULL;
    r->lens = key->lens;
    r->word = key->word;
    memcpy(r->bytes, key->name.p, key->name.len);
    memcpy(r->bytes + key->name.len, key->suffix.p, key->suffix.len);
    return r;
}

struct route *route_put(struct routes *t, const struct route_key *key, const struct route *what)
{
    struct route_slot *slot;
    struct route *r;

    if (key->lens == ROUTE_LENS_NONE || key->name.len + key->suffix.len > ROUTE_MAX_KEY)
        return NULL;
    r = route_copy(key, what);
    if (r == NULL)
        return NULL;
    while (t->n > 0 && t->n_route_bytes + route_bytes(r) > t->max_bytes)
        t->n_evicted += age_one(t);
    slot = slot_of(t, key);
    if (slot != NULL)
        route_leave(t, slot->route);
    else
        slot = take_slot(t, key->hash);
    slot->route = r;
    t->n++;
    t->n_route_bytes += route_bytes(r);
    return r;
}

struct route *route_walk_next(struct routes *t, struct route_walk *walk, uint64_t *n_places)
{
    if (walk->n_resizes != t->n_resizes)
        *walk = (struct route_walk){.n_resizes = t->n_resizes};
    while (*n_places > 0 && walk->at < t->n_slots + ROUTE_WINDOW) {
        struct route *r = t->slots[walk->at].route;

        walk->at++;
        --*n_places;
        if (r != NULL && r != GONE)
            return r;
    }
    return NULL;
}

bool route_walk_ended(const struct routes *t, const struct route_walk *walk)
{
    return walk->n_resizes == t->n_resizes && walk->at == t->n_slots + ROUTE_WINDOW;
}

void route_renew(struct route *r, const struct route *what)
{
    struct route *limbo = r->limbo;

    /* The key begins within the struct's size. */
    memcpy(r, what, offsetof(struct route, lens));
    r->limbo = limbo;
}

void route_flush(struct routes *t)
{
    while (t->limbo != NULL) {
        struct route *next = t->limbo->limbo;

        free(t->limbo);
        t->limbo = next;
    }
}

struct route_stats route_stats(const struct routes *t)
{
    return (struct route_stats){
        .n = t->n,
        .n_evicted = t->n_evicted,
        .n_bytes = t->n_slots * sizeof(struct route_slot) + t->n_route_bytes,
    };
}
