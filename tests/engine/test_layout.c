/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: what two workers write, line of the cache by line
 *
 * A line that two processors write goes to and fro between them, and each line of text then costs
 * several times as much, though every test of values passes. So here addresses are looked at: of
 * what a worker writes for lines of known identities, nothing lies in a line of another's. Gauges
 * are shared on purpose (store/cell.c) and left out.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/unit.h"
#include "store/route_find.h"

#define N_WORKERS 2u
#define N_NAMES   300u
#define LINE      64u

struct ranges {
    size_t n;
    struct range {
        uintptr_t from, to; /* lines, both ends */
        unsigned worker;
    } items[N_WORKERS * (4 * N_NAMES + 8)];
};

static void add(struct ranges *r, unsigned worker, const void *p, size_t size)
{
    must(size > 0 && r->n < sizeof r->items / sizeof r->items[0]);
    r->items[r->n++] = (struct range){
        .from = (uintptr_t)p / LINE,
        .to = ((uintptr_t)p + size - 1) / LINE,
        .worker = worker,
    };
}

static int compare(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* Of its own allocation: where it begins with a line, nothing before it can be in there. The
 * sanitizer keeps allocations apart, so that they are is no proof. */
static void add_own(struct ranges *r, unsigned worker, const void *p, size_t size)
{
    ck_assert_uint_eq((uintptr_t)p % LINE, 0);
    add(r, worker, p, size);
}

/* Sorted by their beginnings, ranges of two workers that meet have one that ends past the next. */
static void check_apart(struct ranges *r)
{
    uintptr_t ends[N_WORKERS] = {0};

    qsort(r->items, r->n, sizeof r->items[0], compare);
    for (size_t i = 0; i < r->n; i++) {
        const struct range *range = &r->items[i];

        ck_assert_uint_lt(ends[1 - range->worker], range->from);
        if (range->to > ends[range->worker])
            ends[range->worker] = range->to;
    }
}

/* Cells are born in turn, so that neighbours would be those of two workers. */
static void feed_both(struct engine *e, const char *format)
{
    for (unsigned i = 0; i < N_NAMES; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, format, i);

        for (unsigned w = 0; w < N_WORKERS; w++)
            engine_feed_to(e, w, (struct bacowr_datagram){.p = text, .len = (size_t)len});
    }
}

static unsigned add_cells(struct ranges *r, struct bacowr_worker *w)
{
    struct route_walk walk = {0};
    uint64_t n_places = UINT64_MAX;
    unsigned n = 0;

    for (struct route *route; (route = route_walk_next(w->routes, &walk, &n_places)) != NULL; n++)
        add(r, w->i, route->cell, cell_size(route->plan->shape));
    return n;
}

/* No line of the cache is written by two workers, whatever the type of what they count. */
START_TEST(test_layout_workers_write_no_line_of_each_other)
{
    static const char *const formats[] = {"c%u:1|c", "h%u:1|h", "s%u:1|s"};
    struct bacowr_config config = engine_config();
    struct ranges *r = calloc(1, sizeof *r);
    struct engine e;

    must(r != NULL);
    config.n_workers = N_WORKERS;
    engine_init(&e, &config, NULL);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        feed_both(&e, formats[i]);
    for (unsigned i = 0; i < N_WORKERS; i++) {
        struct bacowr_worker *w = bacowr_worker(e.b, i);

        add_own(r, i, w, sizeof *w);
        add_own(r, i, w->routes, sizeof *w->routes);
        add_own(r, i, w->routes->lines,
                sizeof w->routes->lines[0] * (((size_t)1 << w->routes->bits) + ROUTE_WINDOW - 1));
        add(r, i, &e.b->reclaim.workers[i], sizeof e.b->reclaim.workers[i]);
        ck_assert_uint_eq(add_cells(r, w), 3 * N_NAMES);
    }
    check_apart(r);
    engine_release(&e);
    free(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("layout");
    TCase *apart = tcase_create("apart");

    tcase_add_test(apart, test_layout_workers_write_no_line_of_each_other);
    suite_add_tcase(s, apart);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
