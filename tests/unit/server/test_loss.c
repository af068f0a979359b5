/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss: the last minute of two totals that grow
 */
#include "server/loss.h"

#include "lib/unit.h"

static struct loss loss;

static void note(uint64_t received, uint64_t lost, int64_t now_ms)
{
    loss_note(&loss, (struct loss_count){received, lost}, now_ms);
}

static void expect(uint64_t received, uint64_t lost)
{
    struct loss_count c = loss_recent(&loss);

    ck_assert_uint_eq(c.received, received);
    ck_assert_uint_eq(c.lost, lost);
}

/* What is told first is the beginning; what comes after it counts at once. */
START_TEST(test_loss_begins_with_what_is_told_first)
{
    loss = (struct loss){0};
    expect(0, 0);
    note(100, 7, 1000);
    expect(0, 0);
    note(130, 17, 1001);
    expect(30, 10);
}
END_TEST

/* A minute later it is forgotten, not before; a long silence forgets it at the next look. */
START_TEST(test_loss_forgets_after_a_minute)
{
    loss = (struct loss){0};
    note(0, 0, 0);
    note(10, 5, 100);
    for (int64_t ms = 200; ms < LOSS_WINDOW_MS; ms += 100) {
        note(10, 5, ms);
        expect(10, 5);
    }
    for (int64_t ms = LOSS_WINDOW_MS; ms < LOSS_WINDOW_MS + 2 * LOSS_STEP_MS; ms += 100)
        note(10, 5, ms);
    expect(0, 0);
}
END_TEST

/* While it goes on it is always the last minute, a step more or less, however long. */
START_TEST(test_loss_is_of_a_minute)
{
    loss = (struct loss){0};
    for (int64_t ms = 0; ms < 10 * LOSS_WINDOW_MS; ms += 100) {
        struct loss_count c;

        note((uint64_t)ms, (uint64_t)ms / 2, ms);
        if (ms < LOSS_WINDOW_MS)
            continue;
        c = loss_recent(&loss);
        ck_assert_uint_ge(c.received, LOSS_WINDOW_MS - LOSS_STEP_MS);
        ck_assert_uint_le(c.received, LOSS_WINDOW_MS + LOSS_STEP_MS);
        ck_assert_double_eq_tol(loss_ratio(c), 1.0 / 3, 1e-9);
    }
}
END_TEST

/* A part of what was sent; of nothing, nothing is lost. */
START_TEST(test_loss_has_a_ratio)
{
    ck_assert_double_eq(loss_ratio((struct loss_count){0, 0}), 0);
    ck_assert_double_eq(loss_ratio((struct loss_count){9, 0}), 0);
    ck_assert_double_eq(loss_ratio((struct loss_count){3, 1}), 0.25);
    ck_assert_double_eq(loss_ratio((struct loss_count){0, 1}), 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("loss");
    TCase *window = tcase_create("window");
    TCase *ratio = tcase_create("ratio");

    tcase_add_test(window, test_loss_begins_with_what_is_told_first);
    tcase_add_test(window, test_loss_forgets_after_a_minute);
    suite_add_tcase(s, window);
    tcase_add_test(ratio, test_loss_is_of_a_minute);
    tcase_add_test(ratio, test_loss_has_a_ratio);
    suite_add_tcase(s, ratio);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
