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

#include "store/cell_write.h"

static bool is_signed(struct slice value)
{
    return value.len > 0 && (value.p[0] == '+' || value.p[0] == '-');
}

/* As how many events a sample of @r counts: none, if its rate says so. */
static uint64_t weight_of(const struct route *r)
{
    return r->plan->weight > 0 ? (uint64_t)r->plan->weight : 0;
}

/* Count events that reached their series. */
static void count_applied(struct bacowr_worker *w, const struct route *r, uint64_t weight)
{
    stat_add(w, STAT_EVENT(r->plan->kind, r->plan->flags & ROUTE_MAPPED), weight);
}

/* Count events that did not, under their reason. */
static void count_unapplied(struct bacowr_worker *w, const struct route *r, unsigned stat)
{
    stat_add(w, r->plan->flags & ROUTE_MAPPED ? STAT_UNAPPLIED_MAPPED : STAT_UNAPPLIED_UNMAPPED,
             weight_of(r));
    stat_add(w, stat, weight_of(r));
}

/* @v as the cell is to have it. Nearly always the two factors are 1, and a division is slow. */
static double scaled(const struct route *r, double v)
{
    return r->plan->flags & ROUTE_SCALED ? v / r->plan->divisor * r->plan->scale : v;
}

/* No counter takes @v, which is scaled: count why. */
static void refuse_count(struct bacowr_worker *w, const struct route *r, struct slice text,
                         double v)
{
    count_unapplied(w, r, isfinite(v) ? STAT_NEGATIVE : STAT_NOT_FINITE);
    notes_refused(w, isfinite(v) ? REFUSAL_NEGATIVE : REFUSAL_NOT_FINITE, text);
}

static bool is_count(double v)
{
    return v >= 0 && v <= DBL_MAX;
}

/* What no counter takes is refused as such, whether or not there is a series for it: then
 * resolve_route() makes none. */
static bool refuses_count(struct bacowr_worker *w, const struct route *r, struct slice text,
                          double v)
{
    if (r->plan->kind != MAPPING_COUNTER || is_count(scaled(r, v)))
        return false;
    refuse_count(w, r, text, scaled(r, v));
    return true;
}

static void apply_count(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    v = scaled(r, v);
    if (!is_count(v)) {
        refuse_count(w, r, text, v);
        return;
    }
    cell_add(r->cell, v, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (is_signed(text))
        cell_gauge_add(r->cell, v * r->plan->scale, w->time);
    else
        cell_gauge_set(r->cell, v * r->plan->scale, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge_set(struct bacowr_worker *w, const struct route *r, struct slice text,
                            double v)
{
    cell_gauge_set(r->cell, v * r->plan->scale, w->time);
    count_applied(w, r, 1);
}

static void apply_gauge_etsy(struct bacowr_worker *w, const struct route *r, struct slice text,
                             double v)
{
    if (is_signed(text))
        cell_gauge_add_or_set(r->cell, v * r->plan->scale, w->time);
    else
        cell_gauge_set(r->cell, v * r->plan->scale, w->time);
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

    if (r->plan->weight <= 0)
        return;
    v = scaled(r, v);
    if (cell_observe_buckets(r->cell, r->plan->shape, v, (uint64_t)r->plan->weight, w->time,
                             &outgrown) != 0)
        stat_add(w, STAT_NATIVE_LOST, 1);
    if (outgrown != NULL)
        leave_outgrown(w, outgrown);
    count_applied(w, r, (uint64_t)r->plan->weight);
}

static void apply_sketch(struct bacowr_worker *w, const struct route *r, struct slice text,
                         double v)
{
    if (r->plan->weight <= 0)
        return;
    v = scaled(r, v);
    cell_observe_sketch(r->cell, r->plan->shape, v, (uint64_t)r->plan->weight, w->time);
    count_applied(w, r, (uint64_t)r->plan->weight);
}

static void apply_set(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    struct cell_outgrown *outgrown;

    if (cell_set_add(r->cell, r->plan->shape, text, w->time, &outgrown) != 0) {
        count_unapplied(w, r, STAT_NO_MEMORY);
        notes_refused(w, REFUSAL_NO_MEMORY, text);
        return;
    }
    if (outgrown != NULL)
        leave_outgrown(w, outgrown);
    count_applied(w, r, 1);
}

static void apply_drop(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (!(r->plan->flags & ROUTE_MAPPED))
        stat_add(w, STAT_UNAPPLIED_UNMAPPED, weight_of(r));
    stat_add(w, STAT_DROPPED, weight_of(r));
}

static void apply_refuse(struct bacowr_worker *w, const struct route *r, struct slice text,
                         double v)
{
    stat_add(w, STAT_REASONS + r->plan->reason, 1);
    notes_refused(w, r->plan->reason, text);
}

static void apply_empty_name(struct bacowr_worker *w, const struct route *r, struct slice text,
                             double v)
{
    stat_add(w, STAT_EMPTY_NAME, weight_of(r));
    notes_refused(w, REFUSAL_EMPTY_NAME, text);
}

static void apply_conflict(struct bacowr_worker *w, const struct route *r, struct slice text,
                           double v)
{
    if (refuses_count(w, r, text, v))
        return;
    count_unapplied(w, r, STAT_CONFLICT);
    cell_add(r->cell, (double)weight_of(r), w->time); /* the count of the clash */
    notes_refused(w, REFUSAL_CONFLICT, text);
}

static void apply_limit(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (refuses_count(w, r, text, v))
        return;
    count_unapplied(w, r, STAT_LIMIT + r->plan->reason);
    notes_refused(w, REFUSAL_LIMIT + r->plan->reason, text);
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

    if (refuses_count(w, r, text, v))
        return;
    stat_add(w, STAT_FOLDED + r->plan->reason, weight_of(r));
    by_type[r->plan->shape->type](w, r, text, v);
}

static void apply_too_long(struct bacowr_worker *w, const struct route *r, struct slice text,
                           double v)
{
    if (refuses_count(w, r, text, v))
        return;
    count_unapplied(w, r, STAT_TOO_LONG);
    notes_refused(w, REFUSAL_TOO_LONG, text);
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
    const struct route_plan *p = r->plan;

    if (p->flags & ROUTE_RARE) {
        stat_add(w, STAT_TAG_ERRORS, p->n_tag_errors);
        stat_add(w, STAT_REASONS + STATSD_E_RATE, p->n_rate_errors);
        if (p->n_rate_errors > 0)
            notes_refused(w, STATSD_E_RATE, text);
    }
    apply_ops[p->op](w, r, text, v);
}

/* ---- by turns ---- */

/* Most samples are these: what is applied is counted once. */
static void apply_counts(struct bacowr_worker *w, const struct item *items, const uint8_t *turn,
                         unsigned n, bool mapped)
{
    unsigned n_refused = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct item *item = &items[turn[i]];

        if (cell_add_whole(item->route->cell, item->value, w->time))
            continue;
        if (is_count(item->value)) {
            cell_add(item->route->cell, item->value, w->time);
        } else {
            refuse_count(w, item->route, item_values(item), item->value);
            n_refused++;
        }
    }
    stat_add(w, STAT_EVENT(MAPPING_COUNTER, mapped), n - n_refused);
}

static void apply_gauges(struct bacowr_worker *w, const struct item *items, const uint8_t *turn,
                         unsigned n)
{
    uint64_t n_applied[2] = {0}; /* without a rule, by one */

    for (unsigned i = 0; i < n; i++) {
        const struct item *item = &items[turn[i]];
        const struct route *r = item->route;
        const struct route_plan *p = r->plan;

        if (p->op == OP_GAUGE_SET || !is_signed(item_values(item))) {
            cell_gauge_set(r->cell, item->value * p->scale, w->time);
            n_applied[(p->flags & ROUTE_MAPPED) != 0]++;
        } else {
            apply_ops[p->op](w, r, item_values(item), item->value);
        }
    }
    stat_add(w, STAT_EVENT(MAPPING_GAUGE, false), n_applied[0]);
    stat_add(w, STAT_EVENT(MAPPING_GAUGE, true), n_applied[1]);
}

/* One of each of those that are rarer. Packed values are here only: no counter or gauge has any,
 * and nobody here who takes them asks for their text. */
static void apply_others(struct bacowr_worker *w, const struct item *items, const double *values,
                         const uint8_t *turn, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct item *item = &items[turn[i]];
        unsigned op = item->route->plan->op;

        if (!item->packed) {
            apply_ops[op](w, item->route, item_values(item), item->value);
            continue;
        }
        for (unsigned k = 0; k < item->n_values; k++)
            apply_ops[op](w, item->route, item_values(item), values[item->first_value + k]);
    }
}

void apply_turns(struct bacowr_worker *w, const struct item *items, const double *values,
                 const struct turns *turns)
{
    apply_counts(w, items, turns->items[TURN_COUNT], turns->n[TURN_COUNT], false);
    apply_counts(w, items, turns->items[TURN_COUNT_MAPPED], turns->n[TURN_COUNT_MAPPED], true);
    apply_gauges(w, items, turns->items[TURN_GAUGE], turns->n[TURN_GAUGE]);
    apply_others(w, items, values, turns->items[TURN_BUCKETS], turns->n[TURN_BUCKETS]);
    apply_others(w, items, values, turns->items[TURN_OTHER], turns->n[TURN_OTHER]);
}
