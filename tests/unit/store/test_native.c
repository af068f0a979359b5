/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native: every value in the bucket that arithmetic says, nothing lost by growing, halving, merging
 *
 * What is expected comes from a reference of the test's own: the buckets' bounds by exp2l,
 * which are searched, and counts in one long array.
 */
#include "store/native.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define SCHEMA_MAX 8
#define NO_MAX     UINT32_MAX

/* ---- the reference ---- */

static double reference_bound(int32_t i, int schema)
{
    return (double)exp2l(ldexpl(i, -schema));
}

/* The bucket of @v > 0 at @schema: the first whose bound is not below it. */
static int32_t reference_index(double v, int schema)
{
    int32_t low = -1100 * 256, high = 1024 * 256;

    if (isinf(v))
        return reference_index(DBL_MAX, schema) + 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if (v <= reference_bound(middle, schema))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- a series ---- */

/* As a cell keeps one: the latest block, and what it has to be. */
struct series {
    struct native *block;
    int schema;
    uint32_t max;
    unsigned n_blocks;
};

static void observe(struct series *s, double v, uint64_t weight)
{
    struct native *b;

    if (s->block != NULL &&
        (native_count(s->block, v, weight) || native_add(s->block, v, weight, s->max)))
        return;
    b = malloc(native_size_after(s->block));
    native_take_over(b, s->block, s->schema, v, weight, s->max);
    free(s->block);
    s->block = b;
    s->n_blocks++;
}

struct seen {
    struct native_merge *merge;
    struct snapshot_native h;
    uint64_t count;
};

/* The sum of @n series. */
static struct seen look(const struct series *s, unsigned n, uint32_t max)
{
    struct seen seen = {.merge = native_merge_new()};

    memset(&seen.h, 0xa5, sizeof seen.h);
    native_merge_begin(seen.merge, SCHEMA_MAX);
    for (unsigned i = 0; i < n; i++)
        if (s[i].block != NULL)
            ck_assert_int_eq(native_merge_add(seen.merge, s[i].block), 0);
    native_merge_end(seen.merge, max, &seen.h, &seen.count);
    return seen;
}

static uint64_t count_at(const struct snapshot_bucket *p, unsigned n, int32_t index)
{
    for (unsigned i = 0; i < n; i++)
        if (p[i].index == index)
            return p[i].count;
    return 0;
}

/* In order, none empty, and together what the count says. */
static void check_whole(const struct seen *s, uint64_t n_nan)
{
    const struct snapshot_bucket *runs[2] = {s->h.positive, s->h.negative};
    unsigned lens[2] = {s->h.n_positive, s->h.n_negative};
    uint64_t sum = s->h.zero_count + n_nan;

    for (unsigned r = 0; r < 2; r++) {
        for (unsigned i = 0; i < lens[r]; i++) {
            ck_assert_uint_gt(runs[r][i].count, 0);
            if (i > 0)
                ck_assert_int_gt(runs[r][i].index, runs[r][i - 1].index);
            sum += runs[r][i].count;
        }
    }
    ck_assert_uint_eq(sum, s->count);
    ck_assert_double_eq(s->h.zero_threshold, 0x1p-128);
}

/* One value and no other: in which bucket, and of which sign? */
static void check_one(double v, int schema, bool negative, int32_t index)
{
    struct series s = {.schema = schema, .max = NO_MAX};
    struct seen seen;

    observe(&s, v, 3);
    seen = look(&s, 1, NO_MAX);
    ck_assert_msg(seen.h.schema == schema, "%a: schema %d", v, seen.h.schema);
    ck_assert_uint_eq(seen.h.n_positive, !negative);
    ck_assert_uint_eq(seen.h.n_negative, negative);
    ck_assert_uint_eq(seen.h.zero_count, 0);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_msg((negative ? seen.h.negative : seen.h.positive)->index == index,
                  "%a at schema %d: %d, not %d", v, schema,
                  (negative ? seen.h.negative : seen.h.positive)->index, index);
    native_merge_free(seen.merge);
    free(s.block);
}

/* ---- schema ---- */

/* The factor becomes the coarsest schema that grows no faster, from -4 to 8. */
START_TEST(test_native_schema_of_factors)
{
    static const struct {
        double factor;
        int want;
    } cases[] = {
        {1.1, 3},    {1.005, 8},       {2, 0},      {4, -1},      {16, -2}, {256, -3},
        {65536, -4}, {65537, -4},      {1e300, -4}, {1.0001, 8},  {1.5, 1}, {1.42, 1},
        {1.41, 2},   {1 + 0x1p-52, 8}, {3, 0},      {1.00271, 8}, {1.2, 2}, {1.0905, 4},
        {1.0906, 3}, {1.0442, 5},      {1.19, 2},   {1.189, 3},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(native_schema(cases[i].factor) == cases[i].want, "%g: %d", cases[i].factor,
                      native_schema(cases[i].factor));
}
END_TEST

/* ---- which bucket ---- */

static double any_magnitude(void)
{
    return ldexp(1 + (double)random() / RAND_MAX, (int)(random() % 1150) - 127);
}

/* Any value of either sign is in the bucket that the reference finds, at every schema. */
START_TEST(test_native_count_agrees_with_the_reference)
{
    int schema = _i;

    srandom((unsigned)(schema + 77));
    for (unsigned n = 0; n < 1000; n++) {
        double v = any_magnitude();

        check_one(n % 2 ? -v : v, schema, n % 2, reference_index(v, schema));
    }
}
END_TEST

/* A bound is the last double of its bucket, the next double the first of the next one. */
START_TEST(test_native_count_turns_just_above_a_bound)
{
    int schema = _i;
    int32_t step = schema > 4 ? 7 : 1;
    int32_t lowest = reference_index(nextafter(0x1p-128, 1), schema);

    for (int32_t i = lowest; reference_bound(i, schema) < DBL_MAX / 2; i += step) {
        double bound = reference_bound(i, schema);

        check_one(bound, schema, false, i);
        check_one(-nextafter(bound, INFINITY), schema, true, i + 1);
        if (i > 600 * step)
            step *= 3;
    }
}
END_TEST

/* The largest double has the last finite bucket, infinity one of its own behind it; what is as good
 * as zero none, and NaN is counted only. */
START_TEST(test_native_count_at_the_edges)
{
    static const double zeros[] = {0, -0.0, 0x1p-128, -0x1p-128, DBL_TRUE_MIN, -DBL_MIN, 1e-300};
    int schema = _i;
    int32_t last = schema >= 0 ? 1024 << schema : 1024 >> -schema;
    struct series s = {.schema = schema, .max = 1};
    struct seen seen;

    check_one(DBL_MAX, schema, false, last);
    check_one(-DBL_MAX, schema, true, last);
    check_one(INFINITY, schema, false, last + 1);
    check_one(-INFINITY, schema, true, last + 1);
    check_one(nextafter(0x1p-128, 1), schema, false,
              reference_index(nextafter(0x1p-128, 1), schema));
    for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
        observe(&s, zeros[i], i + 1);
    observe(&s, NAN, 9);
    seen = look(&s, 1, 1);
    ck_assert_uint_eq(seen.h.zero_count, 28);
    ck_assert_uint_eq(seen.count, 37);
    ck_assert_uint_eq(seen.h.n_positive + seen.h.n_negative, 0);
    ck_assert_uint_eq(s.n_blocks, 1);
    check_whole(&seen, 9);
    native_merge_free(seen.merge);
    free(s.block);
}
END_TEST

/* ---- growth and halving ---- */

#define LATTICE (1 << 20) /* finest indices from -LATTICE / 2 on */

/* Values of many magnitudes, both signs, zero, infinity and NaN; coarser and coarser. @want counts
 * each finest bucket. */
static double any_value(int32_t *finest)
{
    double v = ldexp(1 + (double)random() / RAND_MAX, (int)(random() % 40) - 20);

    if (random() % 500 == 0)
        v = INFINITY;
    else if (random() % 50 == 0)
        v = any_magnitude();
    *finest = reference_index(v, SCHEMA_MAX);
    return random() % 3 == 0 ? -v : v;
}

static int32_t ceil_shift(int32_t i, unsigned steps)
{
    return (int32_t)ceil(ldexp(i, -(int)steps));
}

/* How many buckets the reference has at @schema; each is compared with @p, unless that is NULL. */
static unsigned expect_counts(const uint64_t *want, int schema, const struct snapshot_bucket *p,
                              unsigned len)
{
    int32_t before = INT32_MIN;
    uint64_t sum = 0;
    unsigned n = 0;

    for (int32_t i = 0; i < LATTICE; i++) {
        int32_t at;

        if (want[i] == 0)
            continue;
        at = ceil_shift(i - LATTICE / 2, (unsigned)(SCHEMA_MAX - schema));
        n += at != before;
        sum = (at == before ? sum : 0) + want[i];
        before = at;
        if (p != NULL)
            ck_assert_uint_ge(count_at(p, len, at), sum);
    }
    return n;
}

/* The buckets are the reference's: as many, each at least, and together no more. */
static void expect_all(const struct seen *s, const uint64_t *want, uint64_t count)
{
    const struct snapshot_native *h = &s->h;

    ck_assert_uint_eq(s->count, count);
    ck_assert_uint_eq(expect_counts(want, h->schema, h->positive, h->n_positive), h->n_positive);
    ck_assert_uint_eq(expect_counts(want + LATTICE, h->schema, h->negative, h->n_negative),
                      h->n_negative);
}

/* With any maximum nothing is lost, there are no more buckets than it, and at twice the resolution
 * there would be. */
START_TEST(test_native_halves_when_there_are_too_many)
{
    static const uint32_t maxima[] = {1, 2, 7, 20, 150, 160, 256, 1000, NATIVE_MAX_BUCKETS};
    uint64_t *want = calloc(2 * LATTICE, sizeof *want);
    struct series s = {.schema = SCHEMA_MAX, .max = maxima[_i]};
    uint64_t count = 0;
    struct seen seen;
    int last = SCHEMA_MAX;

    srandom(5);
    for (unsigned n = 1; n <= 8000; n++) {
        int32_t finest;
        double v = any_value(&finest);
        uint64_t weight = 1 + (uint64_t)random() % 5;

        observe(&s, v, weight);
        want[(v < 0 ? LATTICE : 0) + LATTICE / 2 + finest] += weight;
        count += weight;
        if (n != 1 && n != 10 && n != 100 && n % 4000 != 0)
            continue;
        seen = look(&s, 1, NO_MAX); /* the block by itself */
        check_whole(&seen, 0);
        expect_all(&seen, want, count);
        ck_assert_int_le(seen.h.schema, last);
        last = seen.h.schema;
        if (seen.h.schema > NATIVE_SCHEMA_MIN)
            ck_assert_uint_le(seen.h.n_positive + seen.h.n_negative, s.max);
        native_merge_free(seen.merge);
    }
    ck_assert_int_lt(last, SCHEMA_MAX);
    ck_assert_uint_gt(expect_counts(want, last + 1, NULL, 0) +
                          expect_counts(want + LATTICE, last + 1, NULL, 0),
                      s.max);
    free(want);
    free(s.block);
}
END_TEST

/* The maximum itself is allowed, the bucket after it is not; zero and NaN are no buckets. */
START_TEST(test_native_add_halves_just_above_the_maximum)
{
    struct series s = {.schema = 0, .max = 3};
    struct seen seen;

    observe(&s, 1, 1);
    observe(&s, 2, 1);
    observe(&s, -2, 1);
    observe(&s, 0, 1);
    observe(&s, NAN, 1);
    seen = look(&s, 1, NO_MAX);
    ck_assert_int_eq(seen.h.schema, 0);
    native_merge_free(seen.merge);
    observe(&s, 1024, 1);
    seen = look(&s, 1, NO_MAX);
    /* At -3 there are still buckets 0, 1 and 2, and 1 below zero. */
    ck_assert_int_eq(seen.h.schema, -4);
    check_whole(&seen, 1);
    native_merge_free(seen.merge);
    free(s.block);
}
END_TEST

/* A series of one peak has few blocks in its life, and the last one is small. */
START_TEST(test_native_memory_of_a_latency)
{
    static const struct {
        double spread;
        size_t most;
    } cases[] = {{1, 80}, {1.5, 112 + 32}, {30, 32 + 12 * 64}, {10000, 32 + 12 * 128}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct series s = {.schema = 3, .max = 256};

        srandom(6);
        for (unsigned n = 0; n < 20000; n++)
            observe(&s, 0.001 * pow(cases[i].spread, (double)random() / RAND_MAX), 1);
        ck_assert_uint_le(s.n_blocks, 6);
        ck_assert_uint_le(native_size_after(s.block), cases[i].most);
        free(s.block);
    }
}
END_TEST

/* ---- merging ---- */

/* Series of several resolutions add up at the coarsest, or coarser when the sum has more buckets
 * than each; the order of workers makes no difference. */
START_TEST(test_native_merge_of_workers)
{
    enum { N = 4 };
    static const int schemas[N] = {8, 3, 5, 3};
    uint64_t *want = calloc(2 * LATTICE, sizeof *want);
    struct series s[N + 1] = {{0}};
    uint64_t count = 0;

    srandom(9);
    for (unsigned i = 0; i < N; i++)
        s[i] = (struct series){.schema = schemas[i], .max = NO_MAX};
    for (unsigned n = 0; n < 4000; n++) {
        int32_t finest;
        double v = any_value(&finest);

        observe(&s[random() % N], v, 2);
        want[(v < 0 ? LATTICE : 0) + LATTICE / 2 + finest] += 2;
        count += 2;
    }
    for (uint32_t max = 4096; max >= 64; max /= 4) {
        struct seen seen = look(s, N + 1, max);

        check_whole(&seen, 0);
        expect_all(&seen, want, count);
        ck_assert_int_le(seen.h.schema, 3);
        if (max == 4096)
            ck_assert_int_eq(seen.h.schema, 3);
        else
            ck_assert_uint_le(seen.h.n_positive + seen.h.n_negative, max);
        native_merge_free(seen.merge);
    }
    for (unsigned i = 0; i < N; i++)
        free(s[i].block);
    free(want);
}
END_TEST

/* Nobody has seen anything: no buckets, at the resolution that the series would have. */
START_TEST(test_native_merge_of_nothing)
{
    struct seen seen = look(NULL, 0, 10);

    check_whole(&seen, 0);
    ck_assert_int_eq(seen.h.schema, SCHEMA_MAX);
    ck_assert_uint_eq(seen.count, 0);
    native_merge_free(seen.merge);
    native_merge_free(NULL);
}
END_TEST

/* No count wraps: not by weight, not by merging. */
START_TEST(test_native_counts_never_wrap)
{
    struct series s[3] = {
        {.schema = 8, .max = 1}, {.schema = 8, .max = 20}, {.schema = 8, .max = 20}};
    uint64_t last = 0;

    /* Up through the octaves: full buckets are put together again and again. */
    for (unsigned n = 0; n < 20 * 256; n++) {
        struct seen seen;

        observe(&s[n % 3], ldexp(1 + n % 256 / 256.0, (int)n / 256), UINT64_MAX / 2);
        observe(&s[n % 3], 0, UINT64_MAX / 2);
        seen = look(s, 3, 1);
        ck_assert_uint_ge(seen.count, last);
        last = seen.count;
        native_merge_free(seen.merge);
    }
    ck_assert_uint_eq(last, UINT64_MAX);
    for (unsigned i = 0; i < 3; i++)
        free(s[i].block);
}
END_TEST

/* Nor by taking over: in the end one bucket has 200 full ones that were counted finer. */
START_TEST(test_native_take_over_never_wraps)
{
    struct series s = {.schema = 8, .max = 200};
    struct seen seen;

    for (unsigned n = 0; n < 256 * 256; n++)
        observe(&s, ldexp(1 + (n % 256 + 1) / 256.0, (int)n / 256), UINT64_MAX / 2);
    seen = look(&s, 1, 200);
    ck_assert_uint_eq(seen.h.positive[0].count, UINT64_MAX);
    native_merge_free(seen.merge);
    free(s.block);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("native");
    TCase *index = tcase_create("index"), *halving = tcase_create("halving");
    TCase *merge = tcase_create("merge");

    tcase_add_test(index, test_native_schema_of_factors);
    tcase_add_loop_test(index, test_native_count_agrees_with_the_reference, NATIVE_SCHEMA_MIN,
                        SCHEMA_MAX + 1);
    tcase_add_loop_test(index, test_native_count_turns_just_above_a_bound, NATIVE_SCHEMA_MIN,
                        SCHEMA_MAX + 1);
    tcase_add_loop_test(index, test_native_count_at_the_edges, NATIVE_SCHEMA_MIN, SCHEMA_MAX + 1);
    suite_add_tcase(s, index);
    tcase_add_loop_test(halving, test_native_halves_when_there_are_too_many, 0, 9);
    tcase_add_test(halving, test_native_add_halves_just_above_the_maximum);
    tcase_add_test(halving, test_native_memory_of_a_latency);
    suite_add_tcase(s, halving);
    tcase_add_test(merge, test_native_merge_of_workers);
    tcase_add_test(merge, test_native_merge_of_nothing);
    tcase_add_test(merge, test_native_counts_never_wrap);
    tcase_add_test(merge, test_native_take_over_never_wraps);
    suite_add_tcase(s, merge);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
