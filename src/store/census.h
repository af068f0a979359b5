/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Census: how many there are of what has this 64-bit key
 *
 * Contract: census_get() takes no lock and may run at any time between reclaim_enter() and
 * reclaim_leave(). All else is called under the registry's lock. A zeroed one is empty.
 */
#ifndef STORE_CENSUS_H
#define STORE_CENSUS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct registry;
struct census_table;

struct census {
    _Atomic(struct census_table *) table; /* published with release; NULL: nothing was counted */
};

/* How many of @key. Who sees a count sees what was counted before it. */
uint32_t census_get(const struct census *c, uint64_t key);

/* Make room for @n keys that were not there. What was outgrown is left to control. 0 or -ENOMEM. */
int census_reserve(struct registry *r, struct census *c, size_t n);

/* One more of @key, for which there is room; one less. The number there is now. */
uint32_t census_add(struct census *c, uint64_t key);
uint32_t census_drop(struct census *c, uint64_t key);

void census_release(struct census *c); /* accepts a zeroed one */

#endif
