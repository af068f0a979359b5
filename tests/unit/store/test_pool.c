/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: cells never overlap, are used again, and keep their first word
 */
#include "store/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "store/cell.h"

static const size_t sizes[] = {32, 64, 96, 160, 2080, 4096, 4128, 65536, 1048608};
#define N_SIZES (sizeof sizes / sizeof sizes[0])

struct taken {
    unsigned char *p;
    size_t size;
    unsigned char mark;
};

static bool is_filled(const struct taken *t)
{
    for (size_t i = 0; i < t->size; i++)
        if (t->p[i] != t->mark)
            return false;
    return true;
}

/* Cells of every size are aligned and do not overlap, however many there are: a mark that fills one
 * is whole until the end. */
START_TEST(test_pool_take_gives_cells_of_their_own)
{
    enum { N = 3000 };
    static struct taken taken[N];
    struct pool p = {0};
    size_t n_bytes = 0;

    srandom(5);
    for (unsigned i = 0; i < N; i++) {
        size_t kind = random() % 50 != 0 ? (size_t)random() % 5 : (size_t)random() % N_SIZES;
        struct taken *t = &taken[i];

        *t = (struct taken){pool_take(&p, sizes[kind]), sizes[kind], (unsigned char)(i % 251)};
        ck_assert_ptr_nonnull(t->p);
        ck_assert_uint_eq((uintptr_t)t->p % CELL_ALIGN, 0);
        memset(t->p, t->mark, t->size);
        n_bytes += t->size;
    }
    for (unsigned i = 0; i < N; i++)
        ck_assert(is_filled(&taken[i]));
    ck_assert_uint_ge(p.n_bytes, n_bytes);
    pool_release(&p);
    ck_assert_uint_eq(p.n_bytes, 0);
    ck_assert_ptr_null(p.classes);
}
END_TEST

/* Two pools share no cache line: two workers never write to the same one. */
START_TEST(test_pool_take_shares_no_line_between_pools)
{
    struct pool a = {0}, b = {0};

    for (unsigned i = 0; i < 500; i++) {
        uintptr_t of_a = (uintptr_t)pool_take(&a, 32), of_b = (uintptr_t)pool_take(&b, 32);

        ck_assert_uint_ne(of_a / 64, of_b / 64);
    }
    pool_release(&a);
    pool_release(&b);
}
END_TEST

/* A cell given back is the next taken of its size, with its first 8 bytes as they were: a route
 * that still points there finds the birth number gone. */
START_TEST(test_pool_give_keeps_the_first_word)
{
    struct pool p = {0};
    uint64_t head = UINT64_C(0x1234567800000000), seen = 0;

    for (size_t kind = 0; kind < N_SIZES; kind++) {
        void *cell = pool_take(&p, sizes[kind]), *other = pool_take(&p, sizes[kind]);

        memset(cell, 0xa5, sizes[kind]);
        memcpy(cell, &head, sizeof head);
        pool_give(&p, cell, sizes[kind]);
        memcpy(&seen, cell, sizeof seen);
        ck_assert_uint_eq(seen, head);
        ck_assert_ptr_ne(pool_take(&p, sizes[(kind + 1) % N_SIZES]), cell);
        ck_assert_ptr_eq(pool_take(&p, sizes[kind]), cell);
        memcpy(&seen, cell, sizeof seen);
        ck_assert_uint_eq(seen, head);
        ck_assert_ptr_ne(other, cell);
    }
    pool_release(&p);
}
END_TEST

/* What comes and goes needs no more memory than what was there at once. */
START_TEST(test_pool_give_is_used_again)
{
    enum { N = 1000 };
    static void *cells[N];
    struct pool p = {0};
    size_t n_bytes = 0;

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < N; i++)
            cells[i] = pool_take(&p, 96);
        if (round == 0)
            n_bytes = p.n_bytes;
        ck_assert_uint_eq(p.n_bytes, n_bytes);
        for (unsigned i = 0; i < N; i++)
            pool_give(&p, cells[(i * 7 + round) % N], 96);
    }
    pool_release(&p);
}
END_TEST

/* A server with ten series is small. */
START_TEST(test_pool_begins_small)
{
    struct pool p = {0};

    for (unsigned i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(pool_take(&p, 32));
    ck_assert_uint_le(p.n_bytes, 8192);
    pool_release(&p);
    pool_release(&p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pool");
    TCase *take = tcase_create("take"), *give = tcase_create("give");

    tcase_add_test(take, test_pool_take_gives_cells_of_their_own);
    tcase_add_test(take, test_pool_take_shares_no_line_between_pools);
    tcase_add_test(take, test_pool_begins_small);
    suite_add_tcase(s, take);
    tcase_add_test(give, test_pool_give_keeps_the_first_word);
    tcase_add_test(give, test_pool_give_is_used_again);
    suite_add_tcase(s, give);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
