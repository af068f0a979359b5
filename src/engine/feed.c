/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed: a batch of datagrams through the routes into the cells
 *
 * Nearly every line is one sample of an identity met before. Such lines are gathered in groups of
 * up to GROUP and go through three stages, so that the cache misses of a group overlap:
 *
 *      scan, hash, prefetch the slot  |  find the route, prefetch its cell  |  apply
 *
 * All other lines - several samples, odd numbers, sections to be left out, an identity not met
 * before - take the long way, one by one. The order of lines is kept: a line that takes the long
 * way (long.c) waits for the group before it. Both ways end in feed_apply(), so a line counts the
 * same whichever it took; a test feeds the same lines both ways and compares.
 *
 * Laws: no lock, no allocation and no clock on the short way. What is refused is counted. A route
 * is believed only after its generation and its cell's birth number were looked at.
 */
#include "engine/engine.h"

#include <math.h>

#include "base/num.h"

#define GROUP 64

struct item {
    struct slice line;
    struct statsd_scan scan;
    uint64_t hash;
    struct route *route;
    double value;
    bool is_set;
};

struct group {
    unsigned n;
    uint64_t n_samples;
    uint64_t n_tagged;
    uint64_t n_hits;
    struct item items[GROUP];
};

/* ---- applying a sample ---- */

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

/* What no counter takes, whether or not there is a series for it: then resolve_route() makes
 * none. */
static bool refuse_count(struct bacowr_worker *w, const struct route *r, double v)
{
    if (r->kind != MAPPING_COUNTER)
        return false;
    v = v / r->divisor * r->scale;
    if (!isfinite(v))
        count_unapplied(w, r, STAT_NOT_FINITE);
    else if (v < 0)
        count_unapplied(w, r, STAT_NEGATIVE);
    return !isfinite(v) || v < 0;
}

static void apply_count(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (refuse_count(w, r, v))
        return;
    cell_add(r->cell, v / r->divisor * r->scale, w->time);
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
    v = v / r->divisor * r->scale;
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
    v = v / r->divisor * r->scale;
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

    if (refuse_count(w, r, v))
        return;
    stat_add(w, r->flags & ROUTE_MAPPED ? STAT_UNAPPLIED_MAPPED : STAT_UNAPPLIED_UNMAPPED, weight);
    cell_add(r->cell, (double)weight, w->time);
}

static void apply_limit(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (!refuse_count(w, r, v))
        count_unapplied(w, r, STAT_LIMIT);
}

static void apply_too_long(struct bacowr_worker *w, const struct route *r, struct slice text,
                           double v)
{
    if (!refuse_count(w, r, v))
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
};

void feed_apply(struct bacowr_worker *w, const struct route *r, struct slice text, double v)
{
    if (r->flags & ROUTE_RARE) {
        stat_add(w, STAT_TAG_ERRORS, r->n_tag_errors);
        stat_add(w, STAT_REASONS + STATSD_E_RATE, r->n_rate_errors);
    }
    apply_ops[r->op](w, r, text, v);
}

/* ---- routes ---- */

bool feed_route_holds(const struct bacowr_worker *w, const struct route *r)
{
    if (r->gen != w->rules->gen)
        return false;
    if (r->cell != NULL && relaxed_load(&r->cell->birth) != r->birth)
        return false;
    /* Acquire is not needed: the registry is asked under its lock. */
    return (r->op != OP_CONFLICT && r->op != OP_LIMIT) ||
           r->n_removals == relaxed_load(&w->b->registry.n_removals);
}

/* ---- the short way ---- */

/* Apply each of several packed values; false, and nothing done, when one is not a number. */
static bool apply_packed(struct bacowr_worker *w, struct group *g, const struct item *item)
{
    struct slice rest = item->scan.values;
    struct slice values[GROUP];
    double numbers[GROUP];
    unsigned n = 0;

    for (bool more = true; more; n++) {
        size_t len = slice_find(rest, ':');

        if (n == GROUP)
            return false;
        values[n] = slice_of(rest.p, len);
        if (num_parse(values[n], &numbers[n]) != 0)
            return false;
        more = len < rest.len;
        rest = slice_from(rest, more ? len + 1 : len);
    }
    for (unsigned i = 0; i < n; i++)
        feed_apply(w, item->route, values[i], numbers[i]);
    g->n_samples += n;
    g->n_tagged += item->route->flags & ROUTE_TAGGED ? n : 0;
    return true;
}

static void apply_item(struct bacowr_worker *w, struct group *g, struct item *item)
{
    const struct route *r = item->route;

    if (r == NULL || !feed_route_holds(w, r)) {
        feed_line(w, item->line);
        return;
    }
    if (item->scan.packed && !apply_packed(w, g, item)) {
        feed_line(w, item->line);
        return;
    }
    g->n_hits++;
    if (r->flags & ROUTE_RARE)
        stat_add(w, STAT_TAG_ERRORS, r->n_name_tag_errors);
    if (item->scan.packed)
        return;
    g->n_samples++;
    g->n_tagged += r->flags & ROUTE_TAGGED ? 1 : 0;
    feed_apply(w, r, item->scan.values, item->value);
}

static void run_group(struct bacowr_worker *w, struct group *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct item *item = &g->items[i];

        item->route = route_find(w->routes, item->hash, item->scan.name, item->scan.suffix);
        if (item->route != NULL && item->route->cell != NULL)
            __builtin_prefetch(item->route->cell, 1);
    }
    for (unsigned i = 0; i < g->n; i++)
        apply_item(w, g, &g->items[i]);
    g->n = 0;
    route_flush(w->routes);
}

/* Take @line into the group; false when it has to take the long way. */
static bool gather(struct bacowr_worker *w, struct group *g, struct slice line)
{
    struct item *item = &g->items[g->n];

    if (!statsd_scan(line, &w->b->config.statsd, &item->scan) || item->scan.extras)
        return false;
    item->is_set = feed_is_set(item->scan.suffix);
    item->value = 0;
    if (!item->is_set && !item->scan.packed && num_parse(item->scan.values, &item->value) != 0)
        return false;
    item->line = line;
    item->hash = route_hash(w->routes, item->scan.name, item->scan.suffix);
    route_prefetch(w->routes, item->hash);
    g->n++;
    return true;
}

static void feed_text(struct bacowr_worker *w, struct group *g, struct slice text, bool stream)
{
    struct statsd_cursor cursor = statsd_cursor(text, stream);
    struct slice line;
    uint64_t n_lines = 0;

    w->work_left += text.len;
    while (statsd_next_line(&cursor, &line)) {
        n_lines++;
        if (line.len == 0)
            continue;
        if (g->n == GROUP)
            run_group(w, g);
        if (gather(w, g, line))
            continue;
        run_group(w, g);
        feed_line(w, line);
    }
    stat_add(w, STAT_LINES, n_lines);
}

/* A cut datagram: its last piece is no line. */
static struct slice whole_lines(struct bacowr_worker *w, const struct bacowr_datagram *d)
{
    const char *lf = d->len > 0 ? memrchr(d->p, '\n', d->len) : NULL;

    stat_add(w, STAT_TRUNCATED_LINES, 1);
    return slice_of(d->p, lf != NULL ? (size_t)(lf + 1 - d->p) : 0);
}

static void batch_begin(struct bacowr_worker *w, int64_t now_ms)
{
    reclaim_enter(&w->b->reclaim, w->i);
    /* Acquire pairs with the publication in engine.c: the mapping is whole. */
    w->rules = atomic_load_explicit(&w->b->rules, memory_order_acquire);
    w->work_left = FEED_BATCH_WORK;
    w->time = (struct cell_time){now_ms, (uint32_t)(now_ms / CELL_TICK_MS)};
}

static void batch_end(struct bacowr_worker *w)
{
    struct route_stats stats;

    if (w->aged_tick != w->time.tick) {
        w->aged_tick = w->time.tick;
        routes_age(w->routes);
    }
    route_flush(w->routes);
    stats = route_stats(w->routes);
    relaxed_store(&w->stats[STAT_ROUTES], stats.n);
    relaxed_store(&w->stats[STAT_ROUTE_BYTES], stats.n_bytes);
    relaxed_store(&w->stats[STAT_ROUTE_EVICTED], stats.n_evicted);
    reclaim_leave(&w->b->reclaim, w->i);
}

void bacowr_feed(struct bacowr_worker *w, const struct bacowr_datagram *batch, unsigned n,
                 int64_t now_ms)
{
    struct group g;

    g.n = 0;
    g.n_samples = g.n_tagged = g.n_hits = 0;
    batch_begin(w, now_ms);
    for (unsigned i = 0; i < n; i++) {
        const struct bacowr_datagram *d = &batch[i];

        if (d->truncated)
            feed_text(w, &g, whole_lines(w, d), true);
        else
            feed_text(w, &g, slice_of(d->p, d->len), d->stream);
    }
    run_group(w, &g);
    sweep(w, n);
    stat_add(w, STAT_SAMPLES, g.n_samples);
    stat_add(w, STAT_TAGGED, g.n_tagged);
    stat_add(w, STAT_ROUTE_HITS, g.n_hits);
    batch_end(w);
    /* Release: who has seen these datagrams counted (own.c: acquire) sees all that they did. */
    atomic_store_explicit(&w->stats[STAT_DATAGRAMS], relaxed_load(&w->stats[STAT_DATAGRAMS]) + n,
                          memory_order_release);
}
