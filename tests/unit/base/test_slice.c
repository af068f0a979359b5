/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slice helpers: at the edges, where the bytes end and where there are none
 */
#include "base/slice.h"

#include "lib/guard.h"
#include "lib/unit.h"

/* Equality is that of length and bytes; no bytes equal no bytes, wherever they are. */
START_TEST(test_slice_equality)
{
    struct slice none = {0};

    ck_assert(slice_eq(none, SLICE_LIT("")));
    ck_assert(slice_eq(SLICE_LIT("a\0b"), slice_of("a\0b", 3)));
    ck_assert(!slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0c")));
    ck_assert(!slice_eq(SLICE_LIT("ab"), SLICE_LIT("abc")));
    ck_assert(slice_eq_str(slice_of("abc", 2), "ab"));
    ck_assert(slice_starts(SLICE_LIT("abc"), SLICE_LIT("ab")));
    ck_assert(slice_starts(SLICE_LIT("abc"), none));
    ck_assert(!slice_starts(SLICE_LIT("ab"), SLICE_LIT("abc")));
}
END_TEST

static int sign(int v)
{
    return v < 0 ? -1 : v > 0;
}

/* Order is that of unsigned bytes, a prefix before what it begins. */
START_TEST(test_slice_order)
{
    static const struct {
        struct slice a, b;
        int order;
    } cases[] = {
        {{"", 0}, {NULL, 0}, 0},   {{"a", 1}, {"a", 1}, 0},        {{"a", 1}, {"b", 1}, -1},
        {{"a", 1}, {"ab", 2}, -1}, {{"\xc3", 1}, {"a", 1}, 1},     {{NULL, 0}, {"a", 1}, -1},
        {{"b", 1}, {"ab", 2}, 1},  {{"a\0a", 3}, {"a\0b", 3}, -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(sign(slice_cmp(cases[i].a, cases[i].b)), cases[i].order);
        ck_assert_int_eq(sign(slice_cmp(cases[i].b, cases[i].a)), -cases[i].order);
    }
}
END_TEST

/* Cutting and searching touch no byte behind the end. */
START_TEST(test_slice_cuts_and_finds)
{
    struct slice s = {guard_copy("key=v", 5), 5};
    struct slice none = {0};

    ck_assert_uint_eq(slice_find(s, '='), 3);
    ck_assert_uint_eq(slice_find(s, 'k'), 0);
    ck_assert_uint_eq(slice_find(s, '\0'), 5);
    ck_assert_uint_eq(slice_find(none, 'x'), 0);
    ck_assert(slice_eq_str(slice_from(s, 4), "v"));
    ck_assert_uint_eq(slice_from(s, 5).len, 0);
    ck_assert_uint_eq(slice_from(none, 0).len, 0);
    guard_free(s.p, s.len);
}
END_TEST

/* White space goes at both ends and stays within; what is nothing else is empty. */
START_TEST(test_slice_trims)
{
    struct slice s = {guard_copy(" \r\n a\tb \x01\n", 10), 10};
    struct slice blank = {guard_copy("\t \n", 3), 3}, none = {0};

    ck_assert(slice_eq_str(slice_trim(s), "a\tb"));
    ck_assert_uint_eq(slice_trim(blank).len, 0);
    ck_assert_uint_eq(slice_trim(none).len, 0);
    ck_assert(slice_eq_str(slice_trim_blanks(s), "\r\n a\tb \x01\n"));
    ck_assert(slice_eq_str(slice_trim_blanks(blank), "\n"));
    ck_assert(slice_eq_str(slice_trim(SLICE_LIT("\xc3\xa9")), "\xc3\xa9"));
    guard_free(s.p, s.len);
    guard_free(blank.p, blank.len);
}
END_TEST

/* Words come in their order, then empty ones. */
START_TEST(test_slice_takes_words)
{
    struct slice s = {guard_copy(" one\ttwo  three", 15), 15}, rest = s;

    ck_assert(slice_eq_str(slice_take_word(&rest), "one"));
    ck_assert(slice_eq_str(slice_take_word(&rest), "two"));
    ck_assert(slice_eq_str(slice_take_word(&rest), "three"));
    ck_assert_uint_eq(slice_take_word(&rest).len, 0);
    ck_assert_uint_eq(slice_take_word(&rest).len, 0);
    guard_free(s.p, s.len);
}
END_TEST

/* Short texts have words of their own; what is empty or longer has none. */
START_TEST(test_slice_word_tells_texts_apart)
{
    static const char *const texts[] = {
        "|", "|c", "c|", "|g", "|ms", "|c|", "|c|@", "|c|@0.1", "|g|@0.1", "|c|@0.2", "\xff\xff",
    };
    const size_t n = sizeof texts / sizeof texts[0];

    for (size_t a = 0; a < n; a++) {
        ck_assert_uint_ne(slice_word(slice_str(texts[a])), 0);
        for (size_t b = 0; b < n; b++)
            ck_assert_int_eq(slice_word(slice_str(texts[a])) == slice_word(slice_str(texts[b])),
                             a == b);
    }
    ck_assert_uint_ne(slice_word(slice_of("\0", 1)), slice_word(slice_of("\0\0", 2)));
    ck_assert_uint_eq(slice_word(slice_of(NULL, 0)), 0);
    ck_assert_uint_eq(slice_word(SLICE_LIT("|ms|@0.1")), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("slice");
    TCase *eq = tcase_create("slice_eq");
    TCase *cmp = tcase_create("slice_cmp");
    TCase *from = tcase_create("slice_from");

    tcase_add_test(eq, test_slice_equality);
    tcase_add_test(eq, test_slice_word_tells_texts_apart);
    suite_add_tcase(s, eq);
    tcase_add_test(cmp, test_slice_order);
    suite_add_tcase(s, cmp);
    tcase_add_test(from, test_slice_cuts_and_finds);
    tcase_add_test(from, test_slice_trims);
    tcase_add_test(from, test_slice_takes_words);
    suite_add_tcase(s, from);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
