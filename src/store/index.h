/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index: from a name and labels to the series, without a lock
 *
 * Contract: index_find() may run at any time between reclaim_enter() and reclaim_leave(), and on
 * the control thread. All else is called under the registry's lock.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/series.h"

int index_init(struct registry *r); /* 0 or -ENOMEM */

/* Hands each series to @fn, then frees the table. */
void index_release(struct registry *r, void (*fn)(struct registry *r, struct series *s));

/* The series of @key, or NULL. */
struct series *index_find(const struct registry *r, const struct series_key *key);

/* Room for one more. 0 or -ENOMEM. */
int index_reserve(struct registry *r);

/* Publish the series @ref, whole, whose key has @hash, after index_reserve(). */
void index_put(struct registry *r, uint64_t hash, uint32_t ref);

/* Forget the series @ref, whose key has @hash. */
void index_drop(struct registry *r, uint64_t hash, uint32_t ref);

#endif
