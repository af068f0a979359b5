/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: history
 */
#include "server/history.h"

#include "lib/unit.h"

static struct history *new_history(unsigned n)
{
    struct history *h = NULL;

    ck_assert_int_eq(history_new(&h, n), 0);
    return h;
}

/* A step is due a second after the last, and the first one at once; one note is no step yet. */
START_TEST(test_history_due)
{
    struct history *h = new_history(1);
    uint64_t n = 5;

    ck_assert(history_is_due(h, 7));
    ck_assert_uint_eq(history_end(h), 0);
    history_note(h, &n, 7);
    ck_assert_uint_eq(history_end(h), 0);
    ck_assert(!history_is_due(h, 1006));
    ck_assert(history_is_due(h, 1007));
    history_note(h, &n, 1007);
    ck_assert_uint_eq(history_first(h), 0);
    ck_assert_uint_eq(history_end(h), 1);
    history_free(h);
}
END_TEST

/* A rate is what was gained by the time that it took; what fell gained nothing. */
START_TEST(test_history_rate)
{
    struct history *h = new_history(2);

    history_note(h, (uint64_t[]){100, 9}, 0);
    history_note(h, (uint64_t[]){300, 9}, 1000);
    history_note(h, (uint64_t[]){400, 3}, 3000);
    ck_assert_double_eq(history_rate(h, 0, 0), 200);
    ck_assert_double_eq(history_rate(h, 0, 1), 0);
    ck_assert_double_eq(history_rate(h, 1, 0), 50);
    ck_assert_double_eq(history_rate(h, 1, 1), 0);
    history_free(h);
}
END_TEST

/* The last steps are kept under their numbers, however many there were. */
START_TEST(test_history_ring)
{
    struct history *h = new_history(1);
    uint64_t total = 0;

    for (uint64_t step = 0; step <= 1000; step++) {
        history_note(h, &total, (int64_t)step * 1000);
        total += step;
    }
    ck_assert_uint_eq(history_end(h), 1000);
    ck_assert_uint_eq(history_first(h), 1000 - HISTORY_STEPS);
    for (uint64_t step = history_first(h); step < history_end(h); step++)
        ck_assert_double_eq(history_rate(h, step, 0), (double)step);
    history_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("history");
    TCase *all = tcase_create("history");

    tcase_add_test(all, test_history_due);
    tcase_add_test(all, test_history_rate);
    tcase_add_test(all, test_history_ring);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
