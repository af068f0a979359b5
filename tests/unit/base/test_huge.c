/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages: pieces are whole, apart, and all given back */
#include "base/huge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

/* Of any size it is aligned, empty, and counted until it is given back. */
START_TEST(test_huge_alloc_is_aligned)
{
    static const size_t sizes[] = {64, HUGE_SIZE, HUGE_SIZE + 448, 3 * HUGE_SIZE};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = huge_alloc(sizes[i]);

        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % HUGE_SIZE, 0);
        ck_assert_uint_ge(huge_n_bytes(), sizes[i]);
        ck_assert_uint_lt(huge_n_bytes(), sizes[i] + 4096);
        for (size_t k = 0; k < sizes[i]; k++)
            ck_assert_int_eq(p[k], 0);
        memset(p, 0xa5, sizes[i]);
        huge_free(p, sizes[i]);
        ck_assert_uint_eq(huge_n_bytes(), 0);
    }
    huge_free(NULL, 0);
}
END_TEST

/* Pieces taken and given at random: none is somebody else's, and in the end no page is left. */
START_TEST(test_huge_pieces_are_apart)
{
    enum { N = 300 };
    static struct huge_pieces h;
    static unsigned char *pieces[N];

    srandom(5);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)(random() % N);

        if (pieces[i] == NULL) {
            pieces[i] = huge_piece_take(&h);
            ck_assert_ptr_nonnull(pieces[i]);
            ck_assert_uint_eq((uintptr_t)pieces[i] % HUGE_PIECE, 0);
            pieces[i][0] = pieces[i][HUGE_PIECE - 1] = (unsigned char)i;
        } else {
            ck_assert_uint_eq(pieces[i][0], (unsigned char)i);
            ck_assert_uint_eq(pieces[i][HUGE_PIECE - 1], (unsigned char)i);
            huge_piece_give(&h, pieces[i]);
            pieces[i] = NULL;
        }
    }
    for (unsigned i = 0; i < N; i++)
        if (pieces[i] != NULL)
            huge_piece_give(&h, pieces[i]);
    ck_assert_ptr_null(h.roomy);
    ck_assert_uint_eq(huge_n_bytes(), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("huge");
    TCase *all = tcase_create("huge");

    tcase_add_test(all, test_huge_alloc_is_aligned);
    tcase_add_test(all, test_huge_pieces_are_apart);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
