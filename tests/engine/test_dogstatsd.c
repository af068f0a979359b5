/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DogStatsD: fields, containers, service checks, exemplars, and the settings that say what tags
 * without values and signs of gauges mean
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

/* Feed @text twice, the second time by routes that are there. */
static void check_twice(const struct bacowr_config *config, const char *mapping, const char *text,
                        const char *series, const char *counts)
{
    struct engine e;

    engine_init(&e, config, mapping);
    engine_feed(&e, text);
    engine_feed(&e, text);
    ck_assert_str_eq(engine_series(&e), series);
    ck_assert_str_eq(engine_counts(&e), counts);
    engine_release(&e);
}

/* Fields to come are ignored, counted once each, and no part of what is measured. */
START_TEST(test_dogstatsd_unknown_fields)
{
    struct bacowr_config config = engine_config();

    check_twice(&config, NULL,
                "a:1|c|new:x\na:1|c|new:y|more:\na:1|c\nb:1:2|ms|x:1\nb:3|ms\na:1|c|card:low",
                "a 8\nb_sum 0.012\nb_count 6\n",
                "unknown_fields=8 events.counter=8 events.observer=6 events_unmapped=14 "
                "lines=12 samples=14");
    check_twice(&config, NULL, "a:1|c|ms:2\na:1|c|new\na:1|c|9:x|#", "",
                "lines=6 sample_errors.malformed_component=2 sample_errors.invalid_sample_factor=6 "
                "samples=8");
}
END_TEST

/* Without its label a container is no part of what is measured; its text is checked as ever. */
START_TEST(test_dogstatsd_containers_without_label)
{
    struct bacowr_config config = engine_config();

    config.statsd.container_id_label = false;
    check_twice(&config, NULL, "a:1|c|c:ci-1\na:1|c|c:ci-2|#k:v\na:1|c|c:\na:1|c|#k:v|c:b\na:1|c",
                "a 4\na{k=\"v\"} 4\n",
                "events.counter=8 events_unmapped=8 lines=10 "
                "sample_errors.malformed_container_id=2 samples=10 tags=4");
}
END_TEST

/* All dialects alike; the sample itself is kept in any case. */
START_TEST(test_dogstatsd_tags_without_values)
{
    static const struct {
        enum statsd_valueless mode;
        const char *series;
        const char *counts;
    } cases[] = {
        {STATSD_VALUELESS_ERROR, "a 8\na{k=\"v\"} 2\n",
         "events.counter=10 events_unmapped=10 lines=10 samples=10 tag_errors=12 tags=2"},
        {STATSD_VALUELESS_TRUE, "a{t=\"true\"} 8\na{k=\"v\",t=\"true\"} 2\n",
         "events.counter=10 events_unmapped=10 lines=10 samples=10 tag_errors=2 tags=10"},
        {STATSD_VALUELESS_EMPTY, "a{t=\"\"} 8\na{k=\"v\",t=\"\"} 2\n",
         "events.counter=10 events_unmapped=10 lines=10 samples=10 tag_errors=2 tags=10"},
        {STATSD_VALUELESS_IGNORE, "a 8\na{k=\"v\"} 2\n",
         "events.counter=10 events_unmapped=10 lines=10 samples=10 tag_errors=2 tags=2"},
    };
    struct bacowr_config config = engine_config();

    for (size_t i = 0; i < N(cases); i++) {
        config.statsd.valueless_tags = cases[i].mode;
        check_twice(&config, NULL, "a:1|c|#t\na,t:1|c\na#t=:1|c\na[t]:1|c\na:1|c|#t:,:x,k:v",
                    cases[i].series, cases[i].counts);
    }
}
END_TEST

static const char checks[] = "_sc|db.up|2|d:1|h:web1|#env:prod|c:ci|m:a: b:1|c\n"
                             "_sc|db.up|1|h:web1|#host:own\n_sc|x:1,k=v|3\n_sc|db|4\n_sc||1";

/* Left out, unless they are asked for. */
START_TEST(test_dogstatsd_service_checks)
{
    struct bacowr_config config = engine_config();

    check_twice(&config, NULL, checks, "", "dogstatsd_service_checks=10 lines=10");
    config.service_checks = STATSD_CHECKS_GAUGE;
    check_twice(&config, NULL, checks,
                "db_up_status{container_id=\"ci\",env=\"prod\",host=\"web1\"} 2\n"
                "db_up_status{host=\"own\"} 1\nx_1_k_v_status 3\n",
                "dogstatsd_service_checks=10 events.gauge=6 events_unmapped=6 lines=10 "
                "sample_errors.malformed_service_check=4 samples=6 tags=4");
    check_twice(&config, "mappings: [{match: '*.up.status', name: up, labels: {of: $1}}]",
                "_sc|db.up|2|m:x", "up{of=\"db\"} 2\n",
                "dogstatsd_service_checks=2 events_actions.map=2 events.gauge=2 lines=2 samples=2");
}
END_TEST

/* The flag says what a sign means, for what no rule says otherwise. */
START_TEST(test_dogstatsd_gauge_modes)
{
    static const struct {
        enum statsd_gauge_mode mode;
        double value, after_nan;
    } cases[] = {
        {STATSD_GAUGE_DELTA, 12, NAN},
        {STATSD_GAUGE_ABSOLUTE, -3, -3},
        {STATSD_GAUGE_ETSY, 12, -3},
    };
    struct bacowr_config config = engine_config();

    for (size_t i = 0; i < N(cases); i++) {
        struct engine e;

        config.gauge_mode = cases[i].mode;
        engine_init(&e, &config, NULL);
        for (int times = 0; times < 2; times++)
            engine_feed(&e, "a:10|g\na:+5|g\na:-3|g\nb:nan|g\nb:-3|g\nnew:-3|g");
        ck_assert_double_eq(engine_value(&e, "a"), cases[i].value);
        if (isnan(cases[i].after_nan))
            ck_assert_double_nan(engine_value(&e, "b"));
        else
            ck_assert_double_eq(engine_value(&e, "b"), cases[i].after_nan);
        ck_assert_double_eq(engine_value(&e, "new"),
                            cases[i].mode == STATSD_GAUGE_ABSOLUTE ? -3 : -6);
        engine_release(&e);
    }
}
END_TEST

/* Tags for exemplars make no series; one that is too long is counted, and taken out as well. */
START_TEST(test_dogstatsd_exemplars)
{
    struct bacowr_config config = engine_config();
    char text[512];

    snprintf(text, sizeof text,
             "a:1|h|#trace.id:1\na:1|h|#trace_id:2,k:v\na:1:2|h|#k:v,trace_id:3\na:1|h\n"
             "a:1|h|#trace_id:%0121d\na:1|h|#trace_id:%0120d",
             7, 7);
    config.statsd.exemplar_tags[0] = "trace_id";
    check_twice(&config, NULL, text, "a_sum 8\na_count 8\na_sum{k=\"v\"} 8\na_count{k=\"v\"} 6\n",
                "exemplars_dropped=2 exemplars=12 events.observer=14 events_unmapped=14 lines=12 "
                "samples=14 tags=6");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dogstatsd");
    TCase *lines = tcase_create("lines");

    tcase_add_test(lines, test_dogstatsd_unknown_fields);
    tcase_add_test(lines, test_dogstatsd_containers_without_label);
    tcase_add_test(lines, test_dogstatsd_tags_without_values);
    tcase_add_test(lines, test_dogstatsd_service_checks);
    tcase_add_test(lines, test_dogstatsd_gauge_modes);
    tcase_add_test(lines, test_dogstatsd_exemplars);
    suite_add_tcase(s, lines);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
