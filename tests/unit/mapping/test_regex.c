/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regex: what an expression finds in a name, as Go's regexp package would
 */
#include "mapping/regex.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CAPTURES 32

struct find {
    const char *text;
    const char *name;
    const char *captures[5]; /* none: no match */
};

static const struct find finds[] = {
    /* an unanchored search; group 0 is what matched, not the name */
    {"b(c)", "abc-def", {"bc", "c"}},
    {"err", "terror", {"err"}},
    {"err", "fine", {NULL}},
    {"", "abc", {""}},
    {"", "", {""}},
    {"^$", "", {""}},
    {"^never$", "some.name", {NULL}},
    /* leftmost, and the first alternative, not the longest */
    {"(foo|foobar)(x?)", "foobarx", {"foo", "foo", ""}},
    {"(foo|foobar)(x?)", "foox", {"foox", "foo", "x"}},
    {"^(a|ab)(c|bcd)$", "abcd", {"abcd", "a", "bcd"}},
    {"b|a", "xab", {"a"}},
    /* greedy and lazy, and U swaps them */
    {"^(.*?)--(.*)\\.count$", "a--b--c.count", {"a--b--c.count", "a", "b--c"}},
    {"a(.*)b", "aXbYb", {"aXbYb", "XbY"}},
    {"(?U)a(.*)b", "aXbYb", {"aXb", "X"}},
    {"(?U)a(.*?)b", "aXbYb", {"aXbYb", "XbY"}},
    /* groups */
    {"^((\\w+)\\.)+end$", "x.y.end", {"x.y.end", "y.", "y"}},
    {"^((\\w+)\\.)+end$", "end", {NULL}},
    {"^(a)|(b)", "b", {"b", "", "b"}},
    {"(a)|(b)", "a", {"a", "a", ""}},
    {"^x(y|)(z*)$", "x", {"x", "", ""}},
    {"^(?P<host>[^.]+)\\.(?<1st>.*)$", "h1.cpu.idle", {"h1.cpu.idle", "h1", "cpu.idle"}},
    {"^/?(?:api/)?v(\\d+)/(.+)$", "/v2/items/x", {"/v2/items/x", "2", "items/x"}},
    /* begin and end: $ is the very end, unless m says otherwise */
    {"\\Ab(.*)(c)\\z", "bxc", {"bxc", "x", "c"}},
    {"a$", "a\n", {NULL}},
    {"(?m)a$", "a\nb", {"a"}},
    {"(?m)^b", "a\nb", {"b"}},
    {"(?m)a\n^$", "a\n", {"a\n"}},
    {"^b", "a\nb", {NULL}},
    {"a.b", "a\nb", {NULL}},
    {"(?s)a.b", "a\nb", {"a\nb"}},
    {"a.b", "a\rb", {"a\rb"}},
    {"^*ab", "xab", {"ab"}},
    /* classes are ASCII, and \s has no vertical tab */
    {"^\\w+", "ab\xc3\xa9", {"ab"}},
    {"\\d", "\xd9\xa1", {NULL}},
    {"a\\b", "a\xc3\xa9", {"a"}},
    {"a\\sb", "a b", {"a b"}},
    {"a\\sb", "a\vb", {NULL}},
    {"a[\\s]b", "a\vb", {NULL}},
    {"a\\Sb", "a\vb", {"a\vb"}},
    {"a[\\S]b", "a\vb", {"a\vb"}},
    {"a[\\S]b", "a b", {NULL}},
    {"a[^\\s]b", "a\vb", {"a\vb"}},
    {"a[[:space:]]b", "a\vb", {"a\vb"}},
    {"^([[:alpha:]]+)([[:digit:]]+)$", "abc123", {"abc123", "abc", "123"}},
    {"^[[:^alpha:]]+$", "123", {"123"}},
    {"[]a]+", "x]a]", {"]a]"}},
    {"[^]a]", "]ab", {"b"}},
    {"[^a]", "\n", {"\n"}},
    /* code points, scripts, case */
    {"^.$", "\xf0\x9f\x98\xb1", {"\xf0\x9f\x98\xb1"}},
    {"^\\pL+$", "\xc3\xa9z", {"\xc3\xa9z"}},
    {"\\p{Greek}+", "a\xce\xb1\xce\xb2", {"\xce\xb1\xce\xb2"}},
    {"\\p{^Latin}+", "a\xce\xb1\xce\xb2", {"\xce\xb1\xce\xb2"}},
    {"\\p{Greek}", "\xcd\x82", {NULL}}, /* of a script extension only */
    {"[\\x{e9}-\\x{eb}]", "\xc3\xaa", {"\xc3\xaa"}},
    {"\xc3\xa9+", "\xc3\xa9\xc3\xa9", {"\xc3\xa9\xc3\xa9"}},
    {"(?i)\xc3\x89T\xc3\xa9", "\xc3\xa9t\xc3\x89", {"\xc3\xa9t\xc3\x89"}},
    {"(?i:ab)c", "ABc", {"ABc"}},
    {"(?i:ab)c", "ABC", {NULL}},
    /* text is text */
    {"^\\Qa.b+\\E(.*)$", "a.b+c", {"a.b+c", "c"}},
    {"^\\Qa.b+\\E(.*)$", "aXb+c", {NULL}},
    {"a{,3}", "a{,3}", {"a{,3}"}},
    {"#x -,_\\-~!\"%&'/:;<=>@`", "#x -,_-~!\"%&'/:;<=>@`", {"#x -,_-~!\"%&'/:;<=>@`"}},
    {"\\123\\x41\\0", "SA", {NULL}},
    {"\\123\\x41", "SA", {"SA"}},
    {"a{2}b", "aab", {"aab"}},
    {"(?:a{2}){2}", "aaaa", {"aaaa"}},
};

static struct regex *compile(const char *text)
{
    struct regex *re = (void *)1;
    struct err e;
    int r = regex_new(&re, slice_str(text), &e);

    ck_assert_msg(r == 0, "%s: %s", text, e.text);
    return re;
}

static bool may_match(const struct regex *re, struct slice name)
{
    struct regex_filter filter = regex_filter(re);
    struct regex_look look = regex_look(name);

    return regex_may_match(&filter, &look);
}

/* The name lies against a guard page. */
START_TEST(test_regex_finds)
{
    const struct find *f = &finds[_i];
    size_t len = strlen(f->name);
    const char *name = guard_copy(f->name, len);
    struct slice captures[MAX_CAPTURES];
    struct regex *re = compile(f->text);
    struct regex_scratch *s;
    uint32_t n = 0;
    int r;

    memset(captures, 0x5a, sizeof captures);
    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    r = regex_match(re, slice_of(name, len), s, captures);
    ck_assert_msg(r == (f->captures[0] ? 0 : REGEX_MISS), "%s in %s: %d", f->text, f->name, r);
    ck_assert_msg(may_match(re, slice_of(name, len)) || r != 0, "%s in %s", f->text, f->name);
    while (n < 5 && f->captures[n] != NULL) {
        ck_assert_msg(slice_eq_str(captures[n], f->captures[n]), "%s in %s: %u is '%.*s'", f->text,
                      f->name, n, (int)captures[n].len, captures[n].p);
        n++;
    }
    ck_assert_uint_eq(r == 0 ? n : 1, r == 0 ? regex_n_groups(re) + 1 : 1);
    regex_scratch_free(s);
    regex_free(re);
    guard_free(name, len);
}
END_TEST

/* What begins otherwise, or lacks a byte, is passed over; what only might match is not. */
START_TEST(test_regex_passes_over)
{
    static const struct {
        const char *text, *name;
        bool may;
    } rows[] = {
        {"^job017\\.(.*)$", "job017.a", true},
        {"^job017\\.(.*)$", "job018.a", false},
        {"^job017\\.(.*)$", "job017", false},
        {"^job017\\.(.*)$", "", false},
        /* eight bytes are compared, and the bytes that are anywhere */
        {"^service-a\\.", "service-b.a", true},
        {"^service-a\\.", "servicf-a.a", false},
        {"^service-a\\.", "service-a:b", false},
        {"^service-a\\.", "service-", false},
        {"^abcdefgh", "abcdefgh", true},
        {"^abcdefgh", "abcdefgi", false},
        {"^a", "b", false},
        {"^a", "A", false},
        {"a_b", "x.a.b", false},
        {"a_b", "x.b_a", true},
        {"(.*)/(\\d+)", "x.y", false},
        {"^ab|^cd", "xy", true},
        {"(?i)^ab", "AB", true},
        {"", "", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].name);
        const char *name = guard_copy(rows[i].name, len);
        struct regex *re = compile(rows[i].text);

        ck_assert_msg(may_match(re, slice_of(name, len)) == rows[i].may, "%s in %s", rows[i].text,
                      rows[i].name);
        regex_free(re);
        guard_free(name, len);
    }
    ck_assert(regex_look(slice_of(NULL, 0)).bytes == 0);
}
END_TEST

static uint32_t roll(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

#define PICK(state, words) (words)[roll((state), sizeof(words) / sizeof *(words))]

/* An expression of some atoms in a row, groups and branches in it down to @depth. */
static void invent_expression(uint32_t *state, char *out, unsigned depth)
{
    static const char *const atoms[] = {"a", "b",   "k",        "A",        "\\.",       ".",
                                        "^", "$",   "[ab]",     "\\d",      "\\x{212a}", "(?i)",
                                        "-", "\\w", "\\Qb-\\E", "\xc3\xa9", "\\b",       "{"};
    static const char *const groups[] = {"(", "(?:", "(?i:", "(?s-i:"};
    static const char *const repeats[] = {"", "", "", "*", "+", "?", "{0}", "{2}", "{0,2}", "??"};

    if (roll(state, 3) == 0)
        strcat(out, "^");
    for (uint32_t i = 0, n = roll(state, 5); i < n; i++) {
        if (depth > 0 && roll(state, 3) == 0) {
            strcat(out, PICK(state, groups));
            invent_expression(state, out, depth - 1);
            strcat(out, ")");
        } else {
            const char *atom = PICK(state, atoms);

            strcat(out, atom);
            if (strcmp(atom, "(?i)") == 0)
                continue;
        }
        strcat(out, PICK(state, repeats));
        if (roll(state, 6) == 0)
            strcat(out, "|");
    }
}

static void invent_name(uint32_t *state, char *out)
{
    static const char *const pieces[] = {
        "a", "b", "k", "A", "B", "K", ".", "-", "\xc3\xa9", "\xc3\x89", "\xe2\x84\xaa", "7", "{"};

    *out = '\0';
    for (uint32_t i = 0, n = roll(state, 12); i < n; i++)
        strcat(out, PICK(state, pieces));
}

/* What begins with a group has no literal: it is always searched for. */
static struct regex *compile_in_group(const char *text)
{
    char *grouped = malloc(strlen(text) + sizeof "(?:)()|");
    struct regex *re;

    sprintf(grouped, "(?:%s)", text);
    re = compile(grouped);
    free(grouped); /* no group has a name */
    return re;
}

/* What is passed over would not have been found, whether for its bytes or for its literal. */
START_TEST(test_regex_passes_over_no_match)
{
    enum { N_EXPRESSIONS = 3000, N_NAMES = 20 };
    unsigned n_found = 0, n_passed = 0;
    uint32_t state = 7;
    struct slice captures[MAX_CAPTURES];
    struct regex_scratch *s;

    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    for (int i = 0; i < N_EXPRESSIONS; i++) {
        char text[4096] = "", name[64];
        struct regex *re, *whole;

        invent_expression(&state, text, 2);
        re = compile(text);
        whole = compile_in_group(text);
        for (int j = 0; j < N_NAMES; j++) {
            int r;

            invent_name(&state, name);
            r = regex_match(whole, slice_str(name), s, captures);
            if (r == REGEX_LIMIT)
                continue; /* nobody knows */
            ck_assert_msg(r != 0 || may_match(re, slice_str(name)), "%s in %s", text, name);
            ck_assert_msg(regex_match(re, slice_str(name), s, captures) == r, "%s in %s", text,
                          name);
            n_found += r == 0;
            n_passed += !may_match(re, slice_str(name));
        }
        regex_free(re);
        regex_free(whole);
    }
    ck_assert_uint_gt(n_found, N_EXPRESSIONS * N_NAMES / 5);
    ck_assert_uint_gt(n_passed, N_EXPRESSIONS * N_NAMES / 12);
    regex_scratch_free(s);
}
END_TEST

/* A name without any memory behind it is an empty name. */
START_TEST(test_regex_takes_no_bytes)
{
    struct regex *re = compile("^(a?)$"), *literal = compile("a");
    struct slice captures[2];
    struct regex_scratch *s;

    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    ck_assert_int_eq(regex_match(re, slice_of(NULL, 0), s, captures), 0);
    ck_assert_uint_eq(captures[1].len, 0);
    ck_assert_int_eq(regex_match(literal, slice_of(NULL, 0), s, captures), REGEX_MISS);
    regex_scratch_free(s);
    regex_free(re);
    regex_free(literal);
    regex_free(NULL);
    regex_scratch_free(NULL);
}
END_TEST

/* Groups are found by name; a scratch grows with the number of groups and keeps serving small
 * ones. */
START_TEST(test_regex_knows_its_groups)
{
    struct regex *re = compile("(?P<a>x)(y)(?P<b_2>z)");
    struct regex *many = compile("(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(b)");
    struct slice captures[MAX_CAPTURES];
    struct regex_scratch *s;

    ck_assert_uint_eq(regex_n_groups(re), 3);
    ck_assert_uint_eq(regex_group(re, SLICE_LIT("a")), 1);
    ck_assert_uint_eq(regex_group(re, SLICE_LIT("b_2")), 3);
    ck_assert_uint_eq(regex_group(re, SLICE_LIT("b")), UINT32_MAX);
    ck_assert_uint_eq(regex_group(re, SLICE_LIT("")), UINT32_MAX);
    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(regex_match(re, SLICE_LIT("xyz"), s, captures), 0);
        ck_assert(slice_eq_str(captures[3], "z"));
        ck_assert_int_eq(regex_match(many, SLICE_LIT("aaaaaaaaaaaaaaaaaaab"), s, captures), 0);
        ck_assert(slice_eq_str(captures[20], "b"));
    }
    regex_scratch_free(s);
    regex_free(re);
    regex_free(many);
}
END_TEST

static const struct {
    const char *text;
    const char *part; /* of the sentence */
} refusals[] = {
    {"ab(?=c)", "\"(?=\" at byte 3 of the expression is a look-ahead"},
    {"(a)\\1", "\"\\1\" at byte 4 of the expression is a back-reference"},
    {"a{1001}", "\"{1001}\" at byte 2 of the expression has an invalid number of repeats"},
    {"[z-a]", "\"z-a\" at byte 2 of the expression is a range that runs backwards"},
    {"\xc3\x28", "the expression is not valid UTF-8"},
    {"\\p{Klingon}", "\"\\p{Klingon}\" at byte 1 of the expression is not a category or a script"},
    {"\\pZz", NULL},
};

/* A refusal names the word, its place in the expression, and why. */
START_TEST(test_regex_refuses)
{
    struct regex *re = NULL;
    struct err e;
    int r;

    memset(&e, 0x5a, sizeof e);
    r = regex_new(&re, slice_str(refusals[_i].text), &e);
    if (refusals[_i].part == NULL) {
        ck_assert_int_eq(r, 0);
        regex_free(re);
        return;
    }
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_null(re);
    ck_assert_msg(strstr(e.text, refusals[_i].part) == e.text, "%s", e.text);
}
END_TEST

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const struct {
    const char *text;
    size_t len;
    bool hits_limit;
} costly[] = {
    {"^(a+)+$", 40, true},
    {"^(a+)+$", 65000, true},
    {"(a+)+$", 65000, true},
    {"(a|a)*$", 30, true},
    {"(a*)*$", 1000, true},
    {"(.*)(.*)(.*)(.*)(.*)\\d", 65000, true},
    {"(\\w+)(\\w+)[-.]", 65000, true},
    /* no steps back, but each place costs the whole name */
    {"(?:[a-z]+x)*\\d\\d", 600, false},
    {"(?:[a-z]+x)*\\d\\d", 65000, true},
    {"a[a-z]*[-.]", 65000, true},
    {"b[a-z]*[-.]", 65000, false},
    {"^a[a-z]*[-.]", 65000, false},
};

/* What would take a backtracking engine for ever ends soon and says that it gave up. */
START_TEST(test_regex_gives_up)
{
    struct regex *re = compile(costly[_i].text);
    char *name = malloc(costly[_i].len);
    struct slice captures[MAX_CAPTURES];
    struct regex_scratch *s;
    double begin;
    int r;

    memset(name, 'a', costly[_i].len);
    name[costly[_i].len - 1] = 'b';
    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    begin = seconds();
    r = regex_match(re, slice_of(name, costly[_i].len), s, captures);
    ck_assert_int_eq(r, costly[_i].hits_limit ? REGEX_LIMIT : REGEX_MISS);
    ck_assert(seconds() - begin < 2);
    /* and the scratch is as good as before */
    regex_free(re);
    re = compile("^(b)$");
    ck_assert_int_eq(regex_match(re, SLICE_LIT("b"), s, captures), 0);
    regex_scratch_free(s);
    regex_free(re);
    free(name);
}
END_TEST

/* How much a search may take is its scratch's: with fewer steps it gives up earlier, with more
 * later. */
START_TEST(test_regex_takes_its_steps)
{
    static const uint32_t steps[] = {100, 1000, REGEX_MAX_STEPS, 100000, 1000000};
    struct regex *re = compile("^(a|aa)+$");
    char name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    size_t before = 0;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct slice captures[MAX_CAPTURES];
        struct regex_scratch *s;
        size_t n = 1;

        ck_assert_int_eq(regex_scratch_new(&s, steps[i]), 0);
        while (n < sizeof name &&
               regex_match(re, slice_of(name + sizeof name - 1 - n, n), s, captures) == REGEX_MISS)
            n++;
        /* The work of this expression grows with the golden ratio's power of the name. */
        ck_assert_msg(n > before + 2 && n < before + 20 && n < sizeof name, "%u: %zu after %zu",
                      steps[i], n, before);
        before = n;
        regex_scratch_free(s);
    }
    regex_free(re);
}
END_TEST

/* A long name costs an ordinary expression nothing of its budget. */
START_TEST(test_regex_takes_long_names)
{
    enum { LEN = 65536 };
    static const char *const texts[] = {"^(a+)\\.(.*)$", "(a+)\\.(b*)$", "\\.(b+)$"};
    char *name = malloc(LEN);
    struct slice captures[MAX_CAPTURES];
    struct regex_scratch *s;

    memset(name, 'a', LEN / 2);
    memset(name + LEN / 2, 'b', LEN / 2);
    name[LEN / 2] = '.';
    ck_assert_int_eq(regex_scratch_new(&s, 0), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct regex *re = compile(texts[i]);

        ck_assert_msg(regex_match(re, slice_of(name, LEN), s, captures) == 0, "%s", texts[i]);
        ck_assert_uint_eq(captures[regex_n_groups(re)].len, LEN / 2 - 1);
        regex_free(re);
    }
    regex_scratch_free(s);
    free(name);
}
END_TEST

/* A reference's name goes on over letters and digits of any script. */
START_TEST(test_regex_measures_words)
{
    static const struct {
        const char *text;
        size_t len;
    } words[] = {
        {"ab_1-c", 4},
        {"\xc3\xa9t\xc3\xa9.", 5},
        {"a\xd9\xa1\xe2\x82\xac", 3}, /* an Arabic digit; the euro sign is no letter */
        {"\xc2\xb0", 0},
        {"a\xff", 0}, /* not UTF-8 */
        {"", 0},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = 99;

        ck_assert_int_eq(regex_word_len(slice_str(words[i].text), &len), 0);
        ck_assert_msg(len == words[i].len, "%s: %zu", words[i].text, len);
    }
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("regex");
    TCase *match = tcase_create("match");
    TCase *compiling = tcase_create("new");
    TCase *limits = tcase_create("limits");

    tcase_add_loop_test(match, test_regex_finds, 0, N_OF(finds));
    tcase_add_test(match, test_regex_takes_no_bytes);
    tcase_add_test(match, test_regex_passes_over);
    tcase_add_test(match, test_regex_passes_over_no_match);
    tcase_add_test(match, test_regex_knows_its_groups);
    suite_add_tcase(s, match);
    tcase_add_loop_test(compiling, test_regex_refuses, 0, N_OF(refusals));
    tcase_add_test(compiling, test_regex_measures_words);
    suite_add_tcase(s, compiling);
    tcase_add_loop_test(limits, test_regex_gives_up, 0, N_OF(costly));
    tcase_add_test(limits, test_regex_takes_its_steps);
    tcase_add_test(limits, test_regex_takes_long_names);
    suite_add_tcase(s, limits);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
