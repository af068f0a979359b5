/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pattern: what text with `*` takes and captures, against tables and against trying everything
 */
#include "mapping/pattern.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_STARS 4

struct laid {
    const char *pattern;
    const char *text;
    bool takes;
    const char *captures[MAX_STARS];
};

static const struct laid table[] = {
    {"", "", true, {NULL}},
    {"", "a", false, {NULL}},
    {"abc", "abc", true, {NULL}},
    {"abc", "abcd", false, {NULL}},
    {"*", "", true, {""}},
    {"*", "a.b", true, {"a.b"}},
    {"*", "*", true, {"*"}},
    {"pre_*", "pre_x", true, {"x"}},
    {"pre_*", "pre_", true, {""}},
    {"pre_*", "pre", false, {NULL}},
    {"*_total", "a_total", true, {"a"}},
    {"*_total", "_total", true, {""}},
    {"*_total", "a_total_total", true, {"a_total"}},
    {"*_total", "total", false, {NULL}},
    {"a*a", "a", false, {NULL}},
    {"a*a", "aa", true, {""}},
    /* the leftmost is as short as can be, the last takes what is left */
    {"a*b*c", "aXbYbZc", true, {"X", "YbZ"}},
    {"*b*", "abcbd", true, {"a", "cbd"}},
    {"*ab*ab", "aababab", true, {"a", "ab"}},
    {"a*b*c", "abc", true, {"", ""}},
    {"a*b*c", "acb", false, {NULL}},
    {"a*bc*c", "abc", false, {NULL}},
    {"*_*_*", "a_b_c_d", true, {"a", "b", "c_d"}},
    {"**", "ab", true, {"", "ab"}},
    {"a**b", "axb", true, {"", "x"}},
};

/* Takes or does not, and each `*` captures as little as can be, the leftmost first. */
START_TEST(test_pattern_lays)
{
    const struct laid *t = &table[_i];
    size_t n_pattern = strlen(t->pattern), n_text = strlen(t->text);
    const char *pattern = guard_copy(t->pattern, n_pattern), *text = guard_copy(t->text, n_text);
    struct slice captures[MAX_STARS];

    ck_assert_int_eq(pattern_takes(slice_of(pattern, n_pattern), slice_of(text, n_text)), t->takes);
    if (t->takes) {
        pattern_capture(slice_of(pattern, n_pattern), slice_of(text, n_text), captures);
        for (size_t i = 0; i < pattern_n_stars(slice_str(t->pattern)); i++)
            ck_assert_msg(slice_eq_str(captures[i], t->captures[i]), "%s on %s: %zu is '%.*s'",
                          t->pattern, t->text, i, (int)captures[i].len, captures[i].p);
    }
    guard_free(pattern, n_pattern);
    guard_free(text, n_text);
}
END_TEST

/* Try the shortest text for the first `*`, then a longer one. */
static bool try_all(const char *pattern, struct slice text, struct slice *captures)
{
    if (*pattern == '\0')
        return text.len == 0;
    if (*pattern != '*')
        return text.len > 0 && text.p[0] == *pattern &&
               try_all(pattern + 1, slice_from(text, 1), captures);
    for (size_t n = 0; n <= text.len; n++) {
        *captures = slice_of(text.p, n);
        if (try_all(pattern + 1, slice_from(text, n), captures + 1))
            return true;
    }
    return false;
}

static void invent(uint32_t *state, const char *letters, char out[9])
{
    uint32_t n;

    *state = *state * 1664525u + 1013904223u;
    n = (*state >> 8) % 9;
    for (uint32_t i = 0; i < n; i++) {
        *state = *state * 1664525u + 1013904223u;
        out[i] = letters[(*state >> 8) % strlen(letters)];
    }
    out[n] = '\0';
}

/* What is taken, and what is captured, is what trying all ways in order finds. */
START_TEST(test_pattern_agrees_with_trying_everything)
{
    uint32_t state = 5;
    unsigned n_taken = 0;

    for (int i = 0; i < 200000; i++) {
        struct slice expected[9], got[9];
        char pattern[9], text[9];
        bool takes;

        invent(&state, "ab*", pattern);
        invent(&state, "ab", text);
        takes = try_all(pattern, slice_str(text), expected);
        ck_assert_msg(pattern_takes(slice_str(pattern), slice_str(text)) == takes, "%s on %s",
                      pattern, text);
        n_taken += takes;
        if (!takes)
            continue;
        pattern_capture(slice_str(pattern), slice_str(text), got);
        for (size_t j = 0; j < pattern_n_stars(slice_str(pattern)); j++)
            ck_assert_msg(got[j].p == expected[j].p && got[j].len == expected[j].len,
                          "%s on %s: %zu", pattern, text, j);
    }
    ck_assert_uint_gt(n_taken, 10000);
}
END_TEST

/* Two patterns meet if a text is taken by both; one covers the other if it takes all of its. */
START_TEST(test_pattern_compares_patterns)
{
    static char texts[1093][8];
    unsigned n_texts = 1, n_meet = 0, n_cover = 0;
    uint32_t state = 9;

    for (unsigned i = 0; i < 364; i++)
        for (const char *c = "abc"; *c != '\0'; c++)
            (void)snprintf(texts[n_texts++], sizeof texts[0], "%.6s%c", texts[i], *c);
    for (int i = 0; i < 4000; i++) {
        bool meets = false, covers = true;
        char a[9], b[9];

        invent(&state, "ab**", a);
        invent(&state, "ab**", b);
        a[3] = b[3] = '\0'; /* six bytes are room for a text that both take */
        for (unsigned j = 0; j < n_texts; j++) {
            bool by_a = pattern_takes(slice_str(a), slice_str(texts[j]));
            bool by_b = pattern_takes(slice_str(b), slice_str(texts[j]));

            meets |= by_a && by_b;
            covers &= by_a || !by_b;
        }
        ck_assert_msg(pattern_glob_meets(slice_str(a), slice_str(b)) == meets, "%s and %s", a, b);
        ck_assert_msg(pattern_takes(slice_str(a), slice_str(b)) == covers, "%s over %s", a, b);
        n_meet += meets;
        n_cover += covers;
    }
    ck_assert(n_meet > 500 && n_meet < 3500);
    ck_assert(n_cover > 300 && n_cover < 3700);
}
END_TEST

static const struct {
    const char *a, *b;
    bool takes, meets;
} globs[] = {
    {"a.b", "a.b", true, true},     {"a.*", "a.b", true, true},     {"a.*", "a.b.c", false, false},
    {"a.*", "a", false, false},     {"*", "a.b", false, false},     {"a*", "ab.c", false, false},
    {"*.c", "a.*", false, true},    {"a.x*", "a.*y", false, true},  {"a.x*", "a.y*", false, false},
    {"a.x*", "b.x*", false, false}, {"a*.*b", "ax.xb", true, true}, {"*.*", ".", true, true},
    {"", "", true, true},
};

/* In a glob a `*` stays within its segment, and as many segments must be there. */
START_TEST(test_pattern_globs_go_by_segments)
{
    struct slice a = slice_str(globs[_i].a), b = slice_str(globs[_i].b);

    ck_assert_int_eq(pattern_glob_takes(a, b), globs[_i].takes);
    ck_assert_int_eq(pattern_glob_meets(a, b), globs[_i].meets);
    ck_assert_int_eq(pattern_glob_meets(b, a), globs[_i].meets);
}
END_TEST

/* Twenty thousand stars on a megabyte: with steps back this would not end, and check ends it. */
START_TEST(test_pattern_work_is_bounded)
{
    enum { STARS = 20000, LEN = 1 << 20 };
    char *pattern = malloc(2 * STARS + 1), *text = malloc(LEN);

    for (int i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    pattern[2 * STARS] = 'b';
    memset(text, 'a', LEN);
    ck_assert(!pattern_takes(slice_of(pattern, 2 * STARS + 1), slice_of(text, LEN)));
    ck_assert(pattern_takes(slice_of(pattern, 2 * STARS), slice_of(text, LEN)));
    free(pattern);
    free(text);
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("pattern");
    TCase *text = tcase_create("text");
    TCase *segments = tcase_create("segments");

    tcase_add_loop_test(text, test_pattern_lays, 0, N_OF(table));
    tcase_add_test(text, test_pattern_agrees_with_trying_everything);
    tcase_add_test(text, test_pattern_compares_patterns);
    tcase_add_test(text, test_pattern_work_is_bounded);
    suite_add_tcase(s, text);
    tcase_add_loop_test(segments, test_pattern_globs_go_by_segments, 0, N_OF(globs));
    suite_add_tcase(s, segments);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
