/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells: writing to counters and gauges
 *
 * What the engine does for nearly every line, so the compiler is to see all of it. The head of
 * cell.c tells the layout and the memory order.
 *
 * Contract: private to the files of cells and the engine's feeding files.
 */
#ifndef STORE_CELL_WRITE_H
#define STORE_CELL_WRITE_H

#include <assert.h>

#include "store/cell.h"

/* RECLAIM_MAX_WORKERS times this, and one increment more for each, fit a word. */
#define CELL_WHOLE_MAX (UINT64_C(1) << 57)

struct counter_cell {
    struct cell head;
    relaxed_u64 whole; /* sum of the increments that are whole numbers below 2^53 */
    relaxed_u64 rest;  /* double: sum of the others */
};

struct gauge_cell {
    struct cell head;
    relaxed_u64 bits; /* double */
    uint64_t pad[2];  /* all workers write to it: the fewer share its cache line */
};

_Static_assert(sizeof(struct counter_cell) == 24, "there may be a million of them");
_Static_assert(sizeof(struct gauge_cell) == 32, "half a cache line");

static inline void cell_touch(struct cell *c, struct cell_time t)
{
    if (relaxed_load(&c->tick) != t.tick)
        relaxed_store(&c->tick, t.tick);
}

/* Counter: add @v, if it is a whole number that the counter has room for. False: it was not. */
static inline bool cell_add_whole(struct cell *cell, double v, struct cell_time t)
{
    struct counter_cell *c = (struct counter_cell *)cell;
    uint64_t was = relaxed_load(&c->whole);
    int64_t whole;

    if (!(v >= 0 && v < 0x1p53) || was >= CELL_WHOLE_MAX)
        return false;
    whole = (int64_t)v;
    if ((double)whole != v)
        return false;
    cell_touch(cell, t);
    relaxed_store(&c->whole, was + (uint64_t)whole);
    return true;
}

/* Counter: @v >= 0 and finite. */
static inline void cell_add(struct cell *cell, double v, struct cell_time t)
{
    struct counter_cell *c = (struct counter_cell *)cell;

    assert(v >= 0);
    if (cell_add_whole(cell, v, t))
        return;
    cell_touch(cell, t);
    relaxed_store_double(&c->rest, relaxed_load_double(&c->rest) + v);
}

static inline void cell_gauge_set(struct cell *cell, double v, struct cell_time t)
{
    cell_touch(cell, t);
    relaxed_store_double(&((struct gauge_cell *)cell)->bits, v);
}

#endif
