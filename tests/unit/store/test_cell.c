/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell: sums that are exact and never fall, windows that forget, and what a reader makes of a write
 * under way
 */
#include "store/cell.h"
#include "store/cell_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "store/set.h"

#define N_CELLS 3 /* one for each worker */
#define TWO_53  9007199254740992.0

/* A series with a cell for each worker, and a reader. */
struct world {
    struct shape *shape;
    struct cell *cells[N_CELLS];
    struct cell_reader reader;
    struct snapshot_series seen;
};

static void world_init(struct world *w, const struct shape_spec *spec)
{
    memset(w, 0, sizeof *w);
    memset(&w->seen, 0xa5, sizeof w->seen);
    ck_assert_int_eq(shape_new(&w->shape, spec), 0);
    for (unsigned i = 0; i < N_CELLS; i++) {
        w->cells[i] = aligned_alloc(CELL_ALIGN, w->shape->cell_size);
        memset(w->cells[i], 0xa5, w->shape->cell_size);
        cell_init(w->cells[i], w->shape);
        ck_assert_uint_eq(relaxed_load(&w->cells[i]->birth), 0);
    }
}

static void world_release(struct world *w)
{
    for (unsigned i = 0; i < N_CELLS; i++) {
        cell_release(w->cells[i], w->shape);
        free(w->cells[i]);
    }
    cell_reader_release(&w->reader);
    cell_reader_release(&w->reader);
    shape_free(w->shape);
}

static const struct snapshot_series *look(struct world *w, int64_t now_ms)
{
    ck_assert_int_eq(cell_read(w->cells, N_CELLS, w->shape, now_ms, &w->reader, &w->seen), 0);
    return &w->seen;
}

static struct cell_time at(int64_t now_ms)
{
    return (struct cell_time){now_ms, (uint32_t)(now_ms / CELL_TICK_MS)};
}

static double any_fraction(void)
{
    return (double)random() / RAND_MAX;
}

/* ---- counter ---- */

/* Whole increments and fractions are summed without loss as far as a double can show it. */
START_TEST(test_cell_add_sums)
{
    static const struct {
        double v;
        unsigned times;
        double then;
        unsigned then_times;
        double want;
    } cases[] = {
        {0, 3, 0, 0, 0},
        {1, 1000, 0, 0, 1000},
        {0.5, 3, 1, 2, 3.5},
        {0.25, 1000000, 0, 0, 250000},
        {TWO_53 - 1, 1, 1, 1, TWO_53},
        {TWO_53 - 1, 1, 1, 1001, TWO_53 + 1000}, /* a double alone would stand still at 2^53 */
        {TWO_53 - 1, 4, 1, 4, 4 * TWO_53},
        {TWO_53, 1, 1, 2, TWO_53 + 2},
        {1e300, 1, 1, 1000, 1e300},
        {5e-324, 2, 0, 0, 1e-323},
        {1.7e308, 2, 1, 1, INFINITY},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;

        world_init(&w, &(struct shape_spec){.type = METRIC_COUNTER});
        ck_assert_double_eq(look(&w, 0)->value, 0);
        for (unsigned n = 0; n < cases[i].times; n++)
            cell_add(w.cells[1], cases[i].v, at(0));
        for (unsigned n = 0; n < cases[i].then_times; n++)
            cell_add(w.cells[1], cases[i].then, at(0));
        ck_assert_msg(look(&w, 0)->value == cases[i].want, "case %zu: %.17g", i, w.seen.value);
        world_release(&w);
    }
}
END_TEST

/* A counter never falls, whatever is added: whole numbers do not wrap, though 2^64 is passed. */
START_TEST(test_cell_add_never_wraps)
{
    struct world w;
    double last = 0, sum = 0;

    world_init(&w, &(struct shape_spec){.type = METRIC_COUNTER});
    for (unsigned n = 0; n < 3 * 5000; n++) {
        cell_add(w.cells[n % N_CELLS], TWO_53 - 1, at(0));
        sum += TWO_53 - 1;
        ck_assert_double_ge(look(&w, 0)->value, last);
        last = w.seen.value;
        ck_assert_double_eq_tol(last / sum, 1, 1e-12);
    }
    ck_assert_double_gt(last, 0x1p64);
    world_release(&w);
}
END_TEST

/* No reading is below an earlier one, in any mixture of sizes and workers. */
START_TEST(test_cell_add_is_monotone)
{
    struct world w;
    double last = 0;

    srandom(7);
    world_init(&w, &(struct shape_spec){.type = METRIC_COUNTER});
    for (unsigned n = 0; n < 100000; n++) {
        double v = ldexp(any_fraction(), (int)(random() % 80) - 20);

        cell_add(w.cells[random() % N_CELLS], random() % 2 ? floor(v) : v, at(0));
        ck_assert_double_ge(look(&w, 0)->value, last);
        last = w.seen.value;
    }
    world_release(&w);
}
END_TEST

/* A worker without a cell counts nothing. */
START_TEST(test_cell_read_skips_missing_cells)
{
    static const struct shape_spec specs[] = {
        {.type = METRIC_COUNTER},
        {.type = METRIC_GAUGE},
        {.type = METRIC_HISTOGRAM},
        {.type = METRIC_SUMMARY, .window_ms = 1000, .n_slots = 2},
        {.type = METRIC_SET, .window_ms = 1000, .n_slots = 2},
    };
    struct cell *none[N_CELLS] = {NULL};

    for (size_t i = 0; i < METRIC_N_TYPES; i++) {
        struct world w;

        world_init(&w, &specs[i]);
        w.seen.value = w.seen.sum = 0;
        w.seen.count = 0;
        ck_assert_int_eq(cell_read(none, N_CELLS, w.shape, 0, &w.reader, &w.seen), 0);
        ck_assert_double_eq(w.seen.value, 0);
        ck_assert_double_eq(w.seen.sum, 0);
        ck_assert_uint_eq(w.seen.count, 0);
        world_release(&w);
    }
}
END_TEST

/* ---- gauge ---- */

/* The last one set, and what was added since. */
START_TEST(test_cell_gauge_sets_and_adds)
{
    static const struct {
        char op;
        double v;
        double want;
    } steps[] = {
        {'+', 3, 3},           {'+', -5, -2},
        {'=', 10, 10},         {'+', 0.5, 10.5},
        {'=', -1e300, -1e300}, {'=', 0, 0},
        {'+', 1e308, 1e308},   {'+', 1e308, INFINITY},
        {'=', 7, 7},           {'=', -INFINITY, -INFINITY},
        {'=', -0.0, 0},        {'+', 1, 1},
    };
    struct world w;

    world_init(&w, &(struct shape_spec){.type = METRIC_GAUGE});
    ck_assert_double_eq(look(&w, 0)->value, 0);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].op == '=')
            cell_gauge_set(w.cells[0], steps[i].v, at(0));
        else
            cell_gauge_add(w.cells[0], steps[i].v, at(0));
        ck_assert_double_eq(look(&w, 0)->value, steps[i].want);
    }
    cell_gauge_set(w.cells[0], NAN, at(0));
    ck_assert_double_nan(look(&w, 0)->value);
    world_release(&w);
}
END_TEST

/* A gauge that is no number is set by what would be added; any other is added to. */
START_TEST(test_cell_gauge_adds_or_sets)
{
    struct world w;

    world_init(&w, &(struct shape_spec){.type = METRIC_GAUGE});
    cell_gauge_add_or_set(w.cells[0], -10, at(0));
    ck_assert_double_eq(look(&w, 0)->value, -10);
    cell_gauge_add_or_set(w.cells[0], 4, at(0));
    ck_assert_double_eq(look(&w, 0)->value, -6);
    cell_gauge_set(w.cells[0], NAN, at(0));
    cell_gauge_add(w.cells[0], 1, at(0));
    ck_assert_double_nan(look(&w, 0)->value);
    cell_gauge_add_or_set(w.cells[0], 7, at(0));
    ck_assert_double_eq(look(&w, 0)->value, 7);
    cell_gauge_add_or_set(w.cells[0], NAN, at(CELL_TICK_MS));
    ck_assert_double_nan(look(&w, 0)->value);
    ck_assert_uint_eq(relaxed_load(&w.cells[0]->tick), 1);
    world_release(&w);
}
END_TEST

/* ---- histogram ---- */

static void observe(struct world *w, unsigned worker, double v, uint64_t weight)
{
    struct cell_outgrown *outgrown = (void *)0xa5;

    ck_assert_int_eq(cell_observe_buckets(w->cells[worker], w->shape, v, weight, at(0), &outgrown),
                     0);
    free(outgrown);
}

/* A bound is inclusive; NaN and what lies above all bounds is in +Inf only; the count is of all. */
START_TEST(test_cell_observe_buckets_bounds_are_inclusive)
{
    static const double bounds[] = {-1, 0, 0.5, 10};
    static const struct {
        double v;
        unsigned first; /* the first bound that is not below it */
    } cases[] = {
        {-INFINITY, 0}, {-2, 0},   {-1, 0}, {-0.5, 1},      {-0.0, 1},     {0, 1},   {5e-324, 2},
        {0.5, 2},       {0.51, 3}, {10, 3}, {10.000001, 4}, {INFINITY, 4}, {NAN, 4},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;

        world_init(&w, &(struct shape_spec){METRIC_HISTOGRAM, .n_bounds = 4, .bounds = bounds});
        observe(&w, 2, cases[i].v, 3);
        observe(&w, 0, cases[i].v, 1);
        look(&w, 0);
        ck_assert_uint_eq(w.seen.n_points, 4);
        ck_assert_ptr_eq(w.seen.point_texts, w.shape->texts);
        for (unsigned p = 0; p < 4; p++)
            ck_assert_uint_eq(w.seen.cumulative[p], p >= cases[i].first ? 4 : 0);
        ck_assert_uint_eq(w.seen.count, 4);
        if (isfinite(cases[i].v))
            ck_assert_double_eq(w.seen.sum, 4 * cases[i].v);
        else
            ck_assert(!isfinite(w.seen.sum));
        world_release(&w);
    }
}
END_TEST

/* With any number of bounds, values are counted as a plain comparison says. */
START_TEST(test_cell_observe_buckets_agrees_with_comparing)
{
    double bounds[40];
    uint64_t want[40] = {0}, count = 0;
    unsigned n = (unsigned)_i;
    struct world w;

    srandom(8);
    for (unsigned p = 0; p < n; p++)
        bounds[p] = p;
    world_init(&w, &(struct shape_spec){METRIC_HISTOGRAM, .n_bounds = n, .bounds = bounds});
    for (unsigned i = 0; i < 2000; i++) {
        double v = random() % 3 == 0 ? (double)(random() % 42) : any_fraction() * 42 - 1;
        uint64_t weight = (uint64_t)random() % 5;

        observe(&w, i % N_CELLS, v, weight);
        count += weight;
        for (unsigned p = 0; p < n; p++)
            want[p] += v <= bounds[p] ? weight : 0;
    }
    look(&w, 0);
    ck_assert_uint_eq(w.seen.count, count);
    for (unsigned p = 0; p < n; p++)
        ck_assert_uint_eq(w.seen.cumulative[p], want[p]);
    world_release(&w);
}
END_TEST

/* More full buckets than a word can add up: the count stays at the most, as do the buckets. */
START_TEST(test_cell_observe_buckets_never_wraps)
{
    enum { N = 150 };
    double bounds[N];
    struct world w;

    for (unsigned i = 0; i < N; i++)
        bounds[i] = i;
    world_init(&w, &(struct shape_spec){METRIC_HISTOGRAM, .n_bounds = N, .bounds = bounds});
    for (unsigned i = 0; i <= N; i++)
        observe(&w, i % N_CELLS, i, UINT64_MAX / 2);
    look(&w, 0);
    for (unsigned p = 1; p < N; p++)
        ck_assert_uint_ge(w.seen.cumulative[p], w.seen.cumulative[p - 1]);
    ck_assert_uint_eq(w.seen.count, UINT64_MAX);
    world_release(&w);
}
END_TEST

/* ---- native buckets ---- */

#define NATIVE_SPEC                                                                         \
    {                                                                                       \
        .type = METRIC_HISTOGRAM, .n_bounds = 2, .bounds = native_bounds, .native_max = 20, \
        .native_schema = 3,                                                                 \
    }
static const double native_bounds[] = {1, 100};
static const struct shape_spec native_spec = NATIVE_SPEC;

/* All native buckets of what was seen, zeros not. */
static uint64_t native_sum(const struct snapshot_native *h)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < h->n_positive; i++)
        sum += h->positive[i].count;
    for (unsigned i = 0; i < h->n_negative; i++)
        sum += h->negative[i].count;
    return sum;
}

/* Only who asks is shown native buckets, and only where some are kept; they are all workers', and
 * add up to the count that the classic ones have too. */
START_TEST(test_cell_observe_buckets_natively)
{
    struct shape_spec without = NATIVE_SPEC;
    struct world w;

    without.native_max = 0;
    world_init(&w, &without);
    w.reader.wants_native = true;
    observe(&w, 0, 1, 1);
    ck_assert_ptr_null(look(&w, 0)->native);
    world_release(&w);

    world_init(&w, &native_spec);
    observe(&w, 0, 1, 1);
    ck_assert_ptr_null(look(&w, 0)->native);
    w.reader.wants_native = true;
    observe(&w, 2, 1, 2);
    observe(&w, 2, 8, 3);
    observe(&w, 1, -8, 4);
    observe(&w, 1, 0, 5);
    observe(&w, 1, NAN, 6);
    observe(&w, 1, 1, 0);
    observe(&w, 1, 1000, 0);
    look(&w, 0);
    ck_assert_ptr_nonnull(w.seen.native);
    ck_assert_int_eq(w.seen.native->schema, 3);
    ck_assert_uint_eq(w.seen.native->zero_count, 5);
    ck_assert_uint_eq(w.seen.native->n_positive, 2);
    ck_assert_int_eq(w.seen.native->positive[0].index, 0);
    ck_assert_uint_eq(w.seen.native->positive[0].count, 3);
    ck_assert_int_eq(w.seen.native->positive[1].index, 24);
    ck_assert_uint_eq(w.seen.native->positive[1].count, 3);
    ck_assert_uint_eq(w.seen.native->n_negative, 1);
    ck_assert_uint_eq(w.seen.count, 21);
    ck_assert_uint_eq(w.seen.cumulative[0], 12);
    ck_assert_uint_eq(w.seen.cumulative[1], 15);
    world_release(&w);
}
END_TEST

/* Before the first observation there are native buckets, all empty. */
START_TEST(test_cell_read_of_native_buckets_that_are_empty)
{
    struct world w;

    world_init(&w, &native_spec);
    w.reader.wants_native = true;
    look(&w, 0);
    ck_assert_ptr_nonnull(w.seen.native);
    ck_assert_uint_eq(w.seen.native->n_positive + w.seen.native->n_negative, 0);
    ck_assert_int_eq(w.seen.native->schema, 3);
    ck_assert_uint_eq(w.seen.count, 0);
    world_release(&w);
}
END_TEST

/* As values come, no count falls, the resolution never becomes finer, and the sum is the count. */
START_TEST(test_cell_native_buckets_are_monotone)
{
    struct world w;
    uint64_t count = 0;
    int schema = 3;

    srandom(10);
    world_init(&w, &native_spec);
    w.reader.wants_native = true;
    for (unsigned n = 1; n <= 3000; n++) {
        observe(&w, (unsigned)random() % N_CELLS,
                ldexp(any_fraction(), (int)(random() % (n / 50 + 2))), 1);
        look(&w, 0);
        ck_assert_uint_eq(w.seen.count, ++count);
        ck_assert_uint_eq(native_sum(w.seen.native) + w.seen.native->zero_count, count);
        ck_assert_uint_le(w.seen.native->n_positive, 20);
        ck_assert_int_le(w.seen.native->schema, schema);
        schema = w.seen.native->schema;
    }
    ck_assert_int_lt(schema, 0);
    world_release(&w);
}
END_TEST

/* ---- summary ---- */

static const double quantiles[] = {0, 0.5, 1};
#define SUMMARY_SPEC                                                                         \
    {                                                                                        \
        .type = METRIC_SUMMARY, .n_quantiles = 3, .quantiles = quantiles, .window_ms = 1000, \
        .n_slots = 4,                                                                        \
    }
static const struct shape_spec summary_spec = SUMMARY_SPEC;

/* Quantiles are of the window, slot by slot; count and sum are of all times. */
START_TEST(test_cell_observe_sketch_window_forgets)
{
    struct world w;

    world_init(&w, &summary_spec);
    ck_assert_double_nan(look(&w, 0)->quantiles[1]);
    cell_observe_sketch(w.cells[0], w.shape, 10, 1, at(0));
    cell_observe_sketch(w.cells[1], w.shape, 20, 1, at(400));
    cell_observe_sketch(w.cells[2], w.shape, 30, 5, at(800));
    look(&w, 999);
    ck_assert_double_eq(w.seen.quantiles[0], 10);
    ck_assert_double_eq(w.seen.quantiles[1], 30);
    ck_assert_double_eq(w.seen.quantiles[2], 30);
    look(&w, 1000);
    ck_assert_double_eq(w.seen.quantiles[0], 20);
    look(&w, 1250);
    ck_assert_double_eq(w.seen.quantiles[0], 30);
    look(&w, 1750);
    ck_assert_double_nan(w.seen.quantiles[0]);
    ck_assert_double_nan(w.seen.quantiles[2]);
    ck_assert_uint_eq(w.seen.count, 7);
    ck_assert_double_eq(w.seen.sum, 180);
    cell_observe_sketch(w.cells[0], w.shape, 1, 1, at(1800));
    look(&w, 1800);
    ck_assert_double_eq(w.seen.quantiles[2], 1);
    ck_assert_uint_eq(w.seen.count, 8);
    world_release(&w);
}
END_TEST

/* The writer's clock may be a slot ahead of the reader's. */
START_TEST(test_cell_observe_sketch_ahead_of_the_reader)
{
    struct world w;

    world_init(&w, &summary_spec);
    cell_observe_sketch(w.cells[0], w.shape, 5, 1, at(250));
    ck_assert_double_eq(look(&w, 249)->quantiles[1], 5);
    world_release(&w);
}
END_TEST

/* The second word of summaries and sets: odd while their owner writes. */
static void leave_in_the_middle_of_a_write(struct cell *c)
{
    relaxed_add((relaxed_u64 *)c + 1, 1);
}

/* What a writer left half done is not read: no other memory is touched, counts and sums are right,
 * and the other workers' windows are shown. */
START_TEST(test_cell_read_of_a_summary_being_written)
{
    static const unsigned char rubbish[] = {0x00, 0x01, 0x08, 0x5a, 0xff};
    const size_t slots = 32 + 8; /* head, seq, sum, count; the sketch's own head */
    struct world w;

    world_init(&w, &summary_spec);
    cell_observe_sketch(w.cells[0], w.shape, 10, 2, at(0));
    cell_observe_sketch(w.cells[1], w.shape, 20, 1, at(0));
    leave_in_the_middle_of_a_write(w.cells[0]);
    memset((char *)w.cells[0] + slots, rubbish[_i], w.shape->cell_size - slots);
    look(&w, 0);
    ck_assert_uint_eq(w.seen.count, 3);
    ck_assert_double_eq(w.seen.sum, 40);
    ck_assert_double_eq(w.seen.quantiles[0], 20);
    ck_assert_double_eq(w.seen.quantiles[2], 20);
    world_release(&w);
}
END_TEST

/* ---- set ---- */

static const struct shape_spec set_spec = {.type = METRIC_SET, .window_ms = 1000, .n_slots = 4};

/* Adds member @n; true when it had to grow. */
static bool add_member(struct world *w, unsigned worker, unsigned n, int64_t now_ms)
{
    struct cell_outgrown *outgrown = (struct cell_outgrown *)-1;
    char text[16];
    int len = snprintf(text, sizeof text, "m%u", n);

    ck_assert_int_eq(cell_set_add(w->cells[worker], w->shape, slice_of(text, (size_t)len),
                                  at(now_ms), &outgrown),
                     0);
    if (outgrown == NULL)
        return false;
    memset(outgrown, 0xa5, sizeof *outgrown);
    free(outgrown);
    return true;
}

/* A set grows through all its levels, hands out what it has outgrown each time, and loses none. */
START_TEST(test_cell_set_add_grows)
{
    struct world w;
    unsigned n_grown = 0;

    world_init(&w, &set_spec);
    for (unsigned n = 0; n < 5000; n++) {
        bool grown = add_member(&w, 0, n, 0);

        ck_assert_int_eq(grown, n == 32 || n == 256);
        n_grown += grown;
        ck_assert(!add_member(&w, 0, n / 2, 0));
        if (n < 256)
            ck_assert_double_eq(look(&w, 0)->value, n + 1);
        else if (n % 64 == 0)
            ck_assert_double_eq_tol(look(&w, 0)->value, n + 1, 0.05 * n);
    }
    ck_assert_uint_eq(n_grown, set_n_levels(SET_DEFAULT_BITS) - 1);
    world_release(&w);
}
END_TEST

/* With another error other registers, merged over workers and slots, within the error. */
START_TEST(test_cell_set_add_with_other_errors)
{
    struct shape_spec spec = set_spec;
    unsigned bits = (unsigned)_i;
    unsigned n_members = 3u << bits;
    struct world w;

    spec.set_bits = bits;
    world_init(&w, &spec);
    for (unsigned n = 0; n < n_members; n++)
        (void)add_member(&w, n % N_CELLS, n, (int64_t)(n % 4) * 250);
    ck_assert_double_eq_tol(look(&w, 999)->value, n_members,
                            3 * 1.04 / sqrt((double)(1u << bits)) * n_members);
    ck_assert_double_lt(look(&w, 1499)->value, 0.8 * n_members);
    world_release(&w);
}
END_TEST

/* Members of a past window are forgotten, slot by slot; a block keeps its size for the next. */
START_TEST(test_cell_set_add_window_forgets)
{
    struct world w;

    world_init(&w, &set_spec);
    for (unsigned n = 0; n < 100; n++)
        (void)add_member(&w, 0, n, 0);
    for (unsigned n = 50; n < 130; n++)
        (void)add_member(&w, 1, n, 500);
    ck_assert_double_eq(look(&w, 999)->value, 130);
    ck_assert_double_eq(look(&w, 1000)->value, 80);
    ck_assert_double_eq(look(&w, 1499)->value, 80);
    ck_assert_double_eq(look(&w, 1500)->value, 0);
    for (unsigned n = 0; n < 100; n++)
        ck_assert(!add_member(&w, 0, 1000 + n, 2000));
    ck_assert_double_eq(look(&w, 2000)->value, 100);
    ck_assert_double_eq(look(&w, 5000)->value, 0);
    world_release(&w);
}
END_TEST

/* A member counts once, whichever workers saw it in whichever slots. */
START_TEST(test_cell_set_add_counts_the_union)
{
    struct world w;

    world_init(&w, &set_spec);
    for (unsigned n = 0; n < 900; n++)
        (void)add_member(&w, n % N_CELLS, n % 150, (int64_t)(n % 4) * 250);
    ck_assert_double_eq(look(&w, 999)->value, 150);
    world_release(&w);
}
END_TEST

/* A block that is being written may be out of order. The count may be off; nothing else is
 * touched. */
START_TEST(test_cell_read_of_a_set_being_written)
{
    static const uint64_t ascending[] = {5, 10, 20, 30, 40, 50};
    enum { N = sizeof ascending / sizeof ascending[0] };
    struct world w;

    srandom(9);
    world_init(&w, &set_spec);
    for (unsigned n = 0; n < N; n++) {
        (void)add_member(&w, 0, n, 0);
        (void)add_member(&w, 1, n, 0);
    }
    leave_in_the_middle_of_a_write(w.cells[1]);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned n = 0; n < N; n++) {
            ((uint64_t **)w.cells[0])[2][1 + n] = ascending[n];
            ((uint64_t **)w.cells[1])[2][1 + n] = ascending[random() % N];
        }
        look(&w, 0);
        ck_assert_double_ge(w.seen.value, N);
        ck_assert_double_le(w.seen.value, 2 * N);
    }
    world_release(&w);
}
END_TEST

/* ---- all ---- */

/* Whatever is written, the cell was last seen at that tick; made anew, it is as empty as ever. */
START_TEST(test_cell_init_makes_empty)
{
    static const struct shape_spec specs[] = {
        {.type = METRIC_COUNTER},
        {.type = METRIC_GAUGE},
        {.type = METRIC_HISTOGRAM, .n_bounds = 3, .bounds = quantiles},
        SUMMARY_SPEC,
        {.type = METRIC_SET, .window_ms = 1000, .n_slots = 4},
    };

    for (size_t i = 0; i < METRIC_N_TYPES; i++) {
        struct cell_outgrown *outgrown;
        struct world w;
        struct cell *c;

        world_init(&w, &specs[i]);
        c = w.cells[0];
        if (i == METRIC_COUNTER)
            cell_add(c, 1, at(12345));
        else if (i == METRIC_GAUGE)
            cell_gauge_add(c, 1, at(12345));
        else if (i == METRIC_HISTOGRAM)
            ck_assert_int_eq(cell_observe_buckets(c, w.shape, 1, 1, at(12345), &outgrown), 0);
        else if (i == METRIC_SUMMARY)
            cell_observe_sketch(c, w.shape, 1, 1, at(12345));
        else
            ck_assert_int_eq(cell_set_add(c, w.shape, SLICE_LIT("a"), at(12345), &outgrown), 0);
        ck_assert_uint_eq(relaxed_load(&c->tick), 123);
        relaxed_store(&c->birth, 77);
        cell_release(c, w.shape);
        cell_init(c, w.shape);
        ck_assert_uint_eq(relaxed_load(&c->tick), 0);
        ck_assert_uint_eq(relaxed_load(&c->birth), 0);
        w.seen.value = 0;
        w.seen.count = 0;
        look(&w, 12345);
        ck_assert_double_eq(w.seen.value, 0);
        ck_assert_uint_eq(w.seen.count, 0);
        if (i == METRIC_SUMMARY)
            ck_assert_double_nan(w.seen.quantiles[0]);
        world_release(&w);
    }
}
END_TEST

/* The table of types. */
START_TEST(test_cell_types_have_names)
{
    static const struct {
        const char *name;
        enum snapshot_type shown_as;
    } want[METRIC_N_TYPES] = {
        [METRIC_COUNTER] = {"counter", SNAPSHOT_COUNTER},
        [METRIC_GAUGE] = {"gauge", SNAPSHOT_GAUGE},
        [METRIC_HISTOGRAM] = {"histogram", SNAPSHOT_HISTOGRAM},
        [METRIC_SUMMARY] = {"summary", SNAPSHOT_SUMMARY},
        [METRIC_SET] = {"set", SNAPSHOT_GAUGE},
    };

    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        ck_assert_str_eq(metric_type_name((enum metric_type)i), want[i].name);
        ck_assert_int_eq(metric_snapshot_type((enum metric_type)i), want[i].shown_as);
    }
}
END_TEST

static void add_values(Suite *s)
{
    TCase *native = tcase_create("native");
    TCase *counter = tcase_create("counter"), *gauge = tcase_create("gauge");
    TCase *histogram = tcase_create("histogram");

    tcase_add_test(counter, test_cell_add_sums);
    tcase_add_test(counter, test_cell_add_never_wraps);
    tcase_add_test(counter, test_cell_add_is_monotone);
    suite_add_tcase(s, counter);
    tcase_add_test(gauge, test_cell_gauge_sets_and_adds);
    tcase_add_test(gauge, test_cell_gauge_adds_or_sets);
    suite_add_tcase(s, gauge);
    tcase_add_test(histogram, test_cell_observe_buckets_bounds_are_inclusive);
    tcase_add_loop_test(histogram, test_cell_observe_buckets_agrees_with_comparing, 0, 40);
    tcase_add_test(histogram, test_cell_observe_buckets_never_wraps);
    suite_add_tcase(s, histogram);
    tcase_add_test(native, test_cell_observe_buckets_natively);
    tcase_add_test(native, test_cell_read_of_native_buckets_that_are_empty);
    tcase_add_test(native, test_cell_native_buckets_are_monotone);
    suite_add_tcase(s, native);
}

static void add_windows(Suite *s)
{
    TCase *summary = tcase_create("summary"), *set = tcase_create("set");

    tcase_add_test(summary, test_cell_observe_sketch_window_forgets);
    tcase_add_test(summary, test_cell_observe_sketch_ahead_of_the_reader);
    tcase_add_loop_test(summary, test_cell_read_of_a_summary_being_written, 0, 5);
    suite_add_tcase(s, summary);
    tcase_add_test(set, test_cell_set_add_grows);
    tcase_add_loop_test(set, test_cell_set_add_with_other_errors, SET_MIN_BITS, 15);
    tcase_add_test(set, test_cell_set_add_window_forgets);
    tcase_add_test(set, test_cell_set_add_counts_the_union);
    tcase_add_test(set, test_cell_read_of_a_set_being_written);
    suite_add_tcase(s, set);
}

static Suite *suite(void)
{
    Suite *s = suite_create("cell");
    TCase *all = tcase_create("all");

    add_values(s);
    add_windows(s);
    tcase_add_test(all, test_cell_read_skips_missing_cells);
    tcase_add_test(all, test_cell_init_makes_empty);
    tcase_add_test(all, test_cell_types_have_names);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
