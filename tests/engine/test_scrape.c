/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scrape: the page is the same whatever its slices, and what happens between them does no harm
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

/* A world with every type, several series in a family, and names around those of our own. */
static void feed_world(struct engine *e)
{
    engine_feed(e, "a:1|c\na:2|c|#id:1\na:3|c|#id:2\nb.latency:1:2:3|ms\nb.latency:7|ms|#t:u\n"
                   "bacowr_statsd:1|g\nbacowr_statsd_a:2|g\nbacowr_statsd_zz:2|g\nc:ann|s\n"
                   "hist.x:0.3|h\nhist.y:99|h\nsta:1|c\nstatsd_exporter:1|c\nzzz:-1|g\n"
                   "zzz:1|g|#esc:a\"b\\c\nx:y|q\nzzz:1|c");
}

static const char mapping[] =
    "mappings:\n- {match: hist.*, name: hist, observer_type: histogram, labels: {id: $1}, "
    "help: 'with \\ and ü'}\n";

static struct bacowr_scrape *begin(struct engine *e, const struct bacowr_own_family *own,
                                   unsigned n_own)
{
    struct bacowr_scrape *s;

    must(bacowr_scrape_new(&s, e->b, bacowr_format_for(e->b, SLICE_LIT("")), own, n_own,
                           e->now_ms) == 0);
    return s;
}

/* The rest of the page, in slices of @want. */
static void finish(struct bacowr_scrape *s, struct buf *out, unsigned want)
{
    int more;

    do {
        size_t before = out->len;

        more = bacowr_scrape_next(s, out, want);
        must(more >= 0);
        must(more == 0 || out->len > before);
    } while (more == 1);
    must(bacowr_scrape_next(s, out, want) == 0);
    bacowr_scrape_free(s);
}

/* Of one byte or of all: the same page. */
START_TEST(test_scrape_slices)
{
    static const unsigned wants[] = {0,   1,   2,    3,    7,     64,
                                     100, 333, 1000, 4096, 20000, UINT32_MAX / 2};
    struct buf page = {0};
    struct engine e;

    engine_init(&e, NULL, mapping);
    feed_world(&e);
    engine_scrape(&e);
    ck_assert_uint_gt(e.page.len, 5000);
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        buf_clear(&page);
        finish(begin(&e, NULL, 0), &page, wants[i]);
        ck_assert(slice_eq(buf_slice(&page), buf_slice(&e.page)));
    }
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* A slice is not much larger than was asked for: one series, or one family of our own. */
START_TEST(test_scrape_slices_are_bounded)
{
    struct buf page = {0};
    struct bacowr_scrape *s;
    struct engine e;

    engine_init(&e, NULL, mapping);
    for (int i = 0; i < 2000; i++) {
        char line[60];

        snprintf(line, sizeof line, "hist.%d:1|h", i);
        engine_feed(&e, line);
    }
    s = begin(&e, NULL, 0);
    while (bacowr_scrape_next(s, &page, 1000) == 1) {
        must(page.len >= 1000 && page.len < 1000 + 2000);
        page.len = 0;
    }
    bacowr_scrape_free(s);
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* Every family has HELP and TYPE once, in order of names, ours and the program's among them. */
START_TEST(test_scrape_families)
{
    static const struct bacowr_own_sample codes[] = {{"code=\"200\"", 3}, {"code=\"404\"", 0}};
    static const struct bacowr_own_sample plain[] = {{NULL, 1.5}};
    static const struct bacowr_own_family own[] = {
        {"zzzz_total", "Last.", BACOWR_METRIC_COUNTER, 2, codes},
        {"aa", "Near the \\ first\nline.", BACOWR_METRIC_GAUGE, 1, plain},
        {"statsd_exporter_build_info", "", BACOWR_METRIC_GAUGE, 1, plain},
    };
    static const char *const heads[] = {
        "# TYPE a counter",
        "# TYPE aa gauge",
        "# HELP aa Near the \\\\ first\\nline.",
        "aa 1.5",
        "# TYPE b_latency summary",
        "# TYPE c gauge",
        "# TYPE hist histogram",
        "# HELP hist with \\\\ and ü",
        "# TYPE zzzz_total counter",
        "zzzz_total{code=\"200\"} 3",
        "zzzz_total{code=\"404\"} 0",
        "statsd_exporter_build_info 1.5",
        "zzz{esc=\"a\\\"b\\\\c\"} 1",
    };
    struct buf page = {0};
    struct engine e;

    engine_init(&e, NULL, mapping);
    feed_world(&e);
    finish(begin(&e, own, 3), &page, 1);
    engine_check_page(buf_slice(&page));
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        ck_assert_msg(page_has(buf_slice(&page), heads[i]), "no %s", heads[i]);
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* What is born after the start is not shown; what is written after it is, as it then stands. */
START_TEST(test_scrape_shows_what_was_there)
{
    struct buf page = {0};
    struct bacowr_scrape *s;
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "a:1|c|#id:1\nm:1|c");
    s = begin(&e, NULL, 0);
    engine_feed(&e, "a:1|c|#id:2\nb:1|c\nm:1|c|#id:3");
    ck_assert_int_eq(bacowr_scrape_next(s, &page, 1), 1);
    engine_feed(&e, "a:1|c|#id:1\nm:5|c\nm:1|c|#id:4\nz:1|c");
    finish(s, &page, 1);
    engine_check_page(buf_slice(&page));
    page_add_series(buf_slice(&page), &e.text);
    buf_add_byte(&e.text, '\0');
    ck_assert_str_eq(e.text.p, "a{id=\"1\"} 1\nm 6\n");
    ck_assert_str_eq(engine_series(&e), "a{id=\"1\"} 2\na{id=\"2\"} 1\nb 1\nm 6\nm{id=\"3\"} 1\n"
                                        "m{id=\"4\"} 1\nz 1\n");
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* Families and series that go while they are on a page may be missing from it, and do no harm. */
START_TEST(test_scrape_outlives_families)
{
    struct buf page = {0};
    struct bacowr_scrape *s;
    struct engine e;
    double v;

    engine_init(&e, NULL,
                "mappings:\n- {match: '^[ac-z].*', match_type: regex, name: $0, ttl: 1s}\n");
    feed_world(&e);
    s = begin(&e, NULL, 0);
    for (int i = 0; i < _i; i++)
        ck_assert_int_eq(bacowr_scrape_next(s, &page, 1), 1);
    engine_pass(&e, 3000);
    /* The same names again, other types. */
    engine_feed(&e, "a:1|g\nhist:1|g\nzzz:1|c\nc:1|c");
    engine_pass(&e, 500);
    finish(s, &page, 1);
    engine_check_page(buf_slice(&page));
    ck_assert(page_has(buf_slice(&page), "# TYPE statsd_exporter_lines_total counter"));
    ck_assert(!page_has(buf_slice(&page), "# TYPE zzz counter"));
    ck_assert(page_value(buf_slice(&page), "b_latency_count", &v));
    engine_pass(&e, 300);
    ck_assert_ptr_null(e.b->reclaim.oldest);
    ck_assert(isnan(engine_value(&e, "zzz{esc=\"a\\\"b\\\\c\"}")));
    ck_assert_double_eq(engine_value(&e, "zzz"), 1);
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* A list that is compacted under a scrape: who stays is shown, once. */
START_TEST(test_scrape_outlives_compaction)
{
    struct buf page = {0};
    struct bacowr_scrape *s;
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    for (int i = 0; i < 100; i++) {
        char line[40];

        snprintf(line, sizeof line, "a:%d|c|#id:%d", i, i);
        engine_feed(&e, line);
    }
    s = begin(&e, NULL, 0);
    for (int i = 0; i < _i; i++)
        ck_assert_int_eq(bacowr_scrape_next(s, &page, 1), 1);
    for (int i = 0; i < 20; i++) {
        engine_pass(&e, 100);
        engine_feed(&e, "a:1|c|#id:10\na:1|c|#id:51\na:1|c|#id:99\na:1|c|#id:new");
    }
    finish(s, &page, 1);
    engine_check_page(buf_slice(&page));
    ck_assert(page_has(buf_slice(&page), _i > 10 ? "a{id=\"10\"} 10" : "a{id=\"10\"} 30"));
    ck_assert(page_has(buf_slice(&page), _i > 51 ? "a{id=\"51\"} 51" : "a{id=\"51\"} 71"));
    ck_assert(page_has(buf_slice(&page), _i > 99 ? "a{id=\"99\"} 99" : "a{id=\"99\"} 119"));
    ck_assert(!page_has(buf_slice(&page), "a{id=\"new\"} 20"));
    ck_assert_int_eq(page_has(buf_slice(&page), "a{id=\"0\"} 0"), _i > 0);
    ck_assert_str_eq(engine_series(&e), "a{id=\"10\"} 30\na{id=\"51\"} 71\na{id=\"99\"} 119\n"
                                        "a{id=\"new\"} 20\n");
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* Several scrapes at once, ended in any order, see each its own moment; memory waits for all. */
START_TEST(test_scrape_at_once)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct bacowr_scrape *scrapes[3];
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    for (int i = 0; i < 3; i++) {
        engine_feed(&e, i == 0 ? "a:1|c" : i == 1 ? "b:1|c" : "c:1|c");
        scrapes[i] = begin(&e, NULL, 0);
        engine_pass(&e, 400);
    }
    engine_pass(&e, 1000);
    for (int i = 0; i < 3; i++) {
        struct buf page = {0};

        finish(scrapes[orders[_i][i]], &page, 100);
        engine_check_page(buf_slice(&page));
        buf_release(&page);
        engine_pass(&e, 1000);
        ck_assert_int_eq(e.b->reclaim.oldest == NULL && e.b->reclaim.open == NULL, i == 2);
    }
    bacowr_scrape_free(NULL);
    engine_release(&e);
}
END_TEST

/* A scrape that is given up half way leaves nothing behind. */
START_TEST(test_scrape_given_up)
{
    struct buf page = {0};
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    engine_feed(&e, "a:1|c\nb:1|c");
    for (int i = 0; i < 5; i++) {
        struct bacowr_scrape *s = begin(&e, NULL, 0);

        for (int k = 0; k < i; k++)
            ck_assert_int_eq(bacowr_scrape_next(s, &page, 1), 1);
        engine_pass(&e, 500);
        bacowr_scrape_free(s);
    }
    engine_pass(&e, 1000);
    ck_assert_ptr_null(e.b->reclaim.oldest);
    ck_assert_str_eq(engine_series(&e), "");
    buf_release(&page);
    engine_release(&e);
}
END_TEST

/* Series of a family stand in the order of birth, whatever their labels; families by name. */
START_TEST(test_scrape_order)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "b:1|c|#z:1\nb:1|c\nA:1|c\nb:1|c|#a:1\n_:1|c\naB:1|c\na:1|c\na_:1|c\na1:1|c");
    ck_assert_str_eq(engine_series(&e), "A 1\n_ 1\na 1\na1 1\naB 1\na_ 1\nb{z=\"1\"} 1\nb 1\n"
                                        "b{a=\"1\"} 1\n");
    engine_release(&e);
}
END_TEST

/* The format that is asked for, and its content type. */
START_TEST(test_scrape_format)
{
    static const char *const accepts[] = {
        "", "*/*", "text/plain", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain",
        "application/x-nobody-knows"};
    struct engine e;

    engine_init(&e, NULL, NULL);
    for (size_t i = 0; i < sizeof accepts / sizeof accepts[0]; i++) {
        const struct bacowr_format *f = bacowr_format_for(e.b, slice_str(accepts[i]));

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(strncmp(bacowr_content_type(f), "text/plain; version=0.0.4", 25), 0);
    }
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scrape");
    TCase *page = tcase_create("page"), *between = tcase_create("between slices");

    tcase_add_test(page, test_scrape_slices);
    tcase_add_test(page, test_scrape_slices_are_bounded);
    tcase_add_test(page, test_scrape_families);
    tcase_add_test(page, test_scrape_order);
    tcase_add_test(page, test_scrape_format);
    suite_add_tcase(s, page);
    tcase_add_test(between, test_scrape_shows_what_was_there);
    tcase_add_loop_test(between, test_scrape_outlives_families, 0, 12);
    tcase_add_loop_test(between, test_scrape_outlives_compaction, 0, 101);
    tcase_add_loop_test(between, test_scrape_at_once, 0, 6);
    tcase_add_test(between, test_scrape_given_up);
    suite_add_tcase(s, between);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
