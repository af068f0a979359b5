/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential buckets: where they begin and end, and that schemas nest
 */
#include "store/bucket.h"

#include <float.h>
#include <stdlib.h>

#include "lib/unit.h"

static double any_positive(void)
{
    return ldexp(1 + (double)random() / RAND_MAX, (int)(random() % 2040) - 1020);
}

/* A bound is the last double of its bucket, the next double the first of the next bucket. */
START_TEST(test_bucket_index_turns_just_above_the_bound)
{
    for (int schema = BUCKET_SCHEMA_MIN; schema <= BUCKET_SCHEMA_MAX; schema++) {
        int32_t per_octave = schema > 0 ? 1 << schema : 1, octaves = schema > 0 ? 1000 : 7;

        for (int32_t i = -octaves * per_octave; i <= octaves * per_octave;
             i += 1 + per_octave / 7) {
            double bound = bucket_bound(i, schema);

            ck_assert_int_eq(bucket_index(bound, schema), i);
            ck_assert_int_eq(bucket_index(nextafter(bound, INFINITY), schema), i + 1);
        }
    }
}
END_TEST

/* A value lies above the bound below its bucket and not above its bucket's own. */
START_TEST(test_bucket_index_is_between_its_bounds)
{
    srandom(1);
    for (int n = 0; n < 20000; n++) {
        int schema = BUCKET_SCHEMA_MIN + n % (BUCKET_SCHEMA_MAX - BUCKET_SCHEMA_MIN + 1);
        double v = any_positive();
        int32_t i = bucket_index(v, schema);

        ck_assert_double_le(v, bucket_bound(i, schema));
        ck_assert_double_gt(v, bucket_bound(i - 1, schema));
    }
}
END_TEST

/* Powers of two are exact bounds at every schema that has them. */
START_TEST(test_bucket_index_of_powers_of_two)
{
    for (int schema = 0; schema <= BUCKET_SCHEMA_MAX; schema++) {
        for (int e = -1074; e <= 1023; e++)
            ck_assert_int_eq(bucket_index(ldexp(1, e), schema), e * (1 << schema));
    }
}
END_TEST

/* Coarsening a bucket's index gives the index at the coarser schema. */
START_TEST(test_bucket_coarser_agrees_with_index)
{
    srandom(2);
    for (int n = 0; n < 5000; n++) {
        double v = any_positive();
        int32_t finest = bucket_index(v, BUCKET_SCHEMA_MAX);

        for (int schema = BUCKET_SCHEMA_MIN; schema < BUCKET_SCHEMA_MAX; schema++)
            ck_assert_int_eq(bucket_coarser(finest, (unsigned)(BUCKET_SCHEMA_MAX - schema)),
                             bucket_index(v, schema));
    }
}
END_TEST

/* At the coarsest schema all doubles lie in BUCKET_MIN_SPAN buckets. */
START_TEST(test_bucket_min_span_holds_every_double)
{
    int32_t lowest = bucket_index(DBL_TRUE_MIN, BUCKET_SCHEMA_MIN);
    int32_t highest = bucket_index(DBL_MAX, BUCKET_SCHEMA_MIN);

    ck_assert_int_eq(highest - lowest + 1, BUCKET_MIN_SPAN);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bucket");
    TCase *index = tcase_create("index"), *coarser = tcase_create("coarser");

    tcase_add_test(index, test_bucket_index_turns_just_above_the_bound);
    tcase_add_test(index, test_bucket_index_is_between_its_bounds);
    tcase_add_test(index, test_bucket_index_of_powers_of_two);
    tcase_add_test(index, test_bucket_min_span_holds_every_double);
    suite_add_tcase(s, index);
    tcase_add_test(coarser, test_bucket_coarser_agrees_with_index);
    suite_add_tcase(s, coarser);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
