/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweep: what a worker remembers, brought up to new rules
 *
 * A sample of a known identity finds its route stale after a reload and goes the long way. Series
 * that get no sample are to follow the new rules as well, and only the routes know which identities
 * led to them. So each worker walks through its own table once in a generation, a few routes a
 * call, and resolves what is older than the rules:
 *
 *      the same series   the route is renewed; the next sample is a hit
 *      another ttl       the registry is told
 *      no such series    the route stays as it is: the next sample makes the series, if there is
 *                        one
 *
 * Three paces: hardly anything with datagrams, a little in an empty call between batches, and as
 * much as a batch may cost when nothing comes.
 *
 * Laws: the sweep makes no series, counts no sample and no refusal, and does not touch a series'
 *       last-seen time. A call resolves no more bytes of identities than its pace, and one.
 */
#include "engine/engine.h"

/* Bytes of identities to be resolved, and places of the table to be looked at. */
static const struct pace {
    size_t work;
    uint64_t n_places;
} with_datagrams = {256, 1024}, between_batches = {8192, 4096}, idle = {65536, 16384};

static const struct pace *pace_of(struct bacowr_worker *w, unsigned n_datagrams)
{
    bool was_busy = w->busy;

    w->busy = n_datagrams > 0;
    return w->busy ? &with_datagrams : was_busy ? &between_batches : &idle;
}

/* Is there a series to be told of the new rules? A refusal is decided anew by the next sample. */
static bool is_stale(const struct bacowr_worker *w, const struct route *r)
{
    return r->plan->gen != w->rules->gen && r->plan->op < OP_DROP;
}

void sweep(struct bacowr_worker *w, unsigned n_datagrams)
{
    const struct pace *pace = pace_of(w, n_datagrams);
    uint64_t n_places = pace->n_places;
    size_t work = 0;

    if (w->swept_gen == w->rules->gen)
        return;
    if (w->sweeping_gen != w->rules->gen) {
        w->sweeping_gen = w->rules->gen;
        w->walk = (struct route_walk){0};
    }
    while (work < pace->work) {
        struct route *r = route_walk_next(w->routes, &w->walk, &n_places);

        if (r == NULL)
            break;
        if (!is_stale(w, r))
            continue;
        work += route_name(r).len + route_suffix(r).len;
        resolve_again(w, r);
    }
    if (!route_walk_ended(w->routes, &w->walk))
        return;
    w->swept_gen = w->rules->gen;
    /* Release: who sees the sweep ended sees what it did. */
    atomic_store_explicit(&w->stats[STAT_SWEPT], w->swept_gen, memory_order_release);
}

bool bacowr_is_sweeping(const struct bacowr_worker *w)
{
    return w->swept_gen != w->sweeping_gen;
}
