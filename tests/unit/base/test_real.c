/* SPDX-License-Identifier: Apache-2.0 */
/* Real numbers: what the mathematical library would say. */
#include "base/real.h"

#include <float.h>
#include <stdlib.h>

#include "lib/unit.h"

/* Any positive finite double, of any exponent. */
static double any_double(void)
{
    uint64_t bits = ((uint64_t)random() << 32 ^ (uint64_t)random() << 11 ^ (uint64_t)random()) &
                    UINT64_C(0x7fffffffffffffff);
    double v;

    memcpy(&v, &bits, sizeof v);
    return isfinite(v) && v > 0 ? v : DBL_TRUE_MIN;
}

static const double edges[] = {
    1,
    0.5,
    3,
    DBL_MIN,
    DBL_TRUE_MIN,
    DBL_MAX,
    0x1.fffffffffffffp-1,
    0x1.0000000000001p0,
    0x1.fffffffffffffp-1023,
    0x1.8p-1074,
    0x1.5555555555555p-1000,
};

/* The same double as ldexp(), whatever number and power. */
START_TEST(test_real_scales)
{
    for (int e = -2200; e <= 2200; e++) {
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
            ck_assert(real_scale(edges[i], e) == ldexp(edges[i], e));
            ck_assert(real_scale(-edges[i], e) == ldexp(-edges[i], e));
        }
    }
    for (int i = 0; i < 300000; i++) {
        double v = any_double();
        int e = (int)(random() % 4400) - 2200;

        ck_assert_msg(real_scale(v, e) == ldexp(v, e), "%a, %d", v, e);
    }
    ck_assert(real_power(-1022) == DBL_MIN);
    ck_assert(real_power(1023) == 0x1p1023);
}
END_TEST

/* The same exponent as frexp()'s. */
START_TEST(test_real_takes_apart)
{
    int e;

    for (int i = 0; i < 300000; i++) {
        double v = i < (int)(sizeof edges / sizeof *edges) ? edges[i] : any_double();

        (void)frexp(v, &e);
        ck_assert_msg(real_exponent(v) == e, "%a", v);
    }
}
END_TEST

/* As round() does. */
START_TEST(test_real_rounds)
{
    static const double cases[] = {
        0, 0.49999999999999994, 0.5, 1.5, 2.5, 0x1p52, 0x1p52 + 1, 0x1p53, 1e300, INFINITY,
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(real_round(cases[i]) == round(cases[i]), "%a", cases[i]);
    for (int i = 0; i < 300000; i++) {
        double v = ldexp((double)random(), -(int)(random() % 40));

        ck_assert_msg(real_round(v) == round(v), "%a", v);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("real");
    TCase *all = tcase_create("all");

    tcase_add_test(all, test_real_scales);
    tcase_add_test(all, test_real_takes_apart);
    tcase_add_test(all, test_real_rounds);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
