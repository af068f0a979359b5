/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limiter: what a sender gets in the short run and in the long run, alone and among many
 */
#include "server/limiter.h"

#include <stdlib.h>

#include "lib/unit.h"

#define SECOND INT64_C(1000000000)
#define YEAR   (365 * 24 * 3600 * SECOND)
#define NOW    (1000 * SECOND)
#define PLACES (4096 * 4)

static struct limiter *limiter;

static void open_limiter(uint64_t rate, int64_t burst_ms)
{
    const struct limiter_config config = {.rate = rate, .burst_ms = burst_ms, .seed = 42};

    ck_assert_int_eq(limiter_new(&limiter, &config), 0);
}

static void stop(void)
{
    limiter_free(limiter);
    limiter = NULL;
}

static struct ip sender(uint64_t i)
{
    return (struct ip){0, i};
}

/* How many single units @sender gets at @now_ns, of @n that it asks for. */
static unsigned take_of(uint64_t i, unsigned n, int64_t now_ns)
{
    unsigned got = 0;

    while (n-- > 0)
        got += limiter_take(limiter, sender(i), 1, now_ns);
    return got;
}

/* A burst at once, then the rate, and after a pause a burst again. */
START_TEST(test_limiter_grants_burst_and_rate)
{
    open_limiter(100, 2000);
    ck_assert_uint_eq(take_of(1, 1000, NOW), 200);
    ck_assert_uint_eq(take_of(1, 1000, NOW), 0);
    ck_assert_uint_eq(take_of(1, 1000, NOW + SECOND), 100);
    ck_assert_uint_eq(take_of(1, 1000, NOW + SECOND + SECOND / 100), 1);
    ck_assert_uint_eq(take_of(1, 1000, NOW + 100 * SECOND), 200);
    ck_assert_uint_eq(take_of(2, 1000, NOW), 200); /* everybody has a bucket */
}
END_TEST

/* However often it asks, a sender gets its rate. */
START_TEST(test_limiter_holds_the_rate_for_long)
{
    unsigned got = 0;

    open_limiter(1000, 100);
    for (unsigned ms = 0; ms < 60000; ms++)
        got += take_of(7, 3, NOW + ms * (SECOND / 1000));
    ck_assert_uint_ge(got, 60000);
    ck_assert_uint_le(got, 60000 + 101);
}
END_TEST

/* What is larger than the burst passes too, and is owed; the bucket is shorter than a unit, too. */
START_TEST(test_limiter_lends)
{
    open_limiter(10, 1000);
    ck_assert(limiter_take(limiter, sender(1), 1000, NOW));
    ck_assert(!limiter_take(limiter, sender(1), 1, NOW + 98 * SECOND));
    ck_assert(limiter_take(limiter, sender(1), 1, NOW + 100 * SECOND));
    stop();
    open_limiter(1, 1);
    ck_assert_uint_eq(take_of(1, 10, NOW), 1);
    ck_assert_uint_eq(take_of(1, 10, NOW + SECOND), 1);
}
END_TEST

/* A stream owes what it sent, and is told for how long. */
START_TEST(test_limiter_tells_how_long)
{
    open_limiter(10, 1000);
    ck_assert_int_eq(limiter_owe(limiter, sender(1), 10, NOW), 0);
    ck_assert_int_eq(limiter_owe(limiter, sender(1), 10, NOW), SECOND);
    ck_assert_int_eq(limiter_owe(limiter, sender(1), 0, NOW + SECOND), 0);
    ck_assert_int_eq(limiter_owe(limiter, sender(1), 1, NOW + 100 * SECOND), 0);
}
END_TEST

/* Numbers that no clock and no sender reaches do not overflow. */
START_TEST(test_limiter_bounds_its_numbers)
{
    open_limiter(1, INT64_MAX);
    ck_assert(limiter_take(limiter, sender(1), UINT64_MAX, NOW));
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_ge(limiter_owe(limiter, sender(1), UINT64_MAX, NOW + i), 0);
    ck_assert(limiter_take(limiter, sender(2), 1, NOW));
    ck_assert(limiter_take(limiter, sender(2), 1, NOW));
    stop();
    open_limiter(1, 1000);
    /* So many that their time in ns is a small number beyond 64 bits. */
    ck_assert_int_gt(limiter_owe(limiter, sender(1), 18446744074, NOW), 60 * YEAR);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_gt(limiter_owe(limiter, sender(1), UINT64_MAX, NOW + i), 60 * YEAR);
}
END_TEST

/* Senders without number, each with a name of its own, get no more than all places together: forged
 * names make no fresh bursts. */
START_TEST(test_limiter_bounds_all_together)
{
    uint64_t got = 0;

    open_limiter(10, 1000);
    for (uint64_t i = 0; i < 20 * PLACES; i++)
        got += take_of(i, 5, NOW);
    ck_assert_uint_le(got, 10 * PLACES);
    ck_assert_uint_ge(got, 5 * PLACES); /* and it does not shut out all */
}
END_TEST

/* Those that were quiet long enough are forgotten without a difference. */
START_TEST(test_limiter_forgets_the_quiet)
{
    open_limiter(10, 1000);
    for (uint64_t i = 0; i < 3 * PLACES; i++)
        ck_assert_uint_eq(take_of(i, 20, NOW + (int64_t)i * SECOND), 10);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("limiter");
    TCase *c = tcase_create("all");

    tcase_add_checked_fixture(c, NULL, stop);
    tcase_add_test(c, test_limiter_grants_burst_and_rate);
    tcase_add_test(c, test_limiter_holds_the_rate_for_long);
    tcase_add_test(c, test_limiter_lends);
    tcase_add_test(c, test_limiter_tells_how_long);
    tcase_add_test(c, test_limiter_bounds_its_numbers);
    tcase_add_test(c, test_limiter_bounds_all_together);
    tcase_add_test(c, test_limiter_forgets_the_quiet);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
