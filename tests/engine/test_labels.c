/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels: what becomes of a sample's tags on the way to its series
 */
#include <string.h>

#include "lib/engine.h"
#include "lib/unit.h"

#define TAGS "|#env:p,pod:x1,h:web"

/* Each case is a mapping, lines, and the series that they make. */
static const struct {
    const char *mapping;
    const char *lines;
    const char *series;
} cases[] = {
    /* Not to be kept, to be dropped, by another name. */
    {"defaults: {drop_labels: [pod]}\n", "a:1|c" TAGS, "a{env=\"p\",h=\"web\"} 1\n"},
    {"defaults: {keep_labels: [env, nope]}\n", "a:1|c" TAGS, "a{env=\"p\"} 1\n"},
    {"defaults: {keep_labels: []}\n", "a:1|c" TAGS, "a 1\n"},
    {"defaults: {rename_labels: {h: host, nope: x}}\n", "a:1|c" TAGS,
     "a{env=\"p\",host=\"web\",pod=\"x1\"} 1\n"},
    /* Series that differ in a dropped tag only are one. */
    {"defaults: {drop_labels: [pod]}\n", "a:1|c|#pod:1\na:2|c|#pod:2\na:4|c", "a 7\n"},
    /* In this order: a tag is looked for by the name it was sent with. */
    {"defaults: {keep_labels: [h], rename_labels: {h: host}}\n", "a:1|c" TAGS,
     "a{host=\"web\"} 1\n"},
    {"defaults: {drop_labels: [host], rename_labels: {h: host}}\n", "a:1|c" TAGS,
     "a{env=\"p\",host=\"web\",pod=\"x1\"} 1\n"},
    {"defaults: {keep_labels: [h, env], drop_labels: [env]}\n", "a:1|c" TAGS, "a{h=\"web\"} 1\n"},
    /* Names are those after escaping. */
    {"defaults: {drop_labels: [pod_uid, _9]}\n", "a:1|c|#pod-uid:x,9:y,pod.uid:z,b:c",
     "a{b=\"c\"} 1\n"},
    /* The renamed one wins, whichever was sent first; two may change names. */
    {"defaults: {rename_labels: {h: env}}\n", "a:1|c|#env:p,h:web\nb:1|c|#h:web,env:p",
     "a{env=\"web\"} 1\nb{env=\"web\"} 1\n"},
    {"defaults: {rename_labels: {h: env, env: h}}\n", "a:1|c" TAGS,
     "a{env=\"web\",h=\"p\",pod=\"x1\"} 1\n"},
    /* All dialects' tags. */
    {"defaults: {drop_labels: [pod], rename_labels: {h: host}}\n", "a,pod=1,h=w:1|c\nb#h=w:1|c",
     "a{host=\"w\"} 1\nb{host=\"w\"} 1\n"},
    /* A new name may be reserved. */
    {"defaults: {rename_labels: {h: le}, observer_type: histogram, "
     "histogram_options: {buckets: [1]}}\n",
     "a:1|c|#h:w", "a{le=\"w\"} 1\n"},
    {"defaults: {rename_labels: {h: __x}}\n", "a:1|c|#h:w", "a{exported___x=\"w\"} 1\n"},
    /* A rule's own operations take the place of the defaults', one by one. */
    {"mappings:\n- {match: a, name: a, drop_labels: [env]}\n- {match: b, name: b}\n"
     "defaults: {drop_labels: [pod], rename_labels: {h: host}}\n",
     "a:1|c" TAGS "\nb:1|c" TAGS, "a{host=\"web\",pod=\"x1\"} 1\nb{env=\"p\",host=\"web\"} 1\n"},
    /* They are for tags: a rule's labels come after. */
    {"mappings:\n- {match: 'a.*', name: a, labels: {env: $1, pod: y}, drop_labels: [env, pod]}\n",
     "a.q:1|c" TAGS, "a{env=\"q\",h=\"web\",pod=\"y\"} 1\n"},
    {"mappings:\n- {match: a, name: a, labels: {host: y}, rename_labels: {h: host}}\n",
     "a:1|c" TAGS, "a{env=\"p\",host=\"y\",pod=\"x1\"} 1\n"},
    {"mappings:\n- {match: a, name: a, labels: {host: y}, rename_labels: {h: host}, "
     "honor_labels: true}\n",
     "a:1|c" TAGS, "a{env=\"p\",host=\"web\",pod=\"x1\"} 1\n"},
    {"mappings:\n- {match: a, name: a, labels: {env: y}, drop_labels: [env], honor_labels: true}\n",
     "a:1|c|#env:p", "a{env=\"y\"} 1\n"},
    /* Labels of the defaults are for all, and the weakest. */
    {"mappings:\n- {match: m, name: m, labels: {env: r}}\n"
     "- {match: n, name: n, labels: {env: r}, honor_labels: true}\n"
     "defaults: {labels: {env: d, dc: fra1}}\n",
     "m:1|c\nn:1|c\nt:1|c|#env:t\nu:1|c\nv:1|g",
     "m{dc=\"fra1\",env=\"r\"} 1\nn{dc=\"fra1\",env=\"r\"} 1\nt{dc=\"fra1\",env=\"t\"} 1\n"
     "u{dc=\"fra1\",env=\"d\"} 1\nv{dc=\"fra1\",env=\"d\"} 1\n"},
    {"defaults: {labels: {env: d}, drop_labels: [env]}\n", "a:1|c|#env:t", "a{env=\"d\"} 1\n"},
    {"defaults: {labels: {env: 'q\"$ \\x'}}\n", "a:1|c", "a{env=\"q\\\"$ \\\\x\"} 1\n"},
};

START_TEST(test_labels_follow_the_mapping)
{
    struct engine e;

    engine_init(&e, NULL, cases[_i].mapping);
    engine_feed(&e, cases[_i].lines);
    ck_assert_str_eq(engine_series(&e), cases[_i].series);
    /* And again, by the routes that are now known. */
    engine_feed(&e, cases[_i].lines);
    engine_scrape(&e);
    engine_release(&e);
}
END_TEST

/* The engine's own families have no labels of the defaults. */
START_TEST(test_labels_of_defaults_are_not_for_own_families)
{
    struct engine e;

    engine_init(&e, NULL, "defaults: {labels: {dc: fra1}}\n");
    engine_feed(&e, "a:1|c\na:1|g");
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_lines_total"), 2);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_conflict_total{metric_name=\"a\","
                                         "type=\"gauge\"}"),
                        1);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("labels");
    TCase *labels = tcase_create("labels");

    tcase_add_loop_test(labels, test_labels_follow_the_mapping, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(labels, test_labels_of_defaults_are_not_for_own_families);
    suite_add_tcase(s, labels);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
