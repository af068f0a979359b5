/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dump: the picture of a mapping's globs, line by line
 */
#include "mapping/mapping.h"

#include "unit/mapping/rules.h"

#define HEAD        \
    "digraph g {\n" \
    "rankdir=LR\n"  \
    "node [label=\"\",style=filled,fillcolor=white,shape=circle]\n"
#define TYPE " [color=\"#6c8ebf\",fillcolor=\"#dae8fc\"];\n"
#define LEAF " [color=\"#82b366\",fillcolor=\"#d5e8d4\"];\n"
#define TYPES                                                                       \
    "0 -> 1  [label = \"counter\"];\n1" TYPE "0 -> 2  [label = \"gauge\"];\n2" TYPE \
    "0 -> 3  [label = \"observer\"];\n3" TYPE
#define TAIL "0 [color=\"#d6b656\",fillcolor=\"#fff2cc\"];\n}"

static const struct {
    struct rule_spec rules[RULES_MAX];
    const char *picture;
} pictures[] = {
    {{{0}}, HEAD TYPES TAIL},
    {{RULE("~a.*", "x")}, HEAD TYPES TAIL},
    /* siblings in the file's order, numbers level by level */
    {{RULE("b.*", "x", .one_kind = true, .kind = MAPPING_GAUGE),
      RULE("a", "y", .one_kind = true, .kind = MAPPING_GAUGE),
      RULE("b.c", "z", .one_kind = true, .kind = MAPPING_GAUGE)},
     HEAD TYPES "2 -> 4  [label = \"b\"];\n"
                "2 -> 5  [label = \"a\"];\n5" LEAF "4 -> 6  [label = \"*\"];\n6" LEAF
                "4 -> 7  [label = \"c\"];\n7" LEAF TAIL},
    /* a rule for every type stands under each; a pattern that is there already adds nothing */
    {{RULE("a", "x"), RULE("a", "y")},
     HEAD TYPES "1 -> 4  [label = \"a\"];\n4" LEAF "2 -> 5  [label = \"a\"];\n5" LEAF
                "3 -> 6  [label = \"a\"];\n6" LEAF TAIL},
    /* a mixture of text and `*` is an edge of its own, rules of one pattern are one */
    {{RULE("a.b*", "x", .one_kind = true), RULE("a.*", "y", .one_kind = true),
      RULE("a.b*", "z", .one_kind = true, .match_labels = {{"k", "1"}})},
     HEAD TYPES "1 -> 4  [label = \"a\"];\n"
                "4 -> 5  [label = \"b*\"];\n5" LEAF "4 -> 6  [label = \"*\"];\n6" LEAF TAIL},
    /* the end of one rule in the middle of another; an empty segment; what Graphviz reads */
    {{RULE("a", "x", .one_kind = true), RULE("a..\"\\", "y", .one_kind = true)},
     HEAD TYPES "1 -> 4  [label = \"a\"];\n"
                "4 -> 5  [label = \"\"];\n"
                "5 -> 6  [label = \"\\\"\\\\\"];\n6" LEAF TAIL},
};

/* The same rules give the same picture, byte for byte, globs or not. */
START_TEST(test_dump_draws_the_globs)
{
    struct mapping *m = rules_load(pictures[_i].rules, _i % 2 == 1);
    struct buf out = {0};

    ck_assert_int_eq(mapping_dump(m, &out), 0);
    ck_assert_msg(slice_eq_str(buf_slice(&out), pictures[_i].picture), "%.*s", (int)out.len, out.p);
    buf_release(&out);
    mapping_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dump");
    TCase *tc = tcase_create("dump");

    tcase_add_loop_test(tc, test_dump_draws_the_globs, 0,
                        (int)(sizeof pictures / sizeof pictures[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
