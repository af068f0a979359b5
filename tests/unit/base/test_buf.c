/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffer: what it holds after appends of every kind, and what remains after a failure
 */
#include "base/buf.h"

#include "lib/unit.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>

static void assert_holds(const struct buf *b, const char *text)
{
    ck_assert_msg(slice_eq_str(buf_slice(b), text), "holds '%.*s', not '%s'", (int)b->len, b->p,
                  text);
}

/* Every kind of append puts its bytes behind those that are there. */
START_TEST(test_buf_appends_in_order)
{
    struct buf b = {0};

    ck_assert_int_eq(buf_add(&b, "a\0b", 3), 0);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_mem_eq(b.p, "a\0b", 3);
    buf_clear(&b);
    ck_assert_int_eq(buf_add_slice(&b, SLICE_LIT("one ")), 0);
    ck_assert_int_eq(buf_add_str(&b, "two "), 0);
    ck_assert_int_eq(buf_add_byte(&b, '3'), 0);
    ck_assert_int_eq(buf_addf(&b, " %d-%s ", 4, "five"), 0);
    ck_assert_int_eq(buf_add_double(&b, 1e6), 0);
    ck_assert_int_eq(buf_add_byte(&b, ' '), 0);
    ck_assert_int_eq(buf_add_double(&b, -INFINITY), 0);
    ck_assert_int_eq(buf_add_byte(&b, ' '), 0);
    ck_assert_int_eq(buf_add_u64(&b, UINT64_MAX), 0);
    assert_holds(&b, "one two 3 4-five 1e+06 -Inf 18446744073709551615");
    buf_release(&b);
}
END_TEST

/* An empty piece changes nothing, whatever its pointer is. */
START_TEST(test_buf_accepts_empty_pieces)
{
    struct buf b = {0};

    ck_assert_int_eq(buf_add(&b, NULL, 0), 0);
    ck_assert_int_eq(buf_add_slice(&b, (struct slice){0}), 0);
    ck_assert_int_eq(buf_add_str(&b, ""), 0);
    ck_assert_uint_eq(b.len, 0);
    buf_release(&b);
    buf_release(NULL);
}
END_TEST

/* A long page comes out as it went in, and costs few allocations. */
START_TEST(test_buf_grows_by_doubling)
{
    struct buf b = {0};
    size_t last = 0;
    unsigned n_grown = 0;

    for (unsigned i = 0; i < 100000; i++) {
        ck_assert_int_eq(buf_addf(&b, "%05u", i), 0);
        n_grown += b.cap != last;
        last = b.cap;
    }
    ck_assert_uint_eq(b.len, 500000);
    ck_assert_mem_eq(b.p, "0000000001", 10);
    ck_assert_mem_eq(b.p + b.len - 10, "9999899999", 10);
    ck_assert_uint_le(n_grown, 20);
    buf_release(&b);
    ck_assert_ptr_null(b.p);
}
END_TEST

/* What is fitted has no more room than it needs, and grows again. */
START_TEST(test_buf_fits)
{
    struct buf b = {0};

    buf_fit(&b);
    ck_assert_ptr_null(b.p);
    ck_assert_int_eq(buf_add_str(&b, "abc"), 0);
    buf_fit(&b);
    ck_assert_uint_eq(b.cap, 3);
    ck_assert_int_eq(buf_add_str(&b, "de"), 0);
    ck_assert(slice_eq_str(buf_slice(&b), "abcde"));
    buf_release(&b);
}
END_TEST

/* buf_reserve() gives room that an append uses without moving. */
START_TEST(test_buf_reserve_gives_room)
{
    struct buf b = {0};
    const char *p;

    ck_assert_int_eq(buf_reserve(&b, 5000), 0);
    ck_assert_uint_ge(b.cap, 5000);
    p = b.p;
    for (unsigned i = 0; i < 5000; i++)
        ck_assert_int_eq(buf_add_byte(&b, 'x'), 0);
    ck_assert_ptr_eq(b.p, p);
    buf_release(&b);
}
END_TEST

/* After a failed allocation the old bytes stay and nothing more is taken. */
START_TEST(test_buf_failure_is_sticky)
{
    struct buf b = {0};

    ck_assert_int_eq(buf_add_str(&b, "kept"), 0);
    ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -ENOMEM);
    ck_assert(b.failed);
    ck_assert_int_eq(buf_reserve(&b, 1), -ENOMEM);
    ck_assert_int_eq(buf_add_str(&b, "x"), -ENOMEM);
    ck_assert_int_eq(buf_addf(&b, "x"), -ENOMEM);
    ck_assert_int_eq(buf_add_u64(&b, 1), -ENOMEM);
    ck_assert_int_eq(buf_add_double(&b, 1), -ENOMEM);
    assert_holds(&b, "kept");
    buf_clear(&b);
    ck_assert(b.failed);
    buf_release(&b);
    ck_assert(!b.failed);
    ck_assert_int_eq(buf_add_str(&b, "again"), 0);
    buf_release(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("buf");
    TCase *add = tcase_create("buf_add");
    TCase *reserve = tcase_create("buf_reserve");

    tcase_add_test(add, test_buf_appends_in_order);
    tcase_add_test(add, test_buf_accepts_empty_pieces);
    tcase_add_test(add, test_buf_grows_by_doubling);
    suite_add_tcase(s, add);
    tcase_add_test(reserve, test_buf_reserve_gives_room);
    tcase_add_test(reserve, test_buf_fits);
    tcase_add_test(reserve, test_buf_failure_is_sticky);
    suite_add_tcase(s, reserve);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
