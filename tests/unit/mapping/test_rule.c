/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/rule: the library's defaults, and releasing
 */
#include "mapping/rule.h"

#include "lib/unit.h"

#include <stdlib.h>
#include <string.h>

/* Without a word from the file, a summary in statsd_exporter's numbers. */
START_TEST(test_rule_defaults_are_the_documented_ones)
{
    static const double bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    static const double quantiles[] = {.5, .9, .99}, errors[] = {.05, .01, .001};
    struct mapping_defaults d;

    memset(&d, 0x5a, sizeof(d));
    ck_assert_int_eq(mapping_defaults_init(&d), 0);
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
    mapping_defaults_release(&d);
    ck_assert_ptr_null(d.observer.buckets);
    ck_assert_uint_eq(d.observer.n_buckets, 0);
}
END_TEST

/* Releasing frees all, leaves a zeroed struct, and may be done again or to a zeroed one. */
START_TEST(test_rule_releases_full_and_zeroed_ones)
{
    struct mapping_rule rule = {0};
    struct mapping_defaults defaults = {0};

    mapping_defaults_release(&defaults);
    mapping_rule_release(&rule);
    rule.match = strdup("a.*");
    rule.name = strdup("a");
    rule.help = strdup("help");
    rule.labels = calloc(2, sizeof(*rule.labels));
    rule.n_labels = 2;
    rule.labels[0].key = strdup("kk");
    rule.labels[0].value = strdup("$1");
    rule.observer.buckets = calloc(1, sizeof(double));
    rule.observer.quantiles = calloc(1, sizeof(*rule.observer.quantiles));
    mapping_rule_release(&rule);
    ck_assert_ptr_null(rule.match);
    ck_assert_ptr_null(rule.labels);
    ck_assert_uint_eq(rule.n_labels, 0);
    mapping_rule_release(&rule);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rule");
    TCase *defaults = tcase_create("defaults"), *release = tcase_create("release");

    tcase_add_test(defaults, test_rule_defaults_are_the_documented_ones);
    suite_add_tcase(s, defaults);
    tcase_add_test(release, test_rule_releases_full_and_zeroed_ones);
    suite_add_tcase(s, release);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
