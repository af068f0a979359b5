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
 * anew.
 *
 * Native buckets are kept beside the steps, as long as all that is counted is in them, and merged
 * with those of the cells. What was counted without any has no place in them, nor may it be in a
 * count that is shown with them, and it is not guessed from bounds. So where there are to be native
 * buckets it is put aside: pages that show them begin anew at that time, once, and say so by the
 * time of creation; the others go on.
 *
 *      counted with native off | leaving, native off | cells, native on
 *      `---------- unseen where native buckets are asked for ---------'
 *
 * Pages with native buckets read all of these before any classic ones: see cell_histogram.c.
 *
 * Laws: what carried_read() adds for a bound never becomes less, whatever is folded when; with
 *       native buckets but for the one beginning. They are never shown finer than before, which
 *       would look like a beginning: what is kept has been halved to the maximum of its time. A
 *       step is kept for at most CARRIED_MAX_POINTS bounds: beyond that, for those in force.
 */
#include "store/carry.h"

#include <errno.h>
#include <stdlib.h>

#include "store/bucket.h"
#include "store/native.h"

struct carried *carried_new(size_t cap)
{
    struct carried *c;

    return calloc(1, sizeof *c + cap * sizeof c->points[0]);
}

/* Bounds under which nothing new is known are no steps. */
static void add_point(struct carried *c, double bound, uint64_t cumulative)
{
    uint64_t below = c->n_points > 0 ? c->points[c->n_points - 1].cumulative : 0;

    if (cumulative > below)
        c->points[c->n_points++] = (struct carried_point){bound, cumulative};
}

/* What was read, as steps. */
static struct carried *steps_of(const struct snapshot_series *from)
{
    unsigned n = from->cumulative != NULL ? from->n_points : 0;
    struct carried *c = carried_new(n);

    if (c == NULL)
        return NULL;
    for (unsigned p = 0; p < n; p++)
        add_point(c, from->points[p], from->cumulative[p]);
    c->sum = from->sum;
    c->count = from->count;
    return c;
}

struct carried *carried_sum(const struct carried *a, const struct carried *b)
{
    unsigned n_a = a != NULL ? a->n_points : 0, i = 0, j = 0;
    struct carried *c = carried_new((size_t)n_a + b->n_points);
    uint64_t height_a = 0, height_b = 0;

    if (c == NULL)
        return NULL;
    while (i < n_a || j < b->n_points) {
        bool first = j == b->n_points || (i < n_a && a->points[i].bound <= b->points[j].bound);
        double bound = first ? a->points[i].bound : b->points[j].bound;

        if (first)
            height_a = a->points[i++].cumulative;
        if (j < b->n_points && b->points[j].bound == bound)
            height_b = b->points[j++].cumulative;
        add_point(c, bound, sum_or_most(height_a, height_b));
    }
    c->sum = (a != NULL ? a->sum : 0) + b->sum;
    c->count = sum_or_most(a != NULL ? a->count : 0, b->count);
    return c;
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

/* Too many bounds: only those of @shape are kept. Takes @c; NULL without memory. */
static struct carried *reduced(struct carried *c, const struct shape *shape)
{
    struct carried *less = NULL;
    uint64_t *heights;

    if (c == NULL || shape->type != METRIC_HISTOGRAM || c->n_points <= CARRIED_MAX_POINTS)
        return c;
    heights = calloc(shape->n_points + 1, sizeof *heights);
    if (heights != NULL)
        less = carried_new(shape->n_points);
    if (less != NULL) {
        add_heights(c, shape->points, shape->n_points, heights);
        for (unsigned p = 0; p < shape->n_points; p++)
            add_point(less, shape->points[p], heights[p]);
        less->sum = c->sum;
        less->count = c->count;
    }
    free(heights);
    free(c);
    return less;
}

/* @from on top of @was, which may be NULL. */
static struct carried *folded(const struct carried *was, const struct snapshot_series *from,
                              const struct shape *shape)
{
    struct carried *steps = steps_of(from), *c = NULL;

    if (steps != NULL)
        c = reduced(carried_sum(was, steps), shape);
    free(steps);
    return c;
}

/* All of @c is to be unseen. Takes it; NULL without memory. */
static struct carried *put_aside(struct carried *c, const struct carried *was,
                                 const struct shape *shape)
{
    struct carried *seen = carried_new(0);

    if (seen != NULL)
        seen->unseen = reduced(carried_sum(was != NULL ? was->unseen : NULL, c), shape);
    free(c);
    if (seen != NULL && seen->unseen == NULL) {
        free(seen);
        return NULL;
    }
    return seen;
}

int carried_fold(struct carried **at, const struct snapshot_series *from,
                 const struct native_merge *native, const struct shape *shape)
{
    struct carried *was = *at, *c = folded(was, from, shape);
    bool hides = native == NULL && shape->native_max > 0;

    if (c != NULL && hides)
        c = put_aside(c, was, shape);
    if (c == NULL || (native != NULL && native_keep(native, &c->native) != 0)) {
        free(c);
        return -ENOMEM;
    }
    if (was != NULL) {
        c->leaving = was->leaving;
        c->tick = was->tick;
        c->since = hides && was->leaving != NULL ? was->leaving->since : was->since;
        if (hides)
            free(was->unseen);
        else
            c->unseen = was->unseen;
        native_kept_free(was->native);
        free(was);
    }
    *at = c;
    return 0;
}

/* ---- native buckets ---- */

/* Is all that was folded in native buckets? */
static bool is_whole(const struct carried *c)
{
    return c->native != NULL || c->count == 0;
}

/* The same of what is leaving. Cells exist because something was observed. */
static bool leaving_is_whole(const struct leaving *l)
{
    bool has_cells = false;

    for (unsigned i = 0; i < l->n; i++)
        has_cells |= l->cells[i] != NULL;
    return !has_cells || l->shape->native_max > 0;
}

static uint32_t lower_max(uint32_t a, uint32_t b)
{
    return a != 0 && a < b ? a : b;
}

/*
 * Begin @r's sum of native buckets with all that was carried and is leaving. 1; 0 when some of that
 * is in none; -ENOMEM. It is halved to the maximum that held for it until now, so that it does not
 * become finer when a higher one comes.
 */
static int native_begin(const struct carried *c, const struct shape *shape, struct cell_reader *r)
{
    uint32_t max = lower_max(shape->native_max, NATIVE_MAX_BUCKETS);
    uint64_t count;
    int rc = 1;

    if (cell_reader_reserve_native(r) != 0)
        return -ENOMEM;
    native_merge_begin(r->native_merge,
                       shape->native_max > 0 ? shape->native_schema : BUCKET_SCHEMA_MAX);
    if (!is_whole(c))
        return 0;
    if (c->native != NULL && native_merge_add_kept(r->native_merge, c->native) != 0)
        return -ENOMEM;
    if (c->leaving != NULL) {
        max = lower_max(c->leaving->shape->native_max, max);
        rc = leaving_is_whole(c->leaving) ? cell_native_add(c->leaving->cells, c->leaving->n,
                                                            c->leaving->shape, r->native_merge)
                                          : 0;
    }
    if (rc == 1)
        native_merge_end(r->native_merge, max, &r->native, &count);
    return rc;
}

uint32_t carried_since(const struct carried *c, const struct shape *shape, uint32_t born)
{
    if (c->leaving != NULL && shape->native_max > 0 &&
        !(is_whole(c) && leaving_is_whole(c->leaving)))
        return c->leaving->since;
    return c->unseen != NULL ? c->since : born;
}

int carried_fold_leaving(struct carried **at, int64_t now_ms, const struct shape *shape)
{
    const struct leaving *l = (*at)->leaving;
    struct cell_reader r = {0};
    struct snapshot_series from = {0};
    int rc = native_begin(*at, shape, &r);

    if (rc >= 0) {
        const struct native_merge *native = rc == 1 ? r.native_merge : NULL;

        rc = cell_read(l->cells, l->n, l->shape, now_ms, &r, &from);
        if (rc == 0)
            rc = carried_fold(at, &from, native, shape);
    }
    cell_reader_release(&r);
    if (rc == 0)
        (*at)->leaving = NULL;
    return rc;
}

/* ---- reading ---- */

/* The same for what was read just now. */
static void add_read(const struct snapshot_series *from, struct snapshot_series *out,
                     uint64_t *cumulative)
{
    unsigned i = 0;

    for (unsigned p = 0; out->cumulative != NULL && p < out->n_points; p++) {
        while (from->cumulative != NULL && i < from->n_points && from->points[i] <= out->points[p])
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

static int add_carried(const struct carried *c, int64_t now_ms, struct cell_reader *r,
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

/* The classic side of a page that was asked for with native buckets, or without: then with what
 * others do not see. */
static int read_classic(const struct carried *c, bool is_seen, struct cell *const *cells,
                        unsigned n, const struct shape *shape, int64_t now_ms,
                        struct cell_reader *r, struct snapshot_series *out)
{
    bool wants_native = r->wants_native;
    int rc;

    r->wants_native = false;
    rc = cell_read(cells, n, shape, now_ms, r, out);
    r->wants_native = wants_native;
    if (rc == 0 && is_seen)
        rc = add_carried(c, now_ms, r, out);
    if (rc == 0 && !wants_native && c->unseen != NULL)
        rc = add_carried(c->unseen, now_ms, r, out);
    return rc;
}

int carried_read(const struct carried *c, struct cell *const *cells, unsigned n,
                 const struct shape *shape, int64_t now_ms, struct cell_reader *r,
                 struct snapshot_series *out)
{
    int is_seen = 1, shows_native = 0, rc;
    uint64_t count;

    if (r->wants_native && shape->native_max > 0) {
        is_seen = native_begin(c, shape, r);
        if (is_seen == 0)
            native_merge_begin(r->native_merge, shape->native_schema);
        if (is_seen >= 0)
            shows_native = cell_native_add(cells, n, shape, r->native_merge);
        if (is_seen < 0 || shows_native < 0)
            return -ENOMEM;
        if (shows_native)
            native_merge_end(r->native_merge, shape->native_max, &r->native, &count);
    }
    rc = read_classic(c, is_seen, cells, n, shape, now_ms, r, out);
    if (rc == 0 && shows_native)
        cell_native_show(r, count, out);
    return rc;
}

void carried_free(struct carried *c)
{
    if (c == NULL)
        return;
    free(c->unseen);
    native_kept_free(c->native);
    free(c->leaving);
    free(c);
}
