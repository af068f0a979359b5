/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed: lines to a page through a whole engine, and what is a line
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"
#include "store/route_find.h"

/* ---- lines and what becomes of them ---- */

#define APPLIED(kind)      "events." kind "=1 events_unmapped=1 lines=1 samples=1"
#define TAGGED(kind)       APPLIED(kind) " tags=1"
#define LINE_ERROR(reason) "lines=1 sample_errors." reason "=1"
#define ERROR(reason)      LINE_ERROR(reason) " samples=1"

struct line_vector {
    const char *datagram;
    const char *series; /* of the page, without quantiles */
    const char *counts;
};

static const struct line_vector vectors[] = {
    {"foo:2|c", "foo 2\n", APPLIED("counter")},
    {"foo:200|ms:300|ms:5|c|@0.1:6|g\nbar:1|c:5|ms", "bar 1\nfoo_sum 0.5\nfoo_count 2\n",
     "events_conflict.foo.counter=1 events_conflict.foo.gauge=1 events_conflict.bar.observer=1 "
     "events.counter=1 events.observer=2 events_unmapped=6 lines=2 samples=6"},
    {"gaugor:333|g\ngaugor:-10|g\ngaugor:+4|g", "gaugor 327\n",
     "events.gauge=3 events_unmapped=3 lines=3 samples=3"},
    {"a:5|g\na:+3|g\na:-10|g", "a -2\n", "events.gauge=3 events_unmapped=3 lines=3 samples=3"},
    {"a:-5|g", "a -5\n", APPLIED("gauge")},
    {"foo:0.5:120|ms|@0.5|#t:v", "foo_sum{t=\"v\"} 0.241\nfoo_count{t=\"v\"} 4\n",
     "events.observer=4 events_unmapped=4 lines=1 samples=2 tags=2"},
    {"foo:1::2|h", "foo_sum 3\nfoo_count 2\n",
     "events.observer=2 events_unmapped=2 lines=1 sample_errors.malformed_value=1 samples=3"},
    {"foo:1:2|c", "", LINE_ERROR("invalid_extended_aggregate_type")},
    {"cc::1|c", "", LINE_ERROR("invalid_extended_aggregate_type")},
    {"foo[t1=x]:1:2|ms", "foo_sum{t1=\"x\"} 0.003\nfoo_count{t1=\"x\"} 2\n",
     "events.observer=2 events_unmapped=2 lines=1 samples=2 tags=2"},
    {"foo:1|c:2|c|#a:b", "", ERROR("malformed_container_id")},
    {"foo:1|ms:2|ms|#a:b", "", ERROR("invalid_sample_factor")},
    {"foo#tag1=foo:100|c|#tag1:bar", "", LINE_ERROR("mixed_tagging_styles")},
    {"foo:100|c|@0.1|#tag1:foo:bar", "foo{tag1=\"foo:bar\"} 1000\n", TAGGED("counter")},
    {"foo:100|c|#09digits:0,tag.with.dots:1", "foo{_09digits=\"0\",tag_with_dots=\"1\"} 100\n",
     TAGGED("counter")},
    {"foo:100|c|#tag:value,,", "foo{tag=\"value\"} 100\n",
     "events.counter=1 events_unmapped=1 lines=1 samples=1 tag_errors=1 tags=1"},
    {"foo.[tag1,tag2]test:100|c", "foo_test 100\n",
     "events.counter=1 events_unmapped=1 lines=1 samples=1 tag_errors=2"},
    {"tag1=bar,tag2=baz]foo.test:100|c", "tag1_bar_tag2_baz_foo_test 100\n",
     "events.counter=1 events_unmapped=1 lines=1 samples=1 tag_errors=1"},
    {"h[a=b],c=d:1|c", "h_c_d{a=\"b\"} 1\n", TAGGED("counter")},
    {"b#c=1,d=2:1|c", "b{c=\"1\",d=\"2\"} 1\n", TAGGED("counter")},
    {"foo,a=1,,b,c=:1|c", "foo{a=\"1\"} 1\n",
     "events.counter=1 events_unmapped=1 lines=1 samples=1 tag_errors=3 tags=1"},
    {"foo:100|c|#a:1,a:2,a.b:3,a-b:4", "foo{a=\"2\",a_b=\"4\"} 100\n", TAGGED("counter")},
    {"foo:100|c|##a:1,#b:2", "foo{a=\"1\",b=\"2\"} 100\n", TAGGED("counter")},
    {"foo:100|c|#x:y|c:sha256:abcd", "foo{container_id=\"sha256:abcd\",x=\"y\"} 100\n",
     TAGGED("counter")},
    {"foo:1|c|c:id", "foo{container_id=\"id\"} 1\n", TAGGED("counter")},
    {"foo:42|c|T1656581400", "foo 42\n", APPLIED("counter")},
    {"foo:1|c|", "", ERROR("malformed_component")},
    {"foo:1||", "", ERROR("malformed_component")},
    {"a:1|s", "a 1\n", APPLIED("set")},
    {"a:x|s", "a 1\n", APPLIED("set")},
    {"a:|s", "", ERROR("malformed_value")},
    {"ee:1|c:", "ee 1\n",
     "events.counter=1 events_unmapped=1 lines=1 sample_errors.malformed_component=1 samples=2"},
    {"ff:1|c::2|c", "ff 3\n",
     "events.counter=2 events_unmapped=2 lines=1 sample_errors.malformed_component=1 samples=3"},
    {"gg:1|c|T5:2|c", "gg 3\n", "events.counter=2 events_unmapped=2 lines=1 samples=2"},
    {"k:1|ms|#a:b|@0.5", "k_sum{a=\"b\"} 0.002\nk_count{a=\"b\"} 2\n",
     "events.observer=2 events_unmapped=2 lines=1 samples=1 tags=1"},
    {"invalid\xc3\x28utf8:1|c", "", LINE_ERROR("malformed_line")},
    {":100|ms", "", LINE_ERROR("malformed_line")},
    {"foo", "", LINE_ERROR("malformed_line")},
    {"foo:1", "", LINE_ERROR("not_enough_parts_after_colon")},
    {"bb:", "", LINE_ERROR("not_enough_parts_after_colon")},
    {"m:1|c|#k:q\"u\\o\te", "m{k=\"q\\\"u\\\\o\te\"} 1\n", TAGGED("counter")},
    {"foo:1|C", "", ERROR("illegal_event")},
    {"foo:x|C", "", ERROR("malformed_value")},
    {"_e{5,4}:title|text|#a:b", "", "dogstatsd_events=1 lines=1"},
    {"_sc|name|0|#a:b", "", "dogstatsd_service_checks=1 lines=1"},
    {"foo:2|c\r\nfoo:3|c\r\n", "foo 5\n", "events.counter=2 events_unmapped=2 lines=3 samples=2"},
};
#define N_VECTORS ((int)(sizeof vectors / sizeof vectors[0]))

/* Each line makes exactly the series and the counts that the reference says. */
START_TEST(test_feed_vectors)
{
    const struct line_vector *v = &vectors[_i];
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, v->datagram);
    ck_assert_str_eq(engine_series(&e), v->series);
    ck_assert_str_eq(engine_counts(&e), v->counts);
    engine_release(&e);
}
END_TEST

/* ---- packed values ---- */

/* Every value of a packed line counts, be they fewer or more than a group has room for. */
START_TEST(test_feed_packed)
{
    static const unsigned sizes[] = {2, 3, 63, 64, 65, 128, 200, 1000};
    unsigned n = sizes[_i];
    struct buf text = {0};
    struct engine e;

    for (unsigned i = 1; i <= n; i++)
        buf_addf(&text, "%s%u", i == 1 ? "p:" : ":", i);
    buf_add_str(&text, "|h|#a:b");
    engine_init(&e, NULL, NULL);
    for (unsigned times = 1; times <= 3; times++) {
        engine_feed_slice(&e, buf_slice(&text));
        ck_assert_double_eq(engine_value(&e, "p_count{a=\"b\"}"), times * n);
        ck_assert_double_eq(engine_value(&e, "p_sum{a=\"b\"}"), times * (n * (n + 1.0) / 2));
        ck_assert_double_eq(engine_value(&e, "statsd_exporter_samples_total"), times * n);
        ck_assert_double_eq(engine_value(&e, "statsd_exporter_tags_total"), times * n);
    }
    engine_release(&e);
    buf_release(&text);
}
END_TEST

/* A value among packed ones that is no number is counted, and hurts none of the others. */
START_TEST(test_feed_packed_malformed)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    for (int times = 0; times < 2; times++)
        engine_feed(&e, "p:1:x:2::3:0x1p2|h");
    ck_assert_str_eq(engine_series(&e), "p_sum 20\np_count 8\n");
    ck_assert_str_eq(engine_counts(&e), "events.observer=8 events_unmapped=8 lines=2 "
                                        "sample_errors.malformed_value=4 samples=12");
    engine_release(&e);
}
END_TEST

/* ---- datagrams ---- */

static const struct {
    const char *text;
    bool truncated, stream;
    const char *series;
    const char *counts;
} cuts[] = {
    {"", false, false, "", "lines=1"},
    {"\n", false, false, "", "lines=2"},
    {"\n\n\n", false, false, "", "lines=4"},
    {"a:1|c", false, false, "a 1\n", APPLIED("counter")},
    {"a:1|c\n", false, false, "a 1\n", "events.counter=1 events_unmapped=1 lines=2 samples=1"},
    {"a:1|c\n\na:2|c", false, false, "a 3\n",
     "events.counter=2 events_unmapped=2 lines=3 samples=2"},
    /* Cut by the kernel: what follows the last LF is no line. */
    {"", true, false, "", "truncated_lines=1"},
    {"a:1|c", true, false, "", "truncated_lines=1"},
    {"a:1|c\na:2|c\na:4|", true, false, "a 3\n",
     "truncated_lines=1 events.counter=2 events_unmapped=2 lines=2 samples=2"},
    {"a:1|c\r\na:2|c", true, false, "a 1\n",
     "truncated_lines=1 events.counter=1 events_unmapped=1 lines=1 samples=1"},
    /* Whole lines of a stream: nothing after the last LF is no line. */
    {"", false, true, "", ""},
    {"\n", false, true, "", "lines=1"},
    {"a:1|c\n", false, true, "a 1\n", APPLIED("counter")},
    {"a:1|c\r\n\r\na:2|c", false, true, "a 3\n",
     "events.counter=2 events_unmapped=2 lines=3 samples=2"},
};
#define N_CUTS ((int)(sizeof cuts / sizeof cuts[0]))

/* Empty, cut and streamed datagrams give the lines that are whole, and count what they count. */
START_TEST(test_feed_cuts)
{
    struct engine e;
    struct bacowr_datagram d = {
        .p = cuts[_i].text,
        .len = strlen(cuts[_i].text),
        .truncated = cuts[_i].truncated,
        .stream = cuts[_i].stream,
    };

    engine_init(&e, NULL, NULL);
    engine_feed_to(&e, 0, d);
    ck_assert_str_eq(engine_series(&e), cuts[_i].series);
    ck_assert_str_eq(engine_counts(&e), cuts[_i].counts);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_datagrams_total"), 1);
    engine_release(&e);
}
END_TEST

/* An empty batch, and empty datagrams without an address, are nothing to fall over. */
START_TEST(test_feed_nothing)
{
    struct bacowr_datagram none[3] = {
        {.p = NULL}, {.p = NULL, .truncated = true}, {.stream = true}};
    struct engine e;

    engine_init(&e, NULL, NULL);
    bacowr_feed(bacowr_worker(e.b, 0), NULL, 0, 0);
    bacowr_feed(bacowr_worker(e.b, 0), none, 3, 0);
    ck_assert_str_eq(engine_counts(&e), "truncated_lines=1 lines=1");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_datagrams_total"), 3);
    engine_release(&e);
}
END_TEST

/* A dialect that is off leaves its delimiters ordinary text, on both ways. */
START_TEST(test_feed_dialects)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.statsd = (struct statsd_options){.graphite_tags = true};
    engine_init(&e, &config, NULL);
    for (int times = 0; times < 2; times++)
        engine_feed(&e, "a,b=c:1|c\nd#e=f:1|c\ng[h=i]:1|c\nj;k=l:1|c\nm:1|c|#n:o");
    ck_assert_str_eq(engine_series(&e), "a_b_c 2\nd_e_f 2\ng_h_i_ 2\nj{k=\"l\"} 2\nm 2\n");
    engine_release(&e);
}
END_TEST

/* The route of "a:1|c", which was met. */
static const struct route *route_of_a(struct engine *e)
{
    struct routes *routes = e->b->workers[0]->routes;
    struct route_key key = route_key(routes, SLICE_LIT("a"), SLICE_LIT("|c"));
    const struct route *r = route_find(routes, &key);

    ck_assert_ptr_nonnull(r);
    return r;
}

/* Lines whose identity was met go the short way, and go on to do so under other rules. */
START_TEST(test_feed_remembers_plain_identities)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "a:1|c");
    engine_feed(&e, "a:1|c\na:2|c\na:3|c");
    ck_assert_uint_eq(route_of_a(&e)->plan->flags & ROUTE_PLAIN, ROUTE_PLAIN);
    engine_map(&e, "mappings:\n- {match: b, name: b}\n");
    engine_pass(&e, 1000);
    engine_feed(&e, "x:1|c");
    bacowr_feed(bacowr_worker(e.b, 0), NULL, 0, e.now_ms);
    bacowr_feed(bacowr_worker(e.b, 0), NULL, 0, e.now_ms);
    ck_assert_uint_eq(route_of_a(&e)->plan->gen, e.b->workers[0]->rules->gen);
    ck_assert_uint_eq(route_of_a(&e)->plan->flags & ROUTE_PLAIN, ROUTE_PLAIN);
    engine_feed(&e, "a:4|c");
    engine_scrape(&e);
    ck_assert_double_eq(engine_value(&e, "a"), 11);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_hits_total"), 4);
    engine_release(&e);
}
END_TEST

/*
 * With the tag for an exemplar taken out, an identity may be left that looks like two samples. Its
 * route is no route for a line that is those two.
 */
START_TEST(test_feed_takes_no_route_that_is_not_plain)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.statsd.exemplar_tags[0] = "trace_id";
    engine_init(&e, &config, NULL);
    engine_feed(&e, "a:1|c:2|c|#trace_id:9");
    engine_feed(&e, "a:1|c:2|c");
    engine_feed(&e, "a:1|c:2|c\nnew:1|c");
    ck_assert_str_eq(engine_series(&e), "a 6\nnew 1\n");
    engine_release(&e);
}
END_TEST

/* What is met once is forgotten after the same time, however seldom a worker comes to look. */
static const int gaps_ms[] = {100, 300, 1000};

START_TEST(test_feed_forgets_by_the_clock)
{
    struct engine e;
    struct bacowr_worker *w;

    engine_init(&e, NULL, NULL);
    w = bacowr_worker(e.b, 0);
    for (int i = 0; i < 2000; i++) {
        char line[32];

        snprintf(line, sizeof line, "once.n%d:1|g", i);
        engine_feed(&e, line);
    }
    ck_assert_uint_eq(route_stats(w->routes).n, 2000);
    for (int passed = 0; passed < 104000; passed += gaps_ms[_i])
        bacowr_feed(w, NULL, 0, e.now_ms += gaps_ms[_i]);
    ck_assert_uint_eq(route_stats(w->routes).n, 0);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("feed");
    TCase *lines = tcase_create("lines"), *datagrams = tcase_create("datagrams");

    tcase_add_loop_test(lines, test_feed_vectors, 0, N_VECTORS);
    tcase_add_test(lines, test_feed_dialects);
    tcase_add_test(lines, test_feed_remembers_plain_identities);
    tcase_add_test(lines, test_feed_takes_no_route_that_is_not_plain);
    tcase_add_loop_test(lines, test_feed_forgets_by_the_clock, 0, sizeof gaps_ms / sizeof *gaps_ms);
    tcase_add_loop_test(lines, test_feed_packed, 0, 8);
    tcase_add_test(lines, test_feed_packed_malformed);
    suite_add_tcase(s, lines);
    tcase_add_loop_test(datagrams, test_feed_cuts, 0, N_CUTS);
    tcase_add_test(datagrams, test_feed_nothing);
    suite_add_tcase(s, datagrams);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
