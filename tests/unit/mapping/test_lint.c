/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: which rules draw a warning, and that the others draw none
 */
#include "mapping/mapping.h"

#include "lib/unit.h"
#include "rules.h"

#include <stdio.h>

#define COUNTERS .one_kind = true, .kind = MAPPING_COUNTER
#define GAUGES   .one_kind = true, .kind = MAPPING_GAUGE

#define SAME(line)                                                                                \
    " can never match: the rule at line " line " has the same match and comes first; remove one " \
    "of them\n"
#define TAKEN(by, line)                                 \
    " can never match: \"" by "\" at line " line        \
    " comes first and matches all its names; put this " \
    "rule before that one\n"
#define GONE(by) \
    " can never match: the exception \"" by "\" matches all its names; remove one of them\n"
#define APART(match)                                                                     \
    " never applies: it matches no name that \"" match "\" matches; remove it or write " \
    "another\n"
#define EMPTY                                                                              \
    " is always empty: the expression has no such group; a letter, digit or '_' behind a " \
    "reference needs braces: ${1}_x\n"

struct warned {
    struct rule_spec rules[7]; /* ended by a zeroed one */
    enum rules_order order;
    const char *warnings; /* each as "line: text\n" */
};

static const struct warned table[] = {
    {{RULE("a.*", "m"), RULE("b.*", "m"), RULE("a.b.c", "n"), RULE("*.*.*", "n")},
     RULES_ORDERED,
     ""},
    /* in order an earlier pattern that covers a later one */
    {{RULE("a.*", "m"), RULE("a.b", "n")}, RULES_ORDERED, "21: \"a.b\"" TAKEN("a.*", "11")},
    {{RULE("a.b", "m"), RULE("a.*", "n")}, RULES_ORDERED, ""},
    {{RULE("a.b", "m"), RULE("a.b", "n")}, RULES_ORDERED, "21: \"a.b\"" SAME("11")},
    {{RULE("*.*", "m", GAUGES), RULE("a.*", "n"), RULE("a.b", "o", GAUGES)},
     RULES_ORDERED,
     "31: \"a.b\"" TAKEN("*.*", "11")},
    {{RULE("a.*", "m", COUNTERS), RULE("a.b", "n")}, RULES_ORDERED, ""},
    {{RULE("a.*", "m", COUNTERS), RULE("a.b", "n", GAUGES)}, RULES_ORDERED, ""},
    /* hidden for each kind by another rule */
    {{RULE("a.*", "m", COUNTERS), RULE("*.b", "m", GAUGES),
      RULE("a.b", "m", .one_kind = true, .kind = MAPPING_OBSERVER),
      RULE("a.b", "m", .one_kind = true, .kind = MAPPING_SET), RULE("a.b", "n")},
     RULES_ORDERED,
     "51: \"a.b\" can never match: \"a.*\" at line 11 and rules for other types come first; put "
     "this rule before them\n"},
    /* without order only the very same pattern */
    {{RULE("a.*", "m"), RULE("a.b", "n")}, RULES_UNORDERED, ""},
    {{RULE("a.*", "m"), RULE("a.b", "n"), RULE("a.*", "o")},
     RULES_UNORDERED,
     "31: \"a.*\"" SAME("11")},
    /* expressions are compared as text */
    {{RULE("~a+", "m"), RULE("~aa*", "n")}, RULES_ORDERED, ""},
    {{RULE("~b", "m"), RULE("~a", "n"), RULE("~b", "o")}, RULES_ORDERED, "31: \"b\"" SAME("11")},
    {{RULE("~b", "m", GAUGES), RULE("~b", "o")}, RULES_ORDERED, ""},
    {{RULE("~b", "m"), RULE("~b", "o", GAUGES)}, RULES_ORDERED, "21: \"b\"" SAME("11")},
    {{RULE("~a.b", "m"), RULE("a.b", "n")}, RULES_ORDERED, ""},
    /* text and `*` in one segment: who covers whom */
    {{RULE("a.*", "m"), RULE("a.b_*", "n")}, RULES_ORDERED, "21: \"a.b_*\"" TAKEN("a.*", "11")},
    {{RULE("a.b*", "m"), RULE("a.b_*", "n"), RULE("a.bc", "o"), RULE("a.cb", "p")},
     RULES_ORDERED,
     "21: \"a.b_*\"" TAKEN("a.b*", "11") "31: \"a.bc\"" TAKEN("a.b*", "11")},
    {{RULE("a.b_*", "m"), RULE("a.*b*", "n"), RULE("a.*", "o")}, RULES_ORDERED, ""},
    {{RULE("a.b*", "m"), RULE("a.*", "n"), RULE("a.b*", "o")},
     RULES_UNORDERED,
     "31: \"a.b*\"" SAME("11")},
    {{RULE("a.b*", "m"), RULE("a.bc", "n"), RULE("~a", "o")}, RULES_UNORDERED, ""},
    /* who has conditions hides only who has stronger ones */
    {{RULE("a.*", "m", .except = {"a.b"}), RULE("a.b", "n"), RULE("a.c", "o"), RULE("a.*", "p")},
     RULES_ORDERED,
     "31: \"a.c\"" TAKEN("a.*", "11")},
    {{RULE("a.*", "m", .except = {"a.b"}), RULE("a.*", "n", .except = {"a.c", "a.b"})},
     RULES_ORDERED,
     "21: \"a.*\"" SAME("11")},
    {{RULE("a", "m", .match_labels = {{"k", "x*"}}), RULE("a", "n"),
      RULE("a", "o", .match_labels = {{"k", "x"}})},
     RULES_ORDERED,
     "31: \"a\"" SAME("11")},
    {{RULE("a", "m", .match_labels = {{"k", "x"}}), RULE("a", "n", .match_labels = {{"k", "x*"}}),
      RULE("a", "o", .match_labels = {{"j", "x"}}), RULE("a", "p", .match_labels = {{"k", ""}}),
      RULE("a", "q", .match_labels = {{"k", "*"}}), RULE("a", "r")},
     RULES_ORDERED,
     ""},
    {{RULE("a", "m", .match_labels = {{"k", "x"}}),
      RULE("a", "n", .match_labels = {{"j", "*"}, {"k", "x"}})},
     RULES_UNORDERED,
     "21: \"a\"" SAME("11")},
    {{RULE("~b", "m", .match_labels = {{"k", "x"}}), RULE("~b", "n"),
      RULE("~b", "o", .match_labels = {{"k", "x"}}), RULE("~b", "p", .match_labels = {{"k", "y"}})},
     RULES_ORDERED,
     "31: \"b\"" SAME("11") "41: \"b\"" SAME("21")},
    {{RULE("~b", "m", .match_labels = {{"k", "x"}}), RULE("~b", "n", .except = {"a"}),
      RULE("~b", "o", GAUGES, .except = {"a"}), RULE("~b", "p", .except = {"c"})},
     RULES_FILE,
     "31: \"b\"" SAME("21")},
    /* an expression that takes every name: it hides expressions and, in the file's order, globs */
    {{RULE("a.*", "m"), RULE("~.*", "n"), RULE("~b", "o"), RULE("a.b", "p")},
     RULES_FILE,
     "41: \"a.b\"" TAKEN("a.*", "11") "31: \"b\"" TAKEN(".*", "21")},
    {{RULE("~^(.+)$", "m"), RULE("a.b", "n"), RULE("*", "o", .except = {"b"})},
     RULES_FILE,
     "21: \"a.b\"" TAKEN("^(.+)$", "11") "31: \"*\"" TAKEN("^(.+)$", "11")},
    {{RULE("~.*", "m"), RULE("a.b", "n"), RULE("~b", "o", GAUGES), RULE("~.*", "p")},
     RULES_ORDERED,
     "41: \".*\"" SAME("11") "31: \"b\"" TAKEN(".*", "11")},
    {{RULE("~.+", "m", COUNTERS), RULE("~", "n"), RULE("a", "o", COUNTERS), RULE("~b", "p")},
     RULES_FILE,
     "31: \"a\"" TAKEN(".+", "11") "41: \"b\" can never match: \".+\" at line 11 and rules for "
                                   "other types come first; put this rule before them\n"},
    {{RULE("~.", "m"), RULE("~b", "n")}, RULES_ORDERED, "21: \"b\"" TAKEN(".", "11")},
    {{RULE("~.*", "m", GAUGES), RULE("a", "n"), RULE("~b", "o", COUNTERS)}, RULES_FILE, ""},
    {{RULE("~.*", "m", .except = {"x"}), RULE("~.*", "n", .match_labels = {{"k", "x"}}),
      RULE("a", "o"), RULE("~b", "p")},
     RULES_FILE,
     ""},
    {{RULE("~^$", "m"), RULE("~.*a", "n"), RULE("~(.*)b(.*)", "o"), RULE("~^.", "p"),
      RULE("a", "q"), RULE("~c", "r")},
     RULES_FILE,
     ""},
    /* exceptions that take nothing, or all */
    {{RULE("a.*", "m", .except = {"a", "*.b"})},
     RULES_ORDERED,
     "11: the exception \"a\" never applies: its number of segments is 1, that of the match "
     "\"a.*\" "
     "is 2; write as many\n"},
    {{RULE("a.x*", "m", .except = {"b.*", "a.y*"})},
     RULES_ORDERED,
     "11: the exception \"b.*\"" APART("a.x*") "11: the exception \"a.y*\"" APART("a.x*")},
    {{RULE("a.x*", "m", .except = {"*.*"})}, RULES_ORDERED, "11: \"a.x*\"" GONE("*.*")},
    {{RULE("~a", "m", .except = {"b", "a"})},
     RULES_ORDERED,
     "11: \"a\" can never match: it has the same expression as an exception; remove one of them\n"},
    /* references to groups that are not there */
    {{RULE("~(a)(?P<x>b)", "m_${1}_$2", {{"k", "$x$$1"}, {"l", "$0"}})}, RULES_ORDERED, ""},
    {{RULE("~(a)", "m_$1_x", {{"k", "$who-$2"}})},
     RULES_ORDERED,
     "11: \"$1_x\" in the name" EMPTY "11: \"$who\" in the label k" EMPTY},
};

static void note(void *ctx, const struct err *e)
{
    char *notes = ctx;

    ck_assert_str_eq(e->file, "rules.yml");
    ck_assert_uint_eq(e->column, 5);
    sprintf(notes + strlen(notes), "%u: %s\n", e->line, e->text);
}

/* A warning names the rule, what hides it and where that stands; what may match draws none. */
START_TEST(test_lint_warns)
{
    struct mapping *m = NULL;
    char notes[4096] = "";
    struct err e;

    ck_assert_int_eq(rules_try(&m, table[_i].rules, table[_i].order, note, notes, &e), 0);
    ck_assert_str_eq(notes, table[_i].warnings);
    mapping_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lint");
    TCase *warnings = tcase_create("warnings");

    tcase_add_loop_test(warnings, test_lint_warns, 0, (int)(sizeof table / sizeof *table));
    suite_add_tcase(s, warnings);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
