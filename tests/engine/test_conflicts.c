/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conflicts: the offender is refused and counted, everything else stays on a page that is right
 */
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

/* A sample of each metric type; s-names become histograms by the mapping below. */
#define MAPPING                                                                            \
    "mappings:\n"                                                                          \
    "- {match: hist.*, match_metric_type: observer, name: $1, observer_type: histogram}\n" \
    "- {match: 'plain.*', name: $1}\n"

enum type { COUNTER, GAUGE, HISTOGRAM, SUMMARY, SET, N_TYPES };
static const char *const kinds[N_TYPES] = {"counter", "gauge", "observer", "observer", "set"};
static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
#define N_SUFFIXES 4

struct line {
    char text[100];
};

static struct line line_of(enum type type, const char *name, const char *suffix)
{
    static const char *const wire[N_TYPES] = {"c", "g", "h", "h", "s"};
    struct line line;

    snprintf(line.text, sizeof line.text, "%s.%s%s:1|%s", type == HISTOGRAM ? "hist" : "plain",
             name, suffix, wire[type]);
    return line;
}

static void feed_type(struct engine *e, enum type type, const char *name, const char *suffix)
{
    engine_feed(e, line_of(type, name, suffix).text);
}

/* Does explain say @words of the line, in this form? */
static bool tells(struct engine *e, const char *line, enum bacowr_explain_form form,
                  const char *words)
{
    struct buf told = {0};
    bool found;

    must(bacowr_explain(e->b, slice_str(line), form, &told) == 0);
    must(buf_add_byte(&told, '\0') == 0);
    found = strstr(told.p, words) != NULL;
    buf_release(&told);
    return found;
}

/* What the type shows on the page as one value, under @name. */
static double shown(struct engine *e, enum type type, const char *name, const char *suffix)
{
    char series[100];

    snprintf(series, sizeof series, "%s%s%s", name, suffix,
             type == HISTOGRAM || type == SUMMARY ? "_count" : "");
    return engine_value(e, series);
}

static double conflicts(struct engine *e, const char *name, const char *suffix, enum type type)
{
    char series[200];

    snprintf(series, sizeof series,
             "statsd_exporter_events_conflict_total{metric_name=\"%s%s\",type=\"%s\"}", name,
             suffix, kinds[type]);
    return engine_value(e, series);
}

/* Does a family of this type show samples under its name and this suffix? */
static bool owns(enum type type, int suffix)
{
    return type == HISTOGRAM ? suffix > 0 : type == SUMMARY ? suffix > 1 : false;
}

/*
 * Two metrics, the second under the name of the first, or with a suffix on either side: the second
 * is refused when Prometheus could not tell them apart, else both are there. Who was first keeps
 * counting, what stands beside it too, and the page is right at any time.
 */
static void check_pair(enum type first, int first_suffix, enum type second, int second_suffix)
{
    const char *s1 = suffixes[first_suffix], *s2 = suffixes[second_suffix];
    bool same = first_suffix == second_suffix;
    bool clash = same ? first != second
                      : (first_suffix == 0 && owns(first, second_suffix)) ||
                            (second_suffix == 0 && owns(second, first_suffix));
    struct engine e;

    engine_init(&e, NULL, MAPPING);
    engine_feed(&e, "beside:1|c\nplain.xy:1|g\nx_y:3|g");
    feed_type(&e, first, "x", s1);
    ck_assert_int_eq(
        tells(&e, line_of(second, "x", s2).text, BACOWR_EXPLAIN_BRIEF, "refused: conf"), clash);
    for (int times = 0; times < 3; times++)
        feed_type(&e, second, "x", s2);
    feed_type(&e, first, "x", s1);
    engine_feed(&e, "beside:1|c");
    if (clash) {
        ck_assert_double_eq(conflicts(&e, "x", s2, second), 3);
        ck_assert_double_eq(shown(&e, first, "x", s1), first == GAUGE || first == SET ? 1 : 2);
    } else {
        ck_assert_double_nan(conflicts(&e, "x", s2, second));
        ck_assert(!page_has(buf_slice(&e.page), "# TYPE statsd_exporter_events_conflict_total "
                                                "counter"));
        ck_assert_double_eq(shown(&e, second, "x", s2), second == GAUGE || second == SET ? 1
                                                        : same                           ? 5
                                                                                         : 3);
    }
    ck_assert_double_eq(engine_value(&e, "beside"), 2);
    ck_assert_double_eq(engine_value(&e, "x_y"), 3);
    engine_release(&e);
}

START_TEST(test_conflicts_types)
{
    for (enum type second = 0; second < N_TYPES; second++)
        check_pair((enum type)_i, 0, second, 0);
}
END_TEST

START_TEST(test_conflicts_suffixes)
{
    for (enum type second = 0; second < N_TYPES; second++) {
        for (int suffix = 1; suffix < N_SUFFIXES; suffix++) {
            check_pair((enum type)_i, 0, second, suffix);
            check_pair((enum type)_i, suffix, second, 0);
        }
    }
}
END_TEST

/* Label sets of one name may differ, help may not: the first one is shown, once. */
START_TEST(test_conflicts_help_and_labels)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n"
                "- {match: one.*, name: both, help: first, labels: {aa: $1}}\n"
                "- {match: two.*, name: both, help: 'second \\ and', labels: {bb: $1}}\n");
    engine_feed(&e, "one.x:1|c\ntwo.x:2|c\nboth:4|c");
    ck_assert_str_eq(engine_series(&e), "both{aa=\"x\"} 1\nboth{bb=\"x\"} 2\nboth 4\n");
    ck_assert(page_has(buf_slice(&e.page), "# HELP both first"));
    engine_release(&e);
}
END_TEST

/* A family's buckets are those of the first series with the same label names. */
START_TEST(test_conflicts_shapes)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n"
                "- {match: one, name: h, observer_type: histogram, labels: {aa: x}, "
                "histogram_options: {buckets: [1]}}\n"
                "- {match: two, name: h, observer_type: histogram, labels: {aa: y}, "
                "histogram_options: {buckets: [2, 3]}}\n"
                "- {match: three, name: h, observer_type: histogram, "
                "histogram_options: {buckets: [4]}}\n");
    engine_feed(&e, "one:1|h\ntwo:1|h\nthree:1|h");
    ck_assert_str_eq(engine_series(&e),
                     "h_bucket{aa=\"x\",le=\"1\"} 1\nh_bucket{aa=\"x\",le=\"+Inf\"} 1\n"
                     "h_sum{aa=\"x\"} 1\nh_count{aa=\"x\"} 1\n"
                     "h_bucket{aa=\"y\",le=\"1\"} 1\nh_bucket{aa=\"y\",le=\"+Inf\"} 1\n"
                     "h_sum{aa=\"y\"} 1\nh_count{aa=\"y\"} 1\n"
                     "h_bucket{le=\"4\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n");
    engine_release(&e);
}
END_TEST

/* Past a thousand names in conflict the rest share one series; no refusal is lost. */
START_TEST(test_conflicts_many)
{
    struct engine e;
    double other, some;

    engine_init(&e, NULL, NULL);
    for (int i = 0; i < 1300; i++) {
        char lines[80];

        snprintf(lines, sizeof lines, "n%d:1|g\nn%d:1|c\nn%d:1|c", i, i, i);
        engine_feed(&e, lines);
    }
    engine_scrape(&e);
    ck_assert(page_value(
        buf_slice(&e.page),
        "statsd_exporter_events_conflict_total{metric_name=\"_other\",type=\"counter\"}", &other));
    ck_assert(page_value(
        buf_slice(&e.page),
        "statsd_exporter_events_conflict_total{metric_name=\"n999\",type=\"counter\"}", &some));
    ck_assert_double_eq(other, 600);
    ck_assert_double_eq(some, 2);
    engine_release(&e);
}
END_TEST

/* When many names are in conflict, one that has a series of its own keeps it. */
START_TEST(test_conflicts_many_keep_theirs)
{
    struct engine e;

    engine_init(&e, NULL, "mappings:\n- {match: gone, name: gone, ttl: 1s}\n");
    engine_feed(&e, "gone:1|c");
    for (int i = 0; i < 1001; i++) {
        char lines[80];

        snprintf(lines, sizeof lines, "n%d:1|g\nn%d:1|c", i, i);
        engine_feed(&e, lines);
    }
    engine_pass(&e, 3000);
    ck_assert_double_nan(engine_value(&e, "gone"));
    engine_feed(&e, "n7:1|c");
    ck_assert_double_eq(conflicts(&e, "n7", "", COUNTER), 2);
    ck_assert_double_eq(conflicts(&e, "_other", "", COUNTER), 1);
    engine_release(&e);
}
END_TEST

/* A name that had a type is free for another once its last series has expired. */
START_TEST(test_conflicts_heal)
{
    static const char *const pairs[][2] = {
        {"x:1|g", "x:1|c"}, {"x:1|h", "x_sum:1|c"}, {"x_count:1|g", "x:1|h"}, {"x:1|s", "x:1|g"}};
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    engine_feed(&e, pairs[_i][0]);
    engine_feed(&e, pairs[_i][1]);
    engine_feed(&e, pairs[_i][1]);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_unmapped_total"), 3);
    ck_assert_ptr_nonnull(strstr(engine_counts(&e), "conflict"));
    engine_pass(&e, 2000);
    engine_feed(&e, pairs[_i][1]);
    ck_assert_ptr_nonnull(strstr(engine_counts(&e), "=2"));
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), 2);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_expired_total"), 1);
    engine_release(&e);
}
END_TEST

/* ---- what belongs to the format ---- */

static const struct {
    const char *line;
    const char *series;
    unsigned renamed;
} reserved_labels[] = {
    {"hist.h:1|h|#le:9",
     "h_bucket{exported_le=\"9\",le=\"1\"} 1\n"
     "h_bucket{exported_le=\"9\",le=\"+Inf\"} 1\n"
     "h_sum{exported_le=\"9\"} 1\nh_count{exported_le=\"9\"} 1\n",
     1},
    {"s:1|h|#quantile:z", "s_sum{exported_quantile=\"z\"} 1\ns_count{exported_quantile=\"z\"} 1\n",
     1},
    {"s:1|h|#le:z", "s_sum{le=\"z\"} 1\ns_count{le=\"z\"} 1\n", 0},
    {"c:1|c|#le:z,quantile:y", "c{le=\"z\",quantile=\"y\"} 1\n", 0},
    {"c:1|c|#__name__:z", "c{exported___name__=\"z\"} 1\n", 1},
    {"c:1|c|#__a:1,--b:2", "c{_b=\"2\",exported___a=\"1\"} 1\n", 1},
    {"c:1|c|#..a:2", "c{exported___a=\"2\"} 1\n", 1},
    /* The new name may be there already: the last one wins, as with any key. */
    {"s:1|h|#exported_quantile:a,quantile:b",
     "s_sum{exported_quantile=\"b\"} 1\ns_count{exported_quantile=\"b\"} 1\n", 1},
    {"s:1|h|#quantile:b,exported_quantile:a",
     "s_sum{exported_quantile=\"a\"} 1\ns_count{exported_quantile=\"a\"} 1\n", 1},
};
#define N_RESERVED_LABELS ((int)(sizeof reserved_labels / sizeof reserved_labels[0]))

/* A label name that belongs to the format gets a prefix, which is counted; nothing is lost. */
START_TEST(test_conflicts_reserved_labels)
{
    struct engine e;

    engine_init(&e, NULL, "defaults: {histogram_options: {buckets: [1]}}\n" MAPPING);
    engine_feed(&e, reserved_labels[_i].line);
    ck_assert_str_eq(engine_series(&e), reserved_labels[_i].series);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_renamed_labels_total"),
                        reserved_labels[_i].renamed);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_samples_total"), 1);
    engine_release(&e);
}
END_TEST

/* The engine's families are the engine's: no sender can add to them, whatever the type. */
START_TEST(test_conflicts_reserved_names)
{
    static const char *const types[] = {"c", "g", "h", "s"};
    static const char *const wire_kinds[] = {"counter", "gauge", "observer", "set"};
    const char *name = "statsd_exporter_lines_total";
    char text[200];
    struct engine e;

    engine_init(&e, NULL, NULL);
    snprintf(text, sizeof text, "%s:100|%s\nbacowr_statsd_series:5|%s|#type:counter", name,
             types[_i], types[_i]);
    for (int times = 0; times < 2; times++)
        engine_feed(&e, text);
    snprintf(text, sizeof text,
             "statsd_exporter_events_conflict_total{metric_name=\"%s\",type=\"%s\"}", name,
             wire_kinds[_i]);
    ck_assert_double_eq(engine_value(&e, text), 2);
    ck_assert_double_eq(engine_value(&e, name), 4);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series{type=\"counter\"}"), 0);
    engine_release(&e);
}
END_TEST

/* Explain names who is in the way, and where that is counted. */
START_TEST(test_conflicts_are_explained)
{
    static const char *const said[][2] = {
        {"queue.depth:1|c", "-> refused: conflict, queue_depth is already a gauge\n"},
        {"t_sum:1|g", "-> refused: conflict, sample names conflict with those of t, a summary\n"},
        {"queue:1|ms", "-> refused: conflict, sample names conflict with those of queue_sum, a "
                       "counter\n"},
        {"statsd_exporter_lines_total:1|c",
         "-> refused: conflict, the name is reserved for this server's own metrics\n"},
        {"queue.depth:1|g", "-> queue_depth sets 1\n"},
        {"other:1|c", "-> other adds 1\n"},
    };
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "queue.depth:4|g\nt:1|ms\nqueue_sum:1|c");
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        ck_assert_msg(tells(&e, said[i][0], BACOWR_EXPLAIN_BRIEF, said[i][1]), "%s", said[i][0]);
    ck_assert(tells(&e, "queue.depth:1|c", BACOWR_EXPLAIN_TEXT,
                    "  refused, queue_depth is already a gauge; counted in "
                    "statsd_exporter_events_conflict_total{metric_name=\"queue_depth\",type="
                    "\"counter\"}\n"));
    ck_assert(tells(&e, "queue.depth:1|c", BACOWR_EXPLAIN_JSON,
                    "\"outcome\":\"refused\",\"reason\":\"conflict\",\"counter\":"
                    "\"statsd_exporter_events_conflict_total\",\"conflict\":{\"about\":\"type\","
                    "\"with\":\"queue_depth\",\"type\":\"gauge\"}"));
    ck_assert(tells(&e, "statsd_exporter_lines_total:1|c", BACOWR_EXPLAIN_JSON,
                    "\"conflict\":{\"about\":\"reserved\",\"with\":"
                    "\"statsd_exporter_lines_total\",\"type\":null}"));
    ck_assert(tells(&e, "other:1|c", BACOWR_EXPLAIN_JSON, "\"conflict\":null"));
    engine_release(&e);
}
END_TEST

/* The one family of our own that lives among the series cannot be written to either. */
START_TEST(test_conflicts_cannot_be_forged)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "x:1|g\nx:1|c");
    engine_feed(&e, "statsd_exporter_events_conflict_total:1000|c|#metric_name:x,type:counter");
    engine_feed(&e, "statsd_exporter_events_conflict_total:1000|c|#type:counter,metric_name:x");
    ck_assert_double_eq(conflicts(&e, "x", "", COUNTER), 1);
    ck_assert_double_eq(conflicts(&e, "statsd_exporter_events_conflict_total", "", COUNTER), 2);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series{type=\"counter\"}"), 0);
    engine_release(&e);
}
END_TEST

/* Names that the program around the engine reserves are refused in the same way. */
START_TEST(test_conflicts_reserved_by_others)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    ck_assert_int_eq(bacowr_reserve(e.b, "process_cpu_seconds_total"), 0);
    ck_assert_int_eq(bacowr_reserve(e.b, "process_cpu_seconds_total"), 0);
    engine_feed(&e, "process.cpu.seconds.total:1|c\nprocess_cpu:1|g");
    ck_assert_str_eq(engine_series(&e), "process_cpu 1\n");
    ck_assert_double_eq(conflicts(&e, "process_cpu_seconds_total", "", COUNTER), 1);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conflicts");
    TCase *names = tcase_create("names"), *reserved = tcase_create("reserved");

    tcase_add_loop_test(names, test_conflicts_types, 0, N_TYPES);
    tcase_add_loop_test(names, test_conflicts_suffixes, 0, N_TYPES);
    tcase_add_test(names, test_conflicts_help_and_labels);
    tcase_add_test(names, test_conflicts_shapes);
    tcase_add_test(names, test_conflicts_many);
    tcase_add_test(names, test_conflicts_many_keep_theirs);
    tcase_add_loop_test(names, test_conflicts_heal, 0, 4);
    suite_add_tcase(s, names);
    tcase_add_loop_test(reserved, test_conflicts_reserved_labels, 0, N_RESERVED_LABELS);
    tcase_add_loop_test(reserved, test_conflicts_reserved_names, 0, 4);
    tcase_add_test(reserved, test_conflicts_cannot_be_forged);
    tcase_add_test(reserved, test_conflicts_are_explained);
    tcase_add_test(reserved, test_conflicts_reserved_by_others);
    suite_add_tcase(s, reserved);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
