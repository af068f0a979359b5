/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set: exact counts, then the estimate and its error; unions in every combination
 */
#include "store/set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

static const unsigned n_exact[] = {32, 256};

static struct set_block *block_new(unsigned level, uint32_t epoch)
{
    struct set_block *b = malloc(set_block_size(level));

    memset(b, 0xa5, set_block_size(level));
    set_block_init(b, level, epoch);
    return b;
}

static struct set_merge *merge_new(void)
{
    struct set_merge *m = malloc(set_merge_size());

    memset(m, 0xa5, set_merge_size());
    set_merge_init(m);
    return m;
}

/* As the owner of a block does it. */
static struct set_block *add(struct set_block *b, uint64_t hash)
{
    struct set_block *larger;

    if (set_block_add(b, hash) == 0)
        return b;
    larger = block_new(set_block_level(b) + 1, 0);
    set_block_copy(larger, b);
    ck_assert_uint_eq(set_block_epoch(larger), set_block_epoch(b));
    free(b);
    ck_assert_int_eq(set_block_add(larger, hash), 0);
    return larger;
}

static uint64_t member(unsigned n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "user-%u", n);

    return set_hash(slice_of(text, (size_t)len));
}

/* Members @from to @to - 1, in a block as large as they need. */
static struct set_block *block_of(unsigned from, unsigned to)
{
    struct set_block *b = block_new(0, 7);

    for (unsigned n = from; n < to; n++)
        b = add(b, member(n));
    return b;
}

static double count(const struct set_block *b)
{
    struct set_merge *m = merge_new();
    double n;

    set_merge_add(m, b);
    n = set_merge_count(m);
    free(m);
    return n;
}

/* The hash is the same in every process and release: registers are kept and merged. */
START_TEST(test_set_hash_is_fixed)
{
    ck_assert_uint_eq(set_hash(SLICE_LIT("")), set_hash(slice_of(NULL, 0)));
    ck_assert_uint_eq(set_hash(SLICE_LIT("alice")), UINT64_C(0x327518275e3b8679));
    ck_assert_uint_ne(set_hash(SLICE_LIT("alice")), set_hash(SLICE_LIT("alicf")));
}
END_TEST

/* A block of hashes takes what it has room for, then says so; what it holds is still accepted. */
START_TEST(test_set_block_add_until_full)
{
    unsigned level = (unsigned)_i;
    struct set_block *b = block_new(level, 3);

    for (unsigned n = 0; n < n_exact[level]; n++)
        ck_assert_int_eq(set_block_add(b, member(n)), 0);
    ck_assert_int_eq(set_block_add(b, member(n_exact[level])), SET_E_FULL);
    for (unsigned n = 0; n < n_exact[level]; n++)
        ck_assert_int_eq(set_block_add(b, member(n)), 0);
    ck_assert_double_eq(count(b), n_exact[level]);
    free(b);
}
END_TEST

/* What was added before changes nothing, at any level, whatever the order and the hash. */
START_TEST(test_set_block_add_again_changes_nothing)
{
    static const uint64_t edges[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};

    for (unsigned level = 0; level < SET_N_LEVELS; level++) {
        struct set_block *b = block_new(level, 0), *copy = block_new(level, 0);

        for (unsigned i = 0; i < 5; i++)
            ck_assert_int_eq(set_block_add(b, edges[i]), 0);
        memcpy(copy, b, set_block_size(level));
        for (unsigned i = 0; i < 5; i++)
            ck_assert_int_eq(set_block_add(b, edges[4 - i]), 0);
        ck_assert_mem_eq(b, copy, set_block_size(level));
        ck_assert_double_eq_tol(count(b), 5, level == SET_N_LEVELS - 1 ? 3 : 0.5);
        free(b);
        free(copy);
    }
}
END_TEST

/* A reset block is empty, keeps its level and has the new epoch. */
START_TEST(test_set_block_reset_empties)
{
    for (unsigned level = 0; level < SET_N_LEVELS; level++) {
        struct set_block *b = block_new(level, 1);

        for (unsigned n = 0; n < 20; n++)
            ck_assert_int_eq(set_block_add(b, member(n)), 0);
        set_block_reset(b, 9);
        ck_assert_uint_eq(set_block_level(b), level);
        ck_assert_uint_eq(set_block_epoch(b), 9);
        ck_assert_double_eq(count(b), 0);
        ck_assert_int_eq(set_block_add(b, member(1)), 0);
        ck_assert_double_eq(count(b), 1);
        free(b);
    }
}
END_TEST

/* A copy counts what its source counts, from each level to each not below it. */
START_TEST(test_set_block_copy_keeps_members)
{
    for (unsigned from = 0; from < SET_N_LEVELS; from++) {
        for (unsigned to = from; to < SET_N_LEVELS; to++) {
            struct set_block *a = block_new(from, 5), *b = block_new(to, 1), *direct;

            direct = block_new(to, 5);
            ck_assert_int_eq(set_block_add(b, member(999)), 0); /* is forgotten */
            for (unsigned n = 0; n < 32; n++) {
                ck_assert_int_eq(set_block_add(a, member(n)), 0);
                ck_assert_int_eq(set_block_add(direct, member(n)), 0);
            }
            set_block_copy(b, a);
            ck_assert_uint_eq(set_block_epoch(b), 5);
            ck_assert_uint_eq(set_block_level(b), to);
            ck_assert_double_eq(count(b), count(direct));
            ck_assert_int_eq(set_block_add(b, member(3)), 0);
            ck_assert_double_eq(count(b), count(direct));
            free(a);
            free(b);
            free(direct);
        }
    }
}
END_TEST

/* Exact up to 256 members; beyond, within three standard errors of 1.6 %. */
START_TEST(test_set_merge_count_is_within_the_stated_error)
{
    static const unsigned sizes[] = {0,   1,    2,    31,    32,    33,    255,    256,    257,
                                     500, 1000, 4000, 10000, 12000, 30000, 100000, 300000, 1000000};

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct set_block *b = block_of(0, sizes[i]);
        double n = count(b), tolerance = sizes[i] <= 256 ? 0 : 3 * 1.04 / 64 * sizes[i];

        ck_assert_msg(fabs(n - sizes[i]) <= tolerance, "%u: %g", sizes[i], n);
        ck_assert_double_eq(n, floor(n));
        free(b);
    }
}
END_TEST

/* Over many sets the estimate has the stated standard error and no bias, at every size. */
START_TEST(test_set_merge_count_is_unbiased)
{
    static const unsigned sizes[] = {300, 3000, 10000, 20000};
    const unsigned n_sets = 60;
    unsigned next = 0;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double sum = 0, squares = 0;

        for (unsigned set = 0; set < n_sets; set++) {
            struct set_block *b = block_of(next, next + sizes[i]);
            double error = count(b) / sizes[i] - 1;

            sum += error;
            squares += error * error;
            next += sizes[i];
            free(b);
        }
        /* The mean of 60 has a standard error of 0.21 %. */
        ck_assert_double_le(fabs(sum / n_sets), 3 * 0.0163 / sqrt(n_sets));
        ck_assert_double_le(sqrt(squares / n_sets), 1.3 * 0.0163);
    }
}
END_TEST

/* The union counts each member once, in whatever blocks and order it came. */
START_TEST(test_set_merge_add_counts_the_union)
{
    static const struct {
        unsigned from_a, to_a, from_b, to_b, want;
    } cases[] = {
        {0, 0, 0, 0, 0},
        {0, 10, 0, 10, 10},
        {0, 10, 5, 25, 25},
        {0, 32, 32, 64, 64},
        {0, 5, 100, 356, 261},
        {0, 256, 128, 384, 384},
        {0, 3000, 0, 20, 3000},
        {0, 20, 0, 3000, 3000},
        {0, 3000, 2000, 6000, 6000},
        {0, 3000, 5000, 5200, 3200},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct set_block *a = block_of(cases[i].from_a, cases[i].to_a);
        struct set_block *b = block_of(cases[i].from_b, cases[i].to_b);
        struct set_merge *ab = merge_new(), *ba = merge_new();
        double want = cases[i].want;

        set_merge_add(ab, a);
        set_merge_add(ab, b);
        set_merge_add(ba, b);
        set_merge_add(ba, a);
        ck_assert_double_eq(set_merge_count(ab), set_merge_count(ba));
        ck_assert_double_eq_tol(set_merge_count(ab), want, want < 1000 ? 0.1 : 0.05 * want);
        set_merge_add(ab, a);
        ck_assert_double_eq(set_merge_count(ab), set_merge_count(ba));
        free(a);
        free(b);
        free(ab);
        free(ba);
    }
}
END_TEST

/* Exact blocks stay exact together up to 2048 members, then become an estimate, losing none. */
START_TEST(test_set_merge_add_of_many_exact_blocks)
{
    struct set_merge *m = merge_new();
    unsigned n = 0;

    for (; n < 2048; n += 256) {
        struct set_block *b = block_of(n, n + 256);

        set_merge_add(m, b);
        ck_assert_double_eq(set_merge_count(m), n + 256);
        free(b);
    }
    for (; n < 4096; n += 1) {
        struct set_block *b = block_of(n, n + 1);

        set_merge_add(m, b);
        ck_assert_double_eq_tol(set_merge_count(m), n + 1, 0.05 * n);
        free(b);
    }
    free(m);
}
END_TEST

/* Blocks are whole words, and hold no more than is promised. */
START_TEST(test_set_block_size_is_words)
{
    for (unsigned level = 0; level < SET_N_LEVELS; level++)
        ck_assert_uint_eq(set_block_size(level) % 8, 0);
    ck_assert_uint_le(set_block_size(0), 32 * 8 + 16);
    ck_assert_uint_le(set_block_size(1), 256 * 8 + 16);
    ck_assert_uint_le(set_block_size(2), 4096 + 16);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("set");
    TCase *hash = tcase_create("hash"), *block = tcase_create("block");
    TCase *merge = tcase_create("merge");

    tcase_add_test(hash, test_set_hash_is_fixed);
    suite_add_tcase(s, hash);
    tcase_add_loop_test(block, test_set_block_add_until_full, 0, 2);
    tcase_add_test(block, test_set_block_add_again_changes_nothing);
    tcase_add_test(block, test_set_block_reset_empties);
    tcase_add_test(block, test_set_block_copy_keeps_members);
    tcase_add_test(block, test_set_block_size_is_words);
    suite_add_tcase(s, block);
    tcase_add_test(merge, test_set_merge_count_is_within_the_stated_error);
    tcase_add_test(merge, test_set_merge_count_is_unbiased);
    tcase_add_test(merge, test_set_merge_add_counts_the_union);
    tcase_add_test(merge, test_set_merge_add_of_many_exact_blocks);
    suite_add_tcase(s, merge);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
