/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grid: exponential buckets in private memory
 *
 *      positive:   n[0] n[1] ... n[len-1]      one bucket each, without gaps, from `first` on
 *      negative:   the same for magnitudes
 *
 * The sketch's writer rebuilds a slot here when it has to be reshaped, and a scrape adds up the
 * slots of a window and of all workers here. Both runs share one schema. A value outside a run
 * extends it; when a run would become too long, neighbours are put together until it is not.
 *
 * Laws: nothing is lost: the sum over a run is what was added. At the coarsest schema every double
 *       fits, so nothing here fails.
 */
#include "store/grid.h"

#include "store/bucket.h"

#include <assert.h>
#include <math.h>
#include <string.h>

_Static_assert(BUCKET_MIN_SPAN <= GRID_MAX_LEN, "at the coarsest schema everything fits");

void grid_init(struct grid *g)
{
    g->schema = BUCKET_SCHEMA_MAX;
    g->runs[GRID_POSITIVE].len = 0;
    g->runs[GRID_NEGATIVE].len = 0;
}

bool grid_is_empty(const struct grid *g)
{
    return g->runs[GRID_POSITIVE].len == 0 && g->runs[GRID_NEGATIVE].len == 0;
}

static void run_coarsen(struct run *r, unsigned steps)
{
    int32_t first = bucket_coarser(r->first, steps);
    uint32_t len = 0;

    for (uint32_t i = 0; i < r->len; i++) {
        uint32_t to = (uint32_t)(bucket_coarser(r->first + (int32_t)i, steps) - first);

        if (to < len)
            r->n[to] += r->n[i];
        else
            r->n[len++] = r->n[i];
    }
    r->first = first;
    r->len = len;
}

void grid_coarsen(struct grid *g, unsigned steps)
{
    assert(g->schema - (int)steps >= BUCKET_SCHEMA_MIN);
    run_coarsen(&g->runs[GRID_POSITIVE], steps);
    run_coarsen(&g->runs[GRID_NEGATIVE], steps);
    g->schema -= (int)steps;
}

void grid_cover(struct grid *g, enum grid_sign sign, int32_t lo, int32_t hi)
{
    struct run *r = &g->runs[sign];
    unsigned steps = 0;
    uint32_t before, len;

    if (r->len > 0) {
        int32_t last = r->first + (int32_t)r->len - 1;

        lo = lo < r->first ? lo : r->first;
        hi = hi > last ? hi : last;
    }
    while (bucket_coarser(hi, steps) - bucket_coarser(lo, steps) >= GRID_MAX_LEN)
        steps++;
    if (steps > 0)
        grid_coarsen(g, steps);
    lo = bucket_coarser(lo, steps);
    hi = bucket_coarser(hi, steps);

    len = (uint32_t)(hi - lo) + 1;
    before = r->len > 0 ? (uint32_t)(r->first - lo) : 0;
    memmove(r->n + before, r->n, r->len * sizeof r->n[0]);
    memset(r->n, 0, before * sizeof r->n[0]);
    memset(r->n + before + r->len, 0, (len - before - r->len) * sizeof r->n[0]);
    r->first = lo;
    r->len = len;
}

void grid_add(struct grid *g, double v, uint64_t weight)
{
    enum grid_sign sign = v > 0 ? GRID_POSITIVE : GRID_NEGATIVE;
    struct run *r = &g->runs[sign];
    int32_t i = bucket_index(fabs(v), BUCKET_SCHEMA_MAX);
    int32_t at = bucket_coarser(i, (unsigned)(BUCKET_SCHEMA_MAX - g->schema));

    grid_cover(g, sign, at, at);
    at = bucket_coarser(i, (unsigned)(BUCKET_SCHEMA_MAX - g->schema));
    r->n[at - r->first] += weight;
}

uint64_t run_total(const struct run *r)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < r->len; i++)
        n += r->n[i];
    return n;
}

uint64_t grid_most(const struct grid *g)
{
    uint64_t most = 0;

    for (unsigned sign = 0; sign < GRID_N_SIGNS; sign++) {
        const struct run *r = &g->runs[sign];

        for (uint32_t i = 0; i < r->len; i++)
            most = r->n[i] > most ? r->n[i] : most;
    }
    return most;
}
