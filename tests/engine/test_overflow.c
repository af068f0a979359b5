/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overflow: over a limit the sums stay right, gauges are refused, and what heals is not counted
 * twice
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

#define FOLDED(limit)  "bacowr_statsd_folded_events_total{limit=\"" limit "\"}"
#define REFUSED(limit) "statsd_exporter_events_error_total{reason=\"" limit "_limit\"}"

static void init(struct engine *e, uint64_t series, uint64_t family, uint64_t values,
                 const char *mapping)
{
    struct bacowr_config config = engine_config();

    config.n_workers = 2;
    config.max_series = series;
    config.max_family = family;
    config.max_label_values = values;
    engine_init(e, &config, mapping);
}

static void feed_second(struct engine *e, const char *text)
{
    engine_feed_to(e, 1, (struct bacowr_datagram){.p = text, .len = strlen(text)});
}

/* Each type that has a sum goes to one series of its family, known or new, whatever its labels; a
 * gauge is refused. The events count as they would. */
START_TEST(test_overflow_types)
{
    struct engine e;

    init(&e, 4, 0, 0,
         "mappings:\n"
         "- {match: b, name: b, observer_type: histogram, histogram_options: {buckets: [1, 2]}}\n");
    engine_feed(&e, "a:1|c\nb:1|h\ns:1|h\ng:1|g");
    for (int times = 0; times < 2; times++) {
        engine_feed(&e, "a:2|c|#x:1\na:4|c|@0.5|#x:2\nb:2|h|#x:1\nb:3|h|@0.5|#y:1\n"
                        "s:10|h|#x:1\nm:ada|s\nm:bob|s|#x:1\nm:ada|s|#x:2\ng:5|g|#x:1\nn:3|g\n"
                        "new:7|c");
        feed_second(&e, "a:1|c|#x:1\na:-1|c|#x:1\na:-1|c|#x:9");
    }
    ck_assert_str_eq(engine_series(&e), "a 1\na{overflow=\"true\"} 22\n"
                                        "b_bucket{le=\"1\"} 1\nb_bucket{le=\"2\"} 1\n"
                                        "b_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n"
                                        "b_bucket{overflow=\"true\",le=\"1\"} 0\n"
                                        "b_bucket{overflow=\"true\",le=\"2\"} 2\n"
                                        "b_bucket{overflow=\"true\",le=\"+Inf\"} 6\n"
                                        "b_sum{overflow=\"true\"} 16\n"
                                        "b_count{overflow=\"true\"} 6\n"
                                        "g 1\nm{overflow=\"true\"} 2\n"
                                        "new{overflow=\"true\"} 14\n"
                                        "s_sum 1\ns_count 1\n"
                                        "s_sum{overflow=\"true\"} 20\n"
                                        "s_count{overflow=\"true\"} 2\n");
    ck_assert_double_eq(engine_value(&e, FOLDED("series")), 22);
    ck_assert_double_eq(engine_value(&e, REFUSED("series")), 4);
    ck_assert_double_eq(
        engine_value(&e, "statsd_exporter_events_error_total{reason=\"illegal_negative_counter\"}"),
        4);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_overflow_series"), 5);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_total{type=\"counter\"}"), 9);
    engine_release(&e);
}
END_TEST

/* Which limit it was is told, of what is folded and of what is refused. */
START_TEST(test_overflow_limits)
{
    struct engine e;

    init(&e, 0, 2, 2, NULL);
    engine_feed(&e, "f:1|c\nf:1|c|#a:1\nf:1|c|#a:2\nf:1|c|#b:2\n"
                    "g:1|g\ng:1|g|#a:1\ng:1|g|#a:2");
    ck_assert_str_eq(engine_series(&e), "f 1\nf{a=\"1\"} 1\nf{overflow=\"true\"} 2\n"
                                        "g 1\ng{a=\"1\"} 1\n");
    ck_assert_double_eq(engine_value(&e, FOLDED("family")), 2);
    ck_assert_double_eq(engine_value(&e, REFUSED("family")), 1);
    engine_release(&e);

    init(&e, 0, 0, 1, NULL);
    engine_feed(&e, "f:1|c|#a:1\nf:1|c|#a:2\nf:1|c|#a:1,b:1\nf:1|c|#a:1,b:2\nf:1|c\n"
                    "g:1|g|#a:1\ng:1|g|#a:2\nh:1|c|#a:2");
    ck_assert_str_eq(engine_series(&e), "f{a=\"1\"} 1\nf{overflow=\"true\"} 2\n"
                                        "f{a=\"1\",b=\"1\"} 1\nf 1\n"
                                        "g{a=\"1\"} 1\nh{a=\"2\"} 1\n");
    ck_assert_double_eq(engine_value(&e, FOLDED("label")), 2);
    ck_assert_double_eq(engine_value(&e, REFUSED("label")), 1);
    engine_release(&e);
}
END_TEST

/* A tag named as the fold's label never meets it, below the limit or over it. */
START_TEST(test_overflow_label_is_reserved)
{
    struct engine e;

    init(&e, 2, 0, 0, "mappings:\n- {match: m, name: m, labels: {overflow: x}}\n");
    engine_feed(&e, "a:1|c|#overflow:true\nm:1|c\na:1|c|#overflow:false\na:1|c");
    ck_assert_str_eq(engine_series(&e), "a{exported_overflow=\"true\"} 1\na{overflow=\"true\"} 2\n"
                                        "m{exported_overflow=\"x\"} 1\n");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_renamed_labels_total"), 3);
    engine_release(&e);
}
END_TEST

/* When there is room, who was folded gets a series that begins at 0; the fold keeps what it has, so
 * the family's sum is what was sent, at each moment. */
START_TEST(test_overflow_heals)
{
    double sent = 0;
    struct engine e;

    init(&e, 2, 0, 0, "mappings:\n- {match: short, name: short, ttl: 1s}\n");
    engine_feed(&e, "short:1|c\na:1|c");
    for (int i = 0; i < 5; i++, sent += 2)
        engine_feed(&e, "a:2|c|#x:1");
    ck_assert_double_eq(engine_value(&e, "a{overflow=\"true\"}"), sent);
    engine_pass(&e, 2000);
    for (int i = 0; i < 3; i++)
        engine_feed(&e, "a:2|c|#x:1\na:2|c|#x:2");
    ck_assert_str_eq(engine_series(&e), "a 1\na{overflow=\"true\"} 16\na{x=\"1\"} 6\n");
    engine_release(&e);
}
END_TEST

/* A fold expires like any series when nothing is folded any more, and begins anew. */
START_TEST(test_overflow_fold_expires)
{
    struct engine e;

    init(&e, 1, 0, 0, "mappings:\n- {match: a, name: a, ttl: 1s}\n");
    engine_feed(&e, "a:1|c\na:5|c|#x:1");
    for (int i = 0; i < 4; i++) {
        engine_pass(&e, 600);
        engine_feed(&e, "a:1|c");
    }
    ck_assert_str_eq(engine_series(&e), "a 5\n");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_overflow_series"), 0);
    engine_feed(&e, "a:3|c|#x:1");
    ck_assert_str_eq(engine_series(&e), "a 5\na{overflow=\"true\"} 3\n");
    engine_release(&e);
}
END_TEST

/* New rules: the fold goes on under another type and other buckets, and no count falls. */
START_TEST(test_overflow_reload)
{
    static const char *const rules[] = {
        "mappings:\n- {match: h, name: h, observer_type: histogram, histogram_options: "
        "{buckets: [1, 2]}}\n",
        "mappings:\n- {match: h, name: h, observer_type: histogram, histogram_options: "
        "{buckets: [2, 4]}}\n",
        "mappings:\n- {match: h, name: h, observer_type: summary}\n",
    };
    double count = 0;
    struct engine e;

    init(&e, 1, 0, 0, rules[0]);
    for (unsigned i = 0; i < 9; i++) {
        engine_map(&e, rules[i % 3]);
        engine_feed(&e, "h:1|h\nh:2|h|#x:1\nh:2|h|#x:2");
        feed_second(&e, "h:2|h|#x:1");
        ck_assert_double_eq(engine_value(&e, "h_count{overflow=\"true\"}"), count + 3);
        engine_pass(&e, 500);
        count = engine_value(&e, "h_count{overflow=\"true\"}");
        ck_assert_double_eq(count, 3 * (i + 1));
        ck_assert_double_eq(engine_value(&e, "h_sum{overflow=\"true\"}"), 2 * count);
    }
    engine_release(&e);
}
END_TEST

/* A flood of new names uses half of the reserve for folds; families that are there still fold, and
 * what is refused is counted: sums and refusals are all that was sent. */
START_TEST(test_overflow_reserve)
{
    char line[64];
    struct engine e;

    init(&e, 4, 0, 0, NULL);
    engine_feed(&e, "a:1|c\nb:1|c\nc:1|c\nd:1|c");
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(line, sizeof line, "flood%u:1|c", i);
        engine_feed(&e, line);
    }
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_overflow_series"), 8);
    ck_assert_double_eq(engine_value(&e, REFUSED("series")), 92);
    engine_feed(&e, "a:1|c|#x:1\nb:1|c|#x:1\nc:1|c|#x:1\nd:1|c|#x:1");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_overflow_series"), 12);
    ck_assert_double_eq(engine_value(&e, REFUSED("series")), 92);
    ck_assert_double_eq(engine_value(&e, "a{overflow=\"true\"}"), 1);
    engine_release(&e);
}
END_TEST

/* What would be folded into a name of another type is a conflict, as it is below the limit. */
START_TEST(test_overflow_conflict)
{
    struct engine e;

    init(&e, 1, 0, 0, NULL);
    engine_feed(&e, "a:1|g\na:1|c|#x:1\na:1|c|#x:1");
    ck_assert_str_eq(engine_series(&e), "a 1\n");
    ck_assert_double_eq(
        engine_value(&e,
                     "statsd_exporter_events_conflict_total{metric_name=\"a\",type=\"counter\"}"),
        2);
    engine_release(&e);
}
END_TEST

/* An estimate of the page: four times its standard error. */
static void must_be_near(struct engine *e, const char *what, double want)
{
    char name[128];

    (void)snprintf(name, sizeof name, "bacowr_statsd_overflow_%s", what);
    ck_assert_double_ge(engine_value(e, name), 0.87 * want);
    ck_assert_double_le(engine_value(e, name), 1.13 * want);
}

/* The page names who overflows, and by which label, gauges too; nothing of it before the first. */
START_TEST(test_overflow_page)
{
    char line[64];
    struct engine e;

    init(&e, 2, 0, 0, NULL);
    engine_feed(&e, "a:1|c\nb:1|g");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_overflow_identities"), 0);
    ck_assert_ptr_null(strstr(e.page.p, "{metric_name="));
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(line, sizeof line, "a:1|c|#user:%u,code:%u\nb:1|g|#user:%u", i, i % 3,
                       i / 2);
        engine_feed(&e, line);
        feed_second(&e, line);
    }
    must_be_near(&e, "family_identities{metric_name=\"a\"}", 60);
    must_be_near(&e, "family_identities{metric_name=\"b\"}", 30);
    must_be_near(&e, "label_values{label=\"user\",metric_name=\"a\"}", 60);
    must_be_near(&e, "label_values{label=\"code\",metric_name=\"a\"}", 3);
    must_be_near(&e, "identities", 90);
    engine_release(&e);
}
END_TEST

/* Explain tells what would become of a line now, which is what becomes of it. */
START_TEST(test_overflow_explain)
{
    static const struct {
        const char *line, *text, *json;
    } cases[] = {
        {"a:1|c", NULL, "\"over_limit\":\"folded\",\"limit_met\":null"},
        {"a:1|c|#x:2", "the series limit is reached: counted in a{overflow=\"true\"}\n",
         "\"over_limit\":\"folded\",\"limit_met\":\"series\""},
        {"g:1|g", "the series limit is reached: refused\n",
         "\"over_limit\":\"refused\",\"limit_met\":\"series\""},
        {"b:1|h|#x:1", NULL, "\"over_limit\":\"folded\",\"limit_met\":null"},
    };
    struct buf told = {0};
    struct engine e;

    init(&e, 2, 0, 0, NULL);
    engine_feed(&e, "a:1|c\nb:1|h|#x:1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&told);
        ck_assert_int_eq(bacowr_explain(e.b, slice_str(cases[i].line), BACOWR_EXPLAIN_TEXT, &told),
                         0);
        buf_add_byte(&told, '\0');
        if (cases[i].text != NULL)
            ck_assert_ptr_nonnull(strstr(told.p, cases[i].text));
        else
            ck_assert_ptr_null(strstr(told.p, "  limit "));
        buf_clear(&told);
        ck_assert_int_eq(bacowr_explain(e.b, slice_str(cases[i].line), BACOWR_EXPLAIN_JSON, &told),
                         0);
        buf_add_byte(&told, '\0');
        ck_assert_ptr_nonnull(strstr(told.p, cases[i].json));
    }
    buf_release(&told);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("overflow");
    TCase *t = tcase_create("overflow");

    tcase_add_test(t, test_overflow_types);
    tcase_add_test(t, test_overflow_limits);
    tcase_add_test(t, test_overflow_label_is_reserved);
    tcase_add_test(t, test_overflow_heals);
    tcase_add_test(t, test_overflow_fold_expires);
    tcase_add_test(t, test_overflow_reload);
    tcase_add_test(t, test_overflow_reserve);
    tcase_add_test(t, test_overflow_conflict);
    tcase_add_test(t, test_overflow_page);
    tcase_add_test(t, test_overflow_explain);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
