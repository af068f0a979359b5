/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, carried: sums by name and labels
 */
#include "server/self_carry.h"

#include <stdio.h>

#include "lib/unit.h"

/* Each is found again, whatever the order of adding; what is added twice is summed. */
START_TEST(test_self_carry_finds_what_was_added)
{
    struct self_carry c = {0};
    char name[16];

    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "n%d", i * 37 % 200);
        ck_assert_int_eq(self_carry_add(&c, name, "", i * 37 % 200), 0);
        ck_assert_int_eq(self_carry_add(&c, name, "a=\"b\"", 1), 0);
        ck_assert_int_eq(self_carry_add(&c, name, "a=\"b\"", 0.5), 0);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert_double_eq(self_carry_of(&c, name, ""), i);
        ck_assert_double_eq(self_carry_of(&c, name, "a=\"b\""), 1.5);
    }
    ck_assert_double_eq(self_carry_of(&c, "n", ""), 0);
    ck_assert_double_eq(self_carry_of(&c, "n1", "a"), 0);
    self_carry_release(&c);
    ck_assert_double_eq(self_carry_of(&c, "n1", ""), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("self_carry");
    TCase *sums = tcase_create("sums");

    tcase_add_test(sums, test_self_carry_finds_what_was_added);
    suite_add_tcase(s, sums);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
