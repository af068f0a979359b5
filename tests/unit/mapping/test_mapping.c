/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping: which rule takes a name and what it makes of it
 */
#include "mapping/mapping.h"

#include "lib/guard.h"
#include "lib/unit.h"
#include "rules.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

struct match {
    struct rule_spec rules[4];
    enum mapping_kind kind;
    const char *name;
    int rule; /* -1: none */
    const char *filled;
    const char *values[RULE_LABELS];
};

static const struct match matches[] = {
    {{RULE("a.*", "m_$1", {{"x", "$1"}, {"y", "z"}})},
     MAPPING_COUNTER,
     "a.b",
     0,
     "m_b",
     {"b", "z"}},
    {{RULE("a.*", "m")}, MAPPING_COUNTER, "a.b.c", -1, NULL, {NULL}},
    {{RULE("a.*", "m", {{"x", "$1"}})}, MAPPING_COUNTER, "a.", 0, "m", {""}},
    {{RULE("a.*", "$1")}, MAPPING_COUNTER, "a.", 0, "", {NULL}},
    {{RULE("*.x.*", "${2}_$1")}, MAPPING_COUNTER, "p.x.q", 0, "q_p", {NULL}},
    {{RULE("a.*.*", "m", {{"x", "$1"}, {"y", "$2"}})},
     MAPPING_COUNTER,
     "a.*.c",
     0,
     "m",
     {"*", "c"}},
    /* not escaped here */
    {{RULE("a.*", "m_$1")}, MAPPING_COUNTER, "a.b-c", 0, "m_b-c", {NULL}},
    {{RULE("a", "m", {{"k", "100%"}, {"l", ""}})}, MAPPING_COUNTER, "a", 0, "m", {"100%", ""}},
    /* globs before regexes, whatever the file's order */
    {{RULE("~^x\\..*", "re"), RULE("x.y", "glob")}, MAPPING_COUNTER, "x.y", 1, "glob", {NULL}},
    {{RULE("~^x\\..*", "re"), RULE("x.y", "glob")}, MAPPING_COUNTER, "x.z", 0, "re", {NULL}},
    /* among regexes the first, and another kind's is passed over */
    {{RULE("~^x\\..*", "one"), RULE("~^x\\.y$", "two")}, MAPPING_COUNTER, "x.y", 0, "one", {NULL}},
    {{RULE("~^x", "one", .one_kind = true, .kind = MAPPING_GAUGE), RULE("~^x", "two")},
     MAPPING_COUNTER,
     "x.y",
     1,
     "two",
     {NULL}},
    {{RULE("~^x", "one", .one_kind = true, .kind = MAPPING_SET)},
     MAPPING_SET,
     "x",
     0,
     "one",
     {NULL}},
    {{RULE("a.b", "one", .one_kind = true, .kind = MAPPING_GAUGE), RULE("~a", "two")},
     MAPPING_OBSERVER,
     "a.b",
     1,
     "two",
     {NULL}},
    /* captures of regexes */
    {{RULE("~b(c)", "$0", {{"one", "$1"}, {"two", "[$2]"}})},
     MAPPING_COUNTER,
     "abc-def",
     0,
     "bc",
     {"c", "[]"}},
    {{RULE("~^(?P<h>\\w+)\\.(x)?", "m", {{"h", "$h"}, {"i", "<$2>"}})},
     MAPPING_GAUGE,
     "web.y",
     0,
     "m",
     {"web", "<>"}},
    {{RULE("~^z\\.(.*)$", "$1")}, MAPPING_COUNTER, "z.", 0, "", {NULL}},
    {{RULE("~", "any", {{"all", "$0"}})}, MAPPING_COUNTER, "x", 0, "any", {""}},
    {{RULE("~.+", "any", {{"all", "$0"}})}, MAPPING_COUNTER, "", -1, NULL, {NULL}},
    {{RULE("*", "one")}, MAPPING_COUNTER, "", 0, "one", {NULL}},
    /* a drop rule is a rule */
    {{RULE("a.b.*", "gone", .drop = true), RULE("a.*.*", "m")},
     MAPPING_COUNTER,
     "a.b.c",
     0,
     "gone",
     {NULL}},
    /* the first of two that are alike (D10) */
    {{RULE("a.b", "one"), RULE("a.*", "two"), RULE("a.b", "three")},
     MAPPING_COUNTER,
     "a.b",
     0,
     "one",
     {NULL}},
};

/* The rule, its name and its labels' values; the name lies against a guard page. */
START_TEST(test_mapping_matches)
{
    const struct match *t = &matches[_i];
    struct mapping *m = rules_load(t->rules, false);
    size_t len = strlen(t->name);
    const char *name = guard_copy(t->name, len);
    struct mapping_result result;
    struct mapping_scratch *s;

    memset(&result, 0x5a, sizeof result);
    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(rules_match(m, t->kind, slice_of(name, len), s, &result), 0);
    guard_free(name, len); /* nothing points there any more */
    ck_assert(!result.limit_hit);
    ck_assert_ptr_eq(result.rule, t->rule < 0 ? NULL : mapping_rule(m, (size_t)t->rule));
    if (t->rule >= 0) {
        ck_assert_msg(slice_eq_str(result.name, t->filled), "%s: '%.*s'", t->name,
                      (int)result.name.len, result.name.p);
        for (size_t i = 0; i < result.rule->n_labels; i++)
            ck_assert_msg(slice_eq_str(result.label_values[i], t->values[i]), "%s: %zu is '%.*s'",
                          t->name, i, (int)result.label_values[i].len, result.label_values[i].p);
    }
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

/* glob_disable_ordering makes the most literal rule win, and a dead end is backed out of (D11). */
START_TEST(test_mapping_can_prefer_literals)
{
    static const struct rule_spec rules[] = {
        RULE("a.*.*", "wide"), RULE("a.b.c", "narrow"), {.match = NULL}};
    struct mapping *m = rules_load(rules, true);
    struct mapping_result result;
    struct mapping_scratch *s;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(rules_match(m, MAPPING_COUNTER, SLICE_LIT("a.b.c"), s, &result), 0);
    ck_assert(slice_eq_str(result.name, "narrow"));
    ck_assert_int_eq(rules_match(m, MAPPING_COUNTER, SLICE_LIT("a.b.x"), s, &result), 0);
    ck_assert(slice_eq_str(result.name, "wide"));
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

/* A regex that gives up is no match, the next rule is asked, and the result tells of it. */
START_TEST(test_mapping_goes_on_after_a_limit)
{
    static const struct rule_spec rules[] = {
        RULE("~^(a+)+$", "costly"), RULE("~b$", "cheap"), {.match = NULL}};
    struct mapping *m = rules_load(rules, false);
    struct mapping_result result = {0};
    struct mapping_scratch *s;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(rules_match(m, MAPPING_COUNTER,
                                 SLICE_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), s,
                                 &result),
                     0);
    ck_assert(slice_eq_str(result.name, "cheap"));
    ck_assert(result.limit_hit);
    ck_assert_int_eq(rules_match(m, MAPPING_COUNTER, SLICE_LIT("aaa"), s, &result), 0);
    ck_assert(slice_eq_str(result.name, "costly"));
    ck_assert(!result.limit_hit);
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

/* Views stay right while the text grows, and the scratch serves one mapping after the other. */
START_TEST(test_mapping_scratch_grows)
{
    static const struct rule_spec small[] = {RULE("a.*", "m", {{"x", "$1"}}), {.match = NULL}};
    static const struct rule_spec large[] = {
        RULE("*.*.*.*", "$1", {{"x", "$2$"}, {"y", "${3}${3}"}, {"z", "$4"}}), {.match = NULL}};
    struct mapping *one = rules_load(small, false), *two = rules_load(large, false);
    struct mapping_result result;
    struct mapping_scratch *s;
    char name[4 * 5000];

    memset(name, '.', sizeof name);
    for (int i = 0; i < 4; i++)
        memset(name + i * 5000, 'a' + i, i == 3 ? 5000 : 4999);
    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rules_match(one, MAPPING_COUNTER, SLICE_LIT("a.b"), s, &result), 0);
        ck_assert(slice_eq_str(result.name, "m"));
        ck_assert(slice_eq_str(result.label_values[0], "b"));
        ck_assert_int_eq(rules_match(two, MAPPING_COUNTER, slice_of(name, sizeof name), s, &result),
                         0);
        ck_assert_uint_eq(result.name.len, 4999);
        ck_assert_uint_eq(result.label_values[0].len, 0);
        ck_assert_uint_eq(result.label_values[1].len, 2 * 4999);
        ck_assert_mem_eq(result.label_values[1].p, name + 2 * 5000, 4999);
        ck_assert_mem_eq(result.label_values[2].p, name + 3 * 5000, 5000);
    }
    mapping_scratch_free(s);
    mapping_scratch_free(NULL);
    mapping_free(one);
    mapping_free(two);
}
END_TEST

static const struct {
    const char *match;
    const char *text;
} refusals[] = {
    {"~a(?=b)", "match: \"(?=\" at byte 2 of the expression is a look-ahead"},
    {"~^(x", "match: \"(\" at byte 2 of the expression opens a group"},
    {"~(x)\\1", "match: \"\\1\" at byte 4 of the expression is a back-reference"},
    {"~\\p{Klingon}", "match: \"\\p{Klingon}\" at byte 1 of the expression is not a category"},
};

/* A bad expression is refused with the place of its match, and everything is freed. */
START_TEST(test_mapping_refuses_bad_regexes)
{
    struct rule_spec rules[] = {RULE("a.*", "m", {{"x", "$1"}}),
                                RULE(refusals[_i].match, "n"),
                                RULE("~ok", "o"),
                                {.match = NULL}};
    struct mapping *m = NULL;
    struct err e;

    memset(&e, 0x5a, sizeof e);
    ck_assert_int_eq(rules_try(&m, rules, false, NULL, NULL, &e), -EINVAL);
    ck_assert_ptr_null(m);
    ck_assert_str_eq(e.file, "rules.yml");
    ck_assert_uint_eq(e.line, 21);
    ck_assert_uint_eq(e.column, 5);
    ck_assert_msg(strncmp(e.text, refusals[_i].text, strlen(refusals[_i].text)) == 0, "%s", e.text);
}
END_TEST

/* An empty mapping takes nothing and has the library's defaults. */
START_TEST(test_mapping_can_be_empty)
{
    struct mapping *m = (void *)1;
    struct mapping_result result;
    struct mapping_scratch *s;

    memset(&result, 0x5a, sizeof result);
    ck_assert_int_eq(mapping_new_empty(&m), 0);
    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_uint_eq(mapping_n_rules(m), 0);
    ck_assert_int_eq(mapping_defaults(m)->observer.type, MAPPING_SUMMARY);
    ck_assert_uint_gt(mapping_defaults(m)->observer.n_buckets, 0);
    ck_assert_int_eq(rules_match(m, MAPPING_GAUGE, SLICE_LIT("a.b"), s, &result), 0);
    ck_assert_ptr_null(result.rule);
    ck_assert(!result.limit_hit);
    mapping_scratch_free(s);
    mapping_free(m);
    mapping_free(NULL);
}
END_TEST

/* A mapping has the defaults that it was made with. */
START_TEST(test_mapping_has_its_defaults)
{
    struct mapping_defaults defaults;
    struct shelf *shelf;
    struct mapping *m;

    mapping_defaults_init(&defaults);
    defaults.ttl_ns = 42;
    ck_assert_int_eq(shelf_new(&shelf), 0);
    ck_assert_int_eq(mapping_new(&m, shelf, NULL, 0, &defaults, NULL, NULL, NULL), 0);
    memset(&defaults, 0x5a, sizeof defaults);
    ck_assert_int_eq(mapping_defaults(m)->ttl_ns, 42);
    mapping_free(m);
}
END_TEST

/* After it has seen a set of rules once, a scratch asks for no more memory. */
START_TEST(test_mapping_match_does_not_allocate)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    /* Their allocators do not keep glibc's books. */
#else
    static const struct rule_spec rules[] = {RULE("a.*.*", "m_$1", {{"x", "$2"}, {"y", "$1"}}),
                                             RULE("~^b\\.(.*)$", "n", {{"x", "$1"}}),
                                             {.match = NULL}};
    static const char *const names[] = {"a.bb.cc", "b.some.thing", "c"};
    struct mapping *m = rules_load(rules, false);
    struct mapping_result result;
    struct mapping_scratch *s;
    size_t before = 0;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    for (int i = 0; i < 300; i++) {
        if (i == 3)
            before = mallinfo2().uordblks;
        ck_assert_int_eq(rules_match(m, MAPPING_COUNTER, slice_str(names[i % 3]), s, &result), 0);
    }
    ck_assert_uint_eq(mallinfo2().uordblks, before);
    mapping_scratch_free(s);
    mapping_free(m);
#endif
}
END_TEST

/* The words that the file uses for kinds. */
START_TEST(test_mapping_names_kinds)
{
    ck_assert_str_eq(mapping_kind_name(MAPPING_COUNTER), "counter");
    ck_assert_str_eq(mapping_kind_name(MAPPING_GAUGE), "gauge");
    ck_assert_str_eq(mapping_kind_name(MAPPING_OBSERVER), "observer");
    ck_assert_str_eq(mapping_kind_name(MAPPING_SET), "set");
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("mapping");
    TCase *match = tcase_create("match");
    TCase *creation = tcase_create("new");

    tcase_add_loop_test(match, test_mapping_matches, 0, N_OF(matches));
    tcase_add_test(match, test_mapping_can_prefer_literals);
    tcase_add_test(match, test_mapping_goes_on_after_a_limit);
    tcase_add_test(match, test_mapping_scratch_grows);
    tcase_add_test(match, test_mapping_match_does_not_allocate);
    suite_add_tcase(s, match);
    tcase_add_loop_test(creation, test_mapping_refuses_bad_regexes, 0, N_OF(refusals));
    tcase_add_test(creation, test_mapping_can_be_empty);
    tcase_add_test(creation, test_mapping_has_its_defaults);
    tcase_add_test(creation, test_mapping_names_kinds);
    suite_add_tcase(s, creation);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
