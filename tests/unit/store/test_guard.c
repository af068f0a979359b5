/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: each limit refuses what is over it and nothing else; folds have their reserve
 */
#include "store/guard.h"
#include "store/cell_write.h"

#include <stdio.h>

#include "lib/unit.h"
#include "store/label_text.h"
#include "store/series.h"
#include "unit/store/world.h"

static struct born counter_of(const char *name, const char *labels, const char *names)
{
    return (struct born){name, labels, names, .type = METRIC_COUNTER, .ttl = TTL};
}

/* Refused with @limit, with the lock and without; and let in by none. */
static void must_refuse(struct world *w, const struct born *b, int limit)
{
    struct series_ref ref;

    ck_assert_int_eq(find(w, b, &ref), limit);
    ck_assert_int_eq(acquire(w, b, &ref), limit);
    ck_assert_double_eq(value_of(w, b), -1);
}

static struct born fold_of(const char *name)
{
    struct born b = counter_of(name, "overflow=\"true\"", "overflow,");

    b.fold = true;
    return b;
}

/* Labels come one by one, with their values as they are escaped. */
START_TEST(test_guard_label_text)
{
    struct slice rest = SLICE_LIT("a=\"\",b=\"x\\\"y,z=\\\\\",c=\"=\"");
    static const char *const want[][2] = {{"a", ""}, {"b", "x\\\"y,z=\\\\"}, {"c", "="}};
    struct label_text label;

    for (unsigned i = 0; i < 3; i++) {
        ck_assert(label_text_next(&rest, &label));
        ck_assert(slice_eq_str(label.name, want[i][0]));
        ck_assert(slice_eq_str(label.value, want[i][1]));
    }
    ck_assert(!label_text_next(&rest, &label));
}
END_TEST

/* A family has as many series as allowed, another one has its own count, and a death makes room. */
START_TEST(test_guard_family)
{
    struct born first = counter_of("f", "a=\"1\"", "a,"), second = counter_of("f", "b=\"1\"", "b,"),
                third = counter_of("f", "", ""), other = counter_of("g", "a=\"1\"", "a,");
    struct world w;

    world_init(&w, 100);
    w.r.guard.max_family = 2;
    (void)must_acquire(&w, &first);
    (void)must_acquire(&w, &second);
    must_refuse(&w, &third, SERIES_E_FAMILY_LIMIT);
    (void)must_acquire(&w, &other);
    (void)must_acquire(&w, &first);
    expire_all(&w);
    (void)must_acquire(&w, &third);
    (void)must_acquire(&w, &second);
    must_refuse(&w, &first, SERIES_E_FAMILY_LIMIT);
    world_release(&w);
}
END_TEST

/* A label of a family has as many values as allowed: what brings another one is refused, what comes
 * with those is not; a value is there until its last series has gone. */
START_TEST(test_guard_label)
{
    struct born ada = counter_of("f", "path=\"/\",user=\"ada\"", "path,user,"),
                bob = counter_of("f", "path=\"/\",user=\"bob\"", "path,user,"),
                eve = counter_of("f", "path=\"/\",user=\"eve\"", "path,user,"),
                ada_too = counter_of("f", "path=\"/x\",user=\"ada\"", "path,user,"),
                only_user = counter_of("f", "user=\"bob\"", "user,"),
                other = counter_of("g", "user=\"eve\"", "user,");
    struct world w;

    world_init(&w, 100);
    w.r.guard.max_values = 2;
    ada_too.ttl = 0;
    (void)must_acquire(&w, &ada);
    (void)must_acquire(&w, &bob);
    must_refuse(&w, &eve, SERIES_E_LABEL_LIMIT);
    (void)must_acquire(&w, &ada_too);
    (void)must_acquire(&w, &only_user);
    (void)must_acquire(&w, &other);
    expire_all(&w);
    (void)must_acquire(&w, &eve);
    must_refuse(&w, &bob, SERIES_E_LABEL_LIMIT);
    (void)must_acquire(&w, &ada);
    world_release(&w);
}
END_TEST

/* A fold is outside all three limits and in no count of theirs; it can be found, and it may die. */
START_TEST(test_guard_fold)
{
    struct born one = counter_of("f", "a=\"1\"", "a,"), two = counter_of("f", "a=\"2\"", "a,"),
                fold = fold_of("f");
    struct series_ref ref;
    struct world w;

    world_init(&w, 1);
    w.r.guard.max_family = w.r.guard.max_values = 1;
    (void)must_acquire(&w, &one);
    must_refuse(&w, &two, SERIES_E_LIMIT);
    ck_assert_int_eq(find(&w, &fold, &ref), SERIES_E_ABSENT);
    cell_add(must_acquire(&w, &fold).cell, 5, time_of(&w));
    ck_assert_int_eq(find(&w, &fold, &ref), 0);
    ck_assert_double_eq(value_of(&w, &fold), 5);
    ck_assert_uint_eq(relaxed_load(&w.r.guard.n_folds), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_alive[METRIC_COUNTER]), 2);
    expire_all(&w);
    ck_assert_uint_eq(relaxed_load(&w.r.guard.n_folds), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_alive[METRIC_COUNTER]), 0);
    (void)must_acquire(&w, &fold);
    (void)must_acquire(&w, &two);
    must_refuse(&w, &one, SERIES_E_LIMIT);
    world_release(&w);
}
END_TEST

/* A fold lives as long as the longest that was asked for; another one is no reason for the lock. */
START_TEST(test_guard_fold_lives_longest)
{
    struct born fold = fold_of("f");
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &fold);
    fold.ttl = TTL / 2;
    ck_assert_int_eq(find(&w, &fold, &ref), 0);
    (void)must_acquire(&w, &fold);
    fold.ttl = 2 * TTL;
    ck_assert_int_eq(find(&w, &fold, &ref), SERIES_E_ABSENT);
    (void)must_acquire(&w, &fold);
    expire_all(&w);
    ck_assert_double_eq(value_of(&w, &fold), 0);
    fold.ttl = 0;
    (void)must_acquire(&w, &fold);
    fold.ttl = TTL;
    ck_assert_int_eq(find(&w, &fold, &ref), 0);
    for (unsigned i = 0; i < 10; i++)
        expire_all(&w);
    ck_assert_double_eq(value_of(&w, &fold), 0);
    world_release(&w);
}
END_TEST

/* New names use half of the reserve; the rest is for families that are there. */
START_TEST(test_guard_reserve)
{
    struct series_ref ref;
    struct world w;
    char name[16];

    world_init(&w, 32);
    ck_assert_uint_eq(w.r.guard.max_folds, 18);
    for (unsigned i = 0; i < 32; i++) {
        struct born b = counter_of(name, "", "");

        (void)snprintf(name, sizeof name, "old%u", i);
        (void)must_acquire(&w, &b);
    }
    for (unsigned i = 0; i < 12; i++) {
        struct born b = fold_of(name);

        (void)snprintf(name, sizeof name, "new%u", i);
        ck_assert_int_eq(acquire(&w, &b, &ref), i < 9 ? 0 : SERIES_E_LIMIT);
        ck_assert_int_eq(find(&w, &b, &ref), i < 9 ? 0 : SERIES_E_LIMIT);
    }
    for (unsigned i = 0; i < 12; i++) {
        struct born b = fold_of(name);

        (void)snprintf(name, sizeof name, "old%u", i);
        ck_assert_int_eq(acquire(&w, &b, &ref), i < 9 ? 0 : SERIES_E_LIMIT);
        ck_assert_int_eq(find(&w, &b, &ref), i < 9 ? 0 : SERIES_E_LIMIT);
    }
    ck_assert_uint_eq(relaxed_load(&w.r.guard.n_folds), 18);
    world_release(&w);
}
END_TEST

static bool may_know(const struct guard *g, uint64_t hash)
{
    return guard_may_know(g, &(struct series_key){.name_hash = hash});
}

/* A family that is there is never denied, whatever its neighbours do; one that came and went is,
 * unless there were more of its hash than are counted. */
START_TEST(test_guard_families_are_known)
{
    struct guard g;

    ck_assert_int_eq(guard_init(&g, 1000), 0);
    for (uint64_t hash = 0; hash < 64; hash += 2) {
        for (unsigned n = 1; n < 15; n++) {
            guard_family_comes(&g, hash);
            ck_assert(may_know(&g, hash) && may_know(&g, hash + g.n_known));
            ck_assert(!may_know(&g, hash + 1));
        }
        guard_family_comes(&g, hash + 1);
        for (unsigned n = 1; n < 15; n++) {
            ck_assert(may_know(&g, hash));
            guard_family_goes(&g, hash);
            ck_assert(may_know(&g, hash + 1));
        }
        ck_assert(!may_know(&g, hash));
        guard_family_goes(&g, hash + 1);
        ck_assert(!may_know(&g, hash + 1));
    }
    for (unsigned n = 0; n < 40; n++)
        guard_family_comes(&g, 5);
    for (unsigned n = 0; n < 39; n++)
        guard_family_goes(&g, 5);
    ck_assert(may_know(&g, 5) && !may_know(&g, 4));
    guard_release(&g);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("guard");
    TCase *t = tcase_create("guard");

    tcase_add_test(t, test_guard_label_text);
    tcase_add_test(t, test_guard_family);
    tcase_add_test(t, test_guard_label);
    tcase_add_test(t, test_guard_fold);
    tcase_add_test(t, test_guard_fold_lives_longest);
    tcase_add_test(t, test_guard_reserve);
    tcase_add_test(t, test_guard_families_are_known);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
