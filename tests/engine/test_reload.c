/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: what the new rules say holds from the next sample on, what they leave alone stays
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "base/err.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

#define RULES(text) "mappings:\n" text

struct change {
    const char *before, *after; /* the mappings */
    const char *line;           /* fed once before, twice after */
    const char *series;         /* of the page then */
};

static const struct change changes[] = {
    /* The same rules, and rules that say the same in another way: the series goes on. */
    {RULES("- {match: a.*, name: a, labels: {id: $1}}\n"),
     RULES("- {match: a.*, name: a, labels: {id: $1}}\n"), "a.x:1|c", "a{id=\"x\"} 3\n"},
    {RULES("- {match: a.*, name: a, labels: {id: $1}}\n"),
     RULES("- {match: '^a\\.(.*)$', match_type: regex, name: a, labels: {id: $1}}\n"), "a.x:1|c",
     "a{id=\"x\"} 3\n"},
    {RULES("- {match: b, name: b}\n"), "", "b:1|c", "b 3\n"},
    {"", RULES("- {match: b, name: b}\n"), "b:1|c|#t:u", "b{t=\"u\"} 3\n"},
    /* Another name, other labels: the old series stays, the new one begins at nothing. */
    {RULES("- {match: a, name: one}\n"), RULES("- {match: a, name: two}\n"), "a:1|c",
     "one 1\ntwo 2\n"},
    {RULES("- {match: a.*, name: a, labels: {id: $1}}\n"),
     RULES("- {match: a.*, name: a, labels: {key: $1}}\n"), "a.x:1|c",
     "a{id=\"x\"} 1\na{key=\"x\"} 2\n"},
    {RULES("- {match: a, name: a, labels: {tt: rule}}\n"),
     RULES("- {match: a, name: a, labels: {tt: rule}, honor_labels: true}\n"), "a:1|c|#tt:tag",
     "a{tt=\"rule\"} 1\na{tt=\"tag\"} 2\n"},
    /* Drop, and no more drop. */
    {RULES("- {match: a, name: a}\n"), RULES("- {match: a, name: a, action: drop}\n"), "a:1|c",
     "a 1\n"},
    {RULES("- {match: a, name: a, action: drop}\n"), RULES("- {match: a, name: a}\n"), "a:1|c",
     "a 2\n"},
    /* The scale of what comes, not of what was. */
    {RULES("- {match: a, name: a, scale: 10}\n"), RULES("- {match: a, name: a, scale: 100}\n"),
     "a:1|c", "a 210\n"},
    {RULES("- {match: a, name: a, scale: 10}\n"), "", "a:+1|g", "a 12\n"},
    /* Another type of observer takes the name over, with count and sum; what comes before the
     * series has moved is known as the old type knows it. */
    {RULES("- {match: a, name: a, observer_type: summary}\n"),
     RULES("- {match: a, name: a, observer_type: histogram, histogram_options: {buckets: [1]}}\n"),
     "a:1|h", "a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 3\na_sum 3\na_count 3\n"},
    {RULES("- {match: a, name: a, observer_type: histogram}\n"),
     RULES("- {match: a, name: a, observer_type: summary}\n"), "a:1|h", "a_sum 3\na_count 3\n"},
    /* Any other type is refused while the old one lives. */
    {RULES("- {match: a, match_metric_type: counter, name: a}\n"),
     RULES("- {match: a, match_metric_type: counter, name: b}\n- {match: a, name: a}\n"),
     "a:1|c\na:1|h", "a 1\nb 2\n"},
    /* Other buckets: what is known of the old samples goes on under them. */
    {RULES("- {match: a, name: a, observer_type: histogram, histogram_options: {buckets: [1]}}\n"),
     RULES("- {match: a, name: a, observer_type: histogram, histogram_options: {buckets: [2]}}\n"),
     "a:1|h", "a_bucket{le=\"2\"} 3\na_bucket{le=\"+Inf\"} 3\na_sum 3\na_count 3\n"},
    /* What was refused for its name is not refused any more. */
    {RULES("- {match: '(.*)', match_type: regex, name: '${2}', observer_type: summary}\n"), "",
     "a:1|c", "a 2\n"},
};
#define N_CHANGES ((int)(sizeof changes / sizeof changes[0]))

/* The next sample goes where the new rules send it, on both ways and for each worker. */
START_TEST(test_reload_takes_effect)
{
    const struct change *c = &changes[_i];
    struct bacowr_config config = engine_config();
    struct engine e;

    config.n_workers = 2;
    engine_init(&e, &config, c->before);
    engine_feed(&e, c->line);
    engine_scrape(&e);
    engine_map(&e, c->after);
    engine_feed(&e, c->line);
    engine_pass(&e, 200);
    engine_feed_to(&e, 1, (struct bacowr_datagram){.p = c->line, .len = strlen(c->line)});
    ck_assert_str_eq(engine_series(&e), c->series);
    engine_release(&e);
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
} broken[] = {
    {"mappings:\n- {match: a, name: b, lables: {x: y}}\n", 2},
    {"mappings:\n- {match: a}\n", 2},
    {"mappings: [\n", 0},
    {"mappings:\n- {match: '(', match_type: regex, name: a}\n", 2},
    {"mappings:\n- {match: a, name: b, histogram_options: {buckets: [2, 1]}, observer_type: "
     "histogram}\n",
     2},
    {"\xff\xfe", 0},
};
#define N_BROKEN ((int)(sizeof broken / sizeof broken[0]))

/* A mapping that is wrong changes nothing, and says where it is wrong. */
START_TEST(test_reload_broken_leaves_the_old)
{
    struct engine e;
    struct err err;

    memset(&err, 0xa5, sizeof err);
    engine_init(&e, NULL, RULES("- {match: a, name: old}\n- {match: b, name: b}\n"));
    engine_feed(&e, "a:1|c");
    ck_assert_int_eq(
        bacowr_load_mapping(e.b, "new.yml", slice_str(broken[_i].text), NULL, NULL, &err), -22);
    ck_assert_str_eq(err.file, "new.yml");
    ck_assert_uint_gt(strlen(err.text), 0);
    if (broken[_i].line > 0)
        ck_assert_uint_eq(err.line, broken[_i].line);
    ck_assert_uint_eq(bacowr_n_rules(e.b), 2);
    engine_feed(&e, "a:1|c");
    engine_pass(&e, 200);
    ck_assert_str_eq(engine_series(&e), "old 2\n");
    engine_release(&e);
}
END_TEST

/* A call without datagrams, as an idle worker gets one ten times a second. */
static void idle(struct engine *e, unsigned worker)
{
    bacowr_feed(bacowr_worker(e->b, worker), NULL, 0, e->now_ms);
}

/* A ttl where there was none reaches a series with its next sample; one that changes, or goes,
 * reaches all series of a worker with its next call. */
START_TEST(test_reload_ttl)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "a:1|c\nb:1|c\nc:1|g");
    engine_map(&e, "defaults: {ttl: 1s}\n");
    engine_pass(&e, 5000);
    ck_assert_str_eq(engine_series(&e), "a 1\nb 1\nc 1\n");
    engine_feed(&e, "a:1|c\nc:+1|g");
    engine_pass(&e, 1000);
    ck_assert_str_eq(engine_series(&e), "a 2\nb 1\nc 2\n");
    engine_pass(&e, 1000);
    ck_assert_str_eq(engine_series(&e), "b 1\n");
    engine_feed(&e, "b:1|c");
    engine_pass(&e, 2000);
    ck_assert_str_eq(engine_series(&e), "");

    engine_feed(&e, "a:1|c\nb:1|c\nc:1|g");
    engine_map(&e, "defaults: {ttl: 3s}\n");
    idle(&e, 0);
    engine_pass(&e, 2000);
    engine_feed(&e, "b:1|c");
    engine_pass(&e, 2000);
    ck_assert_str_eq(engine_series(&e), "b 2\n");
    engine_map(&e, "");
    idle(&e, 0);
    engine_pass(&e, 60000);
    ck_assert_str_eq(engine_series(&e), "b 2\n");
    engine_release(&e);
}
END_TEST

/* A ttl that became shorter is noticed within a turn of the wheel, and the reverse at once. */
START_TEST(test_reload_shorter_ttl)
{
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1h}\n");
    engine_feed(&e, "a:1|c");
    engine_pass(&e, 500);
    engine_map(&e, "defaults: {ttl: 1s}\n");
    engine_feed(&e, "a:1|c");
    engine_pass(&e, 15000);
    ck_assert_str_eq(engine_series(&e), "");

    engine_feed(&e, "a:1|c");
    engine_pass(&e, 500);
    engine_map(&e, "defaults: {ttl: 1h}\n");
    engine_feed(&e, "a:1|c");
    engine_pass(&e, 600000);
    ck_assert_str_eq(engine_series(&e), "a 2\n");
    engine_release(&e);
}
END_TEST

#define HISTOGRAM(buckets) "observer_type: histogram, histogram_options: {buckets: [" buckets "]}"

/* Buckets that change reach the families that they concern, idle ones too, and no other; a bound
 * that is new begins with what is known to be below it. */
START_TEST(test_reload_buckets_of_idle_series)
{
    struct engine e;
    double n;

    engine_init(&e, NULL,
                RULES("- {match: a.*, name: a, labels: {id: $1}, " HISTOGRAM(
                    "1, 5") "}\n"
                            "- {match: b, name: b, " HISTOGRAM("1, 5") "}\n"));
    engine_feed(&e, "a.x:0.5|h\na.x:3|h\na.x:7|h\na.y:3|h\nb:3|h");
    engine_map(&e, RULES("- {match: a.*, name: a, labels: {id: $1}, " HISTOGRAM(
                       "2, 5, 10") "}\n"
                                   "- {match: b, name: b, " HISTOGRAM("1, 5") "}\n"));
    idle(&e, 0);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_reload_families_behind"), 1);
    engine_pass(&e, 300);
    ck_assert_str_eq(engine_series(&e),
                     "a_bucket{id=\"x\",le=\"2\"} 1\na_bucket{id=\"x\",le=\"5\"} 2\n"
                     "a_bucket{id=\"x\",le=\"10\"} 2\na_bucket{id=\"x\",le=\"+Inf\"} 3\n"
                     "a_sum{id=\"x\"} 10.5\na_count{id=\"x\"} 3\n"
                     "a_bucket{id=\"y\",le=\"2\"} 0\na_bucket{id=\"y\",le=\"5\"} 1\n"
                     "a_bucket{id=\"y\",le=\"10\"} 1\na_bucket{id=\"y\",le=\"+Inf\"} 1\n"
                     "a_sum{id=\"y\"} 3\na_count{id=\"y\"} 1\n"
                     "b_bucket{le=\"1\"} 0\nb_bucket{le=\"5\"} 1\nb_bucket{le=\"+Inf\"} 1\n"
                     "b_sum 3\nb_count 1\n");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_reload_families_behind"), 0);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_rebuilt_total"), 2);
    n = engine_value(&e, "bacowr_statsd_series_born_total");
    engine_feed(&e, "a.x:7|h\nb:0.5|h");
    ck_assert_double_eq(engine_value(&e, "a_bucket{id=\"x\",le=\"10\"}"), 3);
    ck_assert_double_eq(engine_value(&e, "b_bucket{le=\"1\"}"), 1);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_born_total"), n);
    engine_release(&e);
}
END_TEST

/* The same rules once more: nothing moves. */
START_TEST(test_reload_of_the_same_moves_nothing)
{
    const char *rules = RULES(
        "- {match: a, name: m, " HISTOGRAM("1") "}\n"
                                                "- {match: q, name: q, observer_type: summary}\n"
                                                "- {match: s, name: s}\n");
    struct engine e;

    engine_init(&e, NULL, rules);
    engine_feed(&e, "a:1|h\nq:1|h\ns:x|s\nu:1|ms\ng:1|g");
    for (unsigned i = 0; i < 3; i++) {
        engine_map(&e, rules);
        idle(&e, 0);
        ck_assert_double_eq(engine_value(&e, "bacowr_statsd_reload_families_behind"), 0);
        engine_pass(&e, 300);
        engine_feed(&e, "a:1|h\nq:1|h\ns:x|s\nu:1|ms\ng:1|g");
    }
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_rebuilt_total"), 0);
    engine_release(&e);
}
END_TEST

/* Quantiles change without losing the window; a window that changes begins anew. */
START_TEST(test_reload_quantiles)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "t:1|h\nt:2|h\nt:3|h");
    engine_map(&e, "defaults: {summary_options: {quantiles: [{quantile: 0.75, error: 0.01}]}}\n");
    idle(&e, 0);
    engine_pass(&e, 100);
    ck_assert_double_eq(engine_value(&e, "t{quantile=\"0.75\"}"), 3);
    ck_assert(isnan(engine_value(&e, "t{quantile=\"0.5\"}")));
    engine_map(&e, "defaults: {summary_options: {max_age: 30s, "
                   "quantiles: [{quantile: 0.75, error: 0.01}]}}\n");
    idle(&e, 0);
    engine_pass(&e, 100);
    engine_feed(&e, "t:1|h");
    ck_assert_double_eq(engine_value(&e, "t{quantile=\"0.75\"}"), 1);
    ck_assert_double_eq(engine_value(&e, "t_count"), 4);
    ck_assert_double_eq(engine_value(&e, "t_sum"), 7);
    engine_release(&e);
}
END_TEST

/* A type that changes while its family is on a page: that one ends as it began, the next one has
 * the new type, and all of them are whole. */
START_TEST(test_reload_type_amid_a_scrape)
{
    static const char *const types[] = {"defaults: {observer_type: summary}\n",
                                        "defaults: {observer_type: histogram}\n"};
    struct engine e;

    engine_init(&e, NULL, types[_i]);
    for (unsigned i = 0; i < 60; i++) {
        char line[32];

        (void)snprintf(line, sizeof line, "a:1|h|#id:%u", i);
        engine_feed(&e, line);
    }
    for (unsigned passes = 0; passes < 2; passes++) {
        struct bacowr_scrape *s = engine_begin(&e, "");
        struct buf page = {0};
        int rc = 1;

        for (unsigned i = 0; rc == 1; i++) {
            rc = bacowr_scrape_next(s, &page, 400);
            if (i == 3) {
                engine_map(&e, types[(_i + passes + 1) % 2]);
                idle(&e, 0);
            }
            if (i == 6 && passes == 1)
                engine_pass(&e, 300);
        }
        ck_assert_int_eq(rc, 0);
        engine_check_page(buf_slice(&page));
        ck_assert(page_has(buf_slice(&page), "a_count{id=\"59\"} 1"));
        bacowr_scrape_free(s);
        buf_release(&page);
    }
    ck_assert_double_eq(engine_value(&e, "a_count{id=\"30\"}"), 1);
    engine_release(&e);
}
END_TEST

/* A ttl goes away at the last moment: the series is marked, and lives on. */
START_TEST(test_reload_no_ttl_while_marked)
{
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    engine_feed(&e, "a:1|c");
    engine_pass(&e, 100);
    e.now_ms += 2000;
    bacowr_tick(e.b, e.now_ms);
    engine_map(&e, "");
    idle(&e, 0);
    engine_pass(&e, 30000);
    ck_assert_str_eq(engine_series(&e), "a 1\n");
    engine_release(&e);
}
END_TEST

/* The sweep only follows: it gives birth to nothing, counts nothing, and lets nothing look alive;
 * what it found to be as it was is a hit afterwards. */
START_TEST(test_reload_sweep_is_silent)
{
    struct engine e;
    struct buf before = {0};
    double n_misses;

    engine_init(&e, NULL, "defaults: {ttl: 2s}\nmappings:\n- {match: x, name: x, scale: 2}\n");
    engine_feed(&e, "a:1|c\nb:1|h|#t:u\nc:1|g\nd:x|s\n_bad:1|q\n#k=v:1|c\nx:1|c\nx:1|g\ny:1|c");
    buf_add_str(&before, engine_counts(&e));
    buf_add_byte(&before, '\0');
    engine_map(&e, "defaults: {ttl: 2s}\n"
                   "mappings:\n- {match: y, name: z}\n- {match: x, name: x, scale: 3}\n");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_reload_workers_behind"), 1);
    engine_pass(&e, 1500);
    idle(&e, 0);
    ck_assert_str_eq(engine_counts(&e), before.p);
    n_misses = engine_value(&e, "bacowr_statsd_route_misses_total");
    engine_feed(&e, "x:1|c");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_misses_total"), n_misses);
    ck_assert_double_eq(engine_value(&e, "x"), 5);
    engine_pass(&e, 900);
    ck_assert_str_eq(engine_series(&e), "x 5\n");
    buf_release(&before);
    engine_release(&e);
}
END_TEST

/* Control has no rest before the workers have swept and what they left is freed. */
START_TEST(test_reload_lets_control_rest)
{
    struct engine e;
    unsigned n_calls = 0;

    engine_init(&e, NULL, "defaults: {ttl: 2h}\n");
    engine_feed(&e, "a:1|c\nb:1|c");
    engine_map(&e, "defaults: {ttl: 1h}\n");
    for (unsigned i = 0; i < 5; i++) {
        bacowr_tick(e.b, e.now_ms);
        ck_assert_int_eq(bacowr_rest_ms(e.b, e.now_ms, 900), 0);
    }
    while (bacowr_rest_ms(e.b, e.now_ms, 900) < 900 && ++n_calls < 20) {
        idle(&e, 0);
        ck_assert(!bacowr_is_sweeping(bacowr_worker(e.b, 0)));
        engine_pass(&e, 100);
    }
    ck_assert_uint_lt(n_calls, 20);
    engine_release(&e);
}
END_TEST

/* A table of many routes is swept in steps, however few lines come; another reload begins anew. */
START_TEST(test_reload_sweep_in_steps)
{
    struct engine e;
    struct buf lines = {0};
    unsigned n_calls = 0;

    engine_init(&e, NULL, "defaults: {ttl: 2h}\n");
    for (unsigned i = 0; i < 5000; i++) {
        buf_addf(&lines, "series.of.many.%u:1|c\n", i);
        if (i % 500 == 499) {
            engine_feed_slice(&e, buf_slice(&lines));
            buf_clear(&lines);
        }
    }
    engine_map(&e, "defaults: {ttl: 1h}\n");
    for (unsigned i = 0; i < 20; i++)
        engine_feed(&e, "other:1|c");
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_reload_workers_behind"), 1);
    engine_map(&e, "defaults: {ttl: 1s}\n");
    while (engine_value(&e, "bacowr_statsd_reload_workers_behind") > 0 && ++n_calls < 1000)
        idle(&e, 0);
    ck_assert_uint_gt(n_calls, 1);
    ck_assert_uint_lt(n_calls, 10);
    engine_pass(&e, 15000);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series{type=\"counter\"}"), 0);
    buf_release(&lines);
    engine_release(&e);
}
END_TEST

/* A mapping in force is not freed under a worker that is in a batch, and is freed after it. */
START_TEST(test_reload_frees_the_old)
{
    struct engine e;
    struct rules *first;

    engine_init(&e, NULL, RULES("- {match: a, name: first}\n"));
    first = atomic_load(&e.b->rules);
    reclaim_enter(&e.b->reclaim, 0);
    for (int i = 0; i < 20; i++) {
        engine_map(&e, RULES("- {match: a, name: next}\n"));
        engine_pass(&e, 300);
    }
    /* The sanitizer would notice. */
    ck_assert_uint_eq(mapping_n_rules(first->mapping), 1);
    reclaim_leave(&e.b->reclaim, 0);
    engine_pass(&e, 300);
    ck_assert_ptr_null(e.b->reclaim.oldest);
    ck_assert_ptr_null(e.b->reclaim.open);
    engine_feed(&e, "a:1|c");
    ck_assert_str_eq(engine_series(&e), "next 1\n");
    engine_release(&e);
}
END_TEST

/* Each good mapping is a generation of its own, a bad one is none; the rules are counted. */
START_TEST(test_reload_generations)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    ck_assert_uint_eq(bacowr_n_rules(e.b), 0);
    for (uint32_t gen = 1; gen < 5; gen++) {
        ck_assert_uint_eq(atomic_load(&e.b->rules)->gen, gen);
        engine_map(&e, RULES("- {match: a, name: a}\n- {match: b, name: b}\n"));
        ck_assert_uint_eq(bacowr_n_rules(e.b), 2);
        ck_assert_int_eq(
            bacowr_load_mapping(e.b, "x", SLICE_LIT("nonsense: 1\n"), NULL, NULL, NULL), -22);
    }
    engine_release(&e);
}
END_TEST

/* A route is made anew once in a generation, and believed after that. */
START_TEST(test_reload_costs_one_miss)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    for (int gen = 1; gen <= 3; gen++) {
        for (int i = 0; i < 10; i++)
            engine_feed(&e, "a:1|c\nb:1|g|#t:u\n_bad:1|q\nc:1|h|@2");
        ck_assert_double_eq(engine_value(&e, "bacowr_statsd_route_misses_total"),
                            3 * gen + 10 * gen);
        engine_map(&e, "");
    }
    engine_release(&e);
}
END_TEST

static void count_warning(void *ctx, const struct err *err)
{
    ck_assert_str_eq(err->file, "new.yml");
    ck_assert_uint_eq(err->line, 3);
    ++*(unsigned *)ctx;
}

/* What is legal but surely not meant is told, and loaded. */
START_TEST(test_reload_warns)
{
    struct engine e;
    unsigned n = 0;

    engine_init(&e, NULL, NULL);
    ck_assert_int_eq(bacowr_load_mapping(e.b, "new.yml",
                                         SLICE_LIT("mappings:\n- {match: a, name: aa}\n"
                                                   "- {match: a, name: bb}\n"),
                                         count_warning, &n, NULL),
                     0);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(bacowr_n_rules(e.b), 2);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reload");
    TCase *rules = tcase_create("rules"), *ttl = tcase_create("ttl");
    TCase *shapes = tcase_create("shapes");

    tcase_add_loop_test(rules, test_reload_takes_effect, 0, N_CHANGES);
    tcase_add_loop_test(rules, test_reload_broken_leaves_the_old, 0, N_BROKEN);
    tcase_add_test(rules, test_reload_frees_the_old);
    tcase_add_test(rules, test_reload_generations);
    tcase_add_test(rules, test_reload_costs_one_miss);
    tcase_add_test(rules, test_reload_warns);
    suite_add_tcase(s, rules);
    tcase_add_test(shapes, test_reload_buckets_of_idle_series);
    tcase_add_test(shapes, test_reload_of_the_same_moves_nothing);
    tcase_add_test(shapes, test_reload_quantiles);
    tcase_add_loop_test(shapes, test_reload_type_amid_a_scrape, 0, 2);
    suite_add_tcase(s, shapes);
    tcase_add_test(ttl, test_reload_ttl);
    tcase_add_test(ttl, test_reload_shorter_ttl);
    tcase_add_test(ttl, test_reload_no_ttl_while_marked);
    tcase_add_test(ttl, test_reload_sweep_is_silent);
    tcase_add_test(ttl, test_reload_sweep_in_steps);
    tcase_add_test(ttl, test_reload_lets_control_rest);
    suite_add_tcase(s, ttl);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
