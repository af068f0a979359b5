/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template: both dialects, filled
 */
#include "mapping/template.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <stdlib.h>

struct filled {
    const char *text;
    const char *result;
    const char *unknown; /* the first reference that is always empty */
};

static void check_filled(const struct filled *f, const struct template *t,
                         const struct slice *captures)
{
    struct buf out = {0};

    ck_assert_int_eq(buf_add_str(&out, "<"), 0);
    ck_assert_int_eq(template_fill(t, captures, &out), 0);
    ck_assert_msg(out.p[0] == '<' && slice_eq_str(slice_from(buf_slice(&out), 1), f->result),
                  "%s: '%.*s', not '%s'", f->text, (int)out.len - 1, out.p + 1, f->result);
    ck_assert_msg(slice_eq_str(t->unknown, f->unknown ? f->unknown : ""), "%s: unknown '%.*s'",
                  f->text, (int)t->unknown.len, t->unknown.p);
    buf_release(&out);
}

/* The pattern is m.*.*: two captures of "m.X.Y". */
static const struct filled globs[] = {
    {"", "", NULL},
    {"plain", "plain", NULL},
    {"$1", "X", NULL},
    {"$2$", "", "$2$"},
    {"${1}_${2}", "X_Y", NULL},
    {"x_${1}x_$2", "x_Xx_Y", NULL},
    {"$1.$2/$1", "X.Y/X", NULL},
    {"${1}${1}", "XX", NULL},
    {"$2-$1", "Y-X", NULL},
    {"<${2}>", "<Y>", NULL},
    {"$01", "X", NULL},
    {"$1\xc3\xa9", "X\xc3\xa9", NULL},
    /* a reference takes all letters, digits, '_' and '$' that follow */
    {"$1_$2", "", "$1_$2"},
    {"$1_foo", "", "$1_foo"},
    {"$1$1", "", "$1$1"},
    {"$$1", "", "$$1"},
    {"$${1}", "{1}", "$$"},
    {"a$9b", "a", "$9b"},
    /* what is no number of a star gives nothing */
    {"[$0]", "[]", "$0"},
    {"$3", "", "$3"},
    {"[$foo][${bar}]", "[][]", "$foo"},
    {"$4294967297", "", "$4294967297"},
    {"$99999999999999999999999", "", "$99999999999999999999999"},
    {"$10-$1", "-X", "$10"},
    /* each brace may be missing */
    {"${1", "X", NULL},
    {"$1}", "X", NULL},
    {"${1}}", "X}", NULL},
    {"${{1}", "${{1}", NULL},
    /* a '$' before anything else is itself */
    {"a$", "a$", NULL},
    {"$", "$", NULL},
    {"$ $-$1", "$ $-X", NULL},
    {"${}", "${}", NULL},
    {"${-}", "${-}", NULL},
    /* text stays text (D12) */
    {"100% $1", "100% X", NULL},
    {"%s%n %d", "%s%n %d", NULL},
    {"%", "%", NULL},
};

/* Globs: the longest run is the reference, and only the number of a star gives anything. */
START_TEST(test_template_fills_glob_references)
{
    const struct slice captures[] = {SLICE_LIT("X"), SLICE_LIT("Y")};
    size_t len = strlen(globs[_i].text);
    const char *text = guard_copy(globs[_i].text, len);
    struct template t;

    memset(&t, 0x5a, sizeof t);
    ck_assert_int_eq(template_compile_glob(&t, slice_of(text, len), 2), 0);
    check_filled(&globs[_i], &t, captures);
    template_release(&t);
    guard_free(text, len);
}
END_TEST

/* Eleven stars: $1 and $10 and $11 are three different captures (D12). */
START_TEST(test_template_tells_one_from_ten)
{
    static const struct filled many[] = {
        {"$1-$10-$11", "a-j-k", NULL},
        {"${10}${1}", "ja", NULL},
        {"$11}$12", "k", "$12"},
    };
    struct slice captures[11];

    for (uint32_t i = 0; i < 11; i++)
        captures[i] = slice_of(&"abcdefghijk"[i], 1);
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        struct template t;

        ck_assert_int_eq(template_compile_glob(&t, slice_str(many[i].text), 11), 0);
        check_filled(&many[i], &t, captures);
        template_release(&t);
    }
}
END_TEST

/* The expression is (?P<first>x)(y)|(?P<_n>z), and only the first branch took part. */
static const struct filled regexes[] = {
    {"", "", NULL},
    {"plain 100%", "plain 100%", NULL},
    {"$0", "xy", NULL},
    {"$1.$2", "x.y", NULL},
    {"${1}_${2}", "x_y", NULL},
    {"$1$2", "xy", NULL},
    {"$first-${first}", "x-x", NULL},
    {"[$3][${_n}]", "[][]", NULL},
    /* the longest run of letters, digits and '_' */
    {"$1_x", "", "$1_x"},
    {"$1x", "", "$1x"},
    {"$10", "", "$10"},
    {"$1-$4-$9", "x--", "$4"},
    {"$firstly", "", "$firstly"},
    {"$1\xc3\xa9", "", "$1\xc3\xa9"},
    {"$1\xc2\xb0", "x\xc2\xb0", NULL},
    {"$01", "", "$01"},
    {"$99999999999", "", "$99999999999"},
    /* $$ is one '$' */
    {"$$", "$", NULL},
    {"$$1", "$1", NULL},
    {"$$$1", "$x", NULL},
    {"a$$b$$", "a$b$", NULL},
    /* what is malformed is itself */
    {"$", "$", NULL},
    {"a$", "a$", NULL},
    {"${1", "${1", NULL},
    {"${}", "${}", NULL},
    {"${1-}", "${1-}", NULL},
    {"$-$1", "$-x", NULL},
    {"${${1}", "${x", NULL},
    {"$1}", "x}", NULL},
    {"$\xc3\xa9", "", "$\xc3\xa9"},
};

/* Regexes: the rules of Go's Expand. */
START_TEST(test_template_fills_regex_references)
{
    const struct slice captures[] = {SLICE_LIT("xy"), SLICE_LIT("x"), SLICE_LIT("y"),
                                     SLICE_LIT("")};
    size_t len = strlen(regexes[_i].text);
    const char *text = guard_copy(regexes[_i].text, len);
    struct template t;
    struct regex *re;
    struct err e;

    memset(&t, 0x5a, sizeof t);
    ck_assert_int_eq(regex_new(&re, SLICE_LIT("(?P<first>x)(y)|(?P<_n>z)"), &e), 0);
    ck_assert_int_eq(template_compile_regex(&t, slice_of(text, len), re), 0);
    check_filled(&regexes[_i], &t, captures);
    template_release(&t);
    regex_free(re);
    guard_free(text, len);
}
END_TEST

/* What was captured is copied, not read: it may look like a reference or a format. */
START_TEST(test_template_does_not_read_captures)
{
    const struct slice captures[] = {SLICE_LIT("$2%s"), SLICE_LIT("${1}%n")};
    struct filled f = {"$1|$2", "$2%s|${1}%n", NULL};
    struct template t;

    ck_assert_int_eq(template_compile_glob(&t, slice_str(f.text), 2), 0);
    check_filled(&f, &t, captures);
    template_release(&t);
    template_release(&(struct template){0});
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("template");
    TCase *fill = tcase_create("fill");

    tcase_add_loop_test(fill, test_template_fills_glob_references, 0, N_OF(globs));
    tcase_add_test(fill, test_template_tells_one_from_ten);
    tcase_add_loop_test(fill, test_template_fills_regex_references, 0, N_OF(regexes));
    tcase_add_test(fill, test_template_does_not_read_captures);
    suite_add_tcase(s, fill);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
