/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route plans: one for all routes that do the same
 *
 * What an identity's samples do depends on its type, its rate and the rule that takes it, so a
 * million routes have some dozens of plans. Kept once, they stay in the nearest cache, and a route
 * stays within a line of it.
 *
 * Laws: a plan never changes; it lives as long as a route has it.
 */
#include "store/route_plan.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SAYS_FROM offsetof(struct route_plan, shape)
#define SAYS_SIZE (sizeof(struct route_plan) - SAYS_FROM)

_Static_assert(SAYS_SIZE == 64, "what a plan says has no padding");

static const char *says(const struct route_plan *p)
{
    return (const char *)p + SAYS_FROM;
}

struct route_plan *route_plan_take(struct route_plans *plans, const struct route_plan *what)
{
    uint64_t hash = hash_bytes(slice_of(says(what), SAYS_SIZE), plans->seed);
    struct route_plan *p;

    for (struct table_link *link = table_chain(&plans->table, hash); link != NULL;
         link = link->next) {
        p = table_entry(link, struct route_plan, link);
        if (link->hash == hash && memcmp(says(p), says(what), SAYS_SIZE) == 0) {
            p->n_routes++;
            return p;
        }
    }
    p = malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    *p = *what;
    p->link.hash = hash;
    p->n_routes = 1;
    if (table_insert(&plans->table, &p->link) != 0) {
        free(p);
        return NULL;
    }
    return p;
}

void route_plan_give(struct route_plans *plans, struct route_plan *plan)
{
    if (--plan->n_routes > 0)
        return;
    table_remove(&plans->table, &plan->link);
    free(plan);
}
