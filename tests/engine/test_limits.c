/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: what is too much is refused and counted, quickly, and heals
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

#define LIMITED "statsd_exporter_events_error_total{reason=\"series_limit\"}"
#define COMPLEX "statsd_exporter_events_error_total{reason=\"line_too_complex\"}"

/* Past max_series nothing is born but folds; gauges are refused and counted; who is there goes
 * on. */
START_TEST(test_limits_series)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.max_series = 3;
    engine_init(&e, &config, NULL);
    for (int times = 1; times <= 3; times++)
        engine_feed(&e, "a:1|c\nb:1|g\nc:1|h\nd:1|g\nd:1|g|#k:v\ne:1|h|@0.25\na:-1|c\nf:-1|c");
    ck_assert_str_eq(engine_series(&e),
                     "a 3\nb 1\nc_sum 3\nc_count 3\n"
                     "e_sum{overflow=\"true\"} 12\ne_count{overflow=\"true\"} 12\n");
    ck_assert_str_eq(engine_counts(&e),
                     "folded_events.series=12 "
                     "events_error.illegal_negative_counter=6 events_error.series_limit=6 "
                     "events.counter=3 events.gauge=3 events.observer=15 events_unmapped=33 "
                     "lines=24 samples=24 tags=3");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), 4);
    engine_release(&e);
}
END_TEST

/* When one has expired there is room again, for who comes first. */
START_TEST(test_limits_heal)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.max_series = 2;
    engine_init(&e, &config, "mappings:\n- {match: short, name: short, ttl: 1s}\n");
    engine_feed(&e, "short:1|c\nstays:1|c");
    for (int i = 0; i < 5; i++)
        engine_feed(&e, "late:1|g\nlater:1|g");
    ck_assert_double_eq(engine_value(&e, LIMITED), 10);
    engine_pass(&e, 2000);
    for (int i = 0; i < 5; i++)
        engine_feed(&e, "late:+1|g\nlater:1|g\nshort:1|g");
    ck_assert_str_eq(engine_series(&e), "late 5\nstays 1\n");
    ck_assert_double_eq(engine_value(&e, LIMITED), 20);
    engine_release(&e);
}
END_TEST

/* Our own series are outside the limit: a conflict is counted when there is no room left. */
START_TEST(test_limits_conflicts_are_counted)
{
    struct bacowr_config config = engine_config();
    struct engine e;

    config.max_series = 1;
    engine_init(&e, &config, NULL);
    engine_feed(&e, "a:1|c\na:1|g\na:1|g");
    ck_assert_str_eq(engine_counts(&e),
                     "events_conflict.a.gauge=2 events.counter=1 events_unmapped=3 lines=3 "
                     "samples=3");
    engine_release(&e);
}
END_TEST

/* As many labels as a sample may have: one more is a tag error, and the sample still counts. */
START_TEST(test_limits_labels)
{
    const int n = _i == 0 ? STATSD_MAX_LABELS : STATSD_MAX_LABELS + _i;
    struct buf line = {0};
    struct engine e;

    buf_add_str(&line, "a:1|c|#");
    for (int i = 0; i < n; i++)
        buf_addf(&line, "%sk%03d:%d", i > 0 ? "," : "", i, i);
    engine_init(&e, NULL, "mappings:\n- {match: a, name: a, labels: {zz: y}}\n");
    for (int times = 0; times < 2; times++)
        engine_feed_slice(&e, buf_slice(&line));
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_tag_errors_total"), 2 * _i);
    ck_assert_ptr_nonnull(strstr(engine_series(&e), ",k127=\"127\",zz=\"y\"} 2\n"));
    ck_assert_ptr_null(strstr(engine_series(&e), "k128"));
    buf_release(&line);
    engine_release(&e);
}
END_TEST

static void add_letters(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_byte(out, (char)('a' + i % 26));
}

/* Identities too long to be remembered take the long way each time, and count the same. */
START_TEST(test_limits_long_names)
{
    static const size_t lens[] = {100, 4000, 4094, 4095, 5000, 8192};
    struct buf line = {0};
    struct engine e;

    add_letters(&line, lens[_i]);
    buf_add_str(&line, ":1|c");
    engine_init(&e, NULL, NULL);
    for (int times = 0; times < 3; times++)
        engine_feed_slice(&e, buf_slice(&line));
    line.len -= 4;
    buf_add_str(&line, " 3\n");
    buf_add_byte(&line, '\0');
    ck_assert(strcmp(engine_series(&e), line.p) == 0);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_misses_total"),
                        lens[_i] + 2 > ROUTE_MAX_KEY ? 3 : 1);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* Name and labels of a series are at most 8 KiB of the page; more is refused and counted. */
START_TEST(test_limits_long_series)
{
    static const struct {
        size_t name, value;
        bool fits;
    } cases[] = {{8193, 0, false},   {65000, 0, false}, {8000, 188, true},
                 {8000, 189, false}, {10, 8178, true},  {10, 8179, false}};
    struct buf line = {0};
    struct engine e;

    add_letters(&line, cases[_i].name);
    buf_add_str(&line, ":1|c");
    if (cases[_i].value > 0) {
        buf_add_str(&line, "|#k:");
        add_letters(&line, cases[_i].value);
    }
    engine_init(&e, NULL, NULL);
    for (int times = 0; times < 2; times++)
        engine_feed_slice(&e, buf_slice(&line));
    ck_assert_double_eq(
        engine_value(&e, "statsd_exporter_events_error_total{reason=\"series_too_long\"}"),
        cases[_i].fits ? 0 : 2);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), cases[_i].fits);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_unmapped_total"), 2);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* ---- lines that would take minutes ---- */

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 60 KB of tags, then @n samples, each its own identity. */
static struct buf tags_and_samples(const char *sample, int n)
{
    struct buf line = {0};

    buf_add_byte(&line, 'a');
    for (int i = 0; line.len < 55000; i++)
        buf_addf(&line, ",k%d=v%d", i % 4000, i);
    for (int i = 0; i < n; i++) {
        buf_add_byte(&line, ':');
        buf_addf(&line, sample, i % 10);
    }
    return line;
}

/* A line that is all tags and all samples is bounded: the rest of it is counted, not read. */
START_TEST(test_limits_hostile_lines)
{
    static const struct {
        const char *sample;
        const char *also; /* what else may count one */
    } kinds[] = {
        {"%d|c", "statsd_exporter_events_total{type=\"counter\"}"},
        {"%d|ms|@0.1", "statsd_exporter_events_total{type=\"observer\"}"},
        {"%d|c|T1", "statsd_exporter_events_total{type=\"counter\"}"},
        {"x%d|c", "statsd_exporter_sample_errors_total{reason=\"malformed_value\"}"},
        {"%d|q", "statsd_exporter_sample_errors_total{reason=\"illegal_event\"}"},
        {"x%d|s", "statsd_exporter_events_total{type=\"set\"}"},
    };
    struct buf line = tags_and_samples(kinds[_i].sample, 2000);
    struct engine e;
    double before, refused, read;

    engine_init(&e, NULL, NULL);
    before = cpu_s();
    engine_feed_slice(&e, buf_slice(&line));
    ck_assert_double_lt(cpu_s() - before, 3);
    engine_scrape(&e);
    ck_assert(page_value(buf_slice(&e.page), COMPLEX, &refused));
    ck_assert(page_value(buf_slice(&e.page), kinds[_i].also, &read));
    ck_assert_double_gt(refused, 1900);
    ck_assert_double_gt(read, 0);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_samples_total"), 2000);
    /* The next line is read as any. */
    engine_feed(&e, "b:1|c");
    ck_assert_double_eq(engine_value(&e, "b"), 1);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* Lines of clients that pack, as long as a datagram can be, are never too complex. */
START_TEST(test_limits_honest_lines)
{
    struct buf packed = {0}, many = {0};
    struct engine e;

    buf_add_str(&packed, "p,region=eu-west-1,host=web-17:1");
    for (int i = 0; i < 30000; i++)
        buf_add_str(&packed, ":2");
    buf_add_str(&packed, "|ms|@0.5");
    buf_add_str(&many, "m,region=eu-west-1,host=web-17:1|c");
    for (int i = 0; i < 10000; i++)
        buf_add_str(&many, ":2|c");
    engine_init(&e, NULL, NULL);
    engine_feed_slice(&e, buf_slice(&packed));
    engine_feed_slice(&e, buf_slice(&many));
    ck_assert_double_eq(engine_value(&e, COMPLEX), 0);
    ck_assert_double_eq(engine_value(&e, "p_count{host=\"web-17\",region=\"eu-west-1\"}"), 60002);
    ck_assert_double_eq(engine_value(&e, "m{host=\"web-17\",region=\"eu-west-1\"}"), 20001);
    buf_release(&packed);
    buf_release(&many);
    engine_release(&e);
}
END_TEST

/* Nor is a batch of such datagrams, each as long as an Ethernet frame takes. */
START_TEST(test_limits_honest_batches)
{
    struct bacowr_datagram batch[64];
    struct buf text = {0};
    struct engine e;
    int n = 0;

    buf_add_str(&text, "m,region=eu-west-1,host=web-17:1|c");
    for (n = 1; text.len < 1428; n++)
        buf_add_str(&text, ":1|c");
    for (int i = 0; i < 64; i++)
        batch[i] = (struct bacowr_datagram){.p = text.p, .len = text.len};
    engine_init(&e, NULL, NULL);
    bacowr_feed(bacowr_worker(e.b, 0), batch, 64, 0);
    ck_assert_double_eq(engine_value(&e, COMPLEX), 0);
    ck_assert_double_eq(engine_value(&e, "m{host=\"web-17\",region=\"eu-west-1\"}"), 64 * n);
    buf_release(&text);
    engine_release(&e);
}
END_TEST

/* Nor is a batch in which everything is new. */
START_TEST(test_limits_honest_births)
{
    struct bacowr_datagram batch[8];
    struct buf texts[8] = {{0}};
    struct engine e;
    unsigned n = 0;

    for (unsigned i = 0; i < 8; i++) {
        while (texts[i].len < 60000)
            buf_addf(&texts[i], "some.service.of.region.%u.latency:1|ms|@0.5:2|ms\n", n++);
        batch[i] = (struct bacowr_datagram){.p = texts[i].p, .len = texts[i].len, .stream = true};
    }
    engine_init(&e, NULL, NULL);
    bacowr_feed(bacowr_worker(e.b, 0), batch, 8, 0);
    ck_assert_double_eq(engine_value(&e, COMPLEX), 0);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_total{type=\"observer\"}"),
                        3.0 * n);
    for (unsigned i = 0; i < 8; i++)
        buf_release(&texts[i]);
    engine_release(&e);
}
END_TEST

/* ---- routes ---- */

/* A flood of identities that never come again neither grows the table nor drives out who does. */
START_TEST(test_limits_routes)
{
    struct bacowr_config config = engine_config();
    struct engine e;
    double misses;

    config.max_routes = 1000;
    config.max_series = 10;
    engine_init(&e, &config, NULL);
    engine_pass(&e, 100);
    engine_feed(&e, "hot.a:1|c\nhot.b:1|g");
    for (int i = 0; i < 300; i++) {
        struct buf text = {0};

        for (int k = 0; k < 100; k++)
            buf_addf(&text, "once.%d.%d:1|c\n", i, k);
        buf_add_str(&text, "hot.a:1|c\nhot.b:1|g");
        bacowr_feed(bacowr_worker(e.b, 0), &(struct bacowr_datagram){.p = text.p, .len = text.len},
                    1, e.now_ms);
        buf_release(&text);
        engine_pass(&e, 100);
    }
    engine_scrape(&e);
    ck_assert(page_value(buf_slice(&e.page), "bacowr_statsd_route_misses_total", &misses));
    ck_assert_double_eq(misses, 2 + 30000);
    ck_assert_double_le(engine_value(&e, "statsd_metric_mapper_cache_length"), 1024 + 56);
    ck_assert_double_gt(engine_value(&e, "bacowr_statsd_routes_evicted_total"), 20000);
    ck_assert_double_le(engine_value(&e, "bacowr_statsd_route_bytes"), 1024 * 256 + 20000);
    ck_assert_double_eq(engine_value(&e, "hot_a"), 301);
    engine_release(&e);
}
END_TEST

static void feed_at(struct engine *e, const char *line, int64_t now_ms)
{
    e->now_ms = now_ms;
    bacowr_feed(bacowr_worker(e->b, 0), &(struct bacowr_datagram){.p = line, .len = strlen(line)},
                1, now_ms);
}

/* What is not met any more is forgotten in a few minutes, what is met is not. */
START_TEST(test_limits_routes_age)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    for (int i = 0; i < 2000; i++) {
        char line[40];

        snprintf(line, sizeof line, "once.%d:1|g\nhot:1|c", i % 200);
        feed_at(&e, line, 100);
    }
    feed_at(&e, "hot:1|c", 200);
    ck_assert_double_eq(engine_value(&e, "statsd_metric_mapper_cache_length"), 201);
    for (int i = 0; i < 2500; i++)
        feed_at(&e, "hot:1|c", 300 + 100 * i);
    ck_assert_double_eq(engine_value(&e, "statsd_metric_mapper_cache_length"), 1);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_misses_total"), 201);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_routes_evicted_total"), 0);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("limits");
    TCase *series = tcase_create("series"), *lines = tcase_create("lines");

    tcase_add_test(series, test_limits_series);
    tcase_add_test(series, test_limits_heal);
    tcase_add_test(series, test_limits_conflicts_are_counted);
    tcase_add_test(series, test_limits_routes);
    tcase_add_test(series, test_limits_routes_age);
    suite_add_tcase(s, series);
    tcase_add_loop_test(lines, test_limits_labels, 0, 4);
    tcase_add_loop_test(lines, test_limits_long_names, 0, 6);
    tcase_add_loop_test(lines, test_limits_long_series, 0, 6);
    tcase_add_loop_test(lines, test_limits_hostile_lines, 0, 6);
    tcase_add_test(lines, test_limits_honest_lines);
    tcase_add_test(lines, test_limits_honest_batches);
    tcase_add_test(lines, test_limits_honest_births);
    suite_add_tcase(s, lines);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
