/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: where the samples of an identity go
 *
 * A worker meets the same (name, suffix) pairs again and again. This table remembers, for the bytes
 * as they arrive, what the engine made of them: a cell and an operation, or the reason of a
 * refusal. A hit skips tag parsing, mapping and label building.
 *
 * Finding one is route_find.h's.
 *
 * Contract: belongs to one worker: no locks, no atomics. Bounded in number and bytes: at a limit a
 * new identity takes the place of a cold one, so a flood of one-off identities evicts itself and
 * not the hot. What is not met again for some rounds of routes_age() is forgotten. A route is a
 * promise only while `gen` is the mapping's generation and, if it has a cell, `birth` is the
 * cell's: the caller checks both.
 */
#ifndef STORE_ROUTE_H
#define STORE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "store/cell.h"

struct route {
    struct route *limbo; /* next of those that were replaced; see route_flush() */
    struct cell *cell;
    const struct shape *shape;
    double divisor;
    double scale;
    int64_t weight;      /* how often an observation counts */
    uint64_t n_removals; /* refusals: of the registry when this was decided */
    uint32_t birth;
    uint32_t gen;
    uint8_t op;     /* the engine's */
    uint8_t kind;   /* the engine's */
    uint8_t reason; /* the engine's */
    uint8_t flags;  /* the engine's */
    uint16_t n_name_tag_errors;
    uint16_t n_tag_errors;
    uint16_t n_rate_errors;
    uint16_t pad;
    uint64_t lens; /* of the name and, 32 bits up, of the suffix */
    uint64_t word; /* slice_word() of the suffix */
    char bytes[];  /* name, suffix */
};

static inline struct slice route_name(const struct route *r)
{
    return slice_of(r->bytes, (uint32_t)r->lens);
}

static inline struct slice route_suffix(const struct route *r)
{
    return slice_of(r->bytes + (uint32_t)r->lens, (size_t)(r->lens >> 32));
}

/* What a route is found by: the bytes of an identity as they arrived. */
struct route_key {
    uint64_t hash;
    uint64_t word; /* slice_word() of the suffix */
    uint64_t lens; /* as in the route */
    struct slice name;
    struct slice suffix;
};

struct routes;

struct route_stats {
    uint64_t n;         /* remembered now */
    uint64_t n_evicted; /* forgotten to make room */
    uint64_t n_bytes;   /* of the table and its routes */
};

/* Identities longer than this are not remembered. */
#define ROUTE_MAX_KEY    4096u

/* What a route is reckoned at in bytes: past @max_routes times this the coldest make room. */
#define ROUTE_MEAN_BYTES 256u

/* 0, -ENOMEM. @seed: random. */
int routes_new(struct routes **out, uint64_t seed, uint64_t max_routes);
void routes_free(struct routes *t); /* accepts NULL */

/*
 * Remember @what (its key is filled in here) for @key, in the place of an older route of its own,
 * of an empty place, or of a cold neighbour. Copies. The route, or NULL when it is too long or
 * there is no memory: the caller goes on with its own.
 */
struct route *route_put(struct routes *t, const struct route_key *key, const struct route *what);

/* How far a walk past all routes has come. A zeroed one stands at the beginning. */
struct route_walk {
    uint64_t at;        /* the next place */
    uint64_t n_resizes; /* of the table, when `at` was right */
};

/*
 * The next route of a walk that looks at no more than *@n_places (counted down); NULL when they are
 * used up or the walk has ended. Routes that are replaced, forgotten or remembered meanwhile may be
 * met or not; all others are met. The walk begins anew when the table got another size.
 */
struct route *route_walk_next(struct routes *t, struct route_walk *walk, uint64_t *n_places);
bool route_walk_ended(const struct routes *t, const struct route_walk *walk);

/* Make @r, which is in the table, say what @what says; its key stays. */
void route_renew(struct route *r, const struct route *what);

/* One step of forgetting what was not met lately: 1/512 of the table. To be called every 100 ms. */
void routes_age(struct routes *t);

/* Free what was replaced: no route found earlier is used after this. */
void route_flush(struct routes *t);

struct route_stats route_stats(const struct routes *t);

#endif
