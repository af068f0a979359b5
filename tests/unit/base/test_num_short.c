/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short numbers: read as num_parse() reads them, or not at all
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/num_short.h"
#include "lib/unit.h"

/* The eight bytes that are read; what lies behind the number has no say. */
static bool parse(const char *text, size_t len, char behind, double *out)
{
    char bytes[NUM_SHORT_MAX];

    memset(bytes, behind, sizeof bytes);
    memcpy(bytes, text, len);
    *out = -77;
    return num_short_parse(bytes, (unsigned)len, out);
}

/* Zeros have signs. */
static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Whatever stands behind it, with all the places that a point and a sign may have. */
START_TEST(test_num_short_takes_plain_decimals)
{
    static const char *const texts[] = {
        "0",        "1",        "9",        "10",       "007",      "320",
        "12345678", "99999999", "-0",       "+0",       "-1",       "+1",
        "-9.5",     "+.5",      "-1234567", "+9999999", ".5",       "5.",
        "-5.",      "0.1",      ".0",       "0.",       "3.14",     "12.5",
        "0.000001", "123456.7", "1234567.", ".1234567", "-.123456", "999.999",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double v, expected;

        ck_assert_int_eq(num_parse(slice_str(texts[i]), &expected), 0);
        for (const char *behind = "|0:9.-"; *behind != '\0'; behind++) {
            ck_assert_msg(parse(texts[i], strlen(texts[i]), *behind, &v), "%s", texts[i]);
            ck_assert_msg(same_double(v, expected), "%s is %.17g, not %.17g", texts[i], expected,
                          v);
        }
    }
}
END_TEST

/* And writes nothing then. */
START_TEST(test_num_short_leaves_the_rest)
{
    static const char *const texts[] = {
        "-",   "+",   ".",     "-.", "+.", "1e3", "0x1", "1_0",  "nan",   "inf",
        "1..", "..1", "1.2.3", "a",  "1a", "a1",  " 1",  "1 ",   "--1",   "+-1",
        "1-",  "1+",  "1\n2",  "/",  ":",  "1:2", "9/9", "\xb0", "1\x80", "\xff\xff",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double v;

        ck_assert_msg(!parse(texts[i], strlen(texts[i]), '0', &v), "%s", texts[i]);
        ck_assert_double_eq(v, -77);
    }
}
END_TEST

/* What is read is what num_parse() reads; of digits, a point and a sign nothing is left. */
START_TEST(test_num_short_agrees)
{
    static const char bytes[] = "0123456789012345678901234567890....-+-+eE:/x_ \x80";
    unsigned n_taken = 0;

    srandom(3);
    for (unsigned i = 0; i < 400000; i++) {
        char text[NUM_SHORT_MAX];
        size_t len = 1 + (size_t)random() % NUM_SHORT_MAX;
        /* Half of them of what numbers are made of. */
        size_t kinds = i % 2 ? sizeof bytes - 1 : 35;
        double v, expected;
        bool good, taken;

        for (size_t k = 0; k < len; k++)
            text[k] = bytes[(size_t)random() % kinds];
        good = num_parse(slice_of(text, len), &expected) == 0;
        taken = parse(text, len, (char)random(), &v);
        if (taken)
            ck_assert_msg(good && same_double(v, expected), "%.*s", (int)len, text);
        else if (kinds == 35)
            ck_assert_msg(!good, "%.*s", (int)len, text);
        n_taken += taken;
    }
    ck_assert_uint_gt(n_taken, 50000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("num_short");
    TCase *parse_case = tcase_create("parse");

    tcase_add_test(parse_case, test_num_short_takes_plain_decimals);
    tcase_add_test(parse_case, test_num_short_leaves_the_rest);
    tcase_add_test(parse_case, test_num_short_agrees);
    suite_add_tcase(s, parse_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
