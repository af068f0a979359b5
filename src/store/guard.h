/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: what may not be born
 *
 * Contract: the asking functions take no lock; workers call them between reclaim_enter() and
 * reclaim_leave(). All else is called under the registry's lock. What is refused stays refused
 * until registry.n_removals changes.
 */
#ifndef STORE_GUARD_H
#define STORE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/relaxed.h"
#include "store/census.h"

struct registry;
struct series_key;

struct guard {
    /* Set at start. */
    uint64_t max_family; /* series of a family; 0: no limit */
    uint64_t max_values; /* distinct values of a label in a family; 0: no limit */
    uint64_t max_folds;  /* folds alive: see guard.c */

    relaxed_u64 n_folds;  /* alive; under the lock */
    struct census census; /* of families, labels and values; empty without the limits above */
    relaxed_u8 *known;    /* families by hash, counted, two in a byte; a sum of 15 stays */
    size_t n_known;       /* of the counts; a power of two */
};

int guard_init(struct guard *g, uint64_t max_series); /* 0 or -ENOMEM */
void guard_release(struct guard *g);                  /* accepts a zeroed one */

/* Which limit does the birth of @key meet, which is no fold and does not live? 0: none;
 * SERIES_E_FAMILY_LIMIT; SERIES_E_LABEL_LIMIT. No lock, or under it. */
int guard_ask(const struct guard *g, const struct series_key *key);

/*
 * May a fold be born that does not live? 0; SERIES_E_LIMIT. @known: its family has series; where
 * that is not sure without the lock, it may have.
 */
int guard_ask_fold(const struct guard *g, bool known);
bool guard_may_know(const struct guard *g, const struct series_key *key);

/* A birth: room for counting it (0 or -ENOMEM), and then it is counted. A death. */
int guard_reserve(struct registry *r, const struct series_key *key);
void guard_count_birth(struct guard *g, const struct series_key *key, bool fold);
void guard_count_death(struct guard *g, const struct series_key *key, bool fold);

/* A family of this hash comes, or goes. */
void guard_family_comes(struct guard *g, uint64_t hash);
void guard_family_goes(struct guard *g, uint64_t hash);

#endif
