/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/load_labels and load_common: what is said of labels, gauges, units and of names
 * that no rule takes
 */
#include "loads.h"

/* What cannot be meant is refused where it stands. */
START_TEST(test_load_labels_refuses)
{
    static const struct place_case cases[] = {
        {RULE "  drop_labels: host\n", 4, 16, "drop_labels must be a list"},
        {RULE "  drop_labels: [a-b]\n", 4, 17, "holds '-'; write it as the page shows it"},
        {RULE "  keep_labels: [ok, 9a]\n", 4, 21, "begins with '9'"},
        {RULE "  keep_labels: [~]\n", 4, 17, "the name of a label is empty"},
        {RULE "  keep_labels: ['pod_*']\n", 4, 17, "holds '*'"},
        {RULE "  keep_labels: [[a]]\n", 4, 17, "keep_labels must be a single value"},
        {RULE "  rename_labels: [a]\n", 4, 18, "rename_labels must be a mapping"},
        {RULE "  rename_labels: {a.b: cc}\n", 4, 19, "holds '.'"},
        {RULE "  rename_labels: {aa: ~}\n", 4, 23, "the name of a label is empty"},
        {RULE "  rename_labels: {aa: b b}\n", 4, 23, "holds ' '"},
        {RULE "  rename_labels: {aa: [x]}\n", 4, 23, "aa must be a single value"},
        {RULE "  rename_labels: {bb: x, aa: x}\n", 4, 30, "makes \"x\" of both bb and aa"},
        {RULE "  match_labels: {a-b: x}\n", 4, 18, "holds '-'"},
        {RULE "  match_labels: [aa]\n", 4, 17, "match_labels must be a mapping"},
        {RULE "  except: [a.b, 'a..']\n", 4, 17, "empty segment"},
        {RULE "  except: a b\n", 4, 11, "holds ' '"},
        {RULE "  except: ''\n", 4, 11, "an entry of except is empty"},
        {RULE "  except: [~]\n", 4, 12, "an entry of except is empty"},
        {RULE "  except: {a: b}\n", 4, 11, "except must be a single value"},
        {"mappings:\n- {match: a, match_type: regex, name: aa, except: [a, '']}\n", 2, 55,
         "an entry of except is empty"},
        {RULE "  gauge_mode: relative\n", 4, 15, "write one of: delta, absolute, etsy"},
        {RULE "  unit: sec\n", 4, 9, "write one of: ns, us, ms, s, m, h"},
        {RULE "  unmapped: drop\n", 4, 3, "unknown key \"unmapped\" in a rule"},
        {RULE "  set_options: {error: 0.001}\n", 4, 24, "between 0.005 and 0.2, not at 0.001"},
        {RULE "  set_options: {error: .nan}\n", 4, 24, "between 0.005 and 0.2"},
        {DEFAULTS "  labels: {a-b: x}\n", 2, 12, "\"a-b\" holds '-'"},
        {DEFAULTS "  labels: {a: x}\n", 2, 12, "one character long"},
        {DEFAULTS "  unmapped: keep\n", 2, 13, "write one of: map, drop"},
        {DEFAULTS "  match_order: regex\n", 2, 16, "globs_first, file"},
        {DEFAULTS "  match_order: file\n  glob_disable_ordering: true\n", 2, 16, "two orders"},
        {DEFAULTS "  except: a\n", 2, 3, "unknown key \"except\" in defaults"},
    };

    check_refusals(cases, N(cases));
}
END_TEST

/* What cannot have an effect, or surely has another one than is meant, is told. */
START_TEST(test_load_labels_warns)
{
    static const struct place_case cases[] = {
        {RULE "  drop_labels: [aa, bb, aa]\n", 4, 16, "drop_labels names \"aa\" twice"},
        {RULE "  keep_labels: [aa]\n  drop_labels: [aa]\n", 5, 17, "so it is dropped"},
        {RULE "  keep_labels: [aa]\n  drop_labels: [bb]\n", 5, 17, "keep_labels does not keep it"},
        {RULE "  drop_labels: [bb]\ndefaults: {keep_labels: [aa]}\n", 4, 17, "does not keep it"},
        {RULE "  keep_labels: [bb]\ndefaults: {drop_labels: [bb]}\n", 4, 17,
         "dropped by drop_labels of the defaults"},
        {RULE "  rename_labels: {aa: aa}\n", 4, 19, "renamed to itself"},
        {RULE "  rename_labels: {aa: bb}\n  drop_labels: [aa]\n", 4, 19, "dropped before"},
        {RULE "  rename_labels: {aa: bb}\n  keep_labels: [bb]\n", 4, 19, "dropped before"},
        {RULE "  rename_labels: {aa: __bb}\n", 4, 23, "exposed as exported___bb"},
        {RULE "  rename_labels: {aa: quantile}\n", 4, 23, "exposed as exported_quantile"},
        {RULE "  match_metric_type: counter\n  gauge_mode: delta\n", 5, 15,
         "gauge_mode has no effect in a rule for type counter only"},
        {RULE "  match_metric_type: gauge\n  unit: us\n", 5, 9,
         "unit has no effect in a rule for type gauge only"},
        {RULE "  match_metric_type: observer\n  set_options: {error: 0.1}\n", 5, 3,
         "set_options has no effect in a rule for type observer only"},
        {RULE "  match_metric_type: counter\n  observer_type: histogram\n", 5, 3,
         "observer_type has no effect in a rule for type counter only"},
        {RULE "  match_metric_type: gauge\n  histogram_options: {buckets: [1]}\n", 5, 3,
         "histogram_options has no effect in a rule for type gauge only"},
        {RULE "  match_metric_type: counter\n  summary_options: {max_age: 1m}\n", 5, 3,
         "summary_options has no effect in a rule for type counter only"},
        {RULE "  action: drop\n  histogram_options: {buckets: [1]}\n", 5, 3,
         "histogram_options has no effect in a rule that drops"},
        {RULE "  action: drop\n  unit: us\n", 5, 9, "unit has no effect in a rule that drops"},
        {DEFAULTS "  labels: {aa: x$1}\n", 2, 16, "plain text, \"x$1\" will show as it is written"},
        {DEFAULTS "  labels: {aa: '${host}'}\n", 2, 16, "plain text"},
        {DEFAULTS "  labels: {__aa: x}\n", 2, 12, "exposed as exported___aa"},
        {DEFAULTS "  labels: {overflow: x}\n", 2, 12, "exposed as exported_overflow"},
        {DEFAULTS "  labels: {le: x}\n  observer_type: histogram\n", 2, 12, "exported_le"},
        {DEFAULTS "  drop_labels: [aa]\n  rename_labels: {aa: bb}\n", 3, 19, "dropped before"},
    };

    check_warnings(cases, N(cases));
}
END_TEST

/* A rule is not blamed for what only the defaults say, nor for what is of use. */
START_TEST(test_load_labels_accepts_in_silence)
{
    static const char *const texts[] = {
        RULE "  keep_labels: []\n",
        RULE "  keep_labels: ~\n  drop_labels:\n  rename_labels:\n  unit:\n  gauge_mode: ~\n",
        RULE "  keep_labels: [aa, bb]\ndefaults: {rename_labels: {cc: dd}, drop_labels: [ee]}\n",
        RULE "  keep_labels: [aa]\n  drop_labels: []\ndefaults: {drop_labels: [aa]}\n",
        RULE "  rename_labels: {aa: bb, bb: aa}\n",
        RULE "  rename_labels: {a: b}\n  drop_labels: [h]\n",
        RULE "  match_metric_type: gauge\ndefaults: {unit: us}\n",
        RULE "  match_metric_type: counter\n  rename_labels: {aa: quantile}\n",
        RULE "  except: a.b\n",
        RULE "  match_labels: {a: '*', le: ''}\n",
        "defaults: {labels: {aa: 'costs 5$', bb: '$ x'}}\n",
        "defaults: {match_order: globs_first, glob_disable_ordering: true}\n",
        "mappings:\n- {match: a, match_type: regex, name: aa, except: 'a b'}\n",
    };

    for (size_t i = 0; i < N(texts); i++)
        mapping_free(load_ok(texts[i], 0));
}
END_TEST

static void check_words(const struct mapping_words *words, const char *joined)
{
    char text[256] = "";

    for (size_t i = 0; i < words->n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", words->v[i]);
    ck_assert_str_eq(text, joined);
}

static void check_renames(const struct mapping_label_ops *ops, const char *joined)
{
    char text[256] = "";

    for (size_t i = 0; i < ops->n_renames; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s ", ops->renames[i].key,
                 ops->renames[i].value);
    ck_assert_str_eq(text, joined);
}

/* Each of the three is the rule's where it gives it, be it empty, else the defaults'. Sorted. */
START_TEST(test_load_labels_resolves_each_operation)
{
    struct mapping *m = load_ok("mappings:\n"
                                "- {match: a, name: aa}\n"
                                "- {match: b, name: bb, keep_labels: [zz, kk]}\n"
                                "- {match: c, name: cc, drop_labels: []}\n"
                                "- {match: d, name: dd, rename_labels: {zz: y, cc: x}}\n"
                                "- {match: e, name: ee, keep_labels: [], rename_labels: {}}\n"
                                "defaults: {drop_labels: [q, d], rename_labels: {rr: r}}\n",
                                0);
    static const struct {
        bool has_keep;
        const char *keep, *drop, *renames;
    } want[] = {
        {false, "", "d q ", "rr=r "}, {true, "kk zz ", "d q ", "rr=r "},
        {false, "", "", "rr=r "},     {false, "", "d q ", "cc=x zz=y "},
        {true, "", "d q ", ""},
    };

    for (size_t i = 0; i < N(want); i++) {
        const struct mapping_label_ops *ops = &mapping_rule(m, i)->how->label_ops;

        ck_assert_int_eq(ops->has_keep, want[i].has_keep);
        check_words(&ops->keep, want[i].keep);
        check_words(&ops->drop, want[i].drop);
        check_renames(ops, want[i].renames);
    }
    check_words(&mapping_defaults(m)->label_ops.drop, "d q ");
    check_renames(&mapping_defaults(m)->label_ops, "rr=r ");
    mapping_free(m);
}
END_TEST

/* What matching needs is there in the file's order; conditions are in order of names. */
START_TEST(test_load_labels_fills_conditions)
{
    struct mapping *m = load_ok(RULE "  except: [a.z, a.b]\n"
                                     "  match_labels: {zz: 'x*', b: ''}\n"
                                     "- {match: b.*, name: bb, except: b.c}\n",
                                0);
    const struct mapping_rule *rule = mapping_rule(m, 0);

    check_words(&rule->except, "a.z a.b ");
    check_words(&mapping_rule(m, 1)->except, "b.c ");
    ck_assert_uint_eq(rule->n_match_labels, 2);
    ck_assert_str_eq(rule->match_labels[0].key, "b");
    ck_assert_str_eq(rule->match_labels[0].value, "");
    ck_assert_str_eq(rule->match_labels[1].value, "x*");
    mapping_free(m);
}
END_TEST

/* The settings are the rule's, else the defaults', else none. */
START_TEST(test_load_labels_resolves_settings)
{
    struct mapping *m =
        load_ok(RULE "- {match: b, name: bb, gauge_mode: etsy, unit: h, set_options: {error: "
                     "0.2}}\n"
                     "defaults: {gauge_mode: absolute, unit: us, set_options: {error: 0.005},\n"
                     "  labels: {zz: z, aa: ~}, unmapped: drop, match_order: file}\n",
                0);
    const struct mapping_defaults *d = mapping_defaults(m);
    const struct mapping_rule *a = mapping_rule(m, 0), *b = mapping_rule(m, 1);

    ck_assert(d->drop_unmapped && d->in_file_order);
    ck_assert_uint_eq(d->n_labels, 2);
    ck_assert_str_eq(d->labels[0].key, "aa");
    ck_assert_str_eq(d->labels[0].value, "");
    ck_assert_str_eq(d->labels[1].value, "z");
    ck_assert_int_eq(d->gauge_mode, MAPPING_GAUGE_ABSOLUTE);
    ck_assert_int_eq(a->how->gauge_mode, MAPPING_GAUGE_ABSOLUTE);
    ck_assert_int_eq(b->how->gauge_mode, MAPPING_GAUGE_ETSY);
    ck_assert_double_eq(d->unit_seconds, 1e-6);
    ck_assert_double_eq(a->how->unit_seconds, 1e-6);
    ck_assert_double_eq(b->how->unit_seconds, 3600);
    ck_assert_double_eq(d->set_error, 0.005);
    ck_assert_double_eq(a->how->set_error, 0.005);
    ck_assert_double_eq(b->how->set_error, 0.2);
    mapping_free(m);
    m = load_ok(RULE, 0);
    ck_assert_int_eq(mapping_rule(m, 0)->how->gauge_mode, MAPPING_GAUGE_UNSET);
    ck_assert_double_eq(mapping_rule(m, 0)->how->unit_seconds, 0);
    ck_assert_double_eq(mapping_rule(m, 0)->how->set_error, 0.01625);
    ck_assert(!mapping_defaults(m)->drop_unmapped && !mapping_defaults(m)->in_file_order);
    mapping_free(m);
}
END_TEST

/* A rule's ttl: 0 is never, whatever the defaults say; without one it has theirs. */
START_TEST(test_load_labels_takes_a_zero_ttl_at_its_word)
{
    struct mapping *m = load_ok(RULE "  ttl: 0\n- {match: b, name: bb, ttl: 0s}\n"
                                     "- {match: c, name: cc, ttl: ~}\n- {match: d, name: dd}\n"
                                     "defaults: {ttl: 1h}\n",
                                0);

    ck_assert_int_eq(mapping_rule(m, 0)->how->ttl_ns, 0);
    ck_assert_int_eq(mapping_rule(m, 1)->how->ttl_ns, 0);
    ck_assert_int_eq(mapping_rule(m, 2)->how->ttl_ns, INT64_C(3600000000000));
    ck_assert_int_eq(mapping_rule(m, 3)->how->ttl_ns, INT64_C(3600000000000));
    mapping_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("load_labels");
    TCase *refuse = tcase_create("refuse"), *accept = tcase_create("accept");

    tcase_add_test(refuse, test_load_labels_refuses);
    tcase_add_test(refuse, test_load_labels_warns);
    suite_add_tcase(s, refuse);
    tcase_add_test(accept, test_load_labels_accepts_in_silence);
    tcase_add_test(accept, test_load_labels_resolves_each_operation);
    tcase_add_test(accept, test_load_labels_fills_conditions);
    tcase_add_test(accept, test_load_labels_resolves_settings);
    tcase_add_test(accept, test_load_labels_takes_a_zero_ttl_at_its_word);
    suite_add_tcase(s, accept);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
