/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed: a batch of datagrams through the routes
 *
 * Nearly every line is one sample of an identity met before. Such lines are gathered in groups of
 * up to GROUP and go through five stages, so that the cache misses of a group overlap:
 *
 *      cut the line, read its number, hash: prefetch the slot
 *      find a route by its hash:            prefetch the route
 *      compare its bytes:                   prefetch its cell
 *      does it still hold?                  sort by operation, into turns
 *      apply (apply.c)                      one turn after the other
 *
 * What a name and a suffix may look like for this was decided when their route was made: a route
 * says that it is plain. Sets and odd packed values are looked at by statsd_scan() first.
 *
 * All other lines - odd numbers, sections to be left out, an identity not met before - take the
 * long way, one by one (long.c). The order of lines is kept as far as it can be seen: a line that
 * takes the long way waits for the group before it, and a group in which a line turns out to need
 * it goes line by line. Else only lines of different turns change places, which have no series in
 * common: one rule may set a gauge that another one changes, so gauges are one turn. Both ways end
 * in feed_apply(), so a line counts the same whichever it took; a test feeds the same lines both
 * ways and compares.
 *
 * Laws: no lock, no allocation and no clock on the short way. What is refused is counted. A route
 * is believed only after its generation and its cell's birth number were looked at.
 */
#include "engine/group.h"

#include "base/num.h"
#include "statsd/plain.h"

_Static_assert(BACOWR_PADDING >= PLAIN_PADDING, "a padded datagram is a padded text");

/* Packed values of a group. */
#define N_VALUES       256u

/* A second of age at once: who was stopped for long shall not forget all that it knew. */
#define MAX_LATE_TICKS 10

struct group {
    unsigned n;
    bool plain; /* all its items are, and those that were looked at go by their routes */
    uint64_t n_group_tagged; /* of those that are sorted */
    uint64_t n_lines;
    uint64_t n_samples;
    uint64_t n_tagged;
    uint64_t n_hits;
    struct turns turns;
    unsigned n_values;
    struct item items[GROUP];
    double values[N_VALUES];
};

/* ---- routes ---- */

static inline bool series_lives(const struct route *r)
{
    return relaxed_load(&r->cell->birth) == r->birth;
}

bool feed_route_holds(const struct bacowr_worker *w, const struct route *r)
{
    const struct route_plan *p = r->plan;

    if (p->gen != w->rules->gen || !series_lives(r))
        return false;
    /* Acquire is not needed: the registry is asked under its lock. */
    return p->op < OP_CONFLICT || p->n_removals == relaxed_load(&w->b->registry.n_removals);
}

/* May @item go by its route? */
static bool item_goes(const struct bacowr_worker *w, const struct item *item)
{
    const struct route *r = item->route;

    return r != NULL && (!item->plain || (r->plan->flags & ROUTE_PLAIN)) && feed_route_holds(w, r);
}

/* ---- applying ---- */

/* Apply each of several packed values; false, and nothing done, when one is not a number. */
static bool apply_packed(struct bacowr_worker *w, struct group *g, const struct item *item)
{
    struct slice rest = item_values(item);
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
    g->n_tagged += item->route->plan->flags & ROUTE_TAGGED ? n : 0;
    return true;
}

static void apply_item(struct bacowr_worker *w, struct group *g, const struct item *item)
{
    const struct route *r = item->route;
    const struct route_plan *p = r->plan;

    if (item->packed && !apply_packed(w, g, item)) {
        feed_line(w, item_line(item));
        return;
    }
    g->n_hits++;
    if (p->flags & ROUTE_RARE)
        stat_add(w, STAT_TAG_ERRORS, p->n_name_tag_errors);
    if (item->packed)
        return;
    g->n_samples++;
    g->n_tagged += p->flags & ROUTE_TAGGED ? 1 : 0;
    feed_apply(w, r, item_values(item), item->value);
}

static void apply_in_order(struct bacowr_worker *w, struct group *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct item *item = &g->items[i];

        /* Asked anew: a line before it may have changed what its route leads to. */
        if (item_goes(w, item))
            apply_item(w, g, item);
        else
            feed_line(w, item_line(item));
    }
}

/* Sort item @i by what its route does. One that does not go by its route without a further look
 * makes the group take its lines one by one. */
static inline void sort_item(const struct bacowr_worker *w, struct group *g, unsigned i)
{
    const struct route *r = g->items[i].route;
    const struct route_plan *p = r != NULL ? r->plan : NULL;
    struct turns *turns = &g->turns;

    if (p == NULL || p->short_gen != w->rules->gen || !series_lives(r)) {
        g->plain = false;
        return;
    }
    g->n_group_tagged += p->flags & ROUTE_TAGGED;
    turns->items[p->turn][turns->n[p->turn]++] = (uint8_t)i;
}

/* Find the routes, with a step between two looks at what may not be in the cache. */
static void find_routes(struct bacowr_worker *w, struct group *g)
{
    for (unsigned i = 0; i < g->n; i++)
        g->items[i].guess = route_probe(w->routes, g->items[i].tag);
    for (unsigned i = 0; i < g->n; i++) {
        struct item *item = &g->items[i];
        size_t suffix_at = (size_t)item->name_len + 1 + item->values_len;
        struct route_key key = {
            .tag = item->tag,
            .word = item->word,
            .name = slice_of(item->line, item->name_len),
            .suffix = slice_of(item->line + suffix_at, item->len - suffix_at),
        };

        item->route = route_find_probed(w->routes, item->guess, &key);
        if (item->route != NULL) {
            __builtin_prefetch(item->route->cell, 1);
            /* Buckets have two lines. To ask who has would be guessed wrongly too often. */
            __builtin_prefetch((const char *)item->route->cell + 64, 1);
        }
    }
    for (unsigned i = 0; i < g->n && g->plain; i++)
        sort_item(w, g, i);
}

static void begin_group(const struct bacowr_worker *w, struct group *g)
{
    g->n = 0;
    g->plain = true;
    g->n_values = 0;
    g->n_group_tagged = 0;
    memset(g->turns.n, 0, sizeof g->turns.n);
}

/* A packed line is counted once, as one sample: add its others. */
static void count_packed(struct group *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        const struct item *item = &g->items[i];

        if (!item->packed)
            continue;
        g->n_samples += item->n_values - 1u;
        g->n_tagged += item->route->plan->flags & ROUTE_TAGGED ? item->n_values - 1u : 0;
    }
}

static void run_group(struct bacowr_worker *w, struct group *g)
{
    find_routes(w, g);
    if (g->plain) {
        apply_turns(w, g->items, g->values, &g->turns);
        if (g->n_values > 0)
            count_packed(g);
        g->n_hits += g->n;
        g->n_samples += g->n;
        g->n_tagged += g->n_group_tagged;
    } else {
        apply_in_order(w, g);
    }
    route_flush(w->routes);
    begin_group(w, g);
}

/* ---- gathering ---- */

/* The rest of the item is the caller's. */
static inline void add_item(struct bacowr_worker *w, struct group *g, const struct route_key *key)
{
    struct item *item = &g->items[g->n++];

    item->tag = key->tag;
    item->word = key->word;
    route_prefetch(w->routes, key->tag);
}

/* Take the first line of @text into the group; false, and nothing taken, when it is not plain. */
static inline bool gather_plain(struct bacowr_worker *w, struct group *g, struct slice text,
                                bool padded, struct plain_line *cut)
{
    struct item *item = &g->items[g->n];
    struct route_key key;
    size_t bar;

    if (!plain_cut(text, padded, cut))
        return false;
    bar = cut->name_len + 1 + cut->value_len;
    key = route_key_of(w->routes, slice_of(text.p, cut->name_len),
                       slice_of(text.p + bar, cut->len - bar), cut->suffix);
    add_item(w, g, &key);
    item->value = cut->value;
    item->line = text.p;
    item->len = (uint32_t)cut->len;
    item->name_len = (uint32_t)cut->name_len;
    item->values_len = (uint32_t)cut->value_len;
    item->plain = true;
    item->packed = false;
    return true;
}

/* The same for a packed line; how much of @text it took, *@done when that was all. */
static __attribute__((noinline)) size_t gather_packed(struct bacowr_worker *w, struct group *g,
                                                      struct slice text, bool padded, bool *done)
{
    double values[GROUP];
    struct plain_line cut;
    struct route_key key;
    struct item *item;
    unsigned n = plain_cut_packed(text, padded, &cut, values, GROUP);
    size_t bar;

    if (n == 0)
        return 0;
    if (g->n_values + n > N_VALUES)
        run_group(w, g);
    memcpy(&g->values[g->n_values], values, n * sizeof values[0]);
    bar = cut.name_len + 1 + cut.value_len;
    key = route_key_of(w->routes, slice_of(text.p, cut.name_len),
                       slice_of(text.p + bar, cut.len - bar), cut.suffix);
    item = &g->items[g->n];
    add_item(w, g, &key);
    item->value = 0;
    item->line = text.p;
    item->len = (uint32_t)cut.len;
    item->name_len = (uint32_t)cut.name_len;
    item->values_len = (uint32_t)cut.value_len;
    item->plain = item->packed = true;
    item->first_value = (uint16_t)g->n_values;
    item->n_values = (uint16_t)n;
    g->n_values += n;
    *done = cut.taken == cut.len;
    return cut.taken;
}

/* Take @line into the group; false when it has to take the long way. */
static bool gather_scanned(struct bacowr_worker *w, struct group *g, struct slice line)
{
    struct item *item = &g->items[g->n];
    struct statsd_scan scan;
    struct route_key key;

    if (!statsd_scan(line, &w->b->config.statsd, &scan) || scan.extras)
        return false;
    item->value = 0;
    if (!feed_is_set(scan.suffix) && !scan.packed && num_parse(scan.values, &item->value) != 0)
        return false;
    key = route_key(w->routes, scan.name, scan.suffix);
    add_item(w, g, &key);
    item->line = line.p;
    item->len = (uint32_t)line.len;
    item->name_len = (uint32_t)scan.name.len;
    item->values_len = (uint32_t)scan.values.len;
    item->plain = g->plain = false;
    item->packed = scan.packed;
    return true;
}

/* A line that is not plain. */
static void feed_other(struct bacowr_worker *w, struct group *g, struct slice line)
{
    if (line.len == 0 || gather_scanned(w, g, line))
        return;
    run_group(w, g);
    feed_line(w, line);
}

static inline void feed_text(struct bacowr_worker *w, struct group *g,
                             const struct bacowr_datagram *d, struct slice text)
{
    struct slice rest = text, line;
    bool done = false;

    w->work_left += text.len;
    while (!done) {
        struct plain_line cut;
        size_t n_taken;

        if (g->n == GROUP)
            run_group(w, g);
        if (gather_plain(w, g, rest, d->padded, &cut)) {
            rest = slice_of(rest.p + cut.taken, rest.len - cut.taken);
            done = cut.taken == cut.len;
        } else if (cut.packed && (n_taken = gather_packed(w, g, rest, d->padded, &done)) > 0) {
            rest = slice_of(rest.p + n_taken, rest.len - n_taken);
        } else {
            struct statsd_cursor cursor = {rest, d->stream || d->truncated, false};

            if (!statsd_next_line(&cursor, &line))
                return;
            rest = cursor.rest;
            done = cursor.done;
            feed_other(w, g, line);
        }
        g->n_lines++;
    }
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

/* Time makes routes old, not batches: who comes late has some of it to make up for. */
static void age_routes(struct bacowr_worker *w)
{
    int32_t late = (int32_t)(w->time.tick - w->aged_tick);

    w->aged_tick = w->time.tick;
    for (int32_t i = 0; i < late && i < MAX_LATE_TICKS; i++)
        routes_age(w->routes);
}

static void batch_end(struct bacowr_worker *w)
{
    struct route_stats stats;

    age_routes(w);
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

    g.n_lines = g.n_samples = g.n_tagged = g.n_hits = 0;
    batch_begin(w, now_ms);
    notes_batch(w->notes, batch, n);
    begin_group(w, &g);
    for (unsigned i = 0; i < n; i++) {
        const struct bacowr_datagram *d = &batch[i];

        feed_text(w, &g, d, d->truncated ? whole_lines(w, d) : slice_of(d->p, d->len));
    }
    run_group(w, &g);
    notes_batch(w->notes, NULL, 0);
    sweep(w, n);
    stat_add(w, STAT_LINES, g.n_lines);
    stat_add(w, STAT_SAMPLES, g.n_samples);
    stat_add(w, STAT_TAGGED, g.n_tagged);
    stat_add(w, STAT_ROUTE_HITS, g.n_hits);
    batch_end(w);
    /* Release: who has seen these datagrams counted (own.c: acquire) sees all that they did. */
    atomic_store_explicit(&w->stats[STAT_DATAGRAMS], relaxed_load(&w->stats[STAT_DATAGRAMS]) + n,
                          memory_order_release);
}
