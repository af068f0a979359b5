/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route plans: one for all routes that do the same
 *
 * Contract: private to the files of routes. Plans belong to the table of their routes.
 */
#ifndef STORE_ROUTE_PLAN_H
#define STORE_ROUTE_PLAN_H

#include "store/route.h"

struct route_plans {
    struct table table;
    uint64_t seed; /* of its hashes: weights and scales come from senders */
};

/* The plan in @plans that says what @what says, made when there is none, with a route more. NULL
 * without memory. */
struct route_plan *route_plan_take(struct route_plans *plans, const struct route_plan *what);

/* A route less; the last one takes the plan along. */
void route_plan_give(struct route_plans *plans, struct route_plan *plan);

static inline uint64_t route_plans_bytes(const struct route_plans *plans)
{
    return plans->table.n * sizeof(struct route_plan);
}

#endif
