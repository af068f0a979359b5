/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: what is told of the rules that take a name or come close
 */
#include "mapping/explain.h"

#include "lib/guard.h"
#include "lib/unit.h"
#include "rules.h"

#include <stdio.h>

#define GAUGES .one_kind = true, .kind = MAPPING_GAUGE

struct told {
    struct rule_spec rules[6];
    enum rules_order order;
    const char *name; /* of a counter */
    const char *text;
};

/* Of every sample here. */
static const struct rules_tag tags[] = {{"r", "eu1"}, {NULL, NULL}};

static const struct told table[] = {
    {{RULE("a.*", "m")}, RULES_ORDERED, "x.y.z", ""},
    {{RULE("a.*", "m_$1")}, RULES_ORDERED, "a.b", "  rule 1 (line 10) glob a.* -> m_$1  <- wins\n"},
    {{RULE("a.*", "m", .drop = true)},
     RULES_ORDERED,
     "a.b",
     "  rule 1 (line 10) glob a.* -> drop  <- wins\n"},
    {{RULE("a.b.c", "m"), RULE("a.b.d", "n"), RULE("a.*", "o"), RULE("q.b.d", "p")},
     RULES_ORDERED,
     "a.b.d",
     "  rule 2 (line 20) glob a.b.d -> n  <- wins\n"
     "  rule 1 (line 10) glob a.b.c -> m  segment 3 is \"d\", the rule expects \"c\"\n"
     "  rule 3 (line 30) glob a.* -> o  the name has 3 segments, the rule expects 2\n"
     "  rule 4 (line 40) glob q.b.d -> p  segment 1 is \"a\", the rule expects \"q\"\n"},
    {{RULE("a.b", "m", GAUGES), RULE("*.b", "n"), RULE("a.*", "o")},
     RULES_ORDERED,
     "a.b",
     "  rule 2 (line 20) glob *.b -> n  <- wins\n"
     "  rule 3 (line 30) glob a.* -> o  also matches, but rule 2 comes first\n"
     "  rule 1 (line 10) glob a.b -> m  applies to type gauge only\n"},
    {{RULE("*.b", "n"), RULE("a.*", "o"), RULE("a.*", "p")},
     RULES_UNORDERED,
     "a.b",
     "  rule 2 (line 20) glob a.* -> o  <- wins\n"
     "  rule 1 (line 10) glob *.b -> n  also matches, but rule 2 is more specific\n"
     "  rule 3 (line 30) glob a.* -> p  also matches, but rule 2 comes first\n"},
    {{RULE("~^a", "m"), RULE("a.b", "n"), RULE("~^a\\.c", "o")},
     RULES_ORDERED,
     "a.b",
     "  rule 2 (line 20) glob a.b -> n  <- wins\n"
     "  rule 1 (line 10) regex ^a -> m  also matches, but globs are tried before regexes\n"},
    {{RULE("~b", "m"), RULE("~a", "n"), RULE("~^a.\\d", "o"), RULE("~a", "p", GAUGES),
      RULE("~c\\d", "q")},
     RULES_ORDERED,
     "a.b",
     "  rule 1 (line 10) regex b -> m  <- wins\n"
     "  rule 2 (line 20) regex a -> n  also matches, but rule 1 comes first\n"
     "  rule 4 (line 40) regex a -> p  applies to type gauge only\n"
     "  rule 3 (line 30) regex ^a.\\d -> o  its literal text matches, the rest does not\n"},
    {{RULE("~^(a+)+$", "m")},
     RULES_ORDERED,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
     "  rule 1 (line 10) regex ^(a+)+$ -> m  aborted: the search takes too many steps\n"},
    {{RULE("a.*", "m")}, RULES_ORDERED, "", ""},
    {{RULE("a.*.", "m")},
     RULES_ORDERED,
     "a..b",
     "  rule 1 (line 10) glob a.*. -> m  segment 3 is \"b\", the "
     "rule expects \"\"\n"},
    /* text and `*` in one segment */
    {{RULE("a.b*", "m"), RULE("a.*c*", "n"), RULE("a.b_*", "o")},
     RULES_ORDERED,
     "a.bc",
     "  rule 1 (line 10) glob a.b* -> m  <- wins\n"
     "  rule 2 (line 20) glob a.*c* -> n  also matches, but rule 1 comes first\n"
     "  rule 3 (line 30) glob a.b_* -> o  segment 2 is \"bc\", the rule expects \"b_*\"\n"},
    {{RULE("a.*", "m"), RULE("a.b*", "n"), RULE("a.*c", "o")},
     RULES_UNORDERED,
     "a.bc",
     "  rule 2 (line 20) glob a.b* -> n  <- wins\n"
     "  rule 1 (line 10) glob a.* -> m  also matches, but rule 2 is more specific\n"
     "  rule 3 (line 30) glob a.*c -> o  also matches, but rule 2 comes first\n"},
    /* exceptions, and labels: what is there and what is wanted */
    {{RULE("a.*", "m", .except = {"a.x", "a.b*"}), RULE("~a", "n", .except = {"x", "b$"}),
      RULE("a.b", "o", .except = {"a.b"}, GAUGES)},
     RULES_ORDERED,
     "a.b",
     "  rule 1 (line 10) glob a.* -> m  would match, but its exception \"a.b*\" matches\n"
     "  rule 2 (line 20) regex a -> n  would match, but its exception \"b$\" matches\n"
     "  rule 3 (line 30) glob a.b -> o  applies to type gauge only\n"},
    {{RULE("~a", "m", .except = {"^(a+)+$", "c"})},
     RULES_ORDERED,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc",
     "  rule 1 (line 10) regex a -> m  would match, but its exception \"c\" matches\n"},
    {{RULE("a", "m", .match_labels = {{"r", "u*"}}), RULE("a", "n", .match_labels = {{"r", ""}}),
      RULE("a", "o", .match_labels = {{"r", "eu*"}, {"z", "1"}}), RULE("a", "p")},
     RULES_ORDERED,
     "a",
     "  rule 4 (line 40) glob a -> p  <- wins\n"
     "  rule 1 (line 10) glob a -> m  would match, but the label r is \"eu1\", the rule expects "
     "\"u*\"\n"
     "  rule 2 (line 20) glob a -> n  would match, but the label r is \"eu1\", the rule expects "
     "none\n"
     "  rule 3 (line 30) glob a -> o  would match, but the label z is missing, the rule expects "
     "\"1\"\n"},
    /* one order for globs and regexes */
    {{RULE("~^a", "m"), RULE("a.b", "n"), RULE("~b", "o")},
     RULES_FILE,
     "a.b",
     "  rule 1 (line 10) regex ^a -> m  <- wins\n"
     "  rule 2 (line 20) glob a.b -> n  also matches, but rule 1 comes first\n"
     "  rule 3 (line 30) regex b -> o  also matches, but rule 1 comes first\n"},
    {{RULE("a.b", "n"), RULE("~b", "o")},
     RULES_FILE,
     "a.b",
     "  rule 1 (line 10) glob a.b -> n  <- wins\n"
     "  rule 2 (line 20) regex b -> o  also matches, but rule 1 comes first\n"},
};

/* The winner first, then who would have taken it, then who came close, nearest first. */
START_TEST(test_explain_tells)
{
    const struct told *t = &table[_i];
    struct mapping *m = rules_load(t->rules, t->order);
    size_t len = strlen(t->name);
    const char *name = guard_copy(t->name, len);
    struct mapping_scratch *s;
    struct mapping_candidates found = {0};
    struct mapping_query q = {MAPPING_COUNTER, slice_of(name, len), rules_tag, tags};
    struct buf out = {0};

    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(mapping_explain(m, &q, s, &found), 0);
    mapping_tell(m, &found, &out);
    ck_assert_int_eq(buf_add_byte(&out, '\0'), 0);
    ck_assert_str_eq(out.p, t->text);
    buf_release(&out);
    mapping_candidates_release(&found);
    mapping_scratch_free(s);
    guard_free(name, len);
    mapping_free(m);
}
END_TEST

/* However many rules come close, twenty are told, the winner among them. */
START_TEST(test_explain_is_bounded)
{
    enum { N = 60 };
    struct mapping_rule *rules;
    struct mapping_defaults defaults;
    struct mapping_scratch *s;
    struct shelf *shelf;
    struct mapping *m;
    struct mapping_candidates found = {0};
    struct mapping_query q = {MAPPING_COUNTER, SLICE_LIT("a.b59"), NULL, NULL};
    struct buf out = {0};
    unsigned n_lines = 0;
    char match[16];

    ck_assert_int_eq(shelf_new(&shelf), 0);
    rules = shelf_room(shelf, N * sizeof *rules);
    for (unsigned i = 0; i < N; i++) {
        struct rule_spec spec = RULE(match, "m");

        sprintf(match, "a.b%u", i);
        rules_fill(shelf, &rules[i], &spec, i);
    }
    mapping_defaults_init(&defaults);
    ck_assert_int_eq(mapping_new(&m, shelf, rules, N, &defaults, NULL, NULL, NULL), 0);
    ck_assert_int_eq(mapping_scratch_new(&s, 0), 0);
    ck_assert_int_eq(mapping_explain(m, &q, s, &found), 0);
    mapping_tell(m, &found, &out);
    ck_assert_int_eq(buf_add_byte(&out, '\0'), 0);
    for (const char *p = out.p; (p = strchr(p, '\n')) != NULL; p++)
        n_lines++;
    ck_assert_uint_eq(n_lines, 21);
    ck_assert_ptr_eq(strstr(out.p, "  rule 60 (line 600) glob a.b59 -> m  <- wins\n  rule 1 "),
                     out.p);
    ck_assert_ptr_nonnull(strstr(out.p, "\n  and 40 more that almost match\n"));
    buf_release(&out);
    mapping_candidates_release(&found);
    mapping_scratch_free(s);
    mapping_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("explain");
    TCase *text = tcase_create("text");

    tcase_add_loop_test(text, test_explain_tells, 0, (int)(sizeof table / sizeof *table));
    tcase_add_test(text, test_explain_is_bounded);
    suite_add_tcase(s, text);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
