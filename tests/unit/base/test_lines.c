/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines: counted as if each byte were looked at, wherever they stand in a vector
 */
#include "base/lines.h"

#include <string.h>

#include "lib/unit.h"

static uint64_t filled(const char *text)
{
    return lines_count_filled(slice_str(text));
}

/* Where lines begin and end, and what an end alone is. */
START_TEST(test_lines_filled)
{
    static const struct {
        const char *text;
        unsigned n;
    } rows[] = {
        {"", 0},         {"\n", 0},       {"\r\n", 0},   {"\n\n", 0},    {"\n\r\n", 0},
        {"\r\n\r\n", 0}, {"a", 1},        {"\r", 1},     {"a\n", 1},     {"a\r\n", 1},
        {"a\nb", 2},     {"\na\n\nb", 2}, {"\r\r\n", 1}, {"a\r\n\r", 2}, {"\n\r\r\n\n", 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(filled(rows[i].text) == rows[i].n, "%zu: %llu", i,
                      (unsigned long long)filled(rows[i].text));
}
END_TEST

/* By what a line is, one after the other. */
static uint64_t one_by_one(struct slice text, uint64_t *ends)
{
    uint64_t total = 0;
    size_t begin = 0;

    *ends = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t len = i - begin;

        if (text.p[i] != '\n')
            continue;
        total += len > 1 || (len == 1 && text.p[begin] != '\r');
        ++*ends;
        begin = i + 1;
    }
    return total + (begin < text.len);
}

/* Half of it letters, so that ends meet. */
static void fill(char *room, size_t n, uint32_t *dice)
{
    for (size_t i = 0; i < n; i++) {
        *dice = *dice * 1664525 + 1013904223;
        room[i] = "\n\n\r\rabab"[*dice >> 29];
    }
}

/* Texts of every length and at every place of a vector. */
START_TEST(test_lines_in_any_place)
{
    char room[300 + 16];
    uint32_t dice = 1;

    for (size_t len = 0; len <= 300; len++) {
        for (size_t from = 0; from < 16; from++) {
            struct slice text = slice_of(room + from, len);
            uint64_t ends, expected;

            fill(room, sizeof room, &dice);
            expected = one_by_one(text, &ends);
            ck_assert_uint_eq(lines_count_filled(text), expected);
            ck_assert_uint_eq(lines_count_ends(text), ends);
        }
    }
}
END_TEST

/* More hits than a byte of a sum holds. */
START_TEST(test_lines_many)
{
    static char room[3 * 255 * 16 + 7];

    memset(room, '\n', sizeof room);
    ck_assert_uint_eq(lines_count_ends(slice_of(room, sizeof room)), sizeof room);
    ck_assert_uint_eq(lines_count_filled(slice_of(room, sizeof room)), 0);
    for (size_t i = 0; i < sizeof room; i += 2)
        room[i] = 'a';
    ck_assert_uint_eq(lines_count_ends(slice_of(room, sizeof room)), sizeof room / 2);
    ck_assert_uint_eq(lines_count_filled(slice_of(room, sizeof room)), sizeof room / 2 + 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lines");
    TCase *t = tcase_create("all");

    tcase_add_test(t, test_lines_filled);
    tcase_add_test(t, test_lines_in_any_place);
    tcase_add_test(t, test_lines_many);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
