/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/load: what a mapping file means, and each way it can be wrong
 */
#include "loads.h"

#include <math.h>

/* A key that no table knows is an error that suggests or lists what is known. */
START_TEST(test_load_refuses_unknown_keys)
{
    static const struct place_case cases[] = {
        {"colour: red\n", 1, 1, "unknown key \"colour\" in the file; write one of: defaults"},
        {"regsterer: x\n", 1, 1, "write one of: defaults, mappings"},
        {"mapings: []\n", 1, 1, "did you mean \"mappings\"?"},
        {DEFAULTS "  tll: 5s\n", 2, 3, "in defaults; did you mean \"ttl\"?"},
        {DEFAULTS "  colour: red\n", 2, 3, "unknown key \"colour\" in defaults"},
        {RULE "  lables: {}\n", 4, 3, "in a rule; did you mean \"labels\"?"},
        {RULE "  glob_disable_ordering: true\n", 4, 3, "in a rule; it stands in defaults"},
        {DEFAULTS "  match: a\n", 2, 3, "in defaults; it stands in a rule"},
        {"ttl: 5s\n", 1, 1, "in the file; it stands in defaults or in a rule"},
        {"labels: {}\n", 1, 1, "it stands in defaults, or in a rule"},
        {"quantiles: []\n", 1, 1, "it stands in summary_options"},
        {RULE "  max_age: 1m\n", 4, 3, "in a rule; it stands in summary_options"},
        {RULE "  error: 0.1\n", 4, 3, "it stands in an entry of quantiles, or in set_options"},
        {RULE "  histogram_options: {bucket: [1]}\n", 4, 23,
         "in histogram_options; did you mean \"buckets\"?"},
        {RULE "  summary_options: {max_ages: 1s}\n", 4, 21, "did you mean \"max_age\"?"},
        {RULE "  summary_options: {quantiles: [{quantil: 1}]}\n", 4, 34,
         "in an entry of quantiles; did you mean \"quantile\"?"},
        {RULE "  name: bb\n", 4, 3, "\"name\" occurs twice, first at line 3 column 3"},
        {RULE "  labels: {aa: x, aa: y}\n", 4, 19, "\"aa\" occurs twice"},
        {"mappings: []\nmappings: []\n", 2, 1, "\"mappings\" occurs twice"},
    };

    check_refusals(cases, N(cases));
}
END_TEST

/* A value of the wrong type or outside the words is an error at the value. */
START_TEST(test_load_refuses_wrong_types)
{
    static const struct place_case cases[] = {
        {"hello\n", 1, 1, "the file must be a mapping"},
        {"- match: a\n", 1, 1, "the file must be a mapping"},
        {"mappings: none\n", 1, 11, "mappings must be a list"},
        {"mappings: {match: a}\n", 1, 11, "not a mapping"},
        {"mappings:\n- a.*\n", 2, 3, "a rule must be a mapping"},
        {"defaults: []\n", 1, 11, "defaults must be a mapping"},
        {RULE "  labels: [aa]\n", 4, 11, "labels must be a mapping"},
        {RULE "  labels: {aa: [x]}\n", 4, 16, "aa must be a single value"},
        {RULE "  help: {x: y}\n", 4, 9, "help must be a single value"},
        {RULE "  help: \"a\\0b\"\n", 4, 9, "NUL"},
        {RULE "  labels: {\"a\\0b\": x}\n", 4, 12, "NUL"},
        {RULE "  honor_labels: perhaps\n", 4, 17, "\"perhaps\""},
        {RULE "  honor_labels: 'true'\n", 4, 17, "without quotes"},
        {RULE "  scale: big\n", 4, 10, "scale must be a number"},
        {RULE "  scale: '2'\n", 4, 10, "remove the quotes"},
        {RULE "  scale: .nan\n", 4, 10, "scale must be finite"},
        {RULE "  scale: -.inf\n", 4, 10, "scale must be finite"},
        {RULE "  ttl: 7d\n", 4, 8, "ttl must be a duration"},
        {RULE "  ttl: '60'\n", 4, 8, "ttl must be a duration"},
        {RULE "  ttl: [5s]\n", 4, 8, "not a list"},
        {RULE "  action: keep\n", 4, 11, "action cannot be \"keep\"; write one of: map, drop"},
        {RULE "  match_type: globb\n", 4, 15, "did you mean \"glob\"?"},
        {RULE "  match_metric_type: meter\n", 4, 22, "counter, gauge, observer"},
        {RULE "  match_metric_type: timer\n", 4, 22, "old word; write observer"},
        {RULE "  match_metric_type: set\n", 4, 22, "cannot be \"set\""},
        {RULE "  match_metric_type: ''\n", 4, 22, "cannot be \"\""},
        {RULE "  match_metric_type: Counter\n", 4, 22, "did you mean \"counter\"?"},
        {RULE "  observer_type: meter\n", 4, 18, "histogram, summary"},
        {RULE "  timer_type: meter\n", 4, 15, "histogram, summary"},
        {DEFAULTS "  observer_type: histgram\n", 2, 18, "did you mean \"histogram\"?"},
        {DEFAULTS "  match_type: prefix\n", 2, 15, "glob, regex"},
        {DEFAULTS "  glob_disable_ordering: 1\n", 2, 26, "true or false"},
        {DEFAULTS "  ttl: soon\n", 2, 8, "ttl must be a duration"},
    };

    check_refusals(cases, N(cases));
}
END_TEST

/* Match, name and labels follow statsd_exporter's grammars. */
START_TEST(test_load_refuses_bad_names)
{
    static const struct place_case cases[] = {
        {"mappings:\n- name: aa\n", 2, 3, "the rule has no match"},
        {"mappings:\n- ~\n", 2, 3, "the rule has no name"},
        {"mappings:\n- match: a.*\n", 2, 3, "the rule has no name"},
        {"mappings:\n- match: a.*\n  action: drop\n", 2, 3, "action: drop never uses it"},
        {"mappings:\n- match: a.*\n  name: ''\n", 3, 9, "the rule has no name"},
        {"mappings:\n- {match: a.*, name: aa}\n- {match: b.*}\n", 3, 3, "the rule has no name"},
        {"mappings:\n- match: ''\n  name: aa\n", 2, 10, "the rule has no match"},
        {"mappings:\n- {match: .a, name: aa}\n", 2, 11, "empty segment"},
        {"mappings:\n- {match: a., name: aa}\n", 2, 11, "empty segment"},
        {"mappings:\n- {match: a..b, name: aa}\n", 2, 11, "empty segment"},
        {"mappings:\n- {match: '**', name: aa}\n", 2, 11, "has ** in a segment; write one *"},
        {"mappings:\n- {match: 'a.b**c', name: aa}\n", 2, 11, "has ** in a segment; write one *"},
        {"mappings:\n- {match: 'a.-*', name: aa}\n", 2, 11, "holds '-'"},
        {"mappings:\n- {match: '1*.a', name: aa}\n", 2, 11, "begins with a digit"},
        {"mappings:\n- {match: a b, name: aa}\n", 2, 11, "holds ' '"},
        {"mappings:\n- {match: 'a:b', name: aa}\n", 2, 11, "holds ':'"},
        {"mappings:\n- {match: -a, name: aa}\n", 2, 11, "holds '-'"},
        {"mappings:\n- {match: a.-b, name: aa}\n", 2, 11, "holds '-'"},
        {"mappings:\n- {match: caf\xc3\xa9, name: aa}\n", 2, 11, "holds '\xc3\xa9'"},
        {"mappings:\n- {match: \"a\\tb\", name: aa}\n", 2, 11, "holds 0x09"},
        {"mappings:\n- {match: 0a, name: aa}\n", 2, 11, "begins with a digit"},
        {"mappings:\n- {match: a, name: a-b}\n", 2, 20, "holds '-'"},
        {"mappings:\n- {match: a, name: a.b}\n", 2, 20, "holds '.'"},
        {"mappings:\n- {match: a, name: 'a:b'}\n", 2, 20, "holds ':'"},
        {"mappings:\n- {match: a, name: 'a_*'}\n", 2, 20, "holds '*'"},
        {"mappings:\n- {match: a, name: 9a}\n", 2, 20, "begins with a digit"},
        {"mappings:\n- {match: a, name: 'a_${foo}'}\n", 2, 20, "reference that is not a number"},
        {"mappings:\n- {match: a, name: 'a$'}\n", 2, 20, "reference that is not a number"},
        {"mappings:\n- {match: a, name: 'a_${1}}'}\n", 2, 20, "holds '}'"},
        {"mappings:\n- {match: a, name: caf\xc3\xa9}\n", 2, 20, "holds '\xc3\xa9'"},
        {"mappings:\n- {match: '.', match_type: regex, name: a.b}\n", 2, 41, "holds '.'"},
        {RULE "  labels: {a-b: x}\n", 4, 12, "\"a-b\" holds '-'"},
        {RULE "  labels: {a.b: x}\n", 4, 12, "\"a.b\" holds '.'"},
        {RULE "  labels: {'a*': x}\n", 4, 12, "holds '*'"},
        {RULE "  labels: {'': x}\n", 4, 12, "a label name is empty"},
        {RULE "  labels: {9a: x}\n", 4, 12, "begins with '9'"},
        {RULE "  labels: {a: x}\n", 4, 12, "one character long"},
        {RULE "  labels: {a\xc3\xa9: x}\n", 4, 12, "holds '\xc3\xa9'"},
    };

    check_refusals(cases, N(cases));
}
END_TEST

/* What would stop statsd_exporter at the first sample is refused at load. */
START_TEST(test_load_refuses_bad_options)
{
    static const struct place_case cases[] = {
        {RULE "  histogram_options: {buckets: 1}\n", 4, 32, "buckets must be a list"},
        {RULE "  histogram_options: {buckets: [1, x]}\n", 4, 36, "a bucket must be a number"},
        {RULE "  histogram_options: {buckets: [1, ~]}\n", 4, 36, "a bucket must be a number"},
        {RULE "  histogram_options: {buckets: [1, 2, 2]}\n", 4, 39, "2 comes after 2"},
        {RULE "  histogram_options: {buckets: [1, 0.5]}\n", 4, 36, "0.5 comes after 1"},
        {RULE "  histogram_options: {buckets: [1, .nan]}\n", 4, 36, "must be finite"},
        {RULE "  histogram_options: {buckets: [-.inf, 1]}\n", 4, 33, "must be finite"},
        {RULE "  histogram_options: {buckets: [.inf, 1]}\n", 4, 33, "must be finite"},
        {RULE "  histogram_options: {buckets: [1, .inf, .inf]}\n", 4, 36, "must be finite"},
        {RULE "  histogram_options: {buckets: [.inf]}\n", 4, 32, "nothing but +Inf"},
        {RULE "  histogram_options: {native_histogram_bucket_factor: -1}\n", 4, 55, "not negative"},
        {RULE "  histogram_options: {native_histogram_bucket_factor: .inf}\n", 4, 55, "finite"},
        {RULE "  histogram_options: {native_histogram_max_buckets: -1}\n", 4, 53, "whole number"},
        {RULE "  histogram_options: [1]\n", 4, 22, "histogram_options must be a mapping"},
        {RULE "  summary_options: {quantiles: 0.5}\n", 4, 32, "quantiles must be a list"},
        {RULE "  summary_options: {quantiles: [0.5]}\n", 4, 33, "an entry of quantiles"},
        {RULE "  summary_options: {quantiles: [{error: 0.1}]}\n", 4, 33, "has no quantile"},
        {RULE "  summary_options: {quantiles: [{quantile: 1.1}]}\n", 4, 44, "between 0 and 1"},
        {RULE "  summary_options: {quantiles: [{quantile: -0.1}]}\n", 4, 44, "between 0 and 1"},
        {RULE "  summary_options: {quantiles: [{quantile: .nan}]}\n", 4, 44, "between 0 and 1"},
        {RULE "  summary_options: {quantiles: [{quantile: 1, error: 2}]}\n", 4, 54,
         "error must lie between 0 and 1"},
        {RULE "  summary_options: {max_age: -1s}\n", 4, 30, "must not be negative"},
        {RULE "  summary_options: {age_buckets: -1}\n", 4, 34, "whole number"},
        {RULE "  summary_options: {age_buckets: 2.5}\n", 4, 34, "whole number"},
        {RULE "  summary_options: {buf_cap: x}\n", 4, 30, "whole number"},
        {RULE "  observer_type: histogram\n  summary_options: {}\n", 5, 3,
         "summary_options in a rule whose observers are histograms"},
        {RULE "  observer_type: summary\n  histogram_options: {}\n", 5, 3,
         "histogram_options in a rule whose observers are summaries"},
        {RULE "  timer_type: summary\n  histogram_options: {}\n", 5, 3, "are summaries"},
        {RULE "  summary_options: {}\ndefaults: {observer_type: histogram}\n", 4, 3,
         "are histograms"},
        {RULE "  observer_type: histogram\n  buckets: [1]\n  histogram_options: {buckets: [2]}\n",
         5, 12, "buckets are given here and in histogram_options"},
        {RULE "  quantiles: []\n  summary_options: {quantiles: []}\n", 4, 14,
         "quantiles are given here and in summary_options"},
        {DEFAULTS "  histogram_options: {buckets: [2, 1]}\n", 2, 36, "1 comes after 2"},
        {RULE "  set_options: {window: 0}\n", 4, 25, "at least 1s"},
        {RULE "  set_options: {window: 999ms}\n", 4, 25, "at least 1s"},
        {RULE "  set_options: {windw: 1m}\n", 4, 17, "did you mean \"window\"?"},
        {DEFAULTS "  summary_options: {max_age: -1}\n", 2, 30, "must not be negative"},
    };

    check_refusals(cases, N(cases));
}
END_TEST

/* What is legal and surely not meant is a warning at its place, and the file loads. */
START_TEST(test_load_warns)
{
    static const struct place_case cases[] = {
        {RULE "  ttl: 60\n", 4, 8, "counts nanoseconds; write a unit, as in 60s"},
        {RULE "  ttl: -5s\n", 4, 8, "a negative ttl"},
        {DEFAULTS "  ttl: 60\n", 2, 8, "counts nanoseconds"},
        {DEFAULTS "  ttl: -1s\n", 2, 8, "a negative ttl"},
        {RULE "  summary_options: {max_age: 60}\n", 4, 30, "max_age: 60 without a unit"},
        {RULE "---\nmappings: [{match: b, name: bb}]\n", 4, 1, "another document and is ignored"},
        {"fsm: x\n", 1, 1, "the key fsm has no effect"},
        {"logger: {a: b}\n", 1, 1, "no effect"},
        {"registerer: [1]\n", 1, 1, "no effect"},
        {"mappingscount: 1\n", 1, 1, "no effect"},
        {RULE "  timer_type: histogram\n", 4, 3, "old name of observer_type"},
        {RULE "  observer_type: histogram\n  buckets: [1]\n", 5, 3, "write it inside histogram_"},
        {RULE "  observer_type: summary\n  quantiles: []\n", 5, 3, "write it inside summary_"},
        {DEFAULTS "  buckets: [1]\n", 2, 3, "write it inside histogram_options"},
        {RULE "  histogram_options: {buckets: [1]}\n", 4, 3, "have no effect"},
        {RULE "  labels: {__bb: x}\n", 4, 12, "exposed as exported___bb"},
        {RULE "  labels: {le: x}\n  observer_type: histogram\n", 4, 12, "exported_le"},
        {RULE "  labels: {quantile: x}\n", 4, 12, "exported_quantile"},
        {RULE "  labels: {bb: $2}\n", 4, 16, "the match has 1 * to capture"},
        {RULE "  labels: {bb: $0}\n", 4, 16, "counted from 1"},
        {RULE "  labels: {bb: x$1_y}\n", 4, 16, "$1_y is read as one reference"},
        {RULE "  labels: {bb: '${foo}'}\n", 4, 16, "$foo is replaced by nothing"},
        {RULE "  labels: {bb: '$99999999999999999999'}\n", 4, 16, "replaced by nothing"},
        {"mappings:\n- {match: a.*, name: a_$1_x}\n", 2, 22, "put the number in braces: ${1}"},
        {"mappings:\n- {match: a, name: a_$1}\n", 2, 20, "the match has 0 *"},
        {"mappings:\n- {match_type: regex, name: aa}\n", 2, 3, "an empty regex matches every name"},
        {RULE "  help: one\n- {match: b, name: aa, help: two}\n", 5, 3,
         "aa has another help at line 2"},
        {RULE "  summary_options: {age_buckets: 11}\n", 4, 34, "write 10 or less"},
        {DEFAULTS "  observer_type: histogram\n"
                  "  histogram_options: {native_histogram_max_buckets: 4097}\n",
         3, 53, "write 4096 or less"},
        {"mappings:\n- {match: a, name: statsd_exporter_aa}\n", 2, 20, "the server's own"},
        {"mappings:\n- {match: a, name: bacowr_statsd_aa}\n", 2, 20, "the server's own"},
        {"mappings:\n- {match: a.*, name: process_$1}\n", 2, 22, "begin with process_"},
        {"mappings:\n- {match: a, name: promhttp_aa}\n", 2, 20, "the server's own"},
        {"mappings:\n- {match: a, name: statsd_metric_mapper_aa}\n", 2, 20, "another name"},
    };

    check_warnings(cases, N(cases));
}
END_TEST

/* These are right, and no warning disturbs whoever wrote them. */
START_TEST(test_load_accepts_in_silence)
{
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "---\n",
        "mappings:\n",
        "mappings: []\ndefaults: ~\n",
        "defaults: {}\n",
        RULE,
        RULE
        "  labels:\n  help: ~\n  ttl: null\n  observer_type:\n  histogram_options:\n  scale:\n",
        RULE "  ttl: 0\n",
        RULE "  ttl: 0s\n",
        RULE "  honor_labels: y\n",
        RULE "  labels: {le: x, bb: $1, cc: '${1}x', dd: '$', ee: 'a$ b', ff: ~}\n",
        RULE "  match_metric_type: counter\n  labels: {quantile: x}\n",
        RULE "  action: drop\n  labels: {bb: $7}\n",
        "mappings:\n- {match: a, name: process_aa, action: drop}\n- {match: b, name: "
        "processes}\n",
        RULE "  summary_options: {age_buckets: 10}\n",
        DEFAULTS "  observer_type: histogram\n"
                 "  histogram_options: {native_histogram_max_buckets: 4096}\n",
        RULE
        "  summary_options: {quantiles: [{quantile: 1, error: 0}, {quantile: 0}], buf_cap: 1}\n",
        RULE "  help: one\n- {match: b, name: aa, help: one}\n- {match: c, name: aa}\n",
        RULE "  help: one\n- {match: b, name: aa, help: two, action: drop}\n",
        "mappings:\n- {match: a-b.c--d.0x.9.*, name: '${1}_$1'}\n",
        "mappings:\n- {match: '*', name: '$1'}\n",
        "mappings:\n- {match: 'pre_*.*-x.a*1*c.*_', name: '${1}_${2}_${3}_${4}_$5'}\n",
        "mappings:\n- {match: '(?P<q>.)$', match_type: regex, name: x_$1, labels: {yy: $q}}\n",
    };

    for (size_t i = 0; i < N(texts); i++)
        mapping_free(load_ok(texts[i], 0));
}
END_TEST

/* Every key of a rule ends up in its field. */
START_TEST(test_load_fills_rules)
{
    struct mapping *m = load_ok("mappings:\n"
                                "- match: a.*\n"
                                "  match_metric_type: gauge\n"
                                "  name: aa_$1\n"
                                "  help: Some help\n"
                                "  labels: {zz: 1.50, bb: yes, mm: ~}\n"
                                "  honor_labels: on\n"
                                "  scale: 0\n"
                                "  ttl: 1m\n"
                                "- match: '^b'\n"
                                "  match_type: regex\n"
                                "  name: bb\n"
                                "  help: ''\n"
                                "  action: drop\n",
                                0);
    const struct mapping_rule *a = mapping_rule(m, 0), *b = mapping_rule(m, 1);

    ck_assert_uint_eq(mapping_n_rules(m), 2);
    ck_assert_int_eq(a->match_type, MAPPING_GLOB);
    ck_assert_int_eq(a->action, MAPPING_MAP);
    ck_assert(!a->any_kind && a->kind == MAPPING_GAUGE && a->how->honor_labels);
    ck_assert(a->how->has_scale && a->how->scale == 0);
    ck_assert_int_eq(a->how->ttl_ns, INT64_C(60000000000));
    ck_assert_str_eq(a->match, "a.*");
    ck_assert_str_eq(a->name, "aa_$1");
    ck_assert_str_eq(a->help, "Some help");
    ck_assert_uint_eq(a->n_labels, 3);
    ck_assert_str_eq(a->labels[0].key, "bb");
    ck_assert_str_eq(a->labels[0].value, "yes");
    ck_assert_str_eq(a->labels[1].key, "mm");
    ck_assert_str_eq(a->labels[1].value, "");
    ck_assert_str_eq(a->labels[2].value, "1.50");
    ck_assert_uint_eq(a->line, 2);
    ck_assert_uint_eq(a->column, 3);
    ck_assert_uint_eq(a->match_line, 2);
    ck_assert_uint_eq(a->match_column, 10);
    ck_assert_int_eq(b->match_type, MAPPING_REGEX);
    ck_assert_int_eq(b->action, MAPPING_DROP);
    ck_assert(b->any_kind && !b->how->honor_labels && !b->how->has_scale);
    ck_assert_ptr_null(b->help);
    ck_assert_int_eq(b->how->ttl_ns, 0);
    mapping_free(m);
}
END_TEST

/* What a rule's options come to, for each way of giving them. */
START_TEST(test_load_resolves_observers)
{
    static const struct {
        const char *defaults, *rule;
        enum mapping_observer type;
        const char *bounds, *quantiles; /* as numbers with blanks; quantile/error */
        int64_t max_age_s;
        unsigned age_buckets;
        double factor;
        unsigned native_max;
        size_t n_warnings;
    } cases[] = {
        {"{}", "", MAPPING_SUMMARY, NULL, NULL, 600, 5, 1.1, 256, 0},
        {"{observer_type: histogram}", "", MAPPING_HISTOGRAM, NULL, NULL, 600, 5, 1.1, 256, 0},
        {"{observer_type: histogram}", "observer_type: ''", MAPPING_SUMMARY, NULL, NULL, 600, 5,
         1.1, 256, 0},
        {"{observer_type: ''}", "observer_type: histogram", MAPPING_HISTOGRAM, NULL, NULL, 600, 5,
         1.1, 256, 0},
        {"{observer_type: histogram, histogram_options: {buckets: [1, 2, .inf], "
         "native_histogram_bucket_factor: 1.5, native_histogram_max_buckets: 9}}",
         "", MAPPING_HISTOGRAM, "1 2", NULL, 600, 5, 1.5, 9, 0},
        {"{observer_type: histogram, histogram_options: {buckets: [1, 2], "
         "native_histogram_bucket_factor: 1.5}}",
         "histogram_options: {buckets: [-1, 0x10], native_histogram_max_buckets: 3}",
         MAPPING_HISTOGRAM, "-1 16", NULL, 600, 5, 1.5, 3, 0},
        {"{observer_type: histogram, histogram_options: {buckets: [1, 2]}}",
         "histogram_options: {buckets: [], native_histogram_bucket_factor: 0}", MAPPING_HISTOGRAM,
         "1 2", NULL, 600, 5, 1.1, 256, 0},
        {"{observer_type: summary, summary_options: {max_age: 1m, age_buckets: 7, "
         "quantiles: [{quantile: 0.3, error: 0.01}]}}",
         "summary_options: {max_age: 5m}", MAPPING_SUMMARY, NULL, "0.3/0.01", 300, 7, 1.1, 256, 0},
        {"{summary_options: {max_age: 1m, age_buckets: 7, "
         "quantiles: [{quantile: 0.3, error: 0.01}]}}",
         "summary_options: {age_buckets: 2}", MAPPING_SUMMARY, NULL, "0.3/0.01", 600, 2, 1.1, 256,
         0},
        {"{summary_options: {max_age: 1m}}", "", MAPPING_SUMMARY, NULL, NULL, 600, 5, 1.1, 256, 0},
        {"{}", "summary_options: {max_age: 5m, age_buckets: 3, buf_cap: 50}", MAPPING_SUMMARY, NULL,
         NULL, 300, 3, 1.1, 256, 0},
        {"{}",
         "summary_options: {quantiles: [{quantile: 0.9, error: 0.1}, {quantile: 0.1}, "
         "{quantile: 0.9, error: 0.2}, {quantile: 0.5, error: 0.3}]}",
         MAPPING_SUMMARY, NULL, "0.1/0 0.5/0.3 0.9/0.2", 600, 5, 1.1, 256, 0},
        {"{}", "timer_type: histogram", MAPPING_HISTOGRAM, NULL, NULL, 600, 5, 1.1, 256, 1},
        {"{}", "timer_type: histogram\n  observer_type: summary", MAPPING_SUMMARY, NULL, NULL, 600,
         5, 1.1, 256, 1},
        {"{timer_type: histogram}", "", MAPPING_HISTOGRAM, NULL, NULL, 600, 5, 1.1, 256, 1},
        {"{observer_type: histogram}", "buckets: [7]", MAPPING_HISTOGRAM, "7", NULL, 600, 5, 1.1,
         256, 1},
        {"{observer_type: histogram}",
         "buckets: [7]\n  histogram_options: {native_histogram_max_buckets: 4}", MAPPING_HISTOGRAM,
         "7", NULL, 600, 5, 1.1, 4, 1},
        {"{observer_type: summary}", "quantiles: [{quantile: 0.2, error: 0.01}]", MAPPING_SUMMARY,
         NULL, "0.2/0.01", 600, 5, 1.1, 256, 1},
        {"{}", "quantiles: [{quantile: 0.2, error: 0.01}]", MAPPING_SUMMARY, NULL, NULL, 600, 5,
         1.1, 256, 2},
        {"{observer_type: summary, quantiles: [{quantile: 0.2, error: 0.01}], "
         "summary_options: {max_age: 1m}}",
         "", MAPPING_SUMMARY, NULL, "0.2/0.01", 600, 5, 1.1, 256, 1},
        {"{quantiles: [{quantile: 0.2}], summary_options: {quantiles: [{quantile: 0.4}]}}", "",
         MAPPING_SUMMARY, NULL, "0.4/0", 600, 5, 1.1, 256, 1},
        {"{observer_type: histogram, buckets: [7], histogram_options: {buckets: [3, 4]}}", "",
         MAPPING_HISTOGRAM, "3 4", NULL, 600, 5, 1.1, 256, 1},
        {"{observer_type: histogram, buckets: [7], "
         "histogram_options: {native_histogram_bucket_factor: 2}}",
         "", MAPPING_HISTOGRAM, "7", NULL, 600, 5, 1.1, 256, 1},
    };

    for (size_t i = 0; i < N(cases); i++) {
        const char *bounds =
            cases[i].bounds ? cases[i].bounds : "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10";
        const char *quantiles =
            cases[i].quantiles ? cases[i].quantiles : "0.5/0.05 0.9/0.01 0.99/0.001";
        const struct mapping_observer_options *o;
        char text[1024], seen[512] = "";
        struct mapping *m;
        size_t len = 0;

        snprintf(text, sizeof(text), RULE "  %s\ndefaults: %s\n", cases[i].rule, cases[i].defaults);
        m = load_ok(text, cases[i].n_warnings);
        o = &mapping_rule(m, 0)->how->observer;
        ck_assert_msg(o->type == cases[i].type, "%s", text);
        ck_assert_msg(o->max_age_ns == cases[i].max_age_s * INT64_C(1000000000), "%s", text);
        ck_assert_msg(o->age_buckets == cases[i].age_buckets, "%s", text);
        ck_assert_msg(o->native_factor == cases[i].factor, "%s", text);
        ck_assert_msg(o->native_max_buckets == cases[i].native_max, "%s", text);
        for (size_t k = 0; k < o->n_buckets; k++)
            len += (size_t)sprintf(seen + len, "%s%g", k ? " " : "", o->buckets[k]);
        ck_assert_msg(strcmp(seen, bounds) == 0, "%s\ngave bounds %s", text, seen);
        len = 0;
        for (size_t k = 0; k < o->n_quantiles; k++)
            len += (size_t)sprintf(seen + len, "%s%g/%g", k ? " " : "", o->quantiles[k].quantile,
                                   o->quantiles[k].error);
        ck_assert_msg(strcmp(seen, quantiles) == 0, "%s\ngave quantiles %s", text, seen);
        mapping_free(m);
    }
}
END_TEST

/* The defaults hold for what no rule takes, and a rule takes its ttl and match type from them. */
START_TEST(test_load_resolves_defaults)
{
    struct mapping *m = load_ok("mappings:\n"
                                "- {match: '^a', name: aa}\n"
                                "- {match: b, match_type: glob, name: bb, ttl: 5s}\n"
                                "- {match: c, match_type: '', name: cc}\n"
                                "defaults:\n"
                                "  match_type: regex\n"
                                "  glob_disable_ordering: true\n"
                                "  ttl: 2s\n"
                                "  observer_type: histogram\n"
                                "  histogram_options: {buckets: [1]}\n"
                                "  summary_options: {max_age: 1s, age_buckets: 3}\n",
                                0);
    const struct mapping_defaults *d = mapping_defaults(m);

    ck_assert(d->glob_disable_ordering);
    ck_assert_int_eq(d->ttl_ns, INT64_C(2000000000));
    ck_assert_int_eq(d->observer.type, MAPPING_HISTOGRAM);
    ck_assert_uint_eq(d->observer.n_buckets, 1);
    ck_assert_int_eq(d->observer.max_age_ns, INT64_C(1000000000));
    ck_assert_uint_eq(d->observer.age_buckets, 3);
    ck_assert_int_eq(mapping_rule(m, 0)->match_type, MAPPING_REGEX);
    ck_assert_int_eq(mapping_rule(m, 1)->match_type, MAPPING_GLOB);
    ck_assert_int_eq(mapping_rule(m, 2)->match_type, MAPPING_GLOB);
    ck_assert_int_eq(mapping_rule(m, 0)->how->ttl_ns, INT64_C(2000000000));
    ck_assert_int_eq(mapping_rule(m, 1)->how->ttl_ns, INT64_C(5000000000));
    mapping_free(m);
}
END_TEST

/* A set's window is the rule's, else the defaults', else a minute. */
START_TEST(test_load_resolves_set_windows)
{
    struct mapping *m = load_ok(RULE, 0);

    ck_assert_int_eq(mapping_rule(m, 0)->how->set_window_ns, INT64_C(60000000000));
    ck_assert_int_eq(mapping_defaults(m)->set_window_ns, INT64_C(60000000000));
    mapping_free(m);
    m = load_ok(RULE "- {match: b, name: bb, set_options: {window: 1h}}\n"
                     "defaults: {set_options: {window: 1s}}\n",
                0);
    ck_assert_int_eq(mapping_defaults(m)->set_window_ns, INT64_C(1000000000));
    ck_assert_int_eq(mapping_rule(m, 0)->how->set_window_ns, INT64_C(1000000000));
    ck_assert_int_eq(mapping_rule(m, 1)->how->set_window_ns, INT64_C(3600000000000));
    mapping_free(m);
}
END_TEST

/* A negative default ttl is for unmapped names only: rules do not take it. */
START_TEST(test_load_keeps_a_negative_default_ttl_from_rules)
{
    struct mapping *m = load_ok(RULE "defaults: {ttl: -1s}\n", 1);

    ck_assert_int_eq(mapping_defaults(m)->ttl_ns, INT64_C(-1000000000));
    ck_assert_int_eq(mapping_rule(m, 0)->how->ttl_ns, 0);
    mapping_free(m);
}
END_TEST

/* Anchors and merges work between rules; labels of both sides are united. */
START_TEST(test_load_resolves_merges)
{
    struct mapping *m = load_ok("mappings:\n"
                                "- &base\n"
                                "  match: a.*\n"
                                "  name: aa\n"
                                "  help: &help One for both\n"
                                "  labels: {env: prod, side: a}\n"
                                "- <<: *base\n"
                                "  match: b.*\n"
                                "  labels: {side: b}\n"
                                "- {match: c, name: aa, help: *help}\n",
                                0);
    const struct mapping_rule *b = mapping_rule(m, 1);

    ck_assert_str_eq(b->match, "b.*");
    ck_assert_str_eq(b->name, "aa");
    ck_assert_uint_eq(b->n_labels, 2);
    ck_assert_str_eq(b->labels[0].value, "prod");
    ck_assert_str_eq(b->labels[1].value, "b");
    ck_assert_str_eq(mapping_rule(m, 2)->help, "One for both");
    mapping_free(m);
}
END_TEST

/* No prefix of a file makes the loader read past it or leak, warnings unheard. */
START_TEST(test_load_stays_inside_its_input)
{
    static const char text[] =
        "defaults: {ttl: 5, quantiles: [{quantile: 0.2}], summary_options: {max_age: 1s}}\n"
        "mappings:\n- {match: a.*, name: '$2', labels: {aa: $3, __x: y}, buckets: [1, 2]}\n"
        "- {match: '^b', match_type: regex, name: bb, help: h, timer_type: histogram}\n";

    for (size_t n = 0; n < sizeof(text); n++) {
        const char *p = guard_copy(text, n);
        struct mapping *m;
        struct err e;

        if (mapping_load(&m, &(struct bacowr_text){NULL, slice_of(p, n)}, 1, NULL, NULL, &e) == 0)
            mapping_free(m);
        guard_free(p, n);
    }
}
END_TEST

/* ---- the files that ship ---- */

/*
 * The BACOWR families: two rules each, one for the dotted name, one for the final name, with the
 * same name, kind, help, ttl and bounds; the dotted one with the labels.
 */
START_TEST(test_load_takes_the_bacowr_families)
{
    static const struct {
        const char *name, *dotted, *labels, *help;
        enum mapping_kind kind;
        int ttl_s;
        size_t n_buckets;
    } families[] = {
        {"api_requests_total", "bacowr.api.requests.*.*.*", "endpoint=$1 method=$2 status=$3 ",
         "Total API requests by endpoint, method, status", MAPPING_COUNTER, 0, 0},
        {"api_request_duration_seconds", "bacowr.api.request_duration.*.*",
         "endpoint=$1 method=$2 ", "Request duration (p50, p95, p99)", MAPPING_OBSERVER, 0, 12},
        {"http_requests_inprogress", "bacowr.http.inprogress.*", "worker=$1 ",
         "Currently processing requests", MAPPING_GAUGE, 60, 0},
        {"llm_generation_duration_seconds", "bacowr.llm.generation_duration.*.*",
         "model=$2 provider=$1 ", "LLM generation time by provider/model", MAPPING_OBSERVER, 0, 13},
        {"llm_generation_cost_dollars", "bacowr.llm.generation_cost.*.*", "model=$2 provider=$1 ",
         "LLM costs in USD by provider/model", MAPPING_COUNTER, 0, 0},
        {"active_jobs", "bacowr.jobs.active", "", "Currently active jobs", MAPPING_GAUGE, 300, 0},
        {"jobs_completed_total", "bacowr.jobs.completed.*", "status=$1 ",
         "Completed jobs by status (delivered/blocked/failed)", MAPPING_COUNTER, 0, 0},
        {"qc_score", "bacowr.qc.score", "", "QC score distribution", MAPPING_OBSERVER, 0, 13},
        {"batch_review_progress_percent", "bacowr.batch.progress.*", "batch_id=$1 ",
         "Batch processing progress per batch_id", MAPPING_GAUGE, 900, 0},
        {"bacowr_app_heartbeat_timestamp_seconds", "bacowr.app.heartbeat.*", "worker=$1 ",
         "Unix time of the application's last heartbeat by worker", MAPPING_GAUGE, 60, 0},
    };
    struct mapping *m = load_shipped("conf/bacowr.yml");

    ck_assert_uint_eq(mapping_n_rules(m), 2 * N(families));
    for (size_t i = 0; i < 2 * N(families); i++) {
        const struct mapping_rule *rule = mapping_rule(m, i);
        const bool dotted = i % 2 == 0;
        const size_t f = i / 2;
        char labels[256] = "";
        size_t len = 0;

        for (size_t k = 0; k < rule->n_labels; k++)
            len += (size_t)snprintf(labels + len, sizeof(labels) - len, "%s=%s ",
                                    rule->labels[k].key, rule->labels[k].value);
        ck_assert_str_eq(rule->name, families[f].name);
        ck_assert_str_eq(rule->match, dotted ? families[f].dotted : families[f].name);
        ck_assert_str_eq(labels, dotted ? families[f].labels : "");
        ck_assert_str_eq(rule->help, families[f].help);
        ck_assert(!rule->any_kind && rule->kind == families[f].kind);
        ck_assert_int_eq(rule->how->ttl_ns, families[f].ttl_s * INT64_C(1000000000));
        ck_assert_int_eq(rule->how->observer.type, MAPPING_HISTOGRAM);
        if (families[f].n_buckets > 0)
            ck_assert_uint_eq(rule->how->observer.n_buckets, families[f].n_buckets);
    }
    ck_assert_double_eq(mapping_rule(m, 2)->how->observer.buckets[8], 2);
    ck_assert_double_eq(mapping_rule(m, 6)->how->observer.buckets[12], 300);
    ck_assert_double_eq(mapping_rule(m, 15)->how->observer.buckets[12], 100);
    mapping_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("load");
    TCase *refuse = tcase_create("refuse"), *accept = tcase_create("accept"),
          *shipped = tcase_create("shipped");

    tcase_add_test(refuse, test_load_refuses_unknown_keys);
    tcase_add_test(refuse, test_load_refuses_wrong_types);
    tcase_add_test(refuse, test_load_refuses_bad_names);
    tcase_add_test(refuse, test_load_refuses_bad_options);
    tcase_add_test(refuse, test_load_warns);
    tcase_add_test(refuse, test_load_stays_inside_its_input);
    suite_add_tcase(s, refuse);
    tcase_add_test(accept, test_load_accepts_in_silence);
    tcase_add_test(accept, test_load_fills_rules);
    tcase_add_test(accept, test_load_resolves_observers);
    tcase_add_test(accept, test_load_resolves_defaults);
    tcase_add_test(accept, test_load_resolves_set_windows);
    tcase_add_test(accept, test_load_keeps_a_negative_default_ttl_from_rules);
    tcase_add_test(accept, test_load_resolves_merges);
    suite_add_tcase(s, accept);
    tcase_add_test(shipped, test_load_takes_the_bacowr_families);
    suite_add_tcase(s, shipped);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
