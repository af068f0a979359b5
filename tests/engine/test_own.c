/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own: the families about the engine itself are there from the start and say what happened
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

/* What is there before the first sample, so that rate() sees the first increment: all at 0. */
static const char *const from_the_start[] = {
    "statsd_exporter_lines_total",
    "statsd_exporter_samples_total",
    "statsd_exporter_tags_total",
    "statsd_exporter_tag_errors_total",
    "statsd_exporter_events_unmapped_total",
    "statsd_exporter_sample_errors_total{reason=\"malformed_line\"}",
    "statsd_exporter_sample_errors_total{reason=\"mixed_tagging_styles\"}",
    "statsd_exporter_sample_errors_total{reason=\"not_enough_parts_after_colon\"}",
    "statsd_exporter_sample_errors_total{reason=\"invalid_extended_aggregate_type\"}",
    "statsd_exporter_sample_errors_total{reason=\"malformed_component\"}",
    "statsd_exporter_sample_errors_total{reason=\"malformed_value\"}",
    "statsd_exporter_sample_errors_total{reason=\"invalid_sample_factor\"}",
    "statsd_exporter_sample_errors_total{reason=\"malformed_container_id\"}",
    "statsd_exporter_sample_errors_total{reason=\"illegal_event\"}",
    "statsd_exporter_events_total{type=\"counter\"}",
    "statsd_exporter_events_total{type=\"gauge\"}",
    "statsd_exporter_events_total{type=\"observer\"}",
    "statsd_exporter_events_total{type=\"set\"}",
    "statsd_exporter_events_actions_total{action=\"map\"}",
    "statsd_exporter_events_actions_total{action=\"drop\"}",
    "statsd_exporter_events_error_total{reason=\"empty_metric_name\"}",
    "statsd_exporter_events_error_total{reason=\"illegal_negative_counter\"}",
    "statsd_exporter_events_error_total{reason=\"illegal_non_finite_counter\"}",
    "statsd_exporter_events_error_total{reason=\"series_limit\"}",
    "statsd_exporter_events_error_total{reason=\"line_too_complex\"}",
    "statsd_exporter_events_error_total{reason=\"series_too_long\"}",
    "statsd_exporter_events_error_total{reason=\"out_of_memory\"}",
    "statsd_exporter_metrics_total{type=\"counter\"}",
    "statsd_exporter_metrics_total{type=\"gauge\"}",
    "statsd_exporter_metrics_total{type=\"histogram\"}",
    "statsd_exporter_metrics_total{type=\"summary\"}",
    "statsd_metric_mapper_cache_length",
    "statsd_metric_mapper_cache_gets_total",
    "statsd_metric_mapper_cache_hits_total",
    "bacowr_statsd_datagrams_total",
    "bacowr_statsd_truncated_lines_total",
    "bacowr_statsd_dogstatsd_events_total",
    "bacowr_statsd_dogstatsd_service_checks_total",
    "bacowr_statsd_renamed_labels_total",
    "bacowr_statsd_regex_limit_total",
    "bacowr_statsd_route_hits_total",
    "bacowr_statsd_route_misses_total",
    "bacowr_statsd_routes_evicted_total",
    "bacowr_statsd_native_histograms_lost_total",
    "bacowr_statsd_series{type=\"counter\"}",
    "bacowr_statsd_series{type=\"gauge\"}",
    "bacowr_statsd_series{type=\"histogram\"}",
    "bacowr_statsd_series{type=\"set\"}",
    "bacowr_statsd_series{type=\"summary\"}",
    "bacowr_statsd_series_born_total",
    "bacowr_statsd_series_expired_total",
};
#define N_FROM_THE_START (sizeof from_the_start / sizeof from_the_start[0])

START_TEST(test_own_from_the_start)
{
    struct engine e;
    double v;

    engine_init(&e, NULL, NULL);
    engine_scrape(&e);
    for (size_t i = 0; i < N_FROM_THE_START; i++)
        ck_assert_msg(page_value(buf_slice(&e.page), from_the_start[i], &v) && v == 0, "%s is %g",
                      from_the_start[i], v);
    ck_assert_str_eq(engine_series(&e), "");
    engine_release(&e);
}
END_TEST

/* Every name that the engine shows, and the one that it may show, is refused to senders. */
START_TEST(test_own_names_are_reserved)
{
    struct buf page = {0};
    struct slice rest;
    struct engine e;
    unsigned n = 0;
    double v;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "x:1|g\nx:1|c");
    engine_scrape(&e);
    buf_add_slice(&page, buf_slice(&e.page));
    rest = buf_slice(&page);
    while (rest.len > 0) {
        struct slice line = slice_of(rest.p, slice_find(rest, '\n'));
        char text[200];

        rest = slice_from(rest, line.len + 1);
        if (!slice_starts(line, SLICE_LIT("# TYPE ")) || slice_starts(line, SLICE_LIT("# TYPE x ")))
            continue;
        line = slice_from(line, 7);
        line.len = slice_find(line, ' ');
        snprintf(text, sizeof text, "%.*s:1|g", (int)line.len, line.p);
        engine_feed(&e, text);
        snprintf(text, sizeof text,
                 "statsd_exporter_events_conflict_total{metric_name=\"%.*s\",type=\"gauge\"}",
                 (int)line.len, line.p);
        ck_assert_msg(engine_value(&e, text) == 1, "%s", text);
        n++;
    }
    ck_assert_uint_gt(n, 20);
    ck_assert_str_eq(engine_series(&e), "x 1\n");
    ck_assert(page_value(buf_slice(&e.page), "bacowr_statsd_series_born_total", &v) && v == 1);
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* Mapped, unmapped and dropped samples, whether or not they reached a series. */
START_TEST(test_own_actions)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n- {match: m, name: m}\n- {match: n, name: m}\n"
                "- {match: d, name: d, action: drop}\n");
    for (int times = 0; times < 2; times++)
        engine_feed(&e, "m:1|c\nm:-1|c\nn:1|g\nn:1|h|@0.25\nd:1|c\nd:1|h|@0.5\nu:1|c\nu:-1|c\n"
                        "u:1|g\nd:x|c");
    ck_assert_str_eq(engine_counts(&e),
                     "events_actions.map=14 events_actions.drop=6 events_conflict.m.gauge=2 "
                     "events_conflict.m.observer=8 events_conflict.u.gauge=2 "
                     "events_error.illegal_negative_counter=4 events.counter=4 "
                     "events_unmapped=6 lines=20 sample_errors.malformed_value=2 samples=20");
    engine_release(&e);
}
END_TEST

/* Series alive, born and expired, and vectors, by type, as they come and go. */
START_TEST(test_own_series)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "set", "summary"};
    struct engine e;

    engine_init(&e, NULL,
                "defaults: {ttl: 1s}\n"
                "mappings:\n- {match: h, name: h, observer_type: histogram}\n");
    for (int round = 1; round <= 2; round++) {
        engine_feed(&e, "c:1|c|#k:1\nc:1|c|#k:2\nc:1|c|#l:1\ng:1|g|#k:1\ng:1|g|#k:2\ng:1|g|#l:1\n"
                        "h:1|h|#k:1\nh:1|h|#k:2\nh:1|h|#l:1\ns:1|s|#k:1\ns:1|s|#k:2\ns:1|s|#l:1\n"
                        "q:1|h|#k:1\nq:1|h|#k:2\nq:1|h|#l:1\nc:1|g");
        for (size_t i = 0; i < 5; i++) {
            char name[60];

            snprintf(name, sizeof name, "bacowr_statsd_series{type=\"%s\"}", types[i]);
            ck_assert_double_eq(engine_value(&e, name), 3);
            snprintf(name, sizeof name, "statsd_exporter_metrics_total{type=\"%s\"}", types[i]);
            ck_assert_double_eq(engine_value(&e, name), 2);
        }
        ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), 15 * round);
        engine_pass(&e, 2000);
        for (size_t i = 0; i < 5; i++) {
            char name[60];

            snprintf(name, sizeof name, "bacowr_statsd_series{type=\"%s\"}", types[i]);
            ck_assert_double_eq(engine_value(&e, name), 0);
            snprintf(name, sizeof name, "statsd_exporter_metrics_total{type=\"%s\"}", types[i]);
            ck_assert_double_eq(engine_value(&e, name), 0);
        }
        ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_expired_total"), 15 * round);
    }
    engine_release(&e);
}
END_TEST

/* Which label names stand together makes a vector, not which letters. */
START_TEST(test_own_vectors)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "c:1|c|#ab:1,c:1\nc:1|c|#a:1,bc:1\nc:1|c|#abc:1\nc:1|c\nc:1|c|#c:2,ab:2");
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_metrics_total{type=\"counter\"}"), 4);
    engine_release(&e);
}
END_TEST

/* All workers' counts are one; their cells are summed, but a gauge is the last one set. */
START_TEST(test_own_sums_workers)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.n_workers = BACOWR_MAX_WORKERS;
    engine_init(&e, &config, "mappings:\n- {match: h, name: h, observer_type: histogram}\n");
    for (unsigned i = 0; i < BACOWR_MAX_WORKERS; i++)
        engine_feed_to(
            &e, i,
            (struct bacowr_datagram){.p = "c:1|c\nc:0.5|c\ng:+1|g\nh:1|h\nq:1|h\nx", .len = 35});
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_lines_total"), 6 * BACOWR_MAX_WORKERS);
    ck_assert_double_eq(engine_value(&e, "c"), 1.5 * BACOWR_MAX_WORKERS);
    ck_assert_double_eq(engine_value(&e, "g"), BACOWR_MAX_WORKERS);
    ck_assert_double_eq(engine_value(&e, "h_count"), BACOWR_MAX_WORKERS);
    ck_assert_double_eq(engine_value(&e, "q_sum"), BACOWR_MAX_WORKERS);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), 4);
    engine_feed(&e, "g:7|g");
    ck_assert_double_eq(engine_value(&e, "g"), 7);
    engine_release(&e);
}
END_TEST

/* Look-ups: the first meeting misses, the next ones hit; the table's size is told. */
START_TEST(test_own_routes)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_pass(&e, 100);
    for (int times = 0; times < 5; times++)
        engine_feed(&e, "a:1|c\na:2|c\nb:1|c|#k:v\nb:1:2:3|ms");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_misses_total"), 3);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_hits_total"), 17);
    ck_assert_double_eq(engine_value(&e, "statsd_metric_mapper_cache_gets_total"), 20);
    ck_assert_double_eq(engine_value(&e, "statsd_metric_mapper_cache_hits_total"), 17);
    ck_assert_double_eq(engine_value(&e, "statsd_metric_mapper_cache_length"), 3);
    ck_assert_double_gt(engine_value(&e, "bacowr_statsd_route_bytes"), 3 * 32);
    engine_release(&e);
}
END_TEST

/* A regex that gives up is counted, and means "no match". */
START_TEST(test_own_regex_limit)
{
    struct engine e;
    struct buf line = {0};

    engine_init(&e, NULL,
                "mappings:\n- {match: '^(a|aa|aaa)*(b|ab)*$', match_type: regex, name: x}\n");
    for (int i = 0; i < 3000; i++)
        buf_add_byte(&line, 'a');
    buf_add_str(&line, "!:1|c");
    for (int times = 0; times < 3; times++)
        engine_feed_slice(&e, buf_slice(&line));
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_regex_limit_total"), 1);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_unmapped_total"), 3);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* What bacowr_new() refuses, and what it makes up for. */
START_TEST(test_own_config)
{
    struct bacowr_config config = engine_config();
    struct bacowr *b = (void *)0x5a5a;

    config.n_workers = 0;
    ck_assert_int_eq(bacowr_new(&b, &config), -22);
    config.n_workers = BACOWR_MAX_WORKERS + 1;
    ck_assert_int_eq(bacowr_new(&b, &config), -22);
    ck_assert_ptr_eq(b, (void *)0x5a5a);
    bacowr_free(NULL);
    config.n_workers = 1;
    ck_assert_int_eq(bacowr_new(&b, &config), 0);
    ck_assert_uint_eq(b->config.max_series, 1000000);
    bacowr_free(b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("own");
    TCase *names = tcase_create("names"), *counts = tcase_create("counts");

    tcase_add_test(names, test_own_from_the_start);
    tcase_add_test(names, test_own_names_are_reserved);
    tcase_add_test(names, test_own_config);
    suite_add_tcase(s, names);
    tcase_add_test(counts, test_own_actions);
    tcase_add_test(counts, test_own_series);
    tcase_add_test(counts, test_own_vectors);
    tcase_add_test(counts, test_own_sums_workers);
    tcase_add_test(counts, test_own_routes);
    tcase_add_test(counts, test_own_regex_limit);
    suite_add_tcase(s, counts);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
