/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling: what a value and a sample rate add to a series, type by type, at a cost that does not
 * depend on the rate
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/unit.h"

#define LINE            "lines=1 samples=1"
#define EVENTS(kind, n) "events." kind "=" n " events_unmapped=" n " " LINE
#define BAD_RATE(kind) \
    "events." kind "=1 events_unmapped=1 lines=1 sample_errors.invalid_sample_factor=1 samples=1"
#define REFUSED(reason) "events_error." reason "=1 events_unmapped=1 " LINE

static const struct {
    const char *line;
    const char *series;
    const char *counts;
} rates[] = {
    /* A counter's value is divided by each of its factors. */
    {"x:1|c|@0.1", "x 10\n", EVENTS("counter", "1")},
    {"x:1|c|@2", "x 0.5\n", EVENTS("counter", "1")},
    {"x:1|c|@0.5|@0.5", "x 4\n", EVENTS("counter", "1")},
    {"x:1|c|@1e-9", "x 9.999999999999999e+08\n", EVENTS("counter", "1")},
    {"x:1|c|@0", "x 1\n", EVENTS("counter", "1")},
    {"x:1|c|@-0.5", "", REFUSED("illegal_negative_counter")},
    {"x:-1|c|@-0.5", "x 2\n", EVENTS("counter", "1")},
    {"x:1|c|@NaN", "", REFUSED("illegal_non_finite_counter")},
    {"x:1|c|@inf", "x 0\n", EVENTS("counter", "1")},
    {"x:1e300|c|@1e-300", "", REFUSED("illegal_non_finite_counter")},
    /* A factor that cannot be read is an error, and 1; beyond a double it is infinity. */
    {"x:1|c|@abc", "x 1\n", BAD_RATE("counter")},
    {"x:1|c|@", "x 1\n", BAD_RATE("counter")},
    {"x:1|c|@1e400", "x 0\n", BAD_RATE("counter")},
    /* An observation counts as often as the last factor says, cut to a whole number. */
    {"x:1|ms|@0.3", "x_sum 0.003\nx_count 3\n", EVENTS("observer", "3")},
    {"x:1|ms|@0.7", "x_sum 0.001\nx_count 1\n", EVENTS("observer", "1")},
    {"x:1|ms|@0.51", "x_sum 0.001\nx_count 1\n", EVENTS("observer", "1")},
    {"x:1|ms|@0.5|@0.25", "x_sum 0.004\nx_count 4\n", EVENTS("observer", "4")},
    {"x:2|h|@0.5", "x_sum 4\nx_count 2\n", EVENTS("observer", "2")},
    {"x:2|d|@0.25", "x_sum 8\nx_count 4\n", EVENTS("observer", "4")},
    {"x:2|h|@", "x_sum 2\nx_count 1\n", BAD_RATE("observer")},
    {"x:2|h|@0", "x_sum 2\nx_count 1\n", EVENTS("observer", "1")},
    /* One that counts no time at all makes no series. */
    {"x:1|ms|@2", "", LINE},
    {"x:1|ms|@-1", "", LINE},
    {"x:1|ms|@NaN", "", LINE},
    {"x:1|ms|@1e400", "", "lines=1 sample_errors.invalid_sample_factor=1 samples=1"},
    /* More often than a double can count one by one is refused. */
    {"x:1|h|@1e-17", "", "lines=1 sample_errors.invalid_sample_factor=1 samples=1"},
    {"x:1|h|@1e-15", "x_sum 9.99999999999999e+14\nx_count 9.99999999999999e+14\n",
     EVENTS("observer", "9.99999999999999e+14")},
    /* Gauges and sets have no rate. */
    {"x:1|g|@0.1", "x 1\n", EVENTS("gauge", "1")},
    {"x:+1|g|@0.1", "x 1\n", EVENTS("gauge", "1")},
    {"x:1|s|@0.1", "x 1\n", EVENTS("set", "1")},
    {"x:1|g|@abc", "x 1\n", BAD_RATE("gauge")},
    /* What is not finite, where it may be so. */
    {"x:NaN|g", "x NaN\n", EVENTS("gauge", "1")},
    {"x:-inf|g", "x -Inf\n", EVENTS("gauge", "1")},
    {"x:-3|h", "x_sum -3\nx_count 1\n", EVENTS("observer", "1")},
    {"x:inf|h", "x_sum +Inf\nx_count 1\n", EVENTS("observer", "1")},
    {"x:nan|h", "x_sum NaN\nx_count 1\n", EVENTS("observer", "1")},
};
#define N_RATES ((int)(sizeof rates / sizeof rates[0]))

/* Each sample adds exactly what the reference says. */
START_TEST(test_sampling_rates)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, rates[_i].line);
    ck_assert_str_eq(engine_series(&e), rates[_i].series);
    ck_assert_str_eq(engine_counts(&e), rates[_i].counts);
    engine_release(&e);
}
END_TEST

/* A thousand million observations in one sample cost what one does. */
START_TEST(test_sampling_weight_is_not_repetition)
{
    struct timespec before, after;
    struct engine e;

    engine_init(&e, NULL, "mappings:\n- {match: hist, name: hist, observer_type: histogram}\n");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (int i = 0; i < 1000; i++)
        engine_feed(&e, "hist:320|ms|@1e-9\nsum:320|ms|@1e-9");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    ck_assert_int_lt(after.tv_sec - before.tv_sec, 5);
    /* 1/1e-9 is a little less than 1e9, and is cut. */
    ck_assert_double_eq(engine_value(&e, "hist_count"), 999999999000.0);
    ck_assert_double_eq(engine_value(&e, "hist_bucket{le=\"0.25\"}"), 0);
    ck_assert_double_eq(engine_value(&e, "hist_bucket{le=\"0.5\"}"), 999999999000.0);
    ck_assert_double_eq(engine_value(&e, "sum_count"), 999999999000.0);
    ck_assert_double_eq(engine_value(&e, "sum{quantile=\"0.5\"}"), 0.32);
    engine_release(&e);
}
END_TEST

/* A value on a bound belongs to the bound's bucket, one that is no number to +Inf only. */
START_TEST(test_sampling_buckets)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n- {match: h, name: h, observer_type: histogram, "
                "histogram_options: {buckets: [-1, 0, 2, .inf]}}\n");
    engine_feed(&e, "h:-2|h\nh:-1|h\nh:0|h\nh:-0|h\nh:2|h|@0.5\nh:2.0000001|h\nh:inf|h\nh:nan|h");
    ck_assert_str_eq(engine_series(&e), "h_bucket{le=\"-1\"} 2\nh_bucket{le=\"0\"} 4\n"
                                        "h_bucket{le=\"2\"} 6\nh_bucket{le=\"+Inf\"} 9\n"
                                        "h_sum NaN\nh_count 9\n");
    engine_release(&e);
}
END_TEST

/* Quantiles are exact at the ends, and weighted. */
START_TEST(test_sampling_quantiles)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "two:1|h\ntwo:2|h\nheavy:1|h|@0.01\nheavy:7|h");
    ck_assert_double_eq(engine_value(&e, "two{quantile=\"0.5\"}"), 1);
    ck_assert_double_eq(engine_value(&e, "two{quantile=\"0.9\"}"), 2);
    ck_assert_double_eq(engine_value(&e, "heavy{quantile=\"0.99\"}"), 1);
    ck_assert_double_eq(engine_value(&e, "heavy_count"), 101);
    engine_release(&e);
}
END_TEST

/* A summary's quantiles leave with their window; sum and count stay. */
START_TEST(test_sampling_window)
{
    struct engine e;

    engine_init(&e, NULL, "defaults: {summary_options: {max_age: 10s, age_buckets: 5}}\n");
    engine_feed(&e, "t:1|h");
    engine_pass(&e, 6000);
    engine_feed(&e, "t:9|h");
    ck_assert_double_eq(engine_value(&e, "t{quantile=\"0.5\"}"), 1);
    engine_pass(&e, 6000);
    ck_assert_double_eq(engine_value(&e, "t{quantile=\"0.5\"}"), 9);
    engine_pass(&e, 6000);
    ck_assert_double_nan(engine_value(&e, "t{quantile=\"0.5\"}"));
    ck_assert_double_eq(engine_value(&e, "t_sum"), 10);
    ck_assert_double_eq(engine_value(&e, "t_count"), 2);
    engine_release(&e);
}
END_TEST

/* A set counts distinct members, on both ways, over workers, within its window. */
START_TEST(test_sampling_sets)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.n_workers = 2;
    engine_init(&e, &config, "defaults: {set_options: {window: 12s}}\n");
    engine_feed(&e, "u:ann|s\nu:bob|s\nu:ann|s\nu:ann|s|T1\nu:fe80::1|s\nu:1|s\nu:1.0|s");
    engine_feed_to(&e, 1, (struct bacowr_datagram){.p = "u:ann|s\nu:eve|s", .len = 15});
    ck_assert_double_eq(engine_value(&e, "u"), 6);
    engine_pass(&e, 9000);
    engine_feed(&e, "u:ann|s");
    ck_assert_double_eq(engine_value(&e, "u"), 6);
    engine_pass(&e, 9000);
    ck_assert_double_eq(engine_value(&e, "u"), 1);
    engine_pass(&e, 20000);
    ck_assert_double_eq(engine_value(&e, "u"), 0);
    engine_release(&e);
}
END_TEST

/* A mapping says how exact a set is: its number of registers, whose steps the small one shows. A
 * reload begins the window anew. */
START_TEST(test_sampling_set_error)
{
    struct engine e;
    double coarse, fine;

    engine_init(&e, NULL,
                "defaults: {set_options: {error: 0.2}}\n"
                "mappings: [{match: fine, name: fine, set_options: {error: 0.005}}]\n");
    for (int i = 0; i < 2000; i++) {
        char line[64];

        snprintf(line, sizeof line, "fine:member-%d|s\nu:member-%d|s", i, i);
        engine_feed(&e, line);
    }
    coarse = engine_value(&e, "u");
    fine = engine_value(&e, "fine");
    ck_assert_double_eq(fine, 2000); /* as many hashes take less than 65536 registers */
    ck_assert_double_ne(coarse, 2000);
    ck_assert_double_eq_tol(coarse, 2000, 3 * 0.065 * 2000);
    engine_map(&e, "defaults: {set_options: {error: 0.01}}\n");
    engine_feed(&e, "u:a|s\nfine:a|s");
    engine_pass(&e, 500);
    engine_feed(&e, "u:a|s\nfine:a|s\nfine:b|s");
    ck_assert_double_eq(engine_value(&e, "u"), 1);
    ck_assert_double_eq(engine_value(&e, "fine"), 2);
    engine_release(&e);
}
END_TEST

/* Many members outgrow a set's blocks, which a tick frees; the count stays within its error. */
START_TEST(test_sampling_large_set)
{
    struct engine e;
    double seen;

    engine_init(&e, NULL, NULL);
    for (int i = 0; i < 20000; i++) {
        char line[40];

        snprintf(line, sizeof line, "u:member-%d|s", i % 10000);
        bacowr_feed(bacowr_worker(e.b, 0),
                    &(struct bacowr_datagram){.p = line, .len = strlen(line)}, 1, 0);
    }
    ck_assert_ptr_nonnull(atomic_load(&e.b->workers[0]->outgrown));
    bacowr_tick(e.b, 0);
    ck_assert_ptr_null(atomic_load(&e.b->workers[0]->outgrown));
    seen = engine_value(&e, "u");
    ck_assert_double_gt(seen, 9000);
    ck_assert_double_lt(seen, 11000);
    engine_release(&e);
}
END_TEST

/* A rule's scale: after the milliseconds, before the sign test, for gauges' deltas too. */
START_TEST(test_sampling_scale)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n"
                "- {match: neg, name: neg, scale: -2}\n"
                "- {match: half, name: half, scale: 0.5}\n"
                "- {match: zero, name: zero, scale: 0}\n"
                "- {match: obs, name: obs, scale: 1000}\n");
    for (int times = 0; times < 2; times++)
        engine_feed(&e, "neg:-3|c\nneg:3|c\nhalf:10|g\nhalf:+4|g\nzero:9|c\nobs:250|ms\n"
                        "obs:1|h|@0.5");
    ck_assert_str_eq(engine_series(&e), "half 7\nneg 12\nobs_sum 4500\nobs_count 6\nzero 0\n");
    engine_release(&e);
}
END_TEST

/* A counter only grows, even beyond what one word can count; so do buckets and counts. */
START_TEST(test_sampling_never_wraps)
{
    static const char *const lines[] = {"x:9007199254740991|c", "x:1|h|@1.2e-16", "x:1|h|@1.2e-16"};
    static const char *const series[] = {"x", "x_count", "x_bucket{le=\"1\"}"};
    struct engine e;
    double last = 0;

    engine_init(&e, NULL, _i < 2 ? NULL : "defaults: {observer_type: histogram}\n");
    for (int i = 0; i < 3000; i++)
        engine_feed(&e, lines[_i]);
    for (int i = 0; i < 4; i++) {
        double now = engine_value(&e, series[_i]);

        ck_assert_double_ge(now, last);
        ck_assert_double_ge(now, 1.4e17);
        last = now;
        for (int k = 0; k < 700; k++)
            engine_feed(&e, lines[_i]);
    }
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sampling");
    TCase *rate = tcase_create("rates"), *value = tcase_create("values");

    tcase_add_loop_test(rate, test_sampling_rates, 0, N_RATES);
    tcase_add_test(rate, test_sampling_weight_is_not_repetition);
    suite_add_tcase(s, rate);
    tcase_add_test(value, test_sampling_buckets);
    tcase_add_test(value, test_sampling_quantiles);
    tcase_add_test(value, test_sampling_window);
    tcase_add_test(value, test_sampling_sets);
    tcase_add_test(value, test_sampling_set_error);
    tcase_add_test(value, test_sampling_large_set);
    tcase_add_test(value, test_sampling_scale);
    tcase_add_loop_test(value, test_sampling_never_wraps, 0, 3);
    suite_add_tcase(s, value);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
