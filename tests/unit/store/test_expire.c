/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expire: a series dies in time, and in no order of steps does it lose a sample
 */
#include "store/cell_write.h"
#include "store/series.h"

#include <stdio.h>

#include "lib/unit.h"
#include "unit/store/world.h"

/* ---- time to live ---- */

/* A series goes when it was not touched for its time to live, and not a tick before. */
START_TEST(test_expire_in_time)
{
    struct born a = {.name = "a", .ttl = TTL};
    struct series_ref ref;
    struct world w;
    int64_t start;

    world_init(&w, 10);
    ref = must_acquire(&w, &a);
    control(&w);
    for (unsigned touch = 0; touch < 5; touch++) {
        start = w.now_ms;
        cell_add(ref.cell, 1, time_of(&w));
        for (; w.now_ms <= start + (int64_t)TTL * CELL_TICK_MS; w.now_ms += CELL_TICK_MS)
            control(&w);
        ck_assert_int_eq(find(&w, &a, &ref), 0);
    }
    for (unsigned i = 0; i < 3; i++, w.now_ms += CELL_TICK_MS)
        control(&w);
    ck_assert_int_eq(find(&w, &a, &ref), SERIES_E_ABSENT);
    ck_assert_uint_eq(relaxed_load(&w.r.n_expired), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_removals), 1);
    ck_assert_int_eq(registry_sort(&w.r), 0);
    ck_assert_uint_eq(w.r.n_sorted, 0);
    world_release(&w);
}
END_TEST

/* Steps that come only when there is something for them to do expire as early as all of them. */
START_TEST(test_expire_rests_in_between)
{
    enum { MAX = 100, LONG = 40 };
    struct born a = {.name = "a", .ttl = LONG};
    unsigned n_steps = 0;
    struct series_ref ref;
    struct world w;
    int64_t start;

    world_init(&w, 10);
    control(&w);
    ck_assert_uint_eq(registry_rest(&w.r, w.now_ms, MAX), MAX);
    ref = must_acquire(&w, &a);
    ck_assert_uint_eq(registry_rest(&w.r, w.now_ms, MAX), 0);
    start = w.now_ms;
    while (find(&w, &a, &ref) == 0) {
        ck_assert_uint_lt(++n_steps, LONG / 2);
        w.now_ms += CELL_TICK_MS;
        control(&w);
        w.now_ms += (int64_t)registry_rest(&w.r, w.now_ms, MAX) * CELL_TICK_MS;
    }
    ck_assert_int_le(w.now_ms, start + (LONG + 3) * CELL_TICK_MS);
    world_release(&w);
}
END_TEST

/* The time to live may change while the series lives, with any sample: also to and from "never". */
START_TEST(test_expire_after_the_ttl_changed)
{
    static const uint32_t ttls[][3] = {
        {0, TTL, TTL}, {TTL, 0, 0}, {10 * TTL, TTL, TTL}, {TTL, 10 * TTL, 10 * TTL}, {TTL, 0, TTL},
    };
    static const bool lives[] = {false, true, false, true, false};

    for (unsigned i = 0; i < 5; i++) {
        struct born a = {.name = "a", .ttl = ttls[i][0]};
        struct series_ref ref;
        struct world w;

        world_init(&w, 10);
        (void)must_acquire(&w, &a);
        for (unsigned change = 1; change < 3; change++) {
            control(&w);
            a.ttl = ttls[i][change];
            ck_assert_int_eq(find(&w, &a, &ref),
                             ttls[i][change] == ttls[i][change - 1] ? 0 : SERIES_E_ABSENT);
            cell_add(must_acquire(&w, &a).cell, 1, time_of(&w));
            ck_assert_int_eq(find(&w, &a, &ref), 0);
        }
        for (unsigned tick = 0; tick < 3 * TTL; tick++, w.now_ms += CELL_TICK_MS)
            control(&w);
        ck_assert_int_eq(find(&w, &a, &ref), lives[i] ? 0 : SERIES_E_ABSENT);
        world_release(&w);
    }
}
END_TEST

/* What was made immortal between the looks is kept. */
START_TEST(test_expire_not_what_became_immortal)
{
    struct born a = {.name = "a", .ttl = TTL};
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &a);
    w.now_ms += (TTL + 2) * CELL_TICK_MS;
    control(&w);
    ck_assert_uint_eq(w.r.n_dying, 1);
    a.ttl = 0;
    (void)must_acquire(&w, &a);
    for (unsigned i = 0; i < 10; i++, w.now_ms += 20 * CELL_TICK_MS)
        control(&w);
    ck_assert_double_eq(value_of(&w, &a), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_expired), 0);
    world_release(&w);
}
END_TEST

/* What comes back begins at zero, as a new series: younger, and unreachable for old routes. */
START_TEST(test_expire_then_return_at_zero)
{
    struct born a = {.name = "a", .ttl = TTL};
    struct series_ref ref, again;
    struct world w;

    world_init(&w, 10);
    ref = must_acquire(&w, &a);
    cell_add(ref.cell, 7, time_of(&w));
    expire_all(&w);
    ck_assert_uint_ne(relaxed_load(&ref.cell->birth), ref.birth);
    again = must_acquire(&w, &a);
    ck_assert_uint_ne(again.birth, ref.birth);
    ck_assert_ptr_eq(again.cell, ref.cell);
    ck_assert_double_eq(value_of(&w, &a), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_births), 2);
    world_release(&w);
}
END_TEST

/* ---- every order of expiry and touch ---- */

/*
 * A worker with a route, as feed.c does it, one step at a time:
 *      enter | is the birth number still so? if not, look up or acquire | write 1 | leave
 */
struct player {
    unsigned step; /* 0..4 * rounds */
    struct series_ref ref;
    unsigned n_written;
};

static void play(struct world *w, struct player *p, struct born b, unsigned worker)
{
    b.worker = worker;
    switch (p->step++ % 4) {
    case 0:
        reclaim_enter(&w->reclaim, worker);
        break;
    case 1:
        if (relaxed_load(&p->ref.cell->birth) != p->ref.birth && find(w, &b, &p->ref) != 0)
            p->ref = must_acquire(w, &b);
        break;
    case 2:
        cell_add(p->ref.cell, 1, time_of(w));
        p->n_written++;
        break;
    default:
        reclaim_leave(&w->reclaim, worker);
    }
}

/* After each of control's steps a thief is born who takes any cell that was given away. */
static void control_and_thief(struct world *w, unsigned n)
{
    char name[16];
    struct born b = {.name = name};

    control(w);
    (void)snprintf(name, sizeof name, "thief%u", n);
    (void)must_acquire(w, &b);
    b.worker = 1;
    (void)must_acquire(w, &b);
}

static void check_thieves(struct world *w, unsigned n)
{
    char name[16];

    while (n-- > 0) {
        (void)snprintf(name, sizeof name, "thief%u", n);
        ck_assert_double_eq(value_of(w, &(struct born){.name = name}), 0);
    }
}

#define OLD_VALUE 100

/* One order: @who[i] takes step i; N_WORKERS stands for control. */
static void play_order(const unsigned char *who, unsigned n)
{
    struct born a = {.name = "a", .ttl = TTL}, b = a;
    struct player players[N_WORKERS] = {0};
    unsigned n_control = 0, n_written = 0;
    struct world w;
    double value;

    b.worker = 1;
    world_init(&w, 1000);
    players[0].ref = must_acquire(&w, &a);
    players[1].ref = must_acquire(&w, &b);
    cell_add(players[0].ref.cell, OLD_VALUE, time_of(&w));
    control(&w);
    w.now_ms += (TTL + 2) * CELL_TICK_MS;
    for (unsigned i = 0; i < n; i++) {
        if (who[i] == N_WORKERS)
            control_and_thief(&w, n_control++);
        else
            play(&w, &players[who[i]], a, who[i]);
    }
    n_written = players[0].n_written + players[1].n_written;
    value = value_of(&w, &a);
    ck_assert_uint_le(relaxed_load(&w.r.n_expired), 1);
    if (relaxed_load(&w.r.n_expired) == 0)
        ck_assert_double_eq(value, OLD_VALUE + n_written);
    else
        ck_assert_double_eq(value, n_written > 0 ? (double)n_written : -1);
    check_thieves(&w, n_control);
    world_release(&w);
}

/* All orders of @left[i] steps of each; @who is filled from @at. The number of orders. */
static unsigned play_all(unsigned char *who, unsigned at, unsigned left[N_WORKERS + 1])
{
    unsigned n = 0;

    for (unsigned i = 0; i <= N_WORKERS; i++) {
        if (left[i] == 0)
            continue;
        left[i]--;
        who[at] = (unsigned char)i;
        n += play_all(who, at + 1, left);
        left[i]++;
    }
    if (left[0] + left[1] + left[2] > 0)
        return n;
    play_order(who, at);
    return 1;
}

/* In no order of a worker's steps and the two looks is a sample lost or written to a cell that was
 * given away; a series that was touched lives. One worker, two batches. */
START_TEST(test_expire_against_one_worker)
{
    unsigned char who[16];
    unsigned left[N_WORKERS + 1] = {8, 0, 5};

    ck_assert_uint_eq(play_all(who, 0, left), 1287);
}
END_TEST

/* Two workers, one batch each. */
START_TEST(test_expire_against_two_workers)
{
    unsigned char who[16];
    unsigned left[N_WORKERS + 1] = {4, 4, 3};

    ck_assert_uint_eq(play_all(who, 0, left), 11550);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("expire");
    TCase *ttl = tcase_create("ttl"), *orders = tcase_create("orders");

    tcase_add_test(ttl, test_expire_in_time);
    tcase_add_test(ttl, test_expire_rests_in_between);
    tcase_add_test(ttl, test_expire_after_the_ttl_changed);
    tcase_add_test(ttl, test_expire_not_what_became_immortal);
    tcase_add_test(ttl, test_expire_then_return_at_zero);
    suite_add_tcase(s, ttl);
    tcase_set_timeout(orders, 60);
    tcase_add_test(orders, test_expire_against_one_worker);
    tcase_add_test(orders, test_expire_against_two_workers);
    suite_add_tcase(s, orders);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
