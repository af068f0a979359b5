/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wheel: every link comes round in time, whatever the clock does
 */
#include "store/wheel.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/unit.h"

#define TURN (WHEEL_SLOTS - 1)

struct timer {
    uint32_t next;
    uint32_t reminder; /* when it must come: its due, or a turn after it was put in */
    bool in;
};

static struct timer timers[3 * WHEEL_SLOTS];

static uint32_t number_of(const struct timer *t)
{
    return (uint32_t)(t - timers) + 1;
}

static void put(struct wheel *w, struct timer *t, uint32_t due)
{
    int32_t wait = (int32_t)(due - w->tick);

    wheel_put(w, number_of(t), &t->next, due);
    t->reminder = w->tick + (wait < 0 ? 0 : wait > (int32_t)TURN ? TURN : (uint32_t)wait);
    t->in = true;
}

static struct timer *next(struct wheel *w, uint32_t now)
{
    uint32_t *head = wheel_next(w, now);
    struct timer *t;

    if (head == NULL)
        return NULL;
    ck_assert_uint_ge(*head, 1);
    ck_assert_uint_le(*head, sizeof timers / sizeof timers[0]);
    t = &timers[*head - 1];
    *head = t->next;
    ck_assert(t->in);
    t->in = false;
    return t;
}

/* A link comes neither before its due (or a turn, when that is nearer) nor after it. */
START_TEST(test_wheel_next_is_in_time)
{
    enum { N = 200 };
    static const uint32_t starts[] = {0, 1000, UINT32_MAX - 500, INT32_MAX - 500u};
    struct wheel w = {.tick = starts[_i]};
    uint32_t now = starts[_i];

    srandom(4);
    for (unsigned i = 0; i < N; i++)
        timers[i].in = false;
    for (unsigned step = 0; step < 3000; step++) {
        struct timer *t = &timers[random() % N];

        if (!t->in)
            put(&w, t, now + (uint32_t)(random() % 400) - 20);
        now += random() % 50 == 0 ? (uint32_t)(random() % 300) : (uint32_t)(random() % 3);
        while ((t = next(&w, now)) != NULL)
            ck_assert_int_ge((int32_t)(now - t->reminder), 0);
        for (unsigned i = 0; i < N; i++)
            ck_assert(!timers[i].in || (int32_t)(timers[i].reminder - now) > 0);
    }
}
END_TEST

/* One call steps to the clock's reading, however far away it is, and passes every link on its
 * way. */
START_TEST(test_wheel_next_finds_all_after_a_leap)
{
    static const uint32_t leaps[] = {
        TURN, TURN + 1, 100000, INT32_MAX, INT32_MAX + 1u, 4100000000, UINT32_MAX - TURN - 1};
    struct wheel w = {0};
    unsigned n = 0;

    for (uint32_t i = 0; i < 3 * WHEEL_SLOTS; i++)
        put(&w, &timers[i], i);
    while (next(&w, leaps[_i]) != NULL)
        n++;
    ck_assert_uint_eq(n, 3 * WHEEL_SLOTS);
    ck_assert_uint_eq(w.tick, leaps[_i] + 1);
    put(&w, &timers[0], leaps[_i] + 5);
    ck_assert_ptr_null(next(&w, leaps[_i] + 4));
    ck_assert_ptr_eq(next(&w, leaps[_i] + 5), &timers[0]);
}
END_TEST

/* The same reading again, or one a little earlier, finds nothing and goes nowhere. */
START_TEST(test_wheel_next_of_an_old_time_is_nothing)
{
    struct timer *t = &timers[5];
    struct wheel w = {0};

    ck_assert_ptr_null(next(&w, 500));
    put(&w, t, 510);
    for (uint32_t now = 500; now > 450; now--)
        ck_assert_ptr_null(next(&w, now));
    ck_assert_uint_eq(w.tick, 501);
    ck_assert_ptr_eq(next(&w, 510), t);
}
END_TEST

/* What is overdue comes with the next tick, and may be put back at once. */
START_TEST(test_wheel_put_of_the_past_comes_next)
{
    struct timer *t = &timers[5];
    struct wheel w = {0};

    ck_assert_ptr_null(next(&w, 700));
    for (uint32_t now = 701; now < 1000; now++) {
        put(&w, t, now - 600);
        ck_assert_ptr_eq(next(&w, now), t);
        ck_assert_ptr_null(next(&w, now));
    }
}
END_TEST

/* It rests until the next link, as far as that is asked for and a turn reaches; not before it has
 * arrived. */
START_TEST(test_wheel_rest_until_the_next)
{
    struct wheel w = {0};

    ck_assert_ptr_null(next(&w, 500));
    ck_assert_uint_eq(wheel_rest(&w, 500, 9), 9);
    ck_assert_uint_eq(wheel_rest(&w, 501, 9), 0);
    ck_assert_uint_eq(wheel_rest(&w, 499, 9), 0);
    put(&w, &timers[5], 900);
    ck_assert_uint_eq(wheel_rest(&w, 500, 9), 9);
    ck_assert_uint_eq(wheel_rest(&w, 500, 1000), TURN);
    put(&w, &timers[6], 504);
    ck_assert_uint_eq(wheel_rest(&w, 500, 9), 3);
    put(&w, &timers[7], 501);
    ck_assert_uint_eq(wheel_rest(&w, 500, 9), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wheel");
    TCase *next_case = tcase_create("next"), *put_case = tcase_create("put");
    TCase *rest_case = tcase_create("rest");

    tcase_add_loop_test(next_case, test_wheel_next_is_in_time, 0, 4);
    tcase_add_loop_test(next_case, test_wheel_next_finds_all_after_a_leap, 0, 7);
    tcase_add_test(next_case, test_wheel_next_of_an_old_time_is_nothing);
    suite_add_tcase(s, next_case);
    tcase_add_test(put_case, test_wheel_put_of_the_past_comes_next);
    suite_add_tcase(s, put_case);
    tcase_add_test(rest_case, test_wheel_rest_until_the_next);
    suite_add_tcase(s, rest_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
