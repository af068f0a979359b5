/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/rule: the library's defaults
 */
#include "mapping/rule.h"

#include "lib/unit.h"

#include <string.h>

/* Without a word from the file, a summary in statsd_exporter's numbers. */
START_TEST(test_rule_defaults_are_the_documented_ones)
{
    static const double bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    static const double quantiles[] = {.5, .9, .99}, errors[] = {.05, .01, .001};
    struct mapping_defaults d;

    memset(&d, 0x5a, sizeof(d));
    mapping_defaults_init(&d);
    ck_assert(!d.glob_disable_ordering);
    ck_assert_int_eq(d.ttl_ns, 0);
    ck_assert_int_eq(d.set_window_ns, INT64_C(60000000000));
    ck_assert_int_eq(d.observer.type, MAPPING_SUMMARY);
    ck_assert_uint_eq(d.observer.n_buckets, 11);
    for (size_t i = 0; i < 11; i++)
        ck_assert_double_eq(d.observer.buckets[i], bounds[i]);
    ck_assert_uint_eq(d.observer.n_quantiles, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_double_eq(d.observer.quantiles[i].quantile, quantiles[i]);
        ck_assert_double_eq(d.observer.quantiles[i].error, errors[i]);
    }
    ck_assert_int_eq(d.observer.max_age_ns, INT64_C(600000000000));
    ck_assert_uint_eq(d.observer.age_buckets, 5);
    ck_assert_double_eq(d.observer.native_factor, 1.1);
    ck_assert_uint_eq(d.observer.native_max_buckets, 256);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rule");
    TCase *defaults = tcase_create("defaults");

    tcase_add_test(defaults, test_rule_defaults_are_the_documented_ones);
    suite_add_tcase(s, defaults);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
