/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carry: what was counted under any bounds goes on under all others
 */
#include "store/carry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

static unsigned random_below(uint32_t *state, unsigned n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

/* @native: 0 for none, else one of a few resolutions and maxima. */
static struct shape *shape_of(const double *bounds, unsigned n, unsigned native)
{
    struct shape_spec spec = {.type = METRIC_HISTOGRAM,
                              .n_bounds = n,
                              .bounds = bounds,
                              .native_max = native * 3,
                              .native_schema = (int)native * 3 % 7 - 2};
    struct shape *s;

    ck_assert_int_eq(shape_new(&s, &spec), 0);
    return s;
}

static struct cell *cell_of(const struct shape *shape)
{
    struct cell *c = aligned_alloc(CELL_ALIGN, shape->cell_size);

    memset(c, 0xa5, shape->cell_size);
    cell_init(c, shape);
    return c;
}

/* ---- the slow reference: every observation with the bound that is known of it ---- */

#define N_ROUNDS     8
#define N_BOUNDS_MAX 12
#define N_GRID       20 /* bounds are 1..N_GRID */

struct reference {
    double known[1000]; /* the smallest bound known to be not below it; INFINITY */
    unsigned n;
    double sum;
};

static void reference_observe(struct reference *ref, const struct shape *shape, double v)
{
    double bound = INFINITY;

    for (unsigned p = shape->n_points; p > 0 && v <= shape->points[p - 1]; p--)
        bound = shape->points[p - 1];
    ref->known[ref->n++] = bound;
    ref->sum += v;
}

static uint64_t reference_at_most(const struct reference *ref, double bound)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ref->n; i++)
        n += ref->known[i] <= bound;
    return n;
}

struct history {
    struct reference ref;
    struct carried *carried;
    struct cell_reader reader;
    uint64_t shown[N_GRID + 1]; /* the most, for each bound */

    /* With native buckets. */
    bool is_whole;     /* all was counted in native buckets, but for: */
    unsigned n_unseen; /* observations */
    double sum_unseen;
    int schema; /* the coarsest */
    uint64_t native_shown[N_GRID + 1];
};

static void check_native(struct history *h, const struct shape *shape, struct cell *cell)
{
    struct snapshot_series seen = {0};
    uint64_t n = 0;

    h->reader.wants_native = true;
    if (h->carried == NULL)
        ck_assert_int_eq(cell_read(&cell, 1, shape, 0, &h->reader, &seen), 0);
    else
        ck_assert_int_eq(carried_read(h->carried, &cell, 1, shape, 0, &h->reader, &seen), 0);
    h->reader.wants_native = false;
    ck_assert_uint_eq(seen.count, h->ref.n - h->n_unseen);
    ck_assert_double_eq(seen.sum, h->ref.sum - h->sum_unseen);
    for (unsigned p = 0; p < shape->n_points; p++) {
        unsigned grid = (unsigned)shape->points[p];

        ck_assert_uint_le(seen.cumulative[p], seen.count);
        ck_assert_uint_ge(seen.cumulative[p], h->native_shown[grid]);
        h->native_shown[grid] = seen.cumulative[p];
    }
    ck_assert_int_eq(seen.native != NULL, shape->native_max > 0);
    if (seen.native == NULL)
        return;
    for (unsigned i = 0; i < seen.native->n_positive; i++)
        n += seen.native->positive[i].count;
    for (unsigned i = 0; i < seen.native->n_negative; i++)
        n += seen.native->negative[i].count;
    ck_assert_uint_eq(n + seen.native->zero_count, seen.count);
    if (seen.count > 0) {
        ck_assert_int_le(seen.native->schema, h->schema);
        h->schema = seen.native->schema;
    }
}

static void check_page(struct history *h, const struct shape *shape, struct cell *cell)
{
    struct snapshot_series seen = {0};

    if (h->carried == NULL)
        ck_assert_int_eq(cell_read(&cell, 1, shape, 0, &h->reader, &seen), 0);
    else
        ck_assert_int_eq(carried_read(h->carried, &cell, 1, shape, 0, &h->reader, &seen), 0);
    for (unsigned p = 0; p < shape->n_points; p++) {
        unsigned grid = (unsigned)shape->points[p];

        ck_assert_uint_eq(seen.cumulative[p], reference_at_most(&h->ref, shape->points[p]));
        ck_assert_uint_ge(seen.cumulative[p], h->shown[grid]);
        h->shown[grid] = seen.cumulative[p];
    }
    ck_assert_uint_eq(seen.count, h->ref.n);
    ck_assert_double_eq(seen.sum, h->ref.sum);
    check_native(h, shape, cell);
}

static struct shape *random_shape(uint32_t *state)
{
    double bounds[N_GRID];
    unsigned n = 0;

    for (unsigned b = 1; b <= N_GRID && n < N_BOUNDS_MAX; b++)
        if (random_below(state, 3) == 0)
            bounds[n++] = b;
    return shape_of(bounds, n, random_below(state, 5));
}

static void observe(struct history *h, struct cell *c, const struct shape *shape, double v)
{
    struct cell_outgrown *outgrown;

    ck_assert_int_eq(cell_observe_buckets(c, shape, v, 1, (struct cell_time){0}, &outgrown), 0);
    free(outgrown);
    reference_observe(&h->ref, shape, v);
}

/* What is not in native buckets is not seen with them. */
static void begin_native(struct history *h, const struct shape *next)
{
    if (next->native_max == 0 || h->is_whole)
        return;
    h->n_unseen = h->ref.n;
    h->sum_unseen = h->ref.sum;
    h->schema = 8;
    memset(h->native_shown, 0, sizeof h->native_shown);
}

/* One time under one shape: samples, a move, pages while the cell is leaving, the fold. */
static void live_one(struct history *h, struct shape **shape, uint32_t *state)
{
    struct shape *next = random_shape(state);
    bool was_idle = random_below(state, 3) == 0;
    struct cell *old = was_idle ? NULL : cell_of(*shape), *new = cell_of(next);
    struct leaving *leaving = calloc(1, sizeof *leaving + sizeof leaving->cells[0]);

    for (unsigned n = was_idle ? 0 : random_below(state, 30); n > 0; n--) {
        double v = random_below(state, 2 * N_GRID + 10) / 2.0 - 3;

        observe(h, old, *shape, v);
    }
    check_page(h, *shape, old);
    *leaving = (struct leaving){.shape = *shape, .n = 1};
    leaving->cells[0] = old;
    if (h->carried == NULL)
        h->carried = calloc(1, sizeof *h->carried);
    h->carried->leaving = leaving;
    h->is_whole &= was_idle || (*shape)->native_max > 0;
    begin_native(h, next);
    check_page(h, next, new);
    if (!was_idle)
        observe(h, old, *shape, 3.5);
    begin_native(h, next);
    check_page(h, next, new);
    ck_assert_int_eq(carried_fold_leaving(&h->carried, 0, next), 0);
    free(leaving);
    h->is_whole |= next->native_max > 0;
    check_page(h, next, new);
    if (!was_idle)
        cell_release(old, *shape);
    shape_free(*shape);
    free(old);
    free(new);
    *shape = next;
}

/* Whatever bounds came and went: each bound shows what is known to be at most it, and that never
 * falls; counts and sums are exact. Native buckets add up to the count and become no finer; what
 * was counted without them is left out from the time on when they begin, and only then. */
START_TEST(test_carry_against_the_reference)
{
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct history h = {.is_whole = true, .schema = 8};
        uint32_t state = seed;
        struct shape *shape = random_shape(&state);

        for (unsigned round = 0; round < N_ROUNDS; round++)
            live_one(&h, &shape, &state);
        shape_free(shape);
        carried_free(h.carried);
        cell_reader_release(&h.reader);
    }
}
END_TEST

/* Bounds that are new each time do not gather for ever, and those in force are as exact as ever. */
START_TEST(test_carry_bounds_its_memory)
{
    struct carried *c = NULL;
    uint64_t n = 0;

    for (unsigned round = 0; round < 300; round++) {
        double bounds[20];
        uint64_t cumulative[20];
        struct snapshot_series from = {.n_points = 20, .points = bounds, .cumulative = cumulative};
        struct snapshot_series seen = {0};
        struct cell_reader reader = {0};
        struct cell *none = NULL;
        struct shape *shape;

        for (unsigned p = 0; p < 20; p++) {
            bounds[p] = p * 1000 + round;
            cumulative[p] = p + 1;
        }
        from.count = 21;
        shape = shape_of(bounds, 20, 0);
        ck_assert_int_eq(carried_fold(&c, &from, NULL, shape), 0);
        n += 21;
        ck_assert_uint_le(c->n_points, CARRIED_MAX_POINTS);
        ck_assert_int_eq(carried_read(c, &none, 1, shape, 0, &reader, &seen), 0);
        for (unsigned p = 0; p < 20; p++)
            ck_assert_uint_eq(seen.cumulative[p], (round + 1) * (p + 1));
        ck_assert_uint_eq(seen.count, n);
        cell_reader_release(&reader);
        shape_free(shape);
    }
    carried_free(c);
}
END_TEST

/* Native buckets that begin say since when; without them a series is as old as ever. */
START_TEST(test_carry_since)
{
    double bound = 1;
    struct shape *off = shape_of(&bound, 1, 0), *on = shape_of(&bound, 1, 2);
    struct leaving *leaving = calloc(1, sizeof *leaving + sizeof leaving->cells[0]);
    struct carried *c = calloc(1, sizeof *c);
    struct history h = {0};
    struct cell *cell = cell_of(off);

    *leaving = (struct leaving){.shape = off, .n = 1, .since = 70};
    c->leaving = leaving;
    ck_assert_uint_eq(carried_since(c, on, 5), 5);
    leaving->cells[0] = cell;
    observe(&h, cell, off, 1);
    ck_assert_uint_eq(carried_since(c, off, 5), 5);
    ck_assert_uint_eq(carried_since(c, on, 5), 70);
    ck_assert_int_eq(carried_fold_leaving(&c, 0, on), 0);
    ck_assert_uint_eq(carried_since(c, on, 5), 70);
    ck_assert_uint_eq(carried_since(c, off, 5), 70);
    free(leaving);
    carried_free(c);
    free(cell);
    shape_free(on);
    shape_free(off);
}
END_TEST

/* Full counts stay full. */
START_TEST(test_carry_does_not_wrap)
{
    double bound = 1;
    uint64_t most = UINT64_MAX - 1;
    struct snapshot_series from = {
        .n_points = 1, .points = &bound, .cumulative = &most, .count = most};
    struct shape *shape = shape_of(&bound, 1, 0);
    struct carried *c = NULL;

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(carried_fold(&c, &from, NULL, shape), 0);
    ck_assert_uint_eq(c->count, UINT64_MAX);
    ck_assert_uint_eq(c->points[0].cumulative, UINT64_MAX);
    carried_free(c);
    shape_free(shape);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("carry");
    TCase *carry = tcase_create("carry");

    tcase_add_test(carry, test_carry_against_the_reference);
    tcase_add_test(carry, test_carry_bounds_its_memory);
    tcase_add_test(carry, test_carry_since);
    tcase_add_test(carry, test_carry_does_not_wrap);
    suite_add_tcase(s, carry);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
