/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carry: see carry.h
 *
 * A histogram knows of an observation only between which of its bounds it lies. When it gets other
 * bounds, the old knowledge goes on: an observation in (lo, hi] counts under every bound that is
 * not below hi, whatever the bounds are at the time. So what was counted is kept as a staircase
 * over all bounds that there have been,
 *
 *      bound       0.1   0.5    1     5
 *      at most it   12    40   41    57
 *
 * and is added to the buckets in force at each reading: the height of the last step that is not
 * above the bound. Bounds that are new begin low, and nothing ever falls; bounds that come back
 * find what they knew. Counts and sums go on as they were; the window of a summary or set begins
 * anew. Native buckets, which have to add up to the count, are not shown any more.
 *
 * Laws: what carried_add() adds for a bound never becomes less, whatever is folded when. A step is
 *       kept for at most CARRIED_MAX_POINTS bounds: beyond that, for those in force.
 */
#include "store/carry.h"

#include <errno.h>
#include <stdlib.h>

/* Full buckets could be more than a word holds. */
static uint64_t sum_or_most(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static struct carried *carried_new(const struct carried *was, unsigned cap)
{
    struct carried *c = calloc(1, sizeof *c + cap * sizeof c->points[0]);

    if (c == NULL || was == NULL)
        return c;
    c->leaving = was->leaving;
    c->tick = was->tick;
    c->sum = was->sum;
    c->count = was->count;
    return c;
}

/* Bounds under which nothing new is known are no steps. */
static void add_point(struct carried *c, double bound, uint64_t cumulative)
{
    uint64_t below = c->n_points > 0 ? c->points[c->n_points - 1].cumulative : 0;

    if (cumulative > below)
        c->points[c->n_points++] = (struct carried_point){bound, cumulative};
}

/* The sum of both staircases into @c, which has room. */
static void add_steps(struct carried *c, const struct carried *was,
                      const struct snapshot_series *from)
{
    unsigned n_was = was != NULL ? was->n_points : 0;
    unsigned n_from = from->cumulative != NULL ? from->n_points : 0;
    uint64_t a = 0, b = 0;
    unsigned i = 0, j = 0;

    while (i < n_was || j < n_from) {
        bool first = j == n_from || (i < n_was && was->points[i].bound <= from->points[j]);
        double bound = first ? was->points[i].bound : from->points[j];

        if (first)
            a = was->points[i++].cumulative;
        if (j < n_from && from->points[j] == bound)
            b = from->cumulative[j++];
        add_point(c, bound, sum_or_most(a, b));
    }
}

/* How much @c knows to be at most each of @n ascending bounds, added to @cumulative. */
static void add_heights(const struct carried *c, const double *bounds, unsigned n,
                        uint64_t *cumulative)
{
    uint64_t height = 0;
    unsigned i = 0;

    for (unsigned p = 0; p < n; p++) {
        for (; i < c->n_points && c->points[i].bound <= bounds[p]; i++)
            height = c->points[i].cumulative;
        cumulative[p] = sum_or_most(cumulative[p], height);
    }
}

/* Too many bounds: only those of @shape are kept. */
static int reduce(struct carried **at, const struct shape *shape)
{
    struct carried *c = *at;
    struct carried *less;
    uint64_t *heights;

    if (c->n_points <= CARRIED_MAX_POINTS)
        return 0;
    less = carried_new(c, shape->n_points);
    heights = calloc(shape->n_points + 1, sizeof *heights);
    if (less == NULL || heights == NULL) {
        free(less);
        free(heights);
        return -ENOMEM;
    }
    add_heights(c, shape->points, shape->n_points, heights);
    for (unsigned p = 0; p < shape->n_points; p++)
        add_point(less, shape->points[p], heights[p]);
    free(heights);
    free(c);
    *at = less;
    return 0;
}

int carried_fold(struct carried **at, const struct snapshot_series *from, const struct shape *shape)
{
    struct carried *was = *at;
    unsigned n_from = from->cumulative != NULL ? from->n_points : 0;
    struct carried *c = carried_new(was, (was != NULL ? was->n_points : 0) + n_from);

    if (c == NULL)
        return -ENOMEM;
    add_steps(c, was, from);
    c->sum += from->sum;
    c->count = sum_or_most(c->count, from->count);
    if (shape->type == METRIC_HISTOGRAM && reduce(&c, shape) != 0) {
        free(c);
        return -ENOMEM;
    }
    free(was);
    *at = c;
    return 0;
}

/* The same for what was read just now. */
static void add_read(const struct snapshot_series *from, struct snapshot_series *out,
                     uint64_t *cumulative)
{
    unsigned i = 0;

    for (unsigned p = 0; out->cumulative != NULL && p < out->n_points; p++) {
        while (i < from->n_points && from->points[i] <= out->points[p])
            i++;
        cumulative[p] = sum_or_most(cumulative[p], i > 0 ? from->cumulative[i - 1] : 0);
    }
    out->sum += from->sum;
    out->count = sum_or_most(out->count, from->count);
}

static int add_leaving(const struct leaving *l, int64_t now_ms, struct snapshot_series *out,
                       uint64_t *cumulative)
{
    struct cell_reader aside = {0};
    struct snapshot_series from = {0};
    int rc = cell_read(l->cells, l->n, l->shape, now_ms, &aside, &from);

    if (rc == 0)
        add_read(&from, out, cumulative);
    cell_reader_release(&aside);
    return rc;
}

int carried_add(const struct carried *c, int64_t now_ms, struct cell_reader *r,
                struct snapshot_series *out)
{
    if (c->leaving != NULL && add_leaving(c->leaving, now_ms, out, r->cumulative) != 0)
        return -ENOMEM;
    if (out->cumulative != NULL)
        add_heights(c, out->points, out->n_points, r->cumulative);
    out->sum += c->sum;
    out->count = sum_or_most(out->count, c->count);
    return 0;
}

void carried_free(struct carried *c)
{
    if (c == NULL)
        return;
    free(c->leaving);
    free(c);
}
