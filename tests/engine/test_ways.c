/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways: a line counts the same whichever way it takes
 *
 * The same pseudo-random lines, good and bad, are fed to fresh engines in one datagram, in many,
 * each alone, twice through, and with a section that forces the long way; what the pages say is
 * compared.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"
#include "engine/engine.h"
#include "store/route_find.h"

/* ---- lines ---- */

#define MAPPING                                                                     \
    "mappings:\n"                                                                   \
    "- {match: 'm.*.lat', name: lat, observer_type: histogram, labels: {kk: $1}}\n" \
    "- {match: 'm.*.half', name: half, scale: 0.5, labels: {kk: $1, le: x}}\n"      \
    "- {match: m.drop, name: x, action: drop}\n"                                    \
    "- {match: m.crowd.*, name: x, action: drop}\n"

static uint32_t state;

static uint32_t any(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

#define PICK(list) (list)[any(sizeof(list) / sizeof(list)[0])]

static const char *const names[] = {"a",       "b.c", "m.x.lat", "m.y.lat", "m.x.half", "m.drop",
                                    "d",       "e-é", "f[t=u]",  "g,t=u,v", "#t=u",     "a_count",
                                    "lat_sum", "h",   "i",       "f[t=u]",  "le#le=x"};
static const char *const types[] = {"c", "g", "ms", "h", "d", "s", "c", "g", "ms"};
static const char *const packed_types[] = {"ms", "h", "d"};
static const char *const good_values[] = {"1", "+2", "-3", "0.5", "17", "1e3", "250", "0x1p4"};
static const char *const bad_values[] = {"", "x", "nan", "inf", "1e999", "1 ", "--1", "é"};
static const char *const sections[] = {
    "|@0.5",       "|@0.1", "|@2",  "|@x",   "|#a:b",     "|#a",    "|#a:b,,c:d",
    "|#__q:1,b:2", "|c:id", "|T99", "|e:in", "|card:low", "|new:x", "|#trace_id:9,a:b",
    "|#trace_id:9"};
static const char *const bad_sections[] = {"|", "|q", "|c:", "|cx", "|@1|@1|@1|@1|@1", "|#a:\xff"};
static const char *const bad_lines[] = {"",        "x",           ":1|c",   "x:1", "_e{1,1}:t|x",
                                        "_sc|n|0", "_sc|n|9|h:x", "x:1:2|c"};

/* A sample; @wild: perhaps not a good one. */
static void add_sample(struct buf *out, bool wild)
{
    unsigned n_sections = any(6) < 3 ? 0 : any(3);

    buf_add_str(out, wild && any(8) == 0 ? PICK(bad_values) : PICK(good_values));
    buf_add_byte(out, '|');
    buf_add_str(out, wild && any(20) == 0 ? "q" : PICK(types));
    while (n_sections-- > 0)
        buf_add_str(out, wild && any(8) == 0 ? PICK(bad_sections) : PICK(sections));
}

static void add_line(struct buf *out, bool wild)
{
    unsigned n_more = any(10) == 0 ? 1 + any(90) : 0;

    if (wild && any(20) == 0) {
        buf_add_str(out, PICK(bad_lines));
        return;
    }
    buf_add_str(out, PICK(names));
    if (any(20) == 0) {
        for (unsigned i = 0; i < n_more; i++)
            buf_addf(out, ":%u", i);
        buf_add_str(out, wild && any(4) == 0 ? ":x" : ":7");
        buf_addf(out, ":%s|%s%s", PICK(good_values), wild ? PICK(types) : PICK(packed_types),
                 any(3) == 0 ? PICK(sections) : "");
        return;
    }
    for (unsigned i = 0; i <= n_more % 3; i++) {
        buf_add_byte(out, ':');
        add_sample(out, wild);
    }
}

static struct buf corpus(unsigned seed, unsigned n_lines, bool wild)
{
    struct buf text = {0};

    state = seed;
    for (unsigned i = 0; i < n_lines; i++) {
        if (i > 0)
            buf_add_byte(&text, '\n');
        add_line(&text, wild);
    }
    ck_assert(!text.failed);
    return text;
}

enum way {
    WAY_WHOLE,   /* one datagram */
    WAY_LINES,   /* each line a datagram, each fed alone */
    WAY_STRETCH, /* a few lines a datagram, all in one batch */
    WAY_PADDED,  /* the same, and the lines that follow lie behind each */
    WAY_LONG,    /* whole, each line with a section that needs the long way */
};

static void feed_lines(struct engine *e, struct slice text)
{
    struct statsd_cursor cursor = statsd_cursor(text, false);
    struct slice line;

    while (statsd_next_line(&cursor, &line))
        engine_feed_slice(e, line);
}

/* Cut after every 1 to 7 lines. */
static void feed_stretches(struct engine *e, struct slice text, bool padded)
{
    struct bacowr_datagram batch[2048];
    unsigned n = 0, n_lines = 0;
    size_t from = 0;

    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && (text.p[i] != '\n' || n_lines++ % 7 < any(7)))
            continue;
        ck_assert_uint_lt(n, 2048);
        batch[n++] = (struct bacowr_datagram){
            .p = text.p + from,
            .len = i - from,
            .padded = padded && i + BACOWR_PADDING <= text.len,
        };
        from = i + 1;
    }
    bacowr_feed(bacowr_worker(e->b, 0), batch, n, e->now_ms);
}

static unsigned n_bars(struct slice line)
{
    unsigned n = 0;

    for (size_t i = 0; i < line.len; i++)
        n += line.p[i] == '|';
    return n;
}

/* Each line with a timestamp, but those that have no room for one more piece. */
static void feed_long(struct engine *e, struct slice text)
{
    struct statsd_cursor cursor = statsd_cursor(text, false);
    struct buf longer = {0};
    struct slice line;

    while (statsd_next_line(&cursor, &line)) {
        if (longer.len > 0)
            buf_add_byte(&longer, '\n');
        buf_add_slice(&longer, line);
        if (n_bars(line) <= 4)
            buf_add_str(&longer, "|T1");
    }
    engine_feed_slice(e, buf_slice(&longer));
    buf_release(&longer);
}

static void feed_by(struct engine *e, enum way way, struct slice text)
{
    switch (way) {
    case WAY_WHOLE:
        engine_feed_slice(e, text);
        return;
    case WAY_LINES:
        feed_lines(e, text);
        return;
    case WAY_STRETCH:
    case WAY_PADDED:
        feed_stretches(e, text, way == WAY_PADDED);
        return;
    case WAY_LONG:
        feed_long(e, text);
        return;
    }
}

/* The settings as they are, or all that say how lines are read turned round. */
static struct bacowr_config settings(bool turned)
{
    struct bacowr_config config = engine_config();

    if (!turned)
        return config;
    config.statsd.container_id_label = false;
    config.statsd.valueless_tags = STATSD_VALUELESS_TRUE;
    config.statsd.exemplar_tags[0] = "trace_id";
    config.service_checks = STATSD_CHECKS_GAUGE;
    config.gauge_mode = STATSD_GAUGE_ETSY;
    return config;
}

/* So many identities that their table grows; the mapping drops them all. */
#define N_CROWD 3000u

static void feed_crowd(struct engine *e)
{
    struct buf text = {0};

    for (unsigned i = 0; i < N_CROWD; i++)
        buf_addf(&text, "m.crowd.%u:1|c\n", i);
    engine_feed_slice(e, buf_slice(&text));
    buf_release(&text);
    ck_assert_uint_ge(route_stats(e->b->workers[0]->routes).n, N_CROWD);
}

/* What a fresh engine shows after @times of the corpus: series, then counts. Every second time
 * there is a crowd. */
static struct buf outcome(bool turned, enum way way, struct slice text, unsigned times)
{
    struct bacowr_config config = settings(turned);
    struct buf out = {0};
    struct engine e;

    engine_init(&e, &config, MAPPING);
    if (times % 2 == 0)
        feed_crowd(&e);
    for (unsigned i = 0; i < times; i++)
        feed_by(&e, way, text);
    buf_add_str(&out, engine_series(&e));
    buf_add_str(&out, engine_counts(&e));
    buf_add_byte(&out, '\0');
    engine_release(&e);
    return out;
}

static void check_agree_with(bool turned, enum way a, enum way b, struct slice text, unsigned times)
{
    struct buf one = outcome(turned, a, text, times), other = outcome(turned, b, text, times);
    size_t same = 0;

    ck_assert_uint_gt(one.len, 500);
    while (same < one.len && one.p[same] == other.p[same] && one.p[same] != '\0')
        same++;
    while (same > 0 && one.p[same - 1] != '\n' && one.p[same - 1] != ' ')
        same--;
    ck_assert_msg(strcmp(one.p, other.p) == 0, "one way: %.200s\nthe other: %.200s", one.p + same,
                  other.p + same);
    buf_release(&one);
    buf_release(&other);
}

static void check_agree(enum way a, enum way b, struct slice text, unsigned times)
{
    check_agree_with(false, a, b, text, times);
    check_agree_with(true, a, b, text, times);
}

/*
 * However lines are cut into datagrams, and so whether a line finds its route made before its group
 * or in it, the same comes out; twice through, so that the second time all routes are there.
 */
START_TEST(test_ways_agree)
{
    struct buf text = corpus(77u + (unsigned)_i, 1500, true);

    for (unsigned times = 1; times <= 2; times++) {
        check_agree(WAY_WHOLE, WAY_LINES, buf_slice(&text), times);
        check_agree(WAY_WHOLE, WAY_STRETCH, buf_slice(&text), times);
        check_agree(WAY_WHOLE, WAY_PADDED, buf_slice(&text), times);
    }
    buf_release(&text);
}
END_TEST

/* A section that is no part of the identity sends a line the long way and changes nothing. */
START_TEST(test_ways_long_way_agrees)
{
    struct buf text = corpus(1234u + (unsigned)_i, 1500, false);

    check_agree(WAY_WHOLE, WAY_LONG, buf_slice(&text), 2);
    buf_release(&text);
}
END_TEST

/* Lines that are all plain, most of them with several values: by turns, which the corpora above
 * hardly ever are. Up to more values than a line or a group may have there. */
static struct buf packed_corpus(unsigned seed, unsigned n_lines)
{
    struct buf text = {0};

    state = seed;
    for (unsigned i = 0; i < n_lines; i++) {
        unsigned n_values = any(40) == 0 ? 60 + any(10) : 1 + any(20), type = any(3);

        buf_addf(&text, "%st.%s.%u", i > 0 ? "\n" : "", packed_types[type], any(30));
        while (n_values-- > 0)
            buf_addf(&text, ":%u", any(1000));
        buf_addf(&text, "|%s%s", packed_types[type], any(3) == 0 ? "|#a:b" : "");
        if (any(4) == 0)
            buf_addf(&text, "\nm.%u:%u|c", any(30), any(1000));
    }
    ck_assert(!text.failed);
    return text;
}

START_TEST(test_ways_packed_agree)
{
    static const enum way ways[] = {WAY_LINES, WAY_STRETCH, WAY_PADDED, WAY_LONG};
    struct buf text = packed_corpus(99u + (unsigned)_i, 600);

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        check_agree(WAY_WHOLE, ways[i], buf_slice(&text), 3);
    buf_release(&text);
}
END_TEST

static double count_of(struct engine *e, const char *name)
{
    double v;

    ck_assert(page_value(buf_slice(&e->page), name, &v));
    return v;
}

/* What is counted per line is counted the same the first time and by a route that is hit. */
START_TEST(test_ways_repetition_doubles)
{
    static const char *const counters[] = {
        "statsd_exporter_lines_total",
        "statsd_exporter_samples_total",
        "statsd_exporter_tags_total",
        "statsd_exporter_tag_errors_total",
        "statsd_exporter_events_unmapped_total",
        "statsd_exporter_events_total{type=\"counter\"}",
        "statsd_exporter_events_total{type=\"gauge\"}",
        "statsd_exporter_events_total{type=\"observer\"}",
        "statsd_exporter_events_total{type=\"set\"}",
        "statsd_exporter_events_actions_total{action=\"map\"}",
        "statsd_exporter_events_actions_total{action=\"drop\"}",
        "statsd_exporter_events_error_total{reason=\"illegal_negative_counter\"}",
        "statsd_exporter_events_error_total{reason=\"illegal_non_finite_counter\"}",
        "statsd_exporter_events_error_total{reason=\"empty_metric_name\"}",
        "statsd_exporter_sample_errors_total{reason=\"malformed_value\"}",
        "statsd_exporter_sample_errors_total{reason=\"malformed_component\"}",
        "statsd_exporter_sample_errors_total{reason=\"invalid_sample_factor\"}",
        "statsd_exporter_sample_errors_total{reason=\"malformed_container_id\"}",
        "statsd_exporter_sample_errors_total{reason=\"illegal_event\"}",
    };
    const size_t n = sizeof counters / sizeof counters[0];
    struct buf text = corpus(4720u + (unsigned)_i, 3000, true);
    struct engine e;
    double once[sizeof counters / sizeof counters[0]];

    engine_init(&e, NULL, MAPPING);
    engine_feed_slice(&e, buf_slice(&text));
    engine_scrape(&e);
    for (size_t i = 0; i < n; i++) {
        once[i] = count_of(&e, counters[i]);
        ck_assert_msg(once[i] > 0, "the corpus has no %s", counters[i]);
    }
    engine_feed_slice(&e, buf_slice(&text));
    engine_scrape(&e);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(count_of(&e, counters[i]) == 2 * once[i], "%s %g, once %g", counters[i],
                      count_of(&e, counters[i]), once[i]);
    engine_release(&e);
    buf_release(&text);
}
END_TEST

/* ---- order ---- */

/*
 * Lines are applied in the order they came, over groups of 64, datagrams, and whether or not some
 * of them take the long way: a gauge shows what was set last, plus what came after.
 */
START_TEST(test_ways_keep_order)
{
    unsigned long_every = (unsigned)_i; /* 0: none */
    struct buf text = {0};
    struct engine e;
    int expected = 0;

    state = 5;
    for (int i = 1; i <= 700; i++) {
        bool delta = any(3) == 0;

        expected = delta ? expected + i : i;
        buf_addf(&text, "%sg:%s%d|g%s", i > 1 ? "\n" : "", delta ? "+" : "", i,
                 long_every > 0 && (unsigned)i % long_every == 0 ? "|T1" : "");
    }
    engine_init(&e, NULL, NULL);
    for (int times = 0; times < 2; times++) {
        engine_feed_slice(&e, buf_slice(&text));
        ck_assert_double_eq(engine_value(&e, "g"), expected);
    }
    engine_release(&e);
    buf_release(&text);
}
END_TEST

/* Two rules lead to one gauge and read its sign in two ways: their lines keep their order too. */
START_TEST(test_ways_keep_order_between_rules)
{
    struct engine e;

    engine_init(&e, NULL,
                "mappings:\n"
                "- {match: set, name: g, gauge_mode: absolute}\n"
                "- {match: etsy, name: g, gauge_mode: etsy}\n"
                "- {match: g, name: g}\n");
    for (int times = 0; times < 2; times++) {
        engine_feed(&e, "g:5|g\nset:-7|g\netsy:+1|g\ng:+2|g\nset:20|g\ng:-3|g\netsy:-4|g");
        engine_scrape(&e);
        ck_assert_double_eq(engine_value(&e, "g"), 13);
    }
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ways");
    TCase *agree = tcase_create("agree");

    tcase_add_loop_test(agree, test_ways_agree, 0, 6);
    tcase_add_loop_test(agree, test_ways_long_way_agrees, 0, 6);
    tcase_add_loop_test(agree, test_ways_packed_agree, 0, 3);
    tcase_add_loop_test(agree, test_ways_repetition_doubles, 0, 3);
    tcase_add_loop_test(agree, test_ways_keep_order, 0, 8);
    tcase_add_test(agree, test_ways_keep_order_between_rules);
    suite_add_tcase(s, agree);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
