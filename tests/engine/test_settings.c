/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: units, times to live and names that no rule takes, as the mapping says
 */
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

#define UNIT(unit) "defaults: {unit: " unit "}\n"

static const struct {
    const char *mapping;
    const char *line;
    double sum;
} units[] = {
    {NULL, "a:320|ms", 320.0 / 1000},
    {UNIT("ms"), "a:320|ms", 320.0 / 1000},
    {UNIT("ms"), "a:320|h", 320.0 / 1000},
    {UNIT("ms"), "a:320|d", 320.0 / 1000},
    {UNIT("us"), "a:7|ms", 7 / 1e6},
    {UNIT("ns"), "a:3|h", 3 / 1e9},
    {UNIT("s"), "a:0.1|ms", 0.1},
    {UNIT("s"), "a:0.1|h", 0.1},
    {UNIT("m"), "a:1.5|ms", 90},
    {UNIT("h"), "a:2|d", 7200},
    {NULL, "a:2|h", 2},
    /* A rule's unit, and with a scale both. */
    {UNIT("h") "mappings:\n- {match: a, name: a, unit: us}\n", "a:7|ms", 7 / 1e6},
    {"mappings:\n- {match: a, name: a, unit: us, scale: 3}\n", "a:7|ms", 7 / 1e6 * 3},
    {"mappings:\n- {match: a, name: a, unit: m, scale: 0.5}\n", "a:7|h", 210},
};

/* Values are in seconds to the last bit: a division by 1000 stays one. */
START_TEST(test_settings_units_are_exact)
{
    struct engine e;

    engine_init(&e, NULL, units[_i].mapping);
    engine_feed(&e, units[_i].line);
    ck_assert(engine_value(&e, "a_sum") == units[_i].sum);
    engine_feed(&e, units[_i].line);
    ck_assert(engine_value(&e, "a_sum") == units[_i].sum + units[_i].sum);
    engine_release(&e);
}
END_TEST

/* A scale is for numbers; members of sets are none, though they look it, nor is their count. */
START_TEST(test_settings_scale_leaves_sets_alone)
{
    struct engine e;

    engine_init(&e, NULL, "mappings:\n- {match: '*', name: $1, scale: 3}\n");
    engine_feed(&e, "c:2|c\ng:5|g\nu:1|s\nu:3|s");
    ck_assert_str_eq(engine_series(&e), "c 6\ng 15\nu 2\n");
    engine_release(&e);
}
END_TEST

/* A unit is for observations; a sample rate is still a weight. */
START_TEST(test_settings_units_leave_other_types_alone)
{
    struct engine e;

    engine_init(&e, NULL, UNIT("us"));
    engine_feed(&e, "c:6|c|@0.5\ng:5|g\nt:1000000|ms|@0.25");
    ck_assert_str_eq(engine_series(&e), "c 12\ng 5\nt_sum 4\nt_count 4\n");
    engine_release(&e);
}
END_TEST

/* A rule's ttl: 0 keeps its series, though those of the defaults go. */
START_TEST(test_settings_zero_ttl_is_never)
{
    struct engine e;

    engine_init(&e, NULL,
                "defaults: {ttl: 1s}\nmappings:\n- {match: keep, name: keep, ttl: 0}\n"
                "- {match: go, name: go}\n");
    engine_feed(&e, "keep:1|c\ngo:1|c\nother:1|c");
    engine_pass(&e, 10000);
    ck_assert_str_eq(engine_series(&e), "keep 1\n");
    engine_release(&e);
}
END_TEST

/* What no rule takes makes no series, and counts as unmapped and as dropped, by its weight. */
START_TEST(test_settings_unmapped_are_dropped)
{
    struct engine e;

    engine_init(&e, NULL,
                "defaults: {unmapped: drop}\nmappings:\n- {match: a, name: a}\n"
                "- {match: x, name: x, action: drop}\n");
    for (int i = 0; i < 2; i++)
        engine_feed(&e, "a:1|c\nb:1|c\nc:1|g\nd:1|ms|@0.25\ne:u|s\nx:1|c\nb:-1|c");
    ck_assert_str_eq(engine_series(&e), "a 2\n");
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_unmapped_total"), 2 * 8);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_actions_total{action=\"drop\"}"),
                        2 * 9);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_actions_total{action=\"map\"}"),
                        2);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_samples_total"), 2 * 7);
    /* Another mapping, and the names are taken again. */
    engine_map(&e, "defaults: {unmapped: map}\n");
    engine_feed(&e, "b:1|c");
    ck_assert_str_eq(engine_series(&e), "a 2\nb 1\n");
    engine_release(&e);
}
END_TEST

/* What is told of a line is what these settings make of it. */
START_TEST(test_settings_show_in_explain)
{
    static const char *const cases[][2] = {
        {"t:7|ms|#pod:x,h:w", "observes 7e-06\n"},
        {"t:7|ms|#pod:x,h:w", "series t{dc=\"fra1\",host=\"w\"} summary\n"},
        {"nobody:1|c", "dropped by the defaults\n"},
    };
    struct engine e;
    struct buf out = {0};

    engine_init(&e, NULL,
                "defaults: {unmapped: drop, ttl: 1m, unit: us, labels: {dc: fra1}, drop_labels: "
                "[pod]}\nmappings:\n- {match: t, name: t, ttl: 0, rename_labels: {h: host}}\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&out);
        ck_assert_int_eq(bacowr_explain(e.b, slice_str(cases[i][0]), BACOWR_EXPLAIN_TEXT, &out), 0);
        buf_add_byte(&out, '\0');
        ck_assert_msg(strstr(out.p, cases[i][1]) != NULL, "%s", out.p);
    }
    buf_release(&out);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("settings");
    TCase *settings = tcase_create("settings");

    tcase_add_loop_test(settings, test_settings_units_are_exact, 0,
                        (int)(sizeof units / sizeof units[0]));
    tcase_add_test(settings, test_settings_scale_leaves_sets_alone);
    tcase_add_test(settings, test_settings_units_leave_other_types_alone);
    tcase_add_test(settings, test_settings_zero_ttl_is_never);
    tcase_add_test(settings, test_settings_unmapped_are_dropped);
    tcase_add_test(settings, test_settings_show_in_explain);
    suite_add_tcase(s, settings);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
