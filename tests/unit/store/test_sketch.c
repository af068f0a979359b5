/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch: quantiles against sorted truth, over many distributions, weights and windows
 */
#include "store/sketch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define MAX_VALUES 20000

/* ---- a sketch beside the plain truth ---- */

static double truth[MAX_VALUES];
static unsigned n_truth;

static double uniform(void)
{
    return ((double)random() + 0.5) / ((double)RAND_MAX + 1);
}

/* Box and Muller. */
static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static struct sketch *make(unsigned n_slots)
{
    struct sketch *s = malloc(sketch_size(n_slots));

    memset(s, 0xa5, sketch_size(n_slots));
    sketch_init(s, n_slots);
    n_truth = 0;
    return s;
}

static void observe(struct sketch *s, uint32_t epoch, double v)
{
    ck_assert_uint_lt(n_truth, MAX_VALUES);
    truth[n_truth++] = v;
    sketch_observe(s, epoch, v, 1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct sketch_merge *merge_new(void)
{
    struct sketch_merge *m = malloc(sketch_merge_size());

    memset(m, 0xa5, sketch_merge_size());
    sketch_merge_init(m);
    return m;
}

static double quantile(const struct sketch *s, uint32_t epoch, double q)
{
    struct sketch_merge *m = merge_new();
    double v;

    sketch_merge_add(m, s, epoch);
    v = sketch_merge_quantile(m, q);
    free(m);
    return v;
}

static double true_quantile(double q)
{
    double rank = ceil(n_truth * q);

    return truth[rank < 1 ? 0 : (unsigned)rank - 1];
}

/* The largest relative error over many quantiles; sorts the truth. */
static double worst_error(const struct sketch_merge *m)
{
    double worst = 0;

    qsort(truth, n_truth, sizeof truth[0], by_value);
    for (int i = 0; i < 1000; i++) {
        double q = (i + 0.5) / 1000; /* between two ranks, so that weights do not matter */
        double is = sketch_merge_quantile(m, q), should = true_quantile(q);

        if (is == should)
            continue;
        worst = fmax(worst, fabs(is - should) / fabs(should));
    }
    return worst;
}

/* ---- the distributions ---- */

static double draw_uniform(unsigned i)
{
    (void)i;
    return 0.001 + uniform();
}

static double draw_lognormal(unsigned i)
{
    (void)i;
    return 0.05 * exp(normal());
}

static double draw_bimodal(unsigned i)
{
    if (i == 777)
        return 3600;
    return (i % 3 == 0 ? 2 : 0.01) * (1 + 0.1 * uniform());
}

static double draw_narrow(unsigned i)
{
    (void)i;
    return 20 + 2 * uniform();
}

static double draw_negative(unsigned i)
{
    return -draw_lognormal(i);
}

static double draw_mixed(unsigned i)
{
    return (i % 2 ? 1 : -1) * (1 + 9 * uniform());
}

static double draw_integers(unsigned i)
{
    (void)i;
    return (double)(random() % 101);
}

static double draw_rising(unsigned i)
{
    return 1 + i;
}

static double draw_falling(unsigned i)
{
    return MAX_VALUES - i;
}

static double draw_outliers_first(unsigned i)
{
    return i == 0 ? 1e9 : i == 1 ? 1e-9 : 1 + uniform();
}

static double draw_equal(unsigned i)
{
    (void)i;
    return 0.32;
}

static const struct {
    const char *name;
    double (*draw)(unsigned i);
    double error;
} distributions[] = {
    {"uniform", draw_uniform, 0.022},   {"lognormal", draw_lognormal, 0.044},
    {"bimodal", draw_bimodal, 0.044},   {"narrow", draw_narrow, 0.0014},
    {"negative", draw_negative, 0.044}, {"mixed sign", draw_mixed, 0.022},
    {"integers", draw_integers, 0.022}, {"rising", draw_rising, 0.022},
    {"falling", draw_falling, 0.022},   {"outliers first", draw_outliers_first, 0.087},
    {"all equal", draw_equal, 0},
};

/* Every quantile is within the stated relative error of the sorted truth, min and max exact. */
START_TEST(test_sketch_quantile_is_within_the_stated_error)
{
    struct sketch *s = make(5);
    struct sketch_merge *m = merge_new();
    double error;

    srandom(3);
    for (unsigned i = 0; i < MAX_VALUES; i++)
        observe(s, 100 + i % 5, distributions[_i].draw(i));
    sketch_merge_add(m, s, 104);
    error = worst_error(m);
    ck_assert_msg(error <= distributions[_i].error, "%s: %g", distributions[_i].name, error);
    ck_assert_double_eq(sketch_merge_quantile(m, 0), truth[0]);
    ck_assert_double_eq(sketch_merge_quantile(m, 1), truth[n_truth - 1]);
    free(m);
    free(s);
}
END_TEST

static const double ranges[] = {1.9, 10, 100, 1000, 1e4, 1e6, 1e9};
#define N_RANGES ((int)(sizeof ranges / sizeof ranges[0]))

/* The table in the head of sketch.c; the weight of a value brings the fullest bucket there. */
static const struct {
    uint64_t weight;
    double error[7];
} stated[] = {
    {1, {0.0028, 0.0055, 0.011, 0.011, 0.022, 0.022, 0.044}},
    {300, {0.0055, 0.011, 0.022, 0.022, 0.044, 0.044, 0.087}},
    {1000000, {0.011, 0.022, 0.044, 0.044, 0.087, 0.087, 0.18}},
};
#define N_STATED ((int)(sizeof stated / sizeof stated[0]))

/* Each cell of the table of errors holds for values spread evenly over the whole range. */
START_TEST(test_sketch_quantile_keeps_the_table)
{
    double range = ranges[_i % N_RANGES], stated_error = stated[_i / N_RANGES].error[_i % N_RANGES];
    struct sketch *s = make(5);
    struct sketch_merge *m = merge_new();
    double error;

    srandom(4);
    for (unsigned i = 0; i < 1000; i++) {
        double v = 0.003 * pow(range, i == 0 ? 0 : i == 1 ? 1 : uniform());

        truth[n_truth++] = v;
        sketch_observe(s, 0, v, stated[_i / N_RANGES].weight);
    }
    sketch_merge_add(m, s, 0);
    error = worst_error(m);
    ck_assert_msg(error <= stated_error, "range %g: %g", range, error);
    free(m);
    free(s);
}
END_TEST

/* As long as the values fit, every quantile is the value of its rank. */
START_TEST(test_sketch_quantile_is_exact_for_few_values)
{
    struct sketch *s = make(5);
    struct sketch_merge *m = merge_new();

    srandom(5);
    for (unsigned i = 0; i < 5 * 45; i++)
        observe(s, i % 5, i % 9 == 0 ? 0 : normal());
    sketch_merge_add(m, s, 4);
    ck_assert_double_eq(worst_error(m), 0);
    free(m);
    free(s);
}
END_TEST

/* The ranks are those of statsd_exporter: ceil(n * q), at least 1. */
START_TEST(test_sketch_quantile_picks_the_rank_rounded_up)
{
    static const struct {
        double q, want;
    } cases[] = {{-1, 1},   {0, 1},   {0.25, 1}, {0.26, 2}, {0.5, 2}, {0.51, 3},
                 {0.75, 3}, {0.9, 4}, {1, 4},    {7, 4},    {NAN, 1}};
    struct sketch *s = make(3);

    for (int v = 4; v >= 1; v--)
        observe(s, 8, v);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_double_eq(quantile(s, 8, cases[i].q), cases[i].want);
    free(s);
}
END_TEST

/* Nothing merged, or nothing in the window: NaN. */
START_TEST(test_sketch_quantile_of_nothing_is_nan)
{
    struct sketch *s = make(5);
    struct sketch_merge *m = merge_new();

    ck_assert_double_nan(sketch_merge_quantile(m, 0.5));
    sketch_merge_add(m, s, 0);
    ck_assert_double_nan(sketch_merge_quantile(m, 0.5));
    free(m);
    free(s);
}
END_TEST

/* NaN is counted nowhere, and neither is a weight of 0. */
START_TEST(test_sketch_observe_ignores_nan_and_weight_0)
{
    struct sketch *s = make(5);

    sketch_observe(s, 0, NAN, 1);
    sketch_observe(s, 0, 1, 0);
    ck_assert_double_nan(quantile(s, 0, 0.5));
    sketch_observe(s, 0, 7, 1);
    sketch_observe(s, 0, -NAN, 1);
    ck_assert_double_eq(quantile(s, 0, 1), 7);
    free(s);
}
END_TEST

/* Infinities and zeros of both signs have their ranks among the others, few or many. */
START_TEST(test_sketch_observe_ranks_zeros_and_infinities)
{
    unsigned each = _i == 0 ? 1 : 100;
    struct sketch *s = make(5);

    for (unsigned i = 0; i < each; i++) {
        sketch_observe(s, 0, INFINITY, 1);
        sketch_observe(s, 0, -INFINITY, 1);
        sketch_observe(s, 0, -3, 1);
        sketch_observe(s, 0, i % 2 ? 0.0 : -0.0, 1);
        sketch_observe(s, 0, 5, 1);
    }
    ck_assert_double_eq(quantile(s, 0, 0), -INFINITY);
    ck_assert_double_eq(quantile(s, 0, 0.2), -INFINITY);
    ck_assert_double_eq_tol(quantile(s, 0, 0.3), -3, 0.01);
    ck_assert_double_eq(quantile(s, 0, 0.5), 0);
    ck_assert_double_eq_tol(quantile(s, 0, 0.7), 5, 0.01);
    ck_assert_double_eq(quantile(s, 0, 0.81), INFINITY);
    ck_assert_double_eq(quantile(s, 0, 1), INFINITY);
    free(s);
}
END_TEST

/* A weight counts as so many observations. */
START_TEST(test_sketch_observe_weighs)
{
    static const uint64_t weights[] = {2, 10, 44, 45, 100, 255, 256, 65536, 4000000000};

    for (unsigned i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        struct sketch *s = make(5);

        sketch_observe(s, 0, 1, 1);
        sketch_observe(s, 0, 2, weights[i]);
        sketch_observe(s, 0, 3, 1);
        ck_assert_double_eq(quantile(s, 0, 0.5 / (double)weights[i]), 1);
        ck_assert_double_eq_tol(quantile(s, 0, 0.5), 2, 0.022);
        ck_assert_double_eq(quantile(s, 0, 1), 3);
        free(s);
    }
}
END_TEST

/* Counts stop at 2^32 - 1 instead of going round. */
START_TEST(test_sketch_observe_saturates)
{
    static const double values[] = {0, 1, -1, INFINITY, -INFINITY};

    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct sketch *s = make(5);
        double other = values[i] < 1 ? 50 : -50, is;

        sketch_observe(s, 0, values[i], UINT64_MAX);
        sketch_observe(s, 0, values[i], UINT64_MAX);
        sketch_observe(s, 0, values[i], 5);
        sketch_observe(s, 0, other, 4000000000);
        sketch_observe(s, 0, other, 1);
        /* 4 294 967 295 of the value, 4 000 000 001 of the other. */
        is = quantile(s, 0, other > values[i] ? 0.517 : 0.483);
        ck_assert(is == values[i] || fabs(is - values[i]) < 0.01);
        is = quantile(s, 0, other > values[i] ? 0.518 : 0.482);
        ck_assert(fabs(is - other) < 1);
        free(s);
    }
}
END_TEST

/* An observation is seen for n epochs, its own included, and then no more; epochs may wrap. */
START_TEST(test_sketch_window_slides)
{
    static const uint32_t starts[] = {0, 1, 1000, UINT32_MAX - 2, UINT32_MAX};

    for (unsigned n = 1; n <= SKETCH_MAX_SLOTS; n++) {
        for (unsigned i = 0; i < sizeof starts / sizeof starts[0]; i++) {
            struct sketch *s = make(n);

            sketch_observe(s, starts[i], 42, 1);
            for (uint32_t age = 0; age < n; age++)
                ck_assert_double_eq(quantile(s, starts[i] + age, 0.5), 42);
            ck_assert_double_nan(quantile(s, starts[i] + n, 0.5));
            ck_assert_double_nan(quantile(s, starts[i] + 1000000, 0.5));
            free(s);
        }
    }
}
END_TEST

/* A slot is emptied for its new epoch: counts, extremes, resolution and all. */
START_TEST(test_sketch_slot_starts_afresh)
{
    struct sketch *s = make(2);
    struct sketch_merge *m = merge_new();

    srandom(6);
    for (int i = 0; i < 10000; i++)
        sketch_observe(s, 10, exp(20 * normal()), 1);
    sketch_observe(s, 10, INFINITY, 5);
    sketch_observe(s, 10, -INFINITY, 5);
    sketch_observe(s, 10, 0, 5);
    for (int i = 0; i < 1000; i++)
        observe(s, 12, 20 + uniform());
    sketch_merge_add(m, s, 12);
    ck_assert_double_le(worst_error(m), 0.0014);
    free(m);
    free(s);
}
END_TEST

/* Several sketches of one series merge to what one sketch of everything would say. */
START_TEST(test_sketch_merge_adds_sketches)
{
    struct sketch *s[3];
    struct sketch_merge *m = merge_new();

    srandom(7);
    for (unsigned i = 0; i < 3; i++)
        s[i] = make(5);
    n_truth = 0;
    for (unsigned i = 0; i < 9000; i++) /* the third has a few only, and keeps their values */
        observe(s[i % 9 < 5 ? 0 : i < 8900 ? 1 : 2], i % 5, draw_lognormal(i));
    for (unsigned i = 0; i < 3; i++)
        sketch_merge_add(m, s[i], 4);
    ck_assert_double_le(worst_error(m), 0.044);
    ck_assert_double_eq(sketch_merge_quantile(m, 0), truth[0]);
    ck_assert_double_eq(sketch_merge_quantile(m, 1), truth[n_truth - 1]);
    for (unsigned i = 0; i < 3; i++)
        free(s[i]);
    free(m);
}
END_TEST

/* More exact values than a merge keeps are bucketed, none is lost. */
START_TEST(test_sketch_merge_of_many_exact_sketches)
{
    struct sketch_merge *m = merge_new();
    struct sketch *s[8];

    srandom(8);
    for (unsigned i = 0; i < 8; i++)
        s[i] = make(1);
    n_truth = 0;
    for (unsigned i = 0; i < 8 * 200; i++)
        observe(s[i / 200], 0, 1 + uniform());
    for (unsigned i = 0; i < 8; i++)
        sketch_merge_add(m, s[i], 0);
    ck_assert_double_le(worst_error(m), 0.0014);
    for (unsigned i = 0; i < 8; i++)
        free(s[i]);
    free(m);
}
END_TEST

static double any_double(void)
{
    uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Whatever doubles come: quantiles ascend, and stay between the exact ends. */
START_TEST(test_sketch_observe_takes_any_double)
{
    unsigned n_slots = (unsigned)_i;
    struct sketch *s = make(n_slots);
    struct sketch_merge *m = merge_new();
    double min = INFINITY, max = -INFINITY, last = -INFINITY;

    srandom(9);
    for (unsigned i = 0; i < 2000; i++) {
        double v = i == 500   ? DBL_MAX
                   : i == 501 ? -DBL_MAX
                   : i == 502 ? DBL_TRUE_MIN
                              : any_double();

        sketch_observe(s, i % n_slots, v, i % 7 == 0 ? UINT32_MAX : i % 300);
        if (i % 7 != 0 && i % 300 == 0)
            continue;
        min = v < min ? v : min;
        max = v > max ? v : max;
    }
    sketch_merge_add(m, s, n_slots - 1);
    for (int i = 0; i <= 200; i++) {
        double v = sketch_merge_quantile(m, i / 200.0);

        ck_assert_double_ge(v, last);
        last = v;
    }
    ck_assert_double_eq(sketch_merge_quantile(m, 0), min);
    ck_assert_double_eq(last, max);
    free(m);
    free(s);
}
END_TEST

/* A sketch is whole words and at most 2 KB. */
START_TEST(test_sketch_size_is_bounded)
{
    for (unsigned n = 1; n <= SKETCH_MAX_SLOTS; n++) {
        ck_assert_uint_le(sketch_size(n), SKETCH_MAX_SIZE);
        ck_assert_uint_ge(sketch_size(n), SKETCH_MAX_SIZE - 8 * n - 8);
        ck_assert_uint_eq(sketch_size(n) % 8, 0);
    }
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *test, int begin, int end)
{
    TCase *c = tcase_create(name);

    tcase_add_loop_test(c, test, begin, end);
    suite_add_tcase(s, c);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sketch");
    int n_distributions = (int)(sizeof distributions / sizeof distributions[0]);
    TCase *c;

    add_case(s, "distributions", test_sketch_quantile_is_within_the_stated_error, 0,
             n_distributions);
    add_case(s, "table", test_sketch_quantile_keeps_the_table, 0, N_RANGES * N_STATED);
    add_case(s, "zeros", test_sketch_observe_ranks_zeros_and_infinities, 0, 2);
    add_case(s, "any", test_sketch_observe_takes_any_double, 1, SKETCH_MAX_SLOTS + 1);

    c = tcase_create("quantile");
    tcase_add_test(c, test_sketch_quantile_is_exact_for_few_values);
    tcase_add_test(c, test_sketch_quantile_picks_the_rank_rounded_up);
    tcase_add_test(c, test_sketch_quantile_of_nothing_is_nan);
    suite_add_tcase(s, c);

    c = tcase_create("observe");
    tcase_add_test(c, test_sketch_observe_ignores_nan_and_weight_0);
    tcase_add_test(c, test_sketch_observe_weighs);
    tcase_add_test(c, test_sketch_observe_saturates);
    suite_add_tcase(s, c);

    c = tcase_create("window");
    tcase_add_test(c, test_sketch_window_slides);
    tcase_add_test(c, test_sketch_slot_starts_afresh);
    tcase_add_test(c, test_sketch_size_is_bounded);
    suite_add_tcase(s, c);

    c = tcase_create("merge");
    tcase_add_test(c, test_sketch_merge_adds_sketches);
    tcase_add_test(c, test_sketch_merge_of_many_exact_sketches);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
