/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slab: objects never overlap, keep their number and their place, and leave nothing behind
 */
#include "store/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

struct taken {
    uint32_t ref; /* 0: not taken */
    unsigned char *p;
    size_t size;
    unsigned char mark;
};

static void take(struct slab *s, struct taken *t, size_t size, unsigned char mark)
{
    t->ref = slab_take(s, size);
    ck_assert_uint_ge(t->ref, SLAB_REF_MIN);
    t->p = slab_at(s, t->ref);
    t->size = size;
    t->mark = mark;
    ck_assert_uint_eq((uintptr_t)t->p % SLAB_UNIT, 0);
    memset(t->p, mark, size);
}

static void check(const struct slab *s, const struct taken *t)
{
    ck_assert_ptr_eq(slab_at(s, t->ref), t->p);
    for (size_t i = 0; i < t->size; i++)
        ck_assert_uint_eq(t->p[i], t->mark);
}

static void give(struct slab *s, struct taken *t)
{
    check(s, t);
    slab_give(s, t->ref);
    t->ref = 0;
}

/* Sizes as labels have them, and now and then any other. */
static size_t some_size(void)
{
    long chance = random();

    return chance % 20 != 0 ? 56 + (size_t)(chance % 200)
                            : (size_t)(chance / 20) % (SLAB_MAX_SIZE + 1);
}

/* However objects of all sizes come and go, each is whole, at its place and found by its number;
 * and when all are gone, all memory is given back. */
START_TEST(test_slab_take_gives_objects_of_their_own)
{
    enum { N = 2000 };
    static struct taken taken[N];
    static struct slab s;

    srandom(6);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 6 * N; i++) {
            struct taken *t = &taken[random() % N];

            if (t->ref != 0)
                give(&s, t);
            else
                take(&s, t, some_size(), (unsigned char)i);
        }
        for (unsigned i = 0; i < N; i++)
            if (taken[i].ref != 0)
                give(&s, &taken[i]);
        ck_assert_uint_eq(s.n_bytes, 0);
        ck_assert_uint_eq(s.n_chunks, 0);
    }
    slab_release(&s);
    slab_release(&s);
}
END_TEST

/* Every size from nothing to the largest has room up to its last byte (sanitizers see the end), and
 * what is larger is refused. */
START_TEST(test_slab_take_of_every_size)
{
    static struct slab s;
    struct taken t;

    for (size_t size = 0; size <= SLAB_MAX_SIZE; size++) {
        take(&s, &t, size, 0xa5);
        give(&s, &t);
    }
    ck_assert_uint_eq(slab_take(&s, SLAB_MAX_SIZE + 1), 0);
    ck_assert_uint_eq(slab_take(&s, SIZE_MAX), 0);
    ck_assert_uint_eq(s.n_bytes, 0);
    slab_release(&s);
}
END_TEST

/* Whole lines of the cache lie in whole lines. */
START_TEST(test_slab_take_keeps_lines_whole)
{
    static struct slab s;

    for (unsigned i = 0; i < 3000; i++) {
        uint32_t ref = slab_take(&s, 64 * (1 + i % 4));

        ck_assert_uint_eq((uintptr_t)slab_at(&s, ref) % 64, 0);
    }
    slab_release(&s);
}
END_TEST

/* Many of one size cost little more than they are: a hundredth, and the last chunk. */
START_TEST(test_slab_take_wastes_little)
{
    enum { N = 50000 };
    static const size_t sizes[] = {8, 56, 88, 120, 248};
    static struct slab s;

    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_ne(slab_take(&s, sizes[_i]), 0);
    ck_assert_uint_le(s.n_bytes, N * sizes[_i] / 100 * 101 + 32768);
    slab_release(&s);
}
END_TEST

/* A churn, in which a few stay behind each time, takes the places again that became free. */
START_TEST(test_slab_churn_does_not_grow)
{
    enum { N = 5000, ROUNDS = 50 };
    static struct taken taken[N];
    static struct slab s;
    size_t most = 0;

    srandom(7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < N; i++)
            if (taken[i].ref == 0)
                take(&s, &taken[i], 80 + (size_t)(random() % 64), (unsigned char)i);
        most = round == 4 ? s.n_bytes : most;
        for (unsigned i = 0; i < N; i++)
            if (random() % 20 != 0)
                give(&s, &taken[i]);
    }
    ck_assert_uint_le(s.n_bytes, most / 10 * 12);
    slab_release(&s);
}
END_TEST

/* Numbers of chunks that are gone are given again: there are only so many. */
START_TEST(test_slab_numbers_are_used_again)
{
    enum { N = 300 };
    static struct taken taken[N];
    static struct slab s;

    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < N; i++)
            take(&s, &taken[i], 1000 + 100 * (size_t)(round % 7), (unsigned char)i);
        for (unsigned i = 0; i < N; i++)
            give(&s, &taken[(i * 7 + round) % N]);
    }
    ck_assert_uint_lt(s.n_numbers, N);
    slab_release(&s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("slab");
    TCase *take_case = tcase_create("take"), *give_case = tcase_create("give");

    tcase_set_timeout(take_case, 60);
    tcase_add_test(take_case, test_slab_take_gives_objects_of_their_own);
    tcase_add_test(take_case, test_slab_take_of_every_size);
    tcase_add_test(take_case, test_slab_take_keeps_lines_whole);
    tcase_add_loop_test(take_case, test_slab_take_wastes_little, 0, 5);
    suite_add_tcase(s, take_case);
    tcase_add_test(give_case, test_slab_churn_does_not_grow);
    tcase_add_test(give_case, test_slab_numbers_are_used_again);
    suite_add_tcase(s, give_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
