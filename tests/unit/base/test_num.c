/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: Go's grammar case by case, rounding against hard cases, and what is written reads back
 */
#include "base/num.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static double bits_to_double(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t double_to_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* num_parse() of @text at a guard page. */
static int parse(const char *text, size_t len, double *out)
{
    const char *p = guard_copy(text, len);
    int r;

    *out = -77;
    r = num_parse(slice_of(p, len), out);
    guard_free(p, len);
    return r;
}

static void assert_parses(const char *text, double expected)
{
    double v;

    ck_assert_msg(parse(text, strlen(text), &v) == 0, "'%s' was refused", text);
    ck_assert_msg(double_to_bits(v) == double_to_bits(expected), "'%s' became %.17g", text, v);
}

/* What Go's ParseFloat accepts gives the same double. */
START_TEST(test_num_parse_accepts)
{
    static const struct {
        const char *text;
        double v;
    } cases[] = {
        {"0", 0},
        {"-0", -0.0},
        {"+0.0", 0},
        {"1", 1},
        {"-1", -1},
        {"+320", 320},
        {"1.", 1},
        {".5", .5},
        {"-.5", -.5},
        {"00012", 12},
        {"000000000000000000000000000012", 12},
        {"0.1", .1},
        {"123.456", 123.456},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"1e-3", .001},
        {"1.5e0", 1.5},
        {"1e00000000000000000000000000001", 10},
        {"1_000", 1000},
        {"1_0.0_1", 10.01},
        {"1e1_0", 1e10},
        {"0x1p4", 16},
        {"0X1P4", 16},
        {"0x1.8p1", 3},
        {"0x_1p4", 16},
        {"0x1_0p0", 16},
        {"-0xAp-3", -1.25},
        {"0x.8p0", .5},
        {"0x8.p0", 8},
        {"0x0p9999999", 0},
        {"9007199254740991", 9007199254740991.0},
        {"9007199254740992", 9007199254740992.0},
        {"9007199254740993", 9007199254740992.0}, /* a tie: to even */
        {"9007199254740993.00000000000000000001", 9007199254740994.0},
        {"9007199254740995", 9007199254740996.0},
        {"9007199254740993.0", 9007199254740992.0},
        {"9007199254740993.01", 9007199254740994.0},
        {"4503599627370496.5", 4503599627370496.0},
        {"4503599627370497.5", 4503599627370498.0},
        {"18446744073709551616", 18446744073709551616.0},
        {"9999999999999999999", 1e19},
        {"0.12345678901234568", 0.12345678901234568},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"1.7976931348623158e308", 1.7976931348623157e308},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"2.2250738585072014e-308", 2.2250738585072014e-308},
        {"5e-324", 5e-324},
        {"3e-324", 5e-324},
        {"2e-324", 0},
        {"1e-400", 0},
        {"-1e-400", -0.0},
        {"0e400", 0},
        {"0e99999999999999999999", 0},
        {"1e-99999999999999999999", 0},
        {"0x1p-1074", 5e-324},
        {"0x1p-1075", 0},
        {"0x1.0000000000000000000000001p-1075", 5e-324},
        {"0x1.fffffffffffff7p1023", 1.7976931348623157e308},
        {"inf", INFINITY},
        {"+Inf", INFINITY},
        {"-INF", -INFINITY},
        {"infinity", INFINITY},
        {"-InFiNiTy", -INFINITY},
    };
    double v;

    for (size_t i = 0; i < N(cases); i++)
        assert_parses(cases[i].text, cases[i].v);
    ck_assert_int_eq(parse("nan", 3, &v), 0);
    ck_assert(isnan(v));
    ck_assert_int_eq(parse("NaN", 3, &v), 0);
    ck_assert(isnan(v));
}
END_TEST

/* What Go refuses is refused, with 0 as the result. */
START_TEST(test_num_parse_refuses)
{
    static const char *const cases[] = {
        "",
        "+",
        "-",
        ".",
        "+.",
        "e5",
        ".e5",
        "1e",
        "1e+",
        "1e-",
        "1x",
        "x",
        " 1",
        "1 ",
        "1\n",
        "--1",
        "+-1",
        "1+",
        "1.2.",
        "1..2",
        "1,5",
        "0x10",
        "0x",
        "0x1",
        "0xp1",
        "0x.p1",
        "0x1p",
        "0x1p+",
        "0x1e5",
        "x1p4",
        "0b1",
        "0o7",
        "0b_1",
        "_1",
        "1_",
        "1__0",
        "1_.5",
        "1._5",
        "1_e5",
        "1e_5",
        "1e5_",
        "0x1_p4",
        "0x1p_4",
        "0_x1p4",
        "0x__1p4",
        "0x1p4a",
        "+nan",
        "-nan",
        "infi",
        "in",
        "infinit",
        "infinityx",
        "nanx",
        "1e5.0",
        "0x1p4.0",
        "\xc2\xa0 1",
        "1\xff",
        "1e5e5",
        "12345678901234567890_",
        "1.0f",
        "_",
        "+_1",
        "._1",
        "0x._1p0",
    };
    double v;

    for (size_t i = 0; i < N(cases); i++) {
        ck_assert_msg(parse(cases[i], strlen(cases[i]), &v) == NUM_E_SYNTAX, "'%s' got %g",
                      cases[i], v);
        ck_assert(v == 0);
    }
    ck_assert_int_eq(parse("1\0", 2, &v), NUM_E_SYNTAX);
    ck_assert_int_eq(parse("\0", 1, &v), NUM_E_SYNTAX);
}
END_TEST

/* What is beyond a double says so and is an infinity of its sign. */
START_TEST(test_num_parse_overflow)
{
    static const char *const cases[] = {
        "1e400",
        "1e309",
        "1.7976931348623159e308",
        "1e99999999999999999999",
        "0x1p1024",
        "0x1p999999999999",
        "0x1.fffffffffffff8p1023",
    };
    char negative[64];
    double v;

    for (size_t i = 0; i < N(cases); i++) {
        ck_assert_msg(parse(cases[i], strlen(cases[i]), &v) == NUM_E_RANGE, "'%s'", cases[i]);
        ck_assert(v == INFINITY);
        snprintf(negative, sizeof negative, "-%s", cases[i]);
        ck_assert_int_eq(parse(negative, strlen(negative), &v), NUM_E_RANGE);
        ck_assert(v == -INFINITY);
    }
}
END_TEST

/* @head, then @n times @fill, then @tail: parsed whole. */
static int parse_long(const char *head, char fill, size_t n, const char *tail, double *out)
{
    size_t n_head = strlen(head), n_tail = strlen(tail);
    char *text = malloc(n_head + n + n_tail);
    int r;

    memcpy(text, head, n_head);
    memset(text + n_head, fill, n);
    memcpy(text + n_head + n, tail, n_tail);
    r = parse(text, n_head + n + n_tail, out);
    free(text);
    return r;
}

/* Every digit of a very long number counts, the last one too. */
START_TEST(test_num_parse_long_digits)
{
    double v;

    ck_assert_int_eq(parse_long("9007199254740993.", '0', 65000, "", &v), 0);
    ck_assert(v == 9007199254740992.0);
    ck_assert_int_eq(parse_long("9007199254740993.", '0', 65000, "1", &v), 0);
    ck_assert(v == 9007199254740994.0);
    ck_assert_int_eq(parse_long("9007199254740993", '0', 65000, "1e-65001", &v), 0);
    ck_assert(v == 9007199254740994.0);
    ck_assert_int_eq(parse_long("0.", '0', 65000, "1e65001", &v), 0);
    ck_assert(v == 1);
    ck_assert_int_eq(parse_long("", '0', 65000, "7", &v), 0);
    ck_assert(v == 7);
    ck_assert_int_eq(parse_long("", '9', 65000, "e-65000", &v), 0);
    ck_assert(v == 1);
    ck_assert_int_eq(parse_long("", '9', 65000, "", &v), NUM_E_RANGE);
    ck_assert_int_eq(parse_long("1e", '0', 65000, "2", &v), 0);
    ck_assert(v == 100);
    ck_assert_int_eq(parse_long("0x1.00000000000008", '0', 65000, "p0", &v), 0);
    ck_assert(v == 1);
    ck_assert_int_eq(parse_long("0x1.00000000000008", '0', 65000, "1p0", &v), 0);
    ck_assert(v == 0x1.0000000000001p0);
    ck_assert_int_eq(parse_long("", '9', 65000, "x", &v), NUM_E_SYNTAX);
}
END_TEST

/* Plain whole numbers: digits only, up to the limit that the caller sets. */
START_TEST(test_num_parse_u64_limits)
{
    static const struct {
        const char *text;
        uint64_t max;
        int r;
        uint64_t v;
    } cases[] = {
        {"0", 0, 0, 0},
        {"1", 0, NUM_E_RANGE, 0},
        {"65535", 65535, 0, 65535},
        {"65536", 65535, NUM_E_RANGE, 0},
        {"655350", 65535, NUM_E_RANGE, 0},
        {"00000000000000000000000042", 65535, 0, 42},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, NUM_E_RANGE, 0},
        {"99999999999999999999999999", UINT64_MAX, NUM_E_RANGE, 0},
        {"", UINT64_MAX, NUM_E_SYNTAX, 0},
        {"+1", UINT64_MAX, NUM_E_SYNTAX, 0},
        {"-1", UINT64_MAX, NUM_E_SYNTAX, 0},
        {"1 ", UINT64_MAX, NUM_E_SYNTAX, 0},
        {"99999999999999999999x", UINT64_MAX, NUM_E_SYNTAX, 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        uint64_t v = 4711;
        size_t len = strlen(cases[i].text);
        const char *p = guard_copy(cases[i].text, len);

        ck_assert_msg(num_parse_u64(slice_of(p, len), cases[i].max, &v) == cases[i].r, "'%s'",
                      cases[i].text);
        ck_assert_uint_eq(v, cases[i].r == 0 ? cases[i].v : 4711);
        guard_free(p, len);
    }
}
END_TEST

/* Durations as Go reads them, to the nanosecond and to the ends of their range. */
START_TEST(test_num_parse_duration_cases)
{
    static const struct {
        const char *text;
        int r;
        int64_t ns;
    } cases[] = {
        {"0", 0, 0},
        {"+0", 0, 0},
        {"-0", 0, 0},
        {"0s", 0, 0},
        {"5s", 0, 5000000000},
        {"+5s", 0, 5000000000},
        {"-1s", 0, -1000000000},
        {"300ms", 0, 300000000},
        {"1.5h", 0, 5400000000000},
        {".5s", 0, 500000000},
        {"1.s", 0, 1000000000},
        {"1h30m", 0, 5400000000000},
        {"1h2m3s4ms5us6ns", 0, 3723004005006},
        {"1\xc2\xb5s", 0, 1000},
        {"1\xce\xbcs", 0, 1000},
        {"2us", 0, 2000},
        {"0.3333333333333333333h", 0, 1200000000000},
        {"0.100000000000000000000h", 0, 360000000000},
        {"9007199254740993ns", 0, 9007199254740993},
        {"9223372036854775807ns", 0, INT64_MAX},
        {"-9223372036854775808ns", 0, INT64_MIN},
        {"9223372036854775.807us", 0, INT64_MAX},
        {"2562047h47m16.854775807s", 0, INT64_MAX},
        {"9223372036854775808ns", NUM_E_RANGE, 0},
        {"-9223372036854775809ns", NUM_E_RANGE, 0},
        {"-9223372036854775808ns9223372036854775808ns", NUM_E_RANGE, 0},
        {"2562048h", NUM_E_RANGE, 0},
        {"3000000h", NUM_E_RANGE, 0},
        {"99999999999999999999s", NUM_E_RANGE, 0},
        {"", NUM_E_SYNTAX, 0},
        {"-", NUM_E_SYNTAX, 0},
        {"s", NUM_E_SYNTAX, 0},
        {".", NUM_E_SYNTAX, 0},
        {".s", NUM_E_SYNTAX, 0},
        {"3", NUM_E_SYNTAX, 0},
        {"200", NUM_E_SYNTAX, 0},
        {"1d", NUM_E_SYNTAX, 0},
        {"1S", NUM_E_SYNTAX, 0},
        {"1s ", NUM_E_SYNTAX, 0},
        {" 1s", NUM_E_SYNTAX, 0},
        {"1 s", NUM_E_SYNTAX, 0},
        {"1s-1s", NUM_E_SYNTAX, 0},
        {"--1s", NUM_E_SYNTAX, 0},
        {"1s5", NUM_E_SYNTAX, 0},
        {"00", NUM_E_SYNTAX, 0},
        {"1e3s", NUM_E_SYNTAX, 0},
        {"1.2.3s", NUM_E_SYNTAX, 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        int64_t ns = 4711;
        size_t len = strlen(cases[i].text);
        const char *p = guard_copy(cases[i].text, len);
        int r = num_parse_duration(slice_of(p, len), &ns);

        ck_assert_msg(r == cases[i].r, "'%s' gave %d", cases[i].text, r);
        ck_assert_int_eq(ns, r == 0 ? cases[i].ns : 4711);
        guard_free(p, len);
    }
}
END_TEST

/* num_print() into a terminated text; the bytes behind its result stay untouched. */
static const char *print(double v)
{
    static char out[NUM_TEXT_MAX + 2];
    size_t n;

    memset(out, '#', sizeof out);
    n = num_print(out, v);
    ck_assert_uint_le(n, NUM_TEXT_MAX);
    ck_assert_int_eq(out[NUM_TEXT_MAX], '#');
    out[n] = '\0';
    return out;
}

/* Go's 'g' form with the fewest digits. */
START_TEST(test_num_print_vectors)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1, "-1"},
        {100, "100"},
        {123456, "123456"},
        {999999, "999999"},
        {999999.9, "999999.9"},
        {307200, "307200"},
        {1e6, "1e+06"},
        {1000001, "1.000001e+06"},
        {-1000001, "-1.000001e+06"},
        {123456789, "1.23456789e+08"},
        {1e20, "1e+20"},
        {1e21, "1e+21"},
        {1e23, "1e+23"},
        {1e100, "1e+100"},
        {0.1, "0.1"},
        {0.5, "0.5"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {0.000012345, "1.2345e-05"},
        {1e-100, "1e-100"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {-2.0 / 3, "-0.6666666666666666"},
        {0.99999999999999989, "0.9999999999999999"},
        {0.09999999999999999, "0.09999999999999999"},
        {9007199254740991, "9.007199254740991e+15"},
        {9007199254740992, "9.007199254740992e+15"},
        {9007199254740994, "9.007199254740994e+15"},
        {2251799813685249.5, "2.2517998136852495e+15"},
        {1125899906842624.25, "1.1258999068426242e+15"}, /* two are as near: the even one */
        {1125899906842624.75, "1.1258999068426248e+15"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {0x1p-1017, "7.120236347223045e-307"}, /* not the nearest of 16 digits, but it reads back */
        {0x1p-70, "8.470329472543003e-22"},
        {9.5367431640625e-07, "9.5367431640625e-07"},
        {NAN, "NaN"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
    };
    char out[NUM_TEXT_MAX];

    for (size_t i = 0; i < N(cases); i++)
        ck_assert_str_eq(print(cases[i].v), cases[i].text);
    ck_assert_uint_eq(num_print_u64(out, 0), 1);
    ck_assert_int_eq(out[0], '0');
    ck_assert_uint_eq(num_print_u64(out, UINT64_MAX), 20);
    ck_assert_mem_eq(out, "18446744073709551615", 20);
}
END_TEST

static unsigned count_digits(const char *text)
{
    unsigned n = 0, zeros = 0;

    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && n == 0))
            continue;
        n++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

/* The text of @v reads back as @v, and printf with one digit less does not. */
static void assert_shortest(double v)
{
    const char *text = print(v);
    unsigned n = count_digits(text);
    char shorter[40];
    double back;

    ck_assert_int_eq(num_parse(slice_str(text), &back), 0);
    ck_assert_msg(back == v, "%a became '%s'", v, text);
    ck_assert_msg(strtod(text, NULL) == v, "%a became '%s'", v, text);
    if (n <= 1)
        return;
    snprintf(shorter, sizeof shorter, "%.*e", (int)n - 2, v);
    ck_assert_msg(strtod(shorter, NULL) != v, "%s is shorter than %s", shorter, text);
}

static uint64_t random64(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Doubles of every size, and such as people send, survive the way out and back. */
START_TEST(test_num_print_reads_back)
{
    uint64_t state = 1;

    for (unsigned i = 0; i < 20000; i++) {
        double any = bits_to_double(random64(&state));
        double scale = pow(10, (double)(random64(&state) % 20) - 4);

        if (isfinite(any) && any != 0)
            assert_shortest(any);
        assert_shortest((double)(random64(&state) % 1000000 + 1) / scale);
        assert_shortest((double)(random64(&state) >> 11 | 1) / 0x1p53 * scale);
    }
}
END_TEST

/* Powers of two, whose neighbours are unevenly far, and both neighbours of each. */
START_TEST(test_num_print_powers_of_two)
{
    for (int e = -1074; e < 1024; e++) {
        double v = ldexp(1, e);

        assert_shortest(v);
        assert_shortest(nextafter(v, INFINITY));
        if (e > -1074)
            assert_shortest(nextafter(v, 0));
    }
}
END_TEST

/* Whole numbers are their digits below a million, and have an exponent from there on. */
START_TEST(test_num_print_whole)
{
    char out[NUM_TEXT_MAX + 8];
    char want[NUM_TEXT_MAX];

    for (unsigned v = 1; v < 1000000; v += v < 20000 || v > 990000 ? 1 : 97) {
        size_t n = (size_t)snprintf(want, sizeof want, "%u", v);

        memset(out, '~', sizeof out);
        ck_assert_uint_eq(num_print(out, v), n);
        ck_assert(memcmp(out, want, n) == 0 && out[n] == '~');
        ck_assert_uint_eq(num_print(out, -(double)v), n + 1);
        ck_assert(out[0] == '-' && memcmp(out + 1, want, n) == 0);
    }
    ck_assert_uint_eq(num_print(out, 1000000), 5);
    ck_assert(memcmp(out, "1e+06", 5) == 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("num");
    TCase *parse_case = tcase_create("num_parse");
    TCase *u64 = tcase_create("num_parse_u64");
    TCase *duration = tcase_create("num_parse_duration");
    TCase *print_case = tcase_create("num_print");

    tcase_add_test(parse_case, test_num_parse_accepts);
    tcase_add_test(parse_case, test_num_parse_refuses);
    tcase_add_test(parse_case, test_num_parse_overflow);
    tcase_add_test(parse_case, test_num_parse_long_digits);
    suite_add_tcase(s, parse_case);
    tcase_add_test(u64, test_num_parse_u64_limits);
    suite_add_tcase(s, u64);
    tcase_add_test(duration, test_num_parse_duration_cases);
    suite_add_tcase(s, duration);
    tcase_add_test(print_case, test_num_print_vectors);
    tcase_add_test(print_case, test_num_print_whole);
    tcase_add_test(print_case, test_num_print_reads_back);
    tcase_add_test(print_case, test_num_print_powers_of_two);
    suite_add_tcase(s, print_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
