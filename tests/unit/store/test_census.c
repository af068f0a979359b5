/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Census: what was counted is what is read, at any size
 */
#include "store/census.h"

#include "lib/unit.h"
#include "store/series.h"
#include "unit/store/world.h"

/* Keys whose places would all be near each other, and 0, which stands for no place. */
static uint64_t key_at(unsigned i)
{
    return (uint64_t)i << 32 | (i % 3);
}

static void add(struct world *w, uint64_t key)
{
    ck_assert_int_eq(census_reserve(&w->r, &w->r.guard.census, 1), 0);
    (void)census_add(&w->r.guard.census, key);
}

/* Nothing is there before it was counted. */
START_TEST(test_census_empty)
{
    struct census c = {0};

    ck_assert_uint_eq(census_get(&c, 0), 0);
    ck_assert_uint_eq(census_get(&c, 7), 0);
    census_release(&c);
    census_release(&c);
}
END_TEST

/* Each key has its own count, whatever others share its place, while the table grows and what is
 * gone is left behind. */
START_TEST(test_census_counts)
{
    enum { N = 5000 };
    struct census *c;
    struct world w;

    world_init(&w, 10);
    c = &w.r.guard.census;
    for (unsigned i = 0; i < N; i++) {
        for (unsigned k = 0; k <= i % 3; k++)
            add(&w, key_at(i));
        ck_assert_uint_eq(census_get(c, key_at(i)), i % 3 + 1);
        if (i >= 100)
            for (unsigned k = 0; k <= (i - 100) % 3; k++)
                ck_assert_uint_eq(census_drop(c, key_at(i - 100)), (i - 100) % 3 - k);
    }
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(census_get(c, key_at(i)), i < N - 100 ? 0 : i % 3 + 1);
    ck_assert_uint_eq(census_get(c, key_at(N)), 0);
    world_release(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("census");
    TCase *t = tcase_create("census");

    tcase_add_test(t, test_census_empty);
    tcase_add_test(t, test_census_counts);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
