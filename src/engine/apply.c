/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply: what a route does with a sample
 *
 * One function for each operation, in a table. The value comes as it was sent; what reaches the
 * cell is divided and scaled as the route says.
 *
 * Laws: no lock, no clock, and no allocation but of blocks that sets and native buckets outgrow.
 *       Every event is counted once: as applied, under its kind and whether a rule took it, or as
 *       not applied, under the reason.
 */
#include "engine/group.h"

#include <float.h>
#include <math.h>

static bool is_signed(struct slice value)
{
    return value.len > 0 && (value.p[0] == '+' || value.p[0] == '-');
}

/* Count events that reached their series. */
static void count_applied(struct bacowr_worker *w, const struct route *r, uint64_t weight)
{
    stat_add(w, STAT_EVENT(r->kind, r->flags & ROUTE_MAPPED), weight);
}

/* Count events that did not, under their reason. */
static void count_unapplied(struct bacowr_worker *w, const struct route *r, unsigned stat)
{
    uint64_t weight = r->weight > 0 ? (uint64_t)r->weight : 0;

    stat_add(w, r->flags & ROUTE_MAPPED ? STAT_UNAPPLIED_MAPPED : STAT_UNAPPLIED_UNMAPPED, weight);
    stat_add(w, stat, weight);
}

/* @v as the cell is to have it. Nearly always the two factors are 1, and a division is dear. */
static double scaled(const struct route *r, double v)
{
    return r->flags & ROUTE_SCALED ? v / r->divisor * r->scale : v;
}

/* No counter takes @v, which is scaled: count why. */
static void refuse_count(struct bacowr_worker *w, const struct route *r, double v)
{
    count_unapplied(w, r, isfinite(v) ? STAT_NEGATIVE : STAT_NOT_FINITE);
}

static bool is_count(double v)
{
    return v >= 0 && v <= DBL_MAX;
}

/* What no counter takes is refused as such, whether or not there is a series for it: then
 * resolve_route() makes none. */
static bool refuses_count(struct bacowr_worker *w, const struct route *r, double v)
{
    if (r->kind != MAPPING_COUNTER || is_count(scaled(r, v)))
        return false;
    refuse_count(w, r, scaled(r, v));
    return true;
}

static void apply_count(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    v = scaled(r, v);
    if (!is_count(v)) {
        refuse_count(w, r, v);
        return;
    }
    cell_add(r->cell, v, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (is_signed(text))
        cell_gauge_add(r->cell, v * r->scale, w->time);
    else
        cell_gauge_set(r->cell, v * r->scale, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge_set(struct bacowr_worker *w, const struct route *r, struct slice text,
                            double v)
{
    cell_gauge_set(r->cell, v * r->scale, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge_etsy(struct bacowr_worker *w, const struct route *r, struct slice text,
                             double v)
{
    if (is_signed(text))
        cell_gauge_add_or_set(r->cell, v * r->scale, w->time);
    else
        cell_gauge_set(r->cell, v * r->scale, w->time);
    count_applied(w, r, 1);
}

/* Release: control reads the link after it took the stack. */
static void leave_outgrown(struct bacowr_worker *w, struct cell_outgrown *memory)
{
    memory->next = atomic_load_explicit(&w->outgrown, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->outgrown, &memory->next, memory,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

static void apply_buckets(struct bacowr_worker *w, const struct route *r, struct slice text,
                          double v)
{
    struct cell_outgrown *outgrown;

    if (r->weight <= 0)
        return;
    v = scaled(r, v);
    if (cell_observe_buckets(r->cell, r->shape, v, (uint64_t)r->weight, w->time, &outgrown) != 0)
        stat_add(w, STAT_NATIVE_LOST, 1);
    if (outgrown != NULL)
        leave_outgrown(w, outgrown);
    count_applied(w, r, (uint64_t)r->weight);
}

static void apply_sketch(struct bacowr_worker *w, const struct route *r, struct slice text,
                         double v)
{
    if (r->weight <= 0)
        return;
    v = scaled(r, v);
    cell_observe_sketch(r->cell, r->shape, v, (uint64_t)r->weight, w->time);
    count_applied(w, r, (uint64_t)r->weight);
}

static void apply_set(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    struct cell_outgrown *outgrown;

    if (cell_set_add(r->cell, r->shape, text, w->time, &outgrown) != 0) {
        count_unapplied(w, r, STAT_NO_MEMORY);
        return;
    }
    if (outgrown != NULL)
        leave_outgrown(w, outgrown);
    count_applied(w, r, 1);
}

static void apply_drop(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    uint64_t weight = r->weight > 0 ? (uint64_t)r->weight : 0;

    if (!(r->flags & ROUTE_MAPPED))
        stat_add(w, STAT_UNAPPLIED_UNMAPPED, weight);
    stat_add(w, STAT_DROPPED, weight);
}

static void apply_refuse(struct bacowr_worker *w, const struct route *r, struct slice text,
                         double v)
{
    stat_add(w, STAT_REASONS + r->reason, 1);
}

static void apply_empty_name(struct bacowr_worker *w, const struct route *r, struct slice text,
                             double v)
{
    stat_add(w, STAT_EMPTY_NAME, r->weight > 0 ? (uint64_t)r->weight : 0);
}

static void apply_conflict(struct bacowr_worker *w, const struct route *r, struct slice text,
                           double v)
{
    uint64_t weight = r->weight > 0 ? (uint64_t)r->weight : 0;

    if (refuses_count(w, r, v))
        return;
    stat_add(w, r->flags & ROUTE_MAPPED ? STAT_UNAPPLIED_MAPPED : STAT_UNAPPLIED_UNMAPPED, weight);
    cell_add(r->cell, (double)weight, w->time);
}

static void apply_limit(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (!refuses_count(w, r, v))
        count_unapplied(w, r, STAT_LIMIT + r->reason);
}

/* As the fold is kept, whatever the family's type is by now. */
static void apply_fold(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    static void (*const by_type[METRIC_N_TYPES])(struct bacowr_worker * w, const struct route *r,
                                                 struct slice text, double v) = {
        [METRIC_COUNTER] = apply_count,
        [METRIC_HISTOGRAM] = apply_buckets,
        [METRIC_SUMMARY] = apply_sketch,
        [METRIC_SET] = apply_set,
    };

    if (refuses_count(w, r, v))
        return;
    stat_add(w, STAT_FOLDED + r->reason, r->weight > 0 ? (uint64_t)r->weight : 0);
    by_type[r->shape->type](w, r, text, v);
}

static void apply_too_long(struct bacowr_worker *w, const struct route *r, struct slice text,
                           double v)
{
    if (!refuses_count(w, r, v))
        count_unapplied(w, r, STAT_TOO_LONG);
}

static void (*const apply_ops[N_OPS])(struct bacowr_worker *w, const struct route *r,
                                      struct slice text, double v) = {
    [OP_COUNT] = apply_count,
    [OP_GAUGE] = apply_gauge,
    [OP_GAUGE_SET] = apply_gauge_set,
    [OP_GAUGE_ETSY] = apply_gauge_etsy,
    [OP_BUCKETS] = apply_buckets,
    [OP_SKETCH] = apply_sketch,
    [OP_SET] = apply_set,
    [OP_DROP] = apply_drop,
    [OP_REFUSE] = apply_refuse,
    [OP_EMPTY_NAME] = apply_empty_name,
    [OP_TOO_LONG] = apply_too_long,
    [OP_CONFLICT] = apply_conflict,
    [OP_LIMIT] = apply_limit,
    [OP_FOLD] = apply_fold,
};

void feed_apply(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (r->flags & ROUTE_RARE) {
        stat_add(w, STAT_TAG_ERRORS, r->n_tag_errors);
        stat_add(w, STAT_REASONS + STATSD_E_RATE, r->n_rate_errors);
    }
    apply_ops[r->op](w, r, text, v);
}

/* ---- by turns ---- */

/* Most samples are these: what is applied is counted once. */
static void apply_counts(struct bacowr_worker *w, const struct item *items, const struct turn *turn)
{
    uint64_t n_applied[2] = {0}; /* without a rule, by one */

    for (unsigned i = 0; i < turn->n; i++) {
        const struct item *item = &items[turn->items[i]];
        const struct route *r = item->route;
        double v = scaled(r, item->value);

        if (!is_count(v)) {
            refuse_count(w, r, v);
            continue;
        }
        cell_add(r->cell, v, w->time);
        n_applied[(r->flags & ROUTE_MAPPED) != 0]++;
    }
    stat_add(w, STAT_EVENT(MAPPING_COUNTER, false), n_applied[0]);
    stat_add(w, STAT_EVENT(MAPPING_COUNTER, true), n_applied[1]);
}

void apply_turn(struct bacowr_worker *w, enum op op, const struct item *items,
                const struct turn *turn)
{
    if (op == OP_COUNT) {
        apply_counts(w, items, turn);
        return;
    }
    for (unsigned i = 0; i < turn->n; i++) {
        const struct item *item = &items[turn->items[i]];

        apply_ops[item->route->op](w, item->route, item->values, item->value);
    }
}
