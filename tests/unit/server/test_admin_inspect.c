/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: inspect
 *
 * What is expected was printed by util.inspect() of Node 20.
 */
#include "server/admin_inspect.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

/* Numbers are written as JavaScript writes them. */
START_TEST(test_admin_inspect_number)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {1, "1"},
        {0, "0"},
        {-0.0, "-0"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e21, "1e+21"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {-2.5, "-2.5"},
        {100, "100"},
        {1000000, "1000000"},
        {1234567.25, "1234567.25"},
        {5e-324, "5e-324"},
        {-1.7976931348623157e308, "-1.7976931348623157e+308"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {0.00001, "0.00001"},
        {0.0123, "0.0123"},
        {123e-20, "1.23e-18"},
        {4294967296.5, "4294967296.5"},
        {-0.00123456789012345678, "-0.0012345678901234567"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[INSPECT_NUMBER_MAX + 1];
        size_t n;

        memset(out, 'x', sizeof out);
        n = inspect_number(out, cases[i].v);
        ck_assert_uint_le(n, INSPECT_NUMBER_MAX);
        ck_assert_msg(slice_eq_str(slice_of(out, n), cases[i].text), "%.*s is not %s", (int)n, out,
                      cases[i].text);
    }
}
END_TEST

/* What is written reads back as the same number, and never has more bytes than are promised. */
START_TEST(test_admin_inspect_number_reads_back)
{
    uint64_t bits = 88172645463325252u;

    for (unsigned i = 0; i < 200000; i++) {
        char out[INSPECT_NUMBER_MAX + 1];
        double v;

        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&v, &bits, sizeof v);
        if (isnan(v) || isinf(v))
            continue;
        out[INSPECT_NUMBER_MAX] = 'x';
        out[inspect_number(out, v)] = '\0';
        if (strtod(out, NULL) != v)
            ck_abort_msg("%.17g became %s", v, out);
    }
}
END_TEST

static const char *object(struct buf *out, const char *const *keys, unsigned n)
{
    struct inspect i;

    buf_clear(out);
    memset(&i, 0xa5, sizeof i);
    inspect_begin(&i);
    for (unsigned k = 0; k < n; k++)
        inspect_add(&i, out, slice_str(keys[k]), SLICE_LIT("1"));
    inspect_end(&i, out);
    buf_add_byte(out, '\0');
    return out->p;
}

/* An object takes one line while it fits 80 columns, by Node's sum of them. */
START_TEST(test_admin_inspect_lines)
{
    static const char *const keys[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
    static const char *const small[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    static const char *const wide[] = {
        "w23456789012345678901234567890123456789012345678901234567890"
        "123456789012"};
    char name[66];
    const char *one = name;
    struct buf out = {0};

    memset(name, 'n', sizeof name);
    name[64] = '\0';
    ck_assert_ptr_null(strchr(object(&out, &one, 1), '\n'));
    name[64] = 'n';
    name[65] = '\0';
    ck_assert_ptr_nonnull(strchr(object(&out, &one, 1), '\n'));
    ck_assert_str_eq(object(&out, keys, 0), "{}");
    ck_assert_str_eq(object(&out, keys, 1), "{ k0: 1 }");
    ck_assert_str_eq(object(&out, keys, 9),
                     "{ k0: 1, k1: 1, k2: 1, k3: 1, k4: 1, k5: 1, k6: 1, k7: 1, k8: 1 }");
    ck_assert_str_eq(object(&out, keys, 10),
                     "{\n  k0: 1,\n  k1: 1,\n  k2: 1,\n  k3: 1,\n  k4: 1,\n  k5: 1,\n  k6: 1,\n"
                     "  k7: 1,\n  k8: 1,\n  k9: 1\n}");
    ck_assert_str_eq(object(&out, small, 11),
                     "{ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1 }");
    ck_assert_ptr_nonnull(strstr(object(&out, small, 12), "{\n  a: 1,\n"));
    ck_assert_str_eq(object(&out, wide, 1),
                     "{\n  w2345678901234567890123456789012345678901234567890123456789012345678901"
                     "2: 1\n}");
    buf_release(&out);
}
END_TEST

/* A name is quoted where JavaScript wants it, with the quotes that it does not contain. */
START_TEST(test_admin_inspect_names)
{
    static const struct {
        const char *key, *text;
    } cases[] = {
        {"a_B9", "{ a_B9: 1 }"},
        {"", "{ '': 1 }"},
        {"1a", "{ '1a': 1 }"},
        {"a.b", "{ 'a.b': 1 }"},
        {"it's", "{ \"it's\": 1 }"},
        {"q\"'", "{ `q\"'`: 1 }"},
        {"q\"'`", "{ 'q\"\\'`': 1 }"},
        {"q\"'$", "{ `q\"'$`: 1 }"},
        {"q\"'${", "{ 'q\"\\'${': 1 }"},
        {"\t\n\b\f\r\v", "{ '\\t\\n\\b\\f\\r\\x0B': 1 }"},
        {"e\x1b\x7f", "{ 'e\\x1B\\x7F': 1 }"},
        {"\xc2\x85\xc3\xa4\xc2\xa0", "{ '\\x85\xc3\xa4\xc2\xa0': 1 }"},
        {"b\\s", "{ 'b\\\\s': 1 }"},
    };
    struct buf out = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(object(&out, &cases[i].key, 1), cases[i].text);
    buf_release(&out);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("admin_inspect");
    TCase *numbers = tcase_create("number");
    TCase *objects = tcase_create("object");

    tcase_add_test(numbers, test_admin_inspect_number);
    tcase_add_test(numbers, test_admin_inspect_number_reads_back);
    suite_add_tcase(s, numbers);
    tcase_add_test(objects, test_admin_inspect_lines);
    tcase_add_test(objects, test_admin_inspect_names);
    suite_add_tcase(s, objects);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
