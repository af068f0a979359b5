/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expiry: what goes, when, and what keeps it (test_orders.c walks through every order of the steps)
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "store/cell_write.h"
#include "lib/unit.h"

#define TTL_1S "mappings:\n- {match: 'a.*', name: a, ttl: 1s, labels: {id: $1}}\n"

/* While a worker is in the batch that it was in at the mark, nothing is taken away. */
START_TEST(test_expiry_waits_for_workers)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.n_workers = 2;
    engine_init(&e, &config, TTL_1S);
    engine_feed(&e, "a.x:1|c");
    reclaim_enter(&e.b->reclaim, 1);
    engine_pass(&e, 5000);
    ck_assert_double_eq(engine_value(&e, "a{id=\"x\"}"), 1);
    reclaim_leave(&e.b->reclaim, 1);
    engine_pass(&e, 200);
    ck_assert_double_nan(engine_value(&e, "a{id=\"x\"}"));
    engine_release(&e);
}
END_TEST

/* A sample that was written by an old route after the mark keeps its series. */
START_TEST(test_expiry_late_write_counts)
{
    struct engine e;
    struct series_ref ref;
    struct series_key key;
    struct series_query query = {.key = &key, .type = METRIC_COUNTER, .ttl_ticks = 10};

    engine_init(&e, NULL, TTL_1S);
    engine_feed(&e, "a.x:1|c");
    key = series_key(&e.b->registry, SLICE_LIT("a"), SLICE_LIT("id=\"x\""));
    ck_assert_int_eq(series_find(&e.b->registry, &query, &ref), 0);
    reclaim_enter(&e.b->reclaim, 0);
    engine_pass(&e, 2000);
    ck_assert_int_eq(series_find(&e.b->registry, &query, &(struct series_ref){0}), SERIES_E_ABSENT);
    cell_add(ref.cell, 5, (struct cell_time){e.now_ms, (uint32_t)(e.now_ms / 100)});
    reclaim_leave(&e.b->reclaim, 0);
    engine_pass(&e, 500);
    /* The old route holds again. */
    ck_assert_uint_eq(relaxed_load(&ref.cell->birth), ref.birth);
    ck_assert_double_eq(engine_value(&e, "a{id=\"x\"}"), 6);
    engine_feed(&e, "a.x:1|c");
    ck_assert_double_eq(engine_value(&e, "a{id=\"x\"}"), 7);
    engine_pass(&e, 2000);
    ck_assert_double_nan(engine_value(&e, "a{id=\"x\"}"));
    engine_release(&e);
}
END_TEST

/* Every type expires, gives its memory back, and begins anew; what has no ttl stays. */
START_TEST(test_expiry_all_types)
{
    static const char text[] = "c:3|c\ng:+3|g\ns:3|h|#t:u\nm:ann|s\nh.x:3|h\nstays:3|c";
    struct engine e;

    engine_init(&e, NULL,
                "defaults: {ttl: 1s, histogram_options: {buckets: [1]}}\n"
                "mappings:\n- {match: 'h.*', name: h, observer_type: histogram}\n"
                "- {match: stays, name: stays, ttl: 1h}\n");
    for (int times = 1; times <= 3; times++) {
        char stays[40];

        engine_feed(&e, text);
        snprintf(stays, sizeof stays, "stays %d", 3 * times);
        ck_assert_double_eq(engine_value(&e, "c"), 3);
        ck_assert_double_eq(engine_value(&e, "g"), 3);
        ck_assert_double_eq(engine_value(&e, "m"), 1);
        ck_assert_double_eq(engine_value(&e, "s_count{t=\"u\"}"), 1);
        ck_assert_double_eq(engine_value(&e, "h_bucket{le=\"+Inf\"}"), 1);
        engine_pass(&e, 1000);
        ck_assert_double_eq(engine_value(&e, "c"), 3);
        engine_pass(&e, 400);
        strcat(stays, "\n");
        ck_assert_str_eq(engine_series(&e), stays);
    }
    engine_release(&e);
}
END_TEST

/* However often control looks, a series is there until its whole ttl has passed, and no longer. */
START_TEST(test_expiry_not_before_its_time)
{
    static const struct {
        const char *mapping;
        int64_t end_ms;
    } ttls[] = {{"defaults: {ttl: 1s}\n", 1100}, {"defaults: {ttl: 20s}\n", 20100}};
    struct engine e;

    engine_init(&e, NULL, ttls[_i].mapping);
    bacowr_tick(e.b, 50);
    e.now_ms = 99;
    engine_feed(&e, "x:1|c");
    for (e.now_ms = 100; e.now_ms < ttls[_i].end_ms; e.now_ms++)
        bacowr_tick(e.b, e.now_ms);
    ck_assert_double_eq(engine_value(&e, "x"), 1);
    for (int i = 0; i < 2; i++)
        bacowr_tick(e.b, e.now_ms);
    ck_assert_double_nan(engine_value(&e, "x"));
    engine_release(&e);
}
END_TEST

/* A ttl below a tick, or below nothing, is short; only 0 means for ever. */
START_TEST(test_expiry_short_ttl)
{
    static const char *const mappings[] = {"mappings:\n- {match: x, name: x, ttl: -1s}\n",
                                           "mappings:\n- {match: x, name: x, ttl: 50ms}\n",
                                           "mappings:\n- {match: x, name: x, ttl: 1ns}\n"};
    struct engine e;

    engine_init(&e, NULL, mappings[_i]);
    engine_feed(&e, "x:1|c");
    ck_assert_double_eq(engine_value(&e, "x"), 1);
    engine_pass(&e, 500);
    ck_assert_double_nan(engine_value(&e, "x"));
    engine_release(&e);
}
END_TEST

/* Ten thousand series go in bounded steps; those that are fed meanwhile stay. */
START_TEST(test_expiry_many)
{
    struct engine e;
    struct buf text = {0};

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    for (int i = 0; i < 10000; i++)
        buf_addf(&text, "n%d:1|c|#id:%d\n", i % 100, i);
    engine_feed_slice(&e, buf_slice(&text));
    for (int i = 0; i < 30; i++) {
        engine_pass(&e, 100);
        engine_feed(&e, "n7:1|c|#id:107\nn7:1|c|#id:7");
    }
    ck_assert_str_eq(engine_series(&e), "n7{id=\"7\"} 31\nn7{id=\"107\"} 31\n");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series{type=\"counter\"}"), 2);
    engine_feed_slice(&e, buf_slice(&text));
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series{type=\"counter\"}"), 10000);
    buf_release(&text);
    engine_release(&e);
}
END_TEST

/* The clock may begin anywhere: a machine that has been up for years. */
START_TEST(test_expiry_late_clock)
{
    static const int64_t origins_ms[] = {1, 99, 86400000, 31536000000, 157680000000};
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    e.now_ms = origins_ms[_i];
    engine_pass(&e, 100);
    engine_feed(&e, "x:1|c\ny:1|c");
    engine_pass(&e, 1000);
    engine_feed(&e, "y:1|c");
    ck_assert_str_eq(engine_series(&e), "x 1\ny 2\n");
    engine_pass(&e, 500);
    ck_assert_str_eq(engine_series(&e), "y 2\n");
    engine_pass(&e, 2000);
    ck_assert_str_eq(engine_series(&e), "");
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("expiry");
    TCase *series = tcase_create("series");

    tcase_add_test(series, test_expiry_waits_for_workers);
    tcase_add_test(series, test_expiry_late_write_counts);
    tcase_add_test(series, test_expiry_all_types);
    tcase_add_loop_test(series, test_expiry_not_before_its_time, 0, 2);
    tcase_add_loop_test(series, test_expiry_short_ttl, 0, 3);
    tcase_add_test(series, test_expiry_many);
    tcase_add_loop_test(series, test_expiry_late_clock, 0, 5);
    suite_add_tcase(s, series);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
