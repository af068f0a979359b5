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
#define TAKEN(by, line)                                                                            \
    " can never match: \"" by "\" at line " line " comes first and takes all its names; put this " \
    "rule before that one\n"
#define EMPTY                                                                              \
    " is always empty: the expression has no such group; a letter, digit or '_' behind a " \
    "reference needs braces: ${1}_x\n"

struct warned {
    struct rule_spec rules[6];
    bool unordered;
    const char *warnings; /* each as "line: text\n" */
};

static const struct warned table[] = {
    {{RULE("a.*", "m"), RULE("b.*", "m"), RULE("a.b.c", "n"), RULE("*.*.*", "n")}, false, ""},
    /* in order an earlier pattern that covers a later one */
    {{RULE("a.*", "m"), RULE("a.b", "n")}, false, "21: \"a.b\"" TAKEN("a.*", "11")},
    {{RULE("a.b", "m"), RULE("a.*", "n")}, false, ""},
    {{RULE("a.b", "m"), RULE("a.b", "n")}, false, "21: \"a.b\"" SAME("11")},
    {{RULE("*.*", "m", GAUGES), RULE("a.*", "n"), RULE("a.b", "o", GAUGES)},
     false,
     "31: \"a.b\"" TAKEN("*.*", "11")},
    {{RULE("a.*", "m", COUNTERS), RULE("a.b", "n")}, false, ""},
    {{RULE("a.*", "m", COUNTERS), RULE("a.b", "n", GAUGES)}, false, ""},
    /* hidden for each kind by another rule */
    {{RULE("a.*", "m", COUNTERS), RULE("*.b", "m", GAUGES),
      RULE("a.b", "m", .one_kind = true, .kind = MAPPING_OBSERVER),
      RULE("a.b", "m", .one_kind = true, .kind = MAPPING_SET), RULE("a.b", "n")},
     false,
     "51: \"a.b\" can never match: \"a.*\" at line 11 and rules for other types come first; put "
     "this rule before them\n"},
    /* without order only the very same pattern */
    {{RULE("a.*", "m"), RULE("a.b", "n")}, true, ""},
    {{RULE("a.*", "m"), RULE("a.b", "n"), RULE("a.*", "o")}, true, "31: \"a.*\"" SAME("11")},
    /* expressions are compared as text */
    {{RULE("~a+", "m"), RULE("~aa*", "n")}, false, ""},
    {{RULE("~b", "m"), RULE("~a", "n"), RULE("~b", "o")}, false, "31: \"b\"" SAME("11")},
    {{RULE("~b", "m", GAUGES), RULE("~b", "o")}, false, ""},
    {{RULE("~b", "m"), RULE("~b", "o", GAUGES)}, false, "21: \"b\"" SAME("11")},
    {{RULE("~a.b", "m"), RULE("a.b", "n")}, false, ""},
    /* references to groups that are not there */
    {{RULE("~(a)(?P<x>b)", "m_${1}_$2", {{"k", "$x$$1"}, {"l", "$0"}})}, false, ""},
    {{RULE("~(a)", "m_$1_x", {{"k", "$who-$2"}})},
     false,
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

    ck_assert_int_eq(rules_try(&m, table[_i].rules, table[_i].unordered, note, notes, &e), 0);
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
