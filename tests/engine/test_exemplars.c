/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars: which samples leave one, where the page shows it, and whose is the newest
 */
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/unit.h"

#define MAPPING                                                                               \
    "defaults: {ttl: 1s}\n"                                                                   \
    "mappings:\n"                                                                             \
    "- {match: h, name: h, observer_type: histogram, histogram_options: {buckets: [1, 2]}}\n" \
    "- {match: scaled_total, name: scaled_total, scale: 3}\n"                                 \
    "- {match: gone, name: gone, action: drop}\n"

static struct bacowr_config exemplars_config(void)
{
    struct bacowr_config config = engine_config();

    config.openmetrics = true;
    config.unix_ms_at_zero = 1000000;
    config.statsd.exemplar_tags[0] = "trace_id";
    config.statsd.exemplar_tags[1] = "span";
    return config;
}

/* The lines of the OpenMetrics page that have an exemplar. */
static const char *exemplars(struct engine *e)
{
    const char *line = engine_page(e, OPENMETRICS).p;

    buf_clear(&e->text);
    while (*line != '\0') {
        size_t len = strcspn(line, "\n") + 1;

        if (line[0] != '#' && memmem(line, len, " # {", 4) != NULL)
            buf_add(&e->text, line, len);
        line += len;
    }
    buf_add_byte(&e->text, '\0');
    return e->text.p;
}

/* A counter's is its increment, a histogram's stands behind the bucket that it fell in. */
START_TEST(test_exemplars_of_counters_and_buckets)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    engine_init(&e, &config, MAPPING);
    e.now_ms = 789;
    engine_feed(&e, "a_total:2|c|@0.5|#trace_id:x\nscaled_total:2|c|#trace_id:y,k:v\n"
                    "h:500:3000|ms|#trace_id:z,span:1,trace_id:w\nh:1|h\nh:2|h|#trace_id:v");
    ck_assert_str_eq(exemplars(&e), "a_total 4 # {trace_id=\"x\"} 4 1000.789\n"
                                    "h_bucket{le=\"1.0\"} 2 # {trace_id=\"w\",span=\"1\"} 0.5 "
                                    "1000.789\n"
                                    "h_bucket{le=\"2.0\"} 3 # {trace_id=\"v\"} 2 1000.789\n"
                                    "h_bucket{le=\"+Inf\"} 4 # {trace_id=\"w\",span=\"1\"} 3 "
                                    "1000.789\n"
                                    "scaled_total{k=\"v\"} 6 # {trace_id=\"y\"} 6 1000.789\n");
    e.now_ms = 1004;
    engine_feed(&e, "a_total:1|c|#trace_id:\"\\\na_total:1|c\nscaled_total:1|c|#trace_id:other");
    ck_assert_ptr_nonnull(
        strstr(exemplars(&e), "a_total 6 # {trace_id=\"\\\"\\\\\"} 1 1001.004\n"));
    ck_assert_ptr_nonnull(strstr(exemplars(&e), "scaled_total{k=\"v\"} 6 # {trace_id=\"y\"} 6 "));
    engine_release(&e);
}
END_TEST

/* Nothing but counters that are called so and histograms; nothing that its series did not take. */
START_TEST(test_exemplars_of_nothing_else)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    engine_init(&e, &config, MAPPING);
    engine_feed(&e, "plain:1|c|#trace_id:x\ng:1|g|#trace_id:x\ns:1|ms|#trace_id:x\n"
                    "m:1|s|#trace_id:x\ngone:1|c|#trace_id:x\na_total:-1|c|#trace_id:x\n"
                    "a_total:inf|c|#trace_id:x\nh:nan|h|#trace_id:x\nh:1|h|@-1|#trace_id:x\n"
                    "h:1|c|#trace_id:x\nh:x|h|#trace_id:x\na_total:1|c|#trace_id\n"
                    "b_total:1|c|#trace_id\na_total:1|c\nh:1|h");
    ck_assert_str_eq(exemplars(&e), "");
    ck_assert_str_eq(engine_series(&e),
                     "a_total 2\nb_total 1\ng 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} "
                     "1\nh_bucket{le=\"+Inf\"} 2\nh_sum NaN\nh_count 2\nm 1\n"
                     "plain 1\ns_sum 0.001\ns_count 1\n");
    engine_feed(&e, "h:inf|h|#trace_id:x");
    ck_assert_str_eq(exemplars(&e), "h_bucket{le=\"+Inf\"} 3 # {trace_id=\"x\"} +Inf 1000.000\n");
    engine_release(&e);
}
END_TEST

/* Without the wall clock there is no time; without a tag for them, or in text, no exemplar. */
START_TEST(test_exemplars_by_configuration)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    config.unix_ms_at_zero = 0;
    engine_init(&e, &config, MAPPING);
    engine_feed(&e, "a_total:1|c|#trace_id:x");
    ck_assert_str_eq(exemplars(&e), "a_total 1 # {trace_id=\"x\"} 1\n");
    ck_assert_ptr_null(strstr(engine_page(&e, "").p, "trace"));
    ck_assert_ptr_nonnull(memmem(e.page.p, e.page.len, "a_total 1\n", 10));
    (void)engine_page(&e, PROTOBUF);
    ck_assert_ptr_nonnull(memmem(e.page.p, e.page.len, "\x0a\x08trace_id\x12\x01x", 13));
    engine_release(&e);
    config.statsd.exemplar_tags[0] = NULL;
    engine_init(&e, &config, MAPPING);
    engine_feed(&e, "a_total:1|c|#trace_id:x");
    ck_assert_str_eq(exemplars(&e), "");
    engine_release(&e);
}
END_TEST

/* Of several workers the newest is shown. */
START_TEST(test_exemplars_of_several_workers)
{
    static const char line[] = "a_total:1|c|#trace_id:0\nh:1|h|#trace_id:0";
    static const unsigned order[] = {1, 0, 2, 1};
    struct bacowr_config config = exemplars_config();
    struct engine e;

    config.n_workers = 3;
    engine_init(&e, &config, MAPPING);
    for (unsigned i = 0; i < 4; i++) {
        char text[sizeof line], want[128];

        memcpy(text, line, sizeof text);
        text[strcspn(line, "\n") - 1] = text[sizeof line - 2] = (char)('a' + i);
        e.now_ms += 10;
        engine_feed_to(&e, order[i], (struct bacowr_datagram){.p = text, .len = sizeof line - 1});
        snprintf(want, sizeof want,
                 "a_total %u # {trace_id=\"%c\"} 1 1000.0%u\n"
                 "h_bucket{le=\"1.0\"} %u # {trace_id=\"%c\"} 1 1000.0%u\n",
                 i + 1, 'a' + i, 10 * (i + 1), i + 1, 'a' + i, 10 * (i + 1));
        ck_assert_str_eq(exemplars(&e), want);
    }
    engine_release(&e);
}
END_TEST

/* A series born in the cell of one that has ended has no exemplar of the other's. */
START_TEST(test_exemplars_end_with_their_series)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    engine_init(&e, &config, MAPPING);
    for (unsigned times = 0; times < 3; times++) {
        engine_feed(&e, "a_total:1|c|#trace_id:x\nh:1|h|#trace_id:x");
        ck_assert_ptr_nonnull(strstr(exemplars(&e), "a_total 1 # {trace_id=\"x\"}"));
        engine_pass(&e, 3000);
        ck_assert_str_eq(engine_series(&e), "");
        engine_feed(&e, "a_total:1|c\nh:1|h\nb_total:1|c");
        ck_assert_str_eq(exemplars(&e), "");
        engine_pass(&e, 3000);
    }
    engine_release(&e);
}
END_TEST

/* After a reload none is shown behind a bucket that it did not fall in. */
START_TEST(test_exemplars_follow_other_buckets)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    engine_init(&e, &config, MAPPING);
    engine_feed(&e, "h:1.5|h|#trace_id:x\nh:1|h|#trace_id:y");
    ck_assert_ptr_nonnull(strstr(exemplars(&e), "h_bucket{le=\"2.0\"} 2 # {trace_id=\"x\"}"));
    engine_map(&e, "mappings: [{match: h, name: h, observer_type: histogram,"
                   " histogram_options: {buckets: [0.5, 1, 1.6]}}]");
    engine_feed(&e, "h:0.1|h");
    engine_pass(&e, 300);
    ck_assert_str_eq(exemplars(&e), "");
    engine_feed(&e, "h:1.5|h|#trace_id:z");
    ck_assert_ptr_nonnull(strstr(exemplars(&e), "h_bucket{le=\"1.6\"}"));
    ck_assert_ptr_null(strstr(e.text.p, "\"x\""));
    engine_release(&e);
}
END_TEST

/* What is held at 0 has counted nothing that could have an exemplar. */
START_TEST(test_exemplars_wait_with_their_counter)
{
    struct bacowr_config config = exemplars_config();
    struct engine e;

    config.zero_first_ms = 500;
    engine_init(&e, &config, "");
    engine_feed(&e, "a_total:1|c|#trace_id:x");
    ck_assert_str_eq(exemplars(&e), "");
    engine_pass(&e, 1000);
    ck_assert_str_eq(exemplars(&e), "a_total 1 # {trace_id=\"x\"} 1 1000.000\n");
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("exemplars");
    TCase *pages = tcase_create("pages");

    tcase_add_test(pages, test_exemplars_of_counters_and_buckets);
    tcase_add_test(pages, test_exemplars_of_nothing_else);
    tcase_add_test(pages, test_exemplars_by_configuration);
    tcase_add_test(pages, test_exemplars_of_several_workers);
    tcase_add_test(pages, test_exemplars_end_with_their_series);
    tcase_add_test(pages, test_exemplars_follow_other_buckets);
    tcase_add_test(pages, test_exemplars_wait_with_their_counter);
    suite_add_tcase(s, pages);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
