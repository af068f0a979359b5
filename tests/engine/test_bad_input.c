/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad input: no bytes crash the engine, spoil the page, or go uncounted, and none hurt what is
 * beside
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

static const char mapping[] =
    "mappings:\n"
    "- {match: hist.*, name: hist, observer_type: histogram, labels: {id: $1}}\n"
    "- {match: '^re\\.(.*)$', match_type: regex, name: '${1}', labels: {all: $0}}\n"
    "- {match: empty.*, name: empty, labels: {kk: $1}}\n";

/* Datagrams that end statsd_exporter, or turn every later scrape of it into an error. */
static const char *const killers[] = {
    "a]b[c:1|c",
    "x:1|ms|#quantile:z",
    "hist.x:1|ms|#le:z",
    "x:1|c|#__a:b",
    "x:1|c|#__name__:b",
    "q:1|h\nq_count:1|h\nq_sum:1|h\nq:1|h",
    "q_count:1|h\nq:1|h",
    "#a=b:1|c",
    "[a=b]:1|c",
    "go_goroutines:1|c\nprocess_cpu_seconds_total:1|g\npromhttp_x:1|c",
    "x:1|ms|@1e-9",
    "x:1|ms|@1e-300",
    "x:1|c|@1e-300",
    "x:1|c|@Infinity",
    "x:1|ms|@Infinity",
    "x:|ms",
    "x:::|ms",
    "re.:1|c",
    "re.\xc3\xa9:1|c",
    "empty.:1|c",
    "x:NaN|c\nx:nan|g\nx:1|h\nx:nan|h",
    "x:9999999999999999999999|c\nx:1e308|c\nx:1e308|c",
    "x:1|c|#a:\x01\x02\t\"\\",
    "x\x01y:1|c",
    "\xf0\x9f\x98\xb1:1|c|#\xf0\x9f\x98\xb1:\xf0\x9f\x98\xb1",
};
#define N_KILLERS ((int)(sizeof killers / sizeof killers[0]))

/* The page stays right, what was there stays there, and what comes next counts. */
START_TEST(test_bad_input_killers)
{
    struct engine e;

    engine_init(&e, NULL, mapping);
    engine_feed(&e, "beside:1|c\nhist.y:1|h\nsum:1|ms");
    for (int times = 0; times < 2; times++)
        engine_feed(&e, killers[_i]);
    engine_feed(&e, "beside:1|c\nhist.y:1|h\nsum:1|ms");
    ck_assert_double_eq(engine_value(&e, "beside"), 2);
    ck_assert_double_eq(engine_value(&e, "hist_count{id=\"y\"}"), 2);
    ck_assert_double_eq(engine_value(&e, "sum_count"), 2);
    engine_release(&e);
}
END_TEST

/* NUL is a byte as any: in a tag's value it stays, in a name it is escaped. */
START_TEST(test_bad_input_nul)
{
    static const char text[] = "a\0b:1|c|#k:v\0w";
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed_slice(&e, slice_of(text, sizeof text - 1));
    engine_scrape(&e);
    ck_assert_ptr_nonnull(
        memmem(e.page.p, e.page.len, "\na_b{k=\"v\0w\"} 1\n", sizeof "\na_b{k=\"v\0w\"} 1\n" - 1));
    engine_release(&e);
}
END_TEST

/* Bytes that are not UTF-8 are refused wherever they stand, known identity or not. */
START_TEST(test_bad_input_not_utf8)
{
    static const char *const bad[] = {
        "\xff", "\xc3\x28", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"};
    static const char *const lines[] = {"a%s:1|c",    "a:1|c|#k:%s", "a:1|c|#%s:v", "a:%s|s",
                                        "a:1|c%s",    "a,k=%s:1|c",  "a:1:2%s|h",   "a:1|c|T%s",
                                        "a:1|c|c:%s", "a:1|c:%s|c"};
    const size_t n_bad = sizeof bad / sizeof bad[0], n_lines = sizeof lines / sizeof lines[0];
    struct engine e;

    engine_init(&e, NULL, NULL);
    for (size_t i = 0; i < n_lines; i++) {
        for (size_t k = 0; k < n_bad; k++) {
            char line[60];

            snprintf(line, sizeof line, lines[i], bad[k]);
            engine_feed(&e, line);
        }
    }
    ck_assert_str_eq(engine_series(&e), "");
    ck_assert_double_eq(
        engine_value(&e, "statsd_exporter_sample_errors_total{reason=\"malformed_line\"}"),
        (double)(n_bad * n_lines));
    engine_release(&e);
}
END_TEST

/* ---- anything ---- */

static uint32_t state;

static uint32_t any(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static const char *const pieces[] = {
    "a",     "b.c",  "hist.x", "re.y", ":",     ":",   ":",        ":1|c",   ":2|g",
    ":3|ms", "|h",   "|d",     "|s",   "|q",    "|",   "#",        "|#k:v",  ",k=v",
    "[k=v]", "]",    "[",      ";k=v", "|c:id", "|T5", "|e:x",     "|",      "\n",
    "\n",    "\r\n", "1",      "-2",   "+3",    "0.5", "nan",      "inf",    "1e400",
    "é",     "\xff", "\"",     "\\",   "__x",   "le",  "quantile", "_count", "_sum",
    "_e{1",  "_sc|", " ",      "\t",   "card:", "=",   ",",        "0x1p4"};

static struct buf garbage(unsigned n_pieces, bool with_rates)
{
    struct buf text = {0};

    for (unsigned i = 0; i < n_pieces; i++) {
        if (any(40) == 0)
            buf_add_byte(&text, (char)any(256));
        else if (with_rates && any(15) == 0)
            buf_add_str(&text, any(2) ? "|@0.5" : "|@2");
        else
            buf_add_str(&text, pieces[any(sizeof pieces / sizeof pieces[0])]);
    }
    return text;
}

/* Whatever comes, in whatever datagrams, the page is right, and a good line still counts. */
START_TEST(test_bad_input_anything)
{
    struct engine e;

    state = 31u * (uint32_t)_i + 7;
    engine_init(&e, NULL, mapping);
    for (int i = 0; i < 300; i++) {
        struct buf text = garbage(1 + any(120), true);
        bool truncated = any(5) == 0, stream = any(3) == 0;

        engine_feed_to(&e, 0,
                       (struct bacowr_datagram){
                           .p = text.p, .len = text.len, .truncated = truncated, .stream = stream});
        buf_release(&text);
        engine_feed(&e, "good:1|c");
    }
    ck_assert_double_eq(engine_value(&e, "good"), 300);
    engine_release(&e);
}
END_TEST

static double sum_of(struct slice page, const char *const *series, size_t n)
{
    double sum = 0, v;

    for (size_t i = 0; i < n; i++) {
        ck_assert(page_value(page, series[i], &v));
        sum += v;
    }
    return sum;
}

#define SUM(page, list) sum_of((page), (list), sizeof(list) / sizeof(list)[0])

/* All conflicts, over their labels. */
static double conflicts(struct slice page)
{
    struct buf text = {0};
    double sum = 0;

    page_add_counts(page, &text);
    buf_add_byte(&text, '\0');
    for (const char *p = text.p; (p = strstr(p, "events_conflict.")) != NULL; p++)
        sum += strtod(strchr(p, '=') + 1, NULL);
    buf_release(&text);
    return sum;
}

/* Without sample rates every sample is counted in exactly one place, and so is every line. */
START_TEST(test_bad_input_is_accounted_for)
{
#define E(reason) "statsd_exporter_sample_errors_total{reason=\"" reason "\"}"
    static const char *const of_samples[] = {
        "statsd_exporter_events_total{type=\"counter\"}",
        "statsd_exporter_events_total{type=\"gauge\"}",
        "statsd_exporter_events_total{type=\"observer\"}",
        "statsd_exporter_events_total{type=\"set\"}",
        "statsd_exporter_events_error_total{reason=\"empty_metric_name\"}",
        "statsd_exporter_events_error_total{reason=\"illegal_negative_counter\"}",
        "statsd_exporter_events_error_total{reason=\"illegal_non_finite_counter\"}",
        E("malformed_component"),
        E("malformed_value"),
        E("invalid_sample_factor"),
        E("malformed_container_id"),
        E("illegal_event"),
    };
    static const char *const of_lines[] = {
        E("malformed_line"),
        E("mixed_tagging_styles"),
        E("not_enough_parts_after_colon"),
        E("invalid_extended_aggregate_type"),
        "bacowr_statsd_dogstatsd_events_total",
        "bacowr_statsd_dogstatsd_service_checks_total",
    };
#undef E
    struct engine e;
    struct slice page;
    double n_samples, n_lines, n_refused = 0, before = 0;

    state = 17u * (uint32_t)_i + 3;
    engine_init(&e, NULL, mapping);
    for (int i = 0; i < 300; i++) {
        struct buf text = garbage(1 + any(14), false);
        double refused;

        /* Line by line: one with samples is not also refused as a line. */
        for (size_t k = 0; k < text.len; k++)
            if (text.p[k] == '\n')
                text.p[k] = ' ';
        engine_feed_slice(&e, buf_slice(&text));
        page = engine_scrape(&e);
        refused = SUM(page, of_lines);
        ck_assert(page_value(page, "statsd_exporter_samples_total", &n_samples));
        ck_assert(page_value(page, "statsd_exporter_lines_total", &n_lines));
        ck_assert_double_eq(n_lines, i + 1);
        ck_assert_msg((refused - n_refused) + (n_samples > before) == (text.len > 0), "%.*s",
                      (int)text.len, text.p);
        ck_assert_msg(SUM(page, of_samples) + conflicts(page) == n_samples, "%.*s", (int)text.len,
                      text.p);
        n_refused = refused;
        before = n_samples;
        buf_release(&text);
    }
    ck_assert_double_gt(n_refused, 20);
    ck_assert_double_gt(n_samples, 20);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bad_input");
    TCase *known = tcase_create("known"), *anything = tcase_create("anything");

    tcase_add_loop_test(known, test_bad_input_killers, 0, N_KILLERS);
    tcase_add_test(known, test_bad_input_nul);
    tcase_add_test(known, test_bad_input_not_utf8);
    suite_add_tcase(s, known);
    tcase_add_loop_test(anything, test_bad_input_anything, 0, 8);
    tcase_add_loop_test(anything, test_bad_input_is_accounted_for, 0, 8);
    suite_add_tcase(s, anything);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
