/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reclaim: nothing is freed that somebody may be looking at, and all is freed in the end
 *
 * The model: an item is in the sight of each worker that was in a batch, and of each scrape that
 * held a pin, when it was retired. It may be freed once all of these have left. Every order of six
 * steps of two workers, two scrapes and the control thread is tried.
 */
#include "store/reclaim.h"

#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define N_WORKERS 2u
#define N_PINS    2u
#define MAX_STEPS 8u

struct item {
    struct retired retired;
    unsigned seen_by; /* bits: workers, then pins */
    bool freed;
};

/* A worker announces itself in two steps, between which anything may happen. */
enum phase { OUTSIDE, ABOUT_TO_ENTER, INSIDE };

struct model {
    struct reclaim r;
    enum phase phases[N_WORKERS];
    uint64_t epochs[N_WORKERS]; /* as read by a worker about to enter */
    struct reclaim_pin pins[N_PINS];
    bool pinned[N_PINS];
    struct item items[MAX_STEPS];
    unsigned n_items;
};

enum step { STEP_WORKER, STEP_PIN = STEP_WORKER + N_WORKERS, STEP_RETIRE = STEP_PIN + N_PINS };
enum { STEP_TURN = STEP_RETIRE + 1, N_STEPS };

static void item_free(struct retired *retired)
{
    struct item *item = (struct item *)retired;

    ck_assert(!item->freed);
    ck_assert_msg(item->seen_by == 0, "freed in the sight of %#x", item->seen_by);
    item->freed = true;
}

static void nobody_sees(struct model *m, unsigned who)
{
    for (unsigned i = 0; i < m->n_items; i++)
        m->items[i].seen_by &= ~(1u << who);
}

static void worker_step(struct model *m, unsigned i)
{
    if (m->phases[i] == OUTSIDE) {
        m->epochs[i] = atomic_load(&m->r.epoch);
        m->phases[i] = ABOUT_TO_ENTER;
    } else if (m->phases[i] == ABOUT_TO_ENTER) {
        atomic_store(&m->r.workers[i].entered, m->epochs[i]);
        m->phases[i] = INSIDE;
    } else {
        nobody_sees(m, i);
        reclaim_leave(&m->r, i);
        m->phases[i] = OUTSIDE;
    }
}

static void pin_step(struct model *m, unsigned i)
{
    if (m->pinned[i]) {
        nobody_sees(m, N_WORKERS + i);
        reclaim_unpin(&m->r, &m->pins[i]);
    } else {
        memset(&m->pins[i], 0xa5, sizeof m->pins[i]);
        reclaim_pin(&m->r, &m->pins[i]);
    }
    m->pinned[i] = !m->pinned[i];
}

static void retire_step(struct model *m)
{
    struct item *item = &m->items[m->n_items++];

    for (unsigned i = 0; i < N_WORKERS; i++)
        item->seen_by |= m->phases[i] == INSIDE ? 1u << i : 0;
    for (unsigned i = 0; i < N_PINS; i++)
        item->seen_by |= m->pinned[i] ? 1u << (N_WORKERS + i) : 0;
    reclaim_retire(&m->r, &item->retired, item_free);
}

static void do_step(struct model *m, unsigned step)
{
    if (step < STEP_PIN)
        worker_step(m, step - STEP_WORKER);
    else if (step < STEP_RETIRE)
        pin_step(m, step - STEP_PIN);
    else if (step == STEP_RETIRE)
        retire_step(m);
    else
        reclaim_turn(&m->r);
}

static void end_all(struct model *m)
{
    for (unsigned i = 0; i < N_WORKERS; i++)
        while (m->phases[i] != OUTSIDE)
            worker_step(m, i);
    for (unsigned i = 0; i < N_PINS; i++)
        if (m->pinned[i])
            pin_step(m, i);
}

static void run(const unsigned char *steps, unsigned n)
{
    struct model m = {0};

    reclaim_init(&m.r, N_WORKERS);
    for (unsigned i = 0; i < n; i++)
        do_step(&m, steps[i]);
    end_all(&m);
    reclaim_turn(&m.r);
    for (unsigned i = 0; i < m.n_items; i++)
        ck_assert(m.items[i].freed);
    ck_assert_ptr_null(m.r.first_pin);
    ck_assert_ptr_null(m.r.last_pin);
    reclaim_release(&m.r);
}

/* In no order of steps is an item freed in somebody's sight; when all have left, one turn frees
 * all. */
START_TEST(test_reclaim_turn_in_every_order)
{
    unsigned n = (unsigned)_i;
    unsigned char steps[MAX_STEPS] = {0};
    unsigned at;

    do {
        run(steps, n);
        for (at = 0; at < n && ++steps[at] == N_STEPS; at++)
            steps[at] = 0;
    } while (at < n);
}
END_TEST

/* The same for orders too many to be tried all. */
START_TEST(test_reclaim_turn_in_many_long_orders)
{
    unsigned char steps[64];

    srandom(6);
    for (unsigned round = 0; round < 5000; round++) {
        unsigned n_retired = 0;

        for (unsigned i = 0; i < sizeof steps; i++) {
            steps[i] = (unsigned char)((unsigned long)random() % N_STEPS);
            if (steps[i] == STEP_RETIRE && ++n_retired > MAX_STEPS)
                steps[i] = STEP_TURN;
        }
        run(steps, sizeof steps);
    }
}
END_TEST

/* An idle worker is waited for by nobody; one in an old batch is, whatever it does afterwards. */
START_TEST(test_reclaim_passed_waits_for_older_batches_only)
{
    struct reclaim r;
    uint64_t first, second;

    reclaim_init(&r, 3);
    first = reclaim_advance(&r);
    ck_assert(reclaim_passed(&r, first));
    reclaim_enter(&r, 1);
    ck_assert(reclaim_passed(&r, first));
    second = reclaim_advance(&r);
    ck_assert_uint_gt(second, first);
    ck_assert(!reclaim_passed(&r, second));
    reclaim_enter(&r, 2);
    ck_assert(!reclaim_passed(&r, second));
    reclaim_leave(&r, 1);
    ck_assert(reclaim_passed(&r, second));
    reclaim_enter(&r, 1);
    ck_assert(reclaim_passed(&r, second));
    reclaim_leave(&r, 1);
    reclaim_leave(&r, 2);
    reclaim_release(&r);
}
END_TEST

/* A scrape that began later does not hold back what was retired, and closed, before it. */
START_TEST(test_reclaim_pin_holds_only_what_is_younger)
{
    struct model m = {0};

    reclaim_init(&m.r, N_WORKERS);
    worker_step(&m, 0);
    worker_step(&m, 0);
    retire_step(&m);
    reclaim_turn(&m.r);
    pin_step(&m, 0);
    retire_step(&m);
    worker_step(&m, 0);
    reclaim_turn(&m.r);
    ck_assert(m.items[0].freed);
    ck_assert(!m.items[1].freed);
    pin_step(&m, 0);
    reclaim_turn(&m.r);
    ck_assert(m.items[1].freed);
    reclaim_release(&m.r);
}
END_TEST

/* At the end all goes, waited for or not. */
START_TEST(test_reclaim_release_frees_all)
{
    struct model m = {0};

    reclaim_init(&m.r, N_WORKERS);
    for (unsigned i = 0; i < 4; i++) {
        worker_step(&m, 0);
        retire_step(&m);
        if (i % 2 == 0)
            reclaim_turn(&m.r);
    }
    for (unsigned i = 0; i < m.n_items; i++)
        m.items[i].seen_by = 0;
    reclaim_release(&m.r);
    for (unsigned i = 0; i < m.n_items; i++)
        ck_assert(m.items[i].freed);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reclaim");
    TCase *turn = tcase_create("turn"), *passed = tcase_create("passed");
    TCase *pin = tcase_create("pin"), *release = tcase_create("release");

    tcase_add_loop_test(turn, test_reclaim_turn_in_every_order, 1, 7);
    tcase_add_test(turn, test_reclaim_turn_in_many_long_orders);
    suite_add_tcase(s, turn);
    tcase_add_test(passed, test_reclaim_passed_waits_for_older_batches_only);
    suite_add_tcase(s, passed);
    tcase_add_test(pin, test_reclaim_pin_holds_only_what_is_younger);
    suite_add_tcase(s, pin);
    tcase_add_test(release, test_reclaim_release_frees_all);
    suite_add_tcase(s, release);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
