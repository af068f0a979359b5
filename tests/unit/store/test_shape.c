/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shape: equal settings make equal shapes, different ones do not
 */
#include "store/shape.h"

#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "store/cell.h"
#include "store/native.h"

static const double few[] = {0.005, 1, 2.5}, others[] = {0.005, 1, 10}, one[] = {0.5};

/* No two of these are equal. */
static const struct shape_spec specs[] = {
    {.type = METRIC_COUNTER},
    {.type = METRIC_GAUGE},
    {.type = METRIC_HISTOGRAM},
    {.type = METRIC_HISTOGRAM, .n_bounds = 2, .bounds = few},
    {.type = METRIC_HISTOGRAM, .n_bounds = 3, .bounds = few},
    {.type = METRIC_HISTOGRAM, .n_bounds = 3, .bounds = others},
    {.type = METRIC_HISTOGRAM, .native_max = 160, .native_schema = 3},
    {.type = METRIC_HISTOGRAM, .native_max = 161, .native_schema = 3},
    {.type = METRIC_HISTOGRAM, .native_max = 160, .native_schema = -1},
    {.type = METRIC_HISTOGRAM, .native_max = NATIVE_MAX_BUCKETS, .native_schema = 3},
    {.type = METRIC_SUMMARY, .window_ms = 60000, .n_slots = 5},
    {.type = METRIC_SUMMARY, .n_quantiles = 1, .quantiles = one, .window_ms = 60000, .n_slots = 5},
    {.type = METRIC_SUMMARY, .n_quantiles = 1, .quantiles = few, .window_ms = 60000, .n_slots = 5},
    {.type = METRIC_SUMMARY, .n_quantiles = 1, .quantiles = one, .window_ms = 60000, .n_slots = 6},
    {.type = METRIC_SUMMARY, .n_quantiles = 1, .quantiles = one, .window_ms = 90000, .n_slots = 5},
    {.type = METRIC_SET, .window_ms = 60000, .n_slots = 6},
    {.type = METRIC_SET, .window_ms = 10000, .n_slots = 6},
    {.type = METRIC_SET, .window_ms = 10000, .n_slots = 6, .set_bits = 8},
    {.type = METRIC_SET, .window_ms = 10000, .n_slots = 6, .set_bits = 16},
};
#define N_SPECS (sizeof specs / sizeof specs[0])

static struct shape *shape_of(const struct shape_spec *spec)
{
    struct shape *s = NULL;

    ck_assert_int_eq(shape_new(&s, spec), 0);
    ck_assert_ptr_nonnull(s);
    return s;
}

/* A shape is what its own settings make, and nobody else's. */
START_TEST(test_shape_is_tells_settings_apart)
{
    struct shape *s = shape_of(&specs[_i]);

    for (size_t i = 0; i < N_SPECS; i++)
        ck_assert_int_eq(shape_is(s, &specs[i]), (int)i == _i);
    shape_free(s);
}
END_TEST

/* What a type does not use makes no difference. */
START_TEST(test_shape_is_blind_to_unused_parts)
{
    struct shape_spec counter = {.type = METRIC_COUNTER, .n_bounds = 3, .bounds = few};
    struct shape_spec histogram = specs[4], most = specs[9];
    struct shape *s = shape_of(&specs[0]);

    counter.window_ms = 5;
    counter.native_max = 5;
    counter.native_schema = 5;
    ck_assert(shape_is(s, &counter));
    shape_free(s);
    histogram.n_quantiles = 1;
    histogram.quantiles = one;
    histogram.window_ms = 1000;
    s = shape_of(&histogram);
    ck_assert(shape_is(s, &specs[4]));
    ck_assert_uint_eq(s->n_slots, 0);
    histogram.native_schema = 5; /* with no buckets */
    ck_assert(shape_is(s, &histogram));
    shape_free(s);
    most.native_max = NATIVE_MAX_BUCKETS + 1;
    s = shape_of(&most);
    ck_assert(shape_is(s, &specs[9]));
    shape_free(s);
}
END_TEST

/* The points are copied, and printed as the page shows them. */
START_TEST(test_shape_new_copies_and_prints_points)
{
    static const double values[] = {0, 0.005, 0.1, 1, 2.5, 10, 1e6, 1e21, 1e-9};
    static const char *const texts[] = {"0",  "0.005", "0.1",   "1",    "2.5",
                                        "10", "1e+06", "1e+21", "1e-09"};
    enum { N = sizeof values / sizeof values[0] };
    double points[N];
    struct shape *s;

    memcpy(points, values, sizeof values);
    s = shape_of(&(struct shape_spec){.type = METRIC_HISTOGRAM, .n_bounds = N, .bounds = points});
    memset(points, 0xa5, sizeof points);
    ck_assert_uint_eq(s->n_points, N);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_double_eq(s->points[i], values[i]);
        ck_assert_msg(slice_eq_str(s->texts[i], texts[i]), "%.*s", (int)s->texts[i].len,
                      s->texts[i].p);
    }
    shape_free(s);
}
END_TEST

/* A window is cut into its slots; a slot is never shorter than the clock's millisecond. */
START_TEST(test_shape_new_cuts_the_window)
{
    static const struct {
        int64_t window_ms;
        unsigned n_slots;
        int64_t slot_ms;
    } cases[] = {
        {60000, 5, 12000}, {60000, 1, 60000}, {10, 3, 3}, {10, 10, 1}, {5, 10, 1}, {0, 5, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shape *s = shape_of(&(struct shape_spec){
            .type = METRIC_SUMMARY, .window_ms = cases[i].window_ms, .n_slots = cases[i].n_slots});

        ck_assert_int_eq(s->slot_ms, cases[i].slot_ms);
        ck_assert_uint_eq(s->n_slots, cases[i].n_slots);
        shape_free(s);
    }
}
END_TEST

/* A cell's size follows from the shape; a counter is three words, and a gauge, which all workers
 * write to, half a cache line. */
START_TEST(test_shape_new_knows_the_size_of_cells)
{
    for (size_t i = 0; i < N_SPECS; i++) {
        struct shape *s = shape_of(&specs[i]);

        ck_assert_uint_eq(s->cell_size, cell_size(s));
        ck_assert_uint_eq(s->cell_size % CELL_ALIGN, 0);
        if (s->type == METRIC_COUNTER)
            ck_assert_uint_eq(s->cell_size, 24);
        if (s->type == METRIC_GAUGE)
            ck_assert_uint_eq(s->cell_size, 32);
        if (s->type == METRIC_HISTOGRAM)
            ck_assert_uint_ge(s->cell_size, 16 + 8 * (s->n_points + 1));
        shape_free(s);
    }
    shape_free(NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("shape");
    TCase *is = tcase_create("is"), *new_case = tcase_create("new");

    tcase_add_loop_test(is, test_shape_is_tells_settings_apart, 0, (int)N_SPECS);
    tcase_add_test(is, test_shape_is_blind_to_unused_parts);
    suite_add_tcase(s, is);
    tcase_add_test(new_case, test_shape_new_copies_and_prints_points);
    tcase_add_test(new_case, test_shape_new_cuts_the_window);
    tcase_add_test(new_case, test_shape_new_knows_the_size_of_cells);
    suite_add_tcase(s, new_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
