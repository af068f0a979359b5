/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells: values that one thread writes and another reads, without a lock
 *
 * The files of cells (cell_types.h, seq.h) know the memory order of values; nobody else does. Here
 * are the table of types, counters and gauges.
 *
 *      counter    | birth tick | whole  | rest  |            24 bytes
 *      gauge      | birth tick | bits   | pad   |            32 bytes, one for all workers
 *      histogram  | birth tick | sum    | native block | lost | n + 1 counts |
 *      summary    | birth tick | seq    | sum | count | sketch |
 *      set        | birth tick | seq    | n_slots pointers to blocks |
 *
 * Counters and buckets only grow, each in one word, so a reader needs no order between them: every
 * word it reads is at least what it read before, and a sum of growing terms in a fixed order grows.
 * That is the law behind "no scrape shows a counter below a value shown before". So that whole
 * numbers cannot wrap, past CELL_WHOLE_MAX they go to the rest. A histogram's count is the sum of
 * its buckets; `_sum` may lag by one observation.
 *
 * Summaries and sets mostly change words of their own too: a count in its place, a register. What
 * moves counts - a slot emptied, a sketch made coarser, a member put in order - is rare, and a
 * reader takes a private copy between two equal, even readings of `seq`, which only those advance.
 * The writer never waits. A reader that meets one again and again gives up after SEQ_TRIES. A set's
 * torn copy is still used: its members are at worst a few too many or too few. A torn sketch would
 * be read at the wrong size, so the page does without this worker's window for once; counts and
 * sums are outside and always right.
 *
 * A gauge is the exception: "last one set" and "+3" have no meaning per thread, so all workers
 * share one word; a delta is a compare-and-swap loop. Its tick is stored only when it changes, so
 * that workers do not fight for the line.
 */
#include "store/cell.h"

#include <errno.h>
#include <stdlib.h>

#include "store/cell_types.h"
#include "store/native.h"
#include "store/set.h"
#include "store/sketch.h"

/* ---- the table of metric types ---- */

struct metric_row {
    const char *name;
    enum snapshot_type shown_as;
    size_t (*size)(const struct shape *shape);
    int (*read)(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
                struct cell_reader *r, struct snapshot_series *out);
    void (*init)(struct cell *c, const struct shape *shape);    /* NULL: zero bytes are empty */
    void (*release)(struct cell *c, const struct shape *shape); /* NULL: it points to nothing */
};

static size_t counter_size(const struct shape *shape)
{
    return sizeof(struct counter_cell);
}

static size_t gauge_size(const struct shape *shape)
{
    return sizeof(struct gauge_cell);
}

static int counter_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    uint64_t whole = 0;
    double rest = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct counter_cell *c = (const struct counter_cell *)cells[i];

        if (c == NULL)
            continue;
        whole += relaxed_load(&c->whole);
        rest += relaxed_load_double(&c->rest);
    }
    out->value = (double)whole + rest;
    return 0;
}

static int gauge_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                      int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    const struct gauge_cell *c = (const struct gauge_cell *)cells[0];

    out->value = c != NULL ? relaxed_load_double(&c->bits) : 0;
    return 0;
}

static const struct metric_row metric_rows[METRIC_N_TYPES] = {
    [METRIC_COUNTER] = {.name = "counter",
                        .shown_as = SNAPSHOT_COUNTER,
                        .size = counter_size,
                        .read = counter_read},
    [METRIC_GAUGE] = {.name = "gauge",
                      .shown_as = SNAPSHOT_GAUGE,
                      .size = gauge_size,
                      .read = gauge_read},
    [METRIC_HISTOGRAM] = {.name = "histogram",
                          .shown_as = SNAPSHOT_HISTOGRAM,
                          .size = cell_histogram_size,
                          .read = cell_histogram_read,
                          .release = cell_histogram_release},
    [METRIC_SUMMARY] = {.name = "summary",
                        .shown_as = SNAPSHOT_SUMMARY,
                        .size = cell_summary_size,
                        .read = cell_summary_read,
                        .init = cell_summary_init},
    [METRIC_SET] = {.name = "set",
                    .shown_as = SNAPSHOT_GAUGE,
                    .size = cell_set_size,
                    .read = cell_set_read,
                    .release = cell_set_release},
};

enum snapshot_type metric_snapshot_type(enum metric_type type)
{
    return metric_rows[type].shown_as;
}

struct slice metric_own_label(enum metric_type type)
{
    return type == METRIC_HISTOGRAM ? SLICE_LIT("le")
           : type == METRIC_SUMMARY ? SLICE_LIT("quantile")
                                    : SLICE_LIT("");
}

const char *metric_type_name(enum metric_type type)
{
    return metric_rows[type].name;
}

size_t cell_size(const struct shape *shape)
{
    size_t size = metric_rows[shape->type].size(shape);

    return (size + CELL_ALIGN - 1) / CELL_ALIGN * CELL_ALIGN;
}

int cell_read(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
              struct cell_reader *r, struct snapshot_series *out)
{
    return metric_rows[shape->type].read(cells, n, shape, now_ms, r, out);
}

/* ---- a reader's room ---- */

int cell_reader_reserve(struct cell_reader *r, unsigned n_points)
{
    uint64_t *cumulative;
    double *quantiles;

    if (n_points <= r->n_points)
        return 0;
    cumulative = realloc(r->cumulative, n_points * sizeof *cumulative);
    if (cumulative == NULL)
        return -ENOMEM;
    r->cumulative = cumulative;
    quantiles = realloc(r->quantiles, n_points * sizeof *quantiles);
    if (quantiles == NULL)
        return -ENOMEM;
    r->quantiles = quantiles;
    r->n_points = n_points;
    return 0;
}

static size_t merge_size(void)
{
    size_t a = sketch_merge_size(), b = set_merge_size();

    return a > b ? a : b;
}

static size_t copy_size(void)
{
    size_t set = set_block_size_max();

    return set > SKETCH_MAX_SIZE ? set : SKETCH_MAX_SIZE;
}

int cell_reader_reserve_merge(struct cell_reader *r)
{
    if (r->copy == NULL)
        r->copy = malloc(copy_size());
    if (r->merge == NULL)
        r->merge = malloc(merge_size());
    return r->copy != NULL && r->merge != NULL ? 0 : -ENOMEM;
}

void cell_reader_release(struct cell_reader *r)
{
    free(r->cumulative);
    free(r->quantiles);
    free(r->copy);
    free(r->merge);
    native_merge_free(r->native_merge);
    *r = (struct cell_reader){0};
}

/* ---- birth and death ---- */

void cell_init(struct cell *c, const struct shape *shape)
{
    relaxed_u64 *words = (relaxed_u64 *)c;
    size_t n_words = shape->cell_size / sizeof *words;

    /* Word by word: a worker with an old route may look at `birth` while the cell is reused. */
    for (size_t i = 1; i < n_words; i++)
        relaxed_store(&words[i], 0);
    relaxed_store(&c->birth, 0);
    relaxed_store(&c->tick, 0);
    if (metric_rows[shape->type].init != NULL)
        metric_rows[shape->type].init(c, shape);
}

void cell_release(struct cell *c, const struct shape *shape)
{
    if (metric_rows[shape->type].release != NULL)
        metric_rows[shape->type].release(c, shape);
}

/* ---- writing ---- */

/* @instead_of_nan: what is not a number counts as 0. */
static void gauge_add(struct cell *cell, double v, bool instead_of_nan, struct cell_time t)
{
    struct gauge_cell *c = (struct gauge_cell *)cell;
    uint64_t was = relaxed_load(&c->bits);
    uint64_t will;
    double value;

    cell_touch(cell, t);
    do {
        memcpy(&value, &was, sizeof value);
        value = instead_of_nan && value != value ? v : value + v;
        memcpy(&will, &value, sizeof will);
        /* Relaxed: the word carries nothing but itself. */
    } while (!atomic_compare_exchange_weak_explicit(&c->bits, &was, will, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void cell_gauge_add(struct cell *cell, double v, struct cell_time t)
{
    gauge_add(cell, v, false, t);
}

void cell_gauge_add_or_set(struct cell *cell, double v, struct cell_time t)
{
    gauge_add(cell, v, true, t);
}

/* ---- values as numbers ---- */

/* In the order in which counter_read() adds them, so that the two parts show what was shown. */
void cell_counter_parts(struct cell *const *cells, unsigned n, uint64_t *whole, double *rest)
{
    *whole = 0;
    *rest = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct counter_cell *c = (const struct counter_cell *)cells[i];

        if (c == NULL)
            continue;
        *whole += relaxed_load(&c->whole);
        *rest += relaxed_load_double(&c->rest);
    }
}

/* What one cell may not hold in whole increments, so that the sum of all cannot wrap, is shown the
 * same from the rest. */
void cell_counter_put(struct cell *cell, uint64_t whole, double rest)
{
    struct counter_cell *c = (struct counter_cell *)cell;
    uint64_t sum = sum_or_most(relaxed_load(&c->whole), whole);

    rest += relaxed_load_double(&c->rest);
    relaxed_store(&c->whole, sum <= CELL_WHOLE_MAX ? sum : 0);
    relaxed_store_double(&c->rest, sum <= CELL_WHOLE_MAX ? rest : (double)sum + rest);
}
