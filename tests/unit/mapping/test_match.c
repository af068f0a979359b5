/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Match: exceptions, conditions on labels and the order of the file, against tables and against a
 * search too simple to be wrong
 */
#include "mapping/mapping.h"

#include "lib/unit.h"
#include "rules.h"

#include <errno.h>
#include <stdio.h>

#define GAUGES .one_kind = true, .kind = MAPPING_GAUGE
#define N_TAGS 3

struct match {
    struct rule_spec rules[5];
    enum rules_order order;
    const char *name; /* of a counter */
    struct rules_tag tags[N_TAGS];
    int rule; /* -1: none */
    const char *filled;
};

static const struct match matches[] = {
    /* captures are numbered over the whole pattern */
    {{RULE("a*.*.*_*", "${1}_${2}_${3}_$4")}, RULES_ORDERED, "ax.y.p_q_r", {{0}}, 0, "x_y_p_q_r"},
    {{RULE("a*b*c.*", "$1/$2/$3")}, RULES_ORDERED, "aXbYbZc.q", {{0}}, 0, "X/YbZ/q"},
    {{RULE("*_total", "<$1>")}, RULES_UNORDERED, "_total", {{0}}, 0, "<>"},
    {{RULE("a*.b", "$1$2")}, RULES_ORDERED, "a*.b", {{0}}, 0, ""},
    {{RULE("a*.b", "${1}x")}, RULES_ORDERED, "a*.b", {{0}}, 0, "*x"},
    /* what an exception takes goes on to the next */
    {{RULE("a.*", "m", .except = {"a.b_*"}), RULE("a.*", "n")},
     RULES_ORDERED,
     "a.b_c",
     {{0}},
     1,
     "n"},
    {{RULE("a.*", "m", .except = {"a.b_*"}), RULE("a.*", "n")},
     RULES_ORDERED,
     "a.bc",
     {{0}},
     0,
     "m"},
    {{RULE("a.*", "m", .except = {"*", "*.x"})}, RULES_ORDERED, "a.x", {{0}}, -1, NULL},
    {{RULE("a.*", "m", .except = {"*"})}, RULES_ORDERED, "a.x", {{0}}, 0, "m"},
    {{RULE("a.*", "m", .except = {"a.b"}), RULE("~^a", "re")},
     RULES_ORDERED,
     "a.b",
     {{0}},
     1,
     "re"},
    {{RULE("a.b", "m", .except = {"a.*"}), RULE("a.*", "n"), RULE("*.*", "o")},
     RULES_UNORDERED,
     "a.b",
     {{0}},
     1,
     "n"},
    {{RULE("~^a(.)", "m_$1", .except = {"^a[bc]"}), RULE("~^(a)", "n_$1")},
     RULES_ORDERED,
     "ac",
     {{0}},
     1,
     "n_a"},
    /* the exception's groups are not the match's */
    {{RULE("~^a(.)", "m_$1", .except = {"(q)(x)", "(d)(e)(f)"})},
     RULES_ORDERED,
     "ac",
     {{0}},
     0,
     "m_c"},
    /* labels: any of them must be as it is wanted */
    {{RULE("a", "eu", .match_labels = {{"region", "eu"}}), RULE("a", "any")},
     RULES_ORDERED,
     "a",
     {{"region", "eu"}},
     0,
     "eu"},
    {{RULE("a", "eu", .match_labels = {{"region", "eu"}}), RULE("a", "any")},
     RULES_ORDERED,
     "a",
     {{"zone", "eu"}, {"region", "eu2"}},
     1,
     "any"},
    {{RULE("a", "m", .match_labels = {{"k", "x*.*y"}})},
     RULES_UNORDERED,
     "a",
     {{"k", "x.a.b.y"}},
     0,
     "m"},
    {{RULE("a", "m", .match_labels = {{"k", "*"}})}, RULES_ORDERED, "a", {{0}}, -1, NULL},
    {{RULE("a", "m", .match_labels = {{"k", "*"}})}, RULES_ORDERED, "a", {{"k", ""}}, -1, NULL},
    {{RULE("a", "m", .match_labels = {{"k", "*"}})}, RULES_ORDERED, "a", {{"k", "*"}}, 0, "m"},
    {{RULE("a", "m", .match_labels = {{"k", ""}})}, RULES_ORDERED, "a", {{0}}, 0, "m"},
    {{RULE("a", "m", .match_labels = {{"k", ""}})}, RULES_ORDERED, "a", {{"k", ""}}, 0, "m"},
    {{RULE("a", "m", .match_labels = {{"k", ""}})}, RULES_ORDERED, "a", {{"k", "v"}}, -1, NULL},
    {{RULE("a", "m", .match_labels = {{"j", "1"}, {"k", "2"}}),
      RULE("a", "n", .match_labels = {{"k", "2"}})},
     RULES_ORDERED,
     "a",
     {{"k", "2"}, {"j", "2"}},
     1,
     "n"},
    {{RULE("~(a)", "m_$1", .match_labels = {{"k", "1"}}), RULE("~(b)", "n_$1")},
     RULES_ORDERED,
     "ab",
     {{"k", "2"}},
     1,
     "n_b"},
    {{RULE("a", "m", GAUGES, .match_labels = {{"k", "1"}}),
      RULE("a", "n", .match_labels = {{"k", "2"}}), RULE("a", "o", .match_labels = {{"k", "1"}})},
     RULES_ORDERED,
     "a",
     {{"k", "1"}},
     2,
     "o"},
    /* the next best one, not the next of the same pattern */
    {{RULE("*.b", "m", .match_labels = {{"k", "1"}}), RULE("a.*", "n"), RULE("*.b", "o")},
     RULES_ORDERED,
     "a.b",
     {{0}},
     1,
     "n"},
    /* globs and regexes in the order of the file */
    {{RULE("~^a", "re"), RULE("a.b", "glob")}, RULES_FILE, "a.b", {{0}}, 0, "re"},
    {{RULE("~^x", "re"), RULE("a.*", "glob_$1"), RULE("~^(a)", "late")},
     RULES_FILE,
     "a.b",
     {{0}},
     1,
     "glob_b"},
    {{RULE("a.*", "wide"), RULE("~^a", "re"), RULE("a.b", "glob")},
     RULES_FILE,
     "a.b",
     {{0}},
     0,
     "wide"},
    {{RULE("a.c", "m"), RULE("~^(a)", "re_$1", .except = {"b$"}), RULE("a.*", "glob_$1")},
     RULES_FILE,
     "a.b",
     {{0}},
     2,
     "glob_b"},
    {{RULE("a.c", "m"), RULE("~^(b)", "re_$1")}, RULES_FILE, "b", {{0}}, 1, "re_b"},
};

/* The rule that takes the sample, and the name that it makes of it. */
START_TEST(test_match_finds)
{
    const struct match *t = &matches[_i];
    struct mapping *m = rules_load(t->rules, t->order);
    struct mapping_query q = {MAPPING_COUNTER, slice_str(t->name), rules_tag, t->tags};
    struct mapping_result result;
    struct mapping_scratch *s;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(mapping_match(m, &q, s, &result), 0);
    ck_assert_int_eq(result.rule == NULL ? -1 : (int)(result.rule - mapping_rule(m, 0)), t->rule);
    if (t->rule >= 0)
        ck_assert_msg(slice_eq_str(result.name, t->filled), "%s: '%.*s'", t->name,
                      (int)result.name.len, result.name.p);
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

/* An exception that gives up takes nothing, and that is told. */
START_TEST(test_match_tells_of_an_exception_that_gave_up)
{
    static const struct rule_spec rules[] = {RULE("~^a", "m", .except = {"^(a+)+$"}),
                                             {.match = NULL}};
    struct mapping *m = rules_load(rules, RULES_ORDERED);
    struct mapping_result result = {0};
    struct mapping_scratch *s;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(rules_match(m, MAPPING_COUNTER,
                                 SLICE_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), s,
                                 &result),
                     0);
    ck_assert_ptr_eq(result.rule, mapping_rule(m, 0));
    ck_assert(result.limit_hit);
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

/* An exception that is no expression is refused, with the place of its rule's match. */
START_TEST(test_match_refuses_exceptions)
{
    static const struct rule_spec bad[] = {
        RULE("a.*", "m"), RULE("~a", "m", .except = {"b", "^(x"}), {.match = NULL}};
    struct mapping *m = NULL;
    struct err e = {.line = 77};

    ck_assert_int_eq(rules_try(&m, bad, RULES_FILE, NULL, NULL, &e), -EINVAL);
    ck_assert_str_eq(e.file, "rules.yml");
    ck_assert_uint_eq(e.line, 21);
    ck_assert_ptr_eq(strstr(e.text, "except: \"(\" at byte 2 of the expression opens a group"),
                     e.text);
    ck_assert_ptr_null(m);
}
END_TEST

/* ---- against a plain search ---- */

#define N_SETS  300
#define N_RULES 14
#define N_NAMES 60

static uint32_t roll(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

#define PICK(state, words) (words)[roll((state), sizeof(words) / sizeof *(words))]

static const char *const globs[] = {"a.b",  "a.*",  "*.b",   "*.*",    "a.a*", "a.*ab",
                                    "a*.b", "b*.*", "*aa.*", "a.aa*b", "*",    "b.b"};
static const char *const regexes[] = {"^a", "b$", "a\\.b", "aa", "^b.b", "[.]a*b"};
static const char *const names[] = {"a.b",  "a.a",  "a.ab", "b.b",   "ab.b",   "ba.b",
                                    "b.aa", "aa.b", "a",    "a.aab", "a.aaxb", "b.aab"};
static const char *const patterns[] = {"x", "y", "x*", "*y", "*", ""};
static const char *const values[] = {"x", "y", "xy", ""};

static void invent(uint32_t *state, struct rule_spec *spec, char match[16])
{
    bool regex = roll(state, 3) == 0;

    *spec = (struct rule_spec){.match = match, .name = "m"};
    sprintf(match, "%s%s", regex ? "~" : "", regex ? PICK(state, regexes) : PICK(state, globs));
    spec->one_kind = roll(state, 4) == 0;
    spec->kind = roll(state, MAPPING_N_KINDS);
    for (uint32_t i = 0, n = roll(state, 3); i < n; i++)
        spec->except[i] = regex ? PICK(state, regexes) : PICK(state, globs);
    if (roll(state, 2)) {
        spec->match_labels[0].key = "j";
        spec->match_labels[0].pattern = PICK(state, patterns);
    }
    if (spec->match_labels[0].key != NULL && roll(state, 2)) {
        spec->match_labels[1].key = "k";
        spec->match_labels[1].pattern = PICK(state, patterns);
    }
}

/* A `*` stops at dots unless @spans. */
static bool simple_takes(const char *pattern, const char *text, bool spans)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern != '*')
        return *pattern == *text && simple_takes(pattern + 1, text + 1, spans);
    return simple_takes(pattern + 1, text, spans) ||
           (*text != '\0' && (spans || *text != '.') && simple_takes(pattern, text + 1, spans));
}

/* The few expressions above, by hand. */
static bool simple_search(const char *regex, const char *name)
{
    size_t len = strlen(name);

    if (regex[0] == '^')
        return regex[1] == name[0] &&
               (regex[2] == '\0' || (len > 2 && name[1] != '\0' && name[2] == 'b'));
    if (strcmp(regex, "b$") == 0)
        return name[len - 1] == 'b';
    if (strcmp(regex, "[.]a*b") == 0) {
        const char *p = strchr(name, '.');

        return p != NULL && p[1 + strspn(p + 1, "a")] == 'b';
    }
    return strstr(name, regex[1] == '\\' ? "a.b" : regex) != NULL;
}

static bool simple_name(const struct rule_spec *spec, const char *pattern, const char *name)
{
    return spec->match[0] == '~' ? simple_search(pattern, name)
                                 : simple_takes(pattern, name, false);
}

static bool simple_match(const struct rule_spec *spec, enum mapping_kind kind, const char *name,
                         const struct rules_tag *tags)
{
    if ((spec->one_kind && spec->kind != kind) ||
        !simple_name(spec, spec->match + (spec->match[0] == '~'), name))
        return false;
    for (int i = 0; i < RULE_EXCEPT && spec->except[i] != NULL; i++)
        if (simple_name(spec, spec->except[i], name))
            return false;
    for (int i = 0; i < 2 && spec->match_labels[i].key != NULL; i++) {
        const char *wants = spec->match_labels[i].pattern, *has = tags[i].value;

        if (*wants == '\0' ? *has != '\0' : *has == '\0' || !simple_takes(wants, has, true))
            return false;
    }
    return true;
}

/* Without order: how a glob compares, segment by segment; larger is better. */
static int simple_rank(const char *match)
{
    int rank = 0;

    for (const char *p = match;; p++) {
        size_t n = strcspn(p, ".");
        int n_text = 0;

        for (size_t i = 0; i < n; i++)
            n_text += p[i] != '*';
        rank = rank * 20 + (n_text == (int)n ? 19 : n_text);
        p += n;
        if (*p == '\0')
            return rank;
    }
}

static bool is_before(const struct rule_spec *specs, int a, int b, enum rules_order order)
{
    bool glob_a = specs[a].match[0] != '~', glob_b = specs[b].match[0] != '~';

    if (order != RULES_FILE && glob_a != glob_b)
        return glob_a;
    if (order == RULES_UNORDERED && glob_a &&
        simple_rank(specs[a].match) != simple_rank(specs[b].match))
        return simple_rank(specs[a].match) > simple_rank(specs[b].match);
    return a < b;
}

static int simple_find(const struct rule_spec *specs, enum rules_order order,
                       enum mapping_kind kind, const char *name, const struct rules_tag *tags)
{
    int best = -1;

    for (int i = 0; i < N_RULES; i++)
        if (simple_match(&specs[i], kind, name, tags) &&
            (best < 0 || is_before(specs, i, best, order)))
            best = i;
    return best;
}

/* On invented rules and samples the mapping and a plain search agree, in each order. In these rules
 * no two mixtures of a `*` and as many bytes of text begin alike and take the same name. */
START_TEST(test_match_agrees_with_a_plain_search)
{
    enum rules_order order = _i;
    uint32_t state = 3 + (uint32_t)_i;
    unsigned n_taken = 0;
    struct mapping_scratch *s;

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    for (int set = 0; set < N_SETS; set++) {
        struct rule_spec specs[N_RULES + 1] = {{0}};
        char texts[N_RULES][16];
        struct mapping *m;

        for (int i = 0; i < N_RULES; i++)
            invent(&state, &specs[i], texts[i]);
        m = rules_load(specs, order);
        for (int i = 0; i < N_NAMES; i++) {
            struct rules_tag tags[] = {
                {"j", PICK(&state, values)}, {"k", PICK(&state, values)}, {NULL, NULL}};
            const char *name = PICK(&state, names);
            struct mapping_query q = {roll(&state, MAPPING_N_KINDS), slice_str(name), rules_tag,
                                      tags};
            int expected = simple_find(specs, order, q.kind, name, tags), got;
            struct mapping_result result;

            ck_assert_int_eq(mapping_match(m, &q, s, &result), 0);
            got = result.rule == NULL ? -1 : (int)(result.rule - mapping_rule(m, 0));
            ck_assert_msg(got == expected, "set %d, %s with %s, %s: %d, not %d", set, name,
                          tags[0].value, tags[1].value, got, expected);
            n_taken += expected >= 0;
        }
        mapping_free(m);
    }
    ck_assert_uint_gt(n_taken, N_SETS * N_NAMES / 4);
    mapping_scratch_free(s);
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("match");
    TCase *tc = tcase_create("match");

    tcase_add_loop_test(tc, test_match_finds, 0, N_OF(matches));
    tcase_add_test(tc, test_match_tells_of_an_exception_that_gave_up);
    tcase_add_test(tc, test_match_refuses_exceptions);
    tcase_add_loop_test(tc, test_match_agrees_with_a_plain_search, RULES_ORDERED, RULES_FILE + 1);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
