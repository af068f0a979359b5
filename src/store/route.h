/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: where the samples of an identity go
 *
 * A worker meets the same (name, suffix) pairs again and again. This table remembers, for the bytes
 * as they arrive, what the engine made of them: a cell and a plan, which says what to do there, or
 * the reason of a refusal. A hit skips tag parsing, mapping and label building.
 *
 * There are as many routes as identities, and few plans: a plan is kept once for all routes that
 * have it.
 *
 * Finding a route is route_find.h's.
 *
 * Contract: belongs to one worker: no locks, no atomics. Bounded in number and bytes: at a limit a
 * new identity takes the place of a cold one, so a flood of one-off identities evicts itself and
 * not the hot. What is not met again for some rounds of routes_age() is forgotten. A route is a
 * promise only while its plan's `gen` is the mapping's generation and `birth` is its cell's: the
 * caller checks both.
 */
#ifndef STORE_ROUTE_H
#define STORE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/table.h"
#include "store/cell.h"

/* What a route does with a sample, its series aside. */
struct route_plan {
    struct table_link link; /* in the table's plans */
    uint64_t n_routes;      /* that have it */

    /* What it says; two that say the same are one. No padding: compared as bytes. */
    const struct shape *shape;
    double divisor;
    double scale;
    int64_t weight;      /* how often an observation counts */
    uint64_t n_removals; /* refusals: of the registry when this was decided */
    uint32_t gen;
    uint32_t short_gen; /* the engine's; so are those up to the counts */
    uint8_t op;
    uint8_t kind;
    uint8_t reason;
    uint8_t flags;
    uint16_t turn;
    uint16_t n_name_tag_errors;
    uint16_t n_tag_errors;
    uint16_t n_rate_errors;
    uint32_t pad;
};

struct route {
    struct cell *cell; /* not NULL: route_nowhere where there is none */
    struct route_plan *plan;
    uint32_t birth; /* of the cell */
    uint16_t name_len;
    uint16_t suffix_len;
    union {
        uint64_t word;  /* slice_word() of the suffix */
        uint32_t limbo; /* of those that left the table: the next; see route_flush() */
    };
    char bytes[]; /* name; suffix, if `word` does not have it */
};

_Static_assert(sizeof(struct route) == 32, "with a usual name it fits a cache line");

/* The cell of routes that lead to no series: its birth is 0, and nobody writes it. */
extern struct cell route_nowhere;

static inline struct slice route_name(const struct route *r)
{
    return slice_of(r->bytes, r->name_len);
}

static inline struct slice route_suffix(const struct route *r)
{
    return slice_of(r->suffix_len <= SLICE_WORD_MAX ? (const char *)&r->word
                                                    : r->bytes + r->name_len,
                    r->suffix_len);
}

/* What a route is found by: the bytes of an identity as they arrived. */
struct route_key {
    uint32_t tag;  /* of its hash */
    uint64_t word; /* slice_word() of the suffix */
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
 * Remember @what (its key is filled in here, its plan is copied) for @key, in the place of an older
 * route of its own, of an empty place, or of a cold neighbour. The route, or NULL when it is too
 * long or there is no memory: the caller goes on with its own.
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

/* Make @r, which is in the table, say what @what says; its key stays. Without memory it stays as it
 * is. */
void route_renew(struct routes *t, struct route *r, const struct route *what);

/* One step of forgetting what was not met lately: 1/512 of the table. To be called every 100 ms. */
void routes_age(struct routes *t);

/* Free what was replaced: no route found earlier is used after this. */
void route_flush(struct routes *t);

struct route_stats route_stats(const struct routes *t);

#endif
