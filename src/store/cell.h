/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell: the value of one series, as one worker keeps it
 *
 * Contract: a cell is written by its owner only: the worker that it was made for (gauges: any
 * worker, see cell.c). The control thread reads it at any time. A cell's memory is never unmapped,
 * so a route may always look at `birth` before it believes the rest.
 */
#ifndef STORE_CELL_H
#define STORE_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/relaxed.h"
#include "base/slice.h"
#include "store/shape.h"
#include "store/snapshot.h"

#define CELL_ALIGN   8

/* Last-seen times are ticks of 100 ms. */
#define CELL_TICK_MS 100

struct set_members;

struct cell {
    relaxed_u32 birth; /* 0: no route may use it. Written under the registry's lock. */
    relaxed_u32 tick;  /* when it was last written to. Written by the owner. */
};

/* What samples add to a cell besides their value. */
struct cell_time {
    int64_t now_ms;
    uint32_t tick; /* now_ms / CELL_TICK_MS */
};

/* Bytes of a cell of @shape, a multiple of CELL_ALIGN. */
size_t cell_size(const struct shape *shape);

/* Make @c, cell_size() bytes, an empty cell with birth 0. */
void cell_init(struct cell *c, const struct shape *shape);

/* Free what the cell points to: blocks of sets and of native buckets. No worker can write it any
 * more. */
void cell_release(struct cell *c, const struct shape *shape);

/* ---- the owner's side ---- */

/* Counters are added to, and gauges set, by cell_write.h. */

/* Gauge. */
void cell_gauge_add(struct cell *c, double v, struct cell_time t);

/* As cell_gauge_add(), but a gauge that is not a number is set. */
void cell_gauge_add_or_set(struct cell *c, double v, struct cell_time t);

/* Summary: @v counted @weight times. */
void cell_observe_sketch(struct cell *c, const struct shape *shape, double v, uint64_t weight,
                         struct cell_time t);

/* Memory that a cell has outgrown: free() it on the control thread, which may be reading it now. */
struct cell_outgrown {
    struct cell_outgrown *next;
    uint64_t pad; /* what follows is aligned to 16 */
};

/*
 * Histogram: @v counted @weight times. @outgrown gets what is to be freed, or NULL. 0, or -ENOMEM:
 * then it is counted, but the series has no native buckets from now on.
 */
int cell_observe_buckets(struct cell *c, const struct shape *shape, double v, uint64_t weight,
                         struct cell_time t, struct cell_outgrown **outgrown);

/* The bucket that @v falls in: the first whose bound is not below it, n_points for +Inf. */
unsigned cell_bucket_of(const struct shape *shape, double v);

/* Set. @outgrown gets what is to be freed, or NULL. 0 or -ENOMEM. */
int cell_set_add(struct cell *c, const struct shape *shape, struct slice member, struct cell_time t,
                 struct cell_outgrown **outgrown);

/* ---- the control thread's side ---- */

/* Room to read series into: grows to the largest shape met, belongs to one reader. */
struct cell_reader {
    uint64_t *cumulative;
    double *quantiles;
    unsigned n_points; /* capacity of the two */
    uint64_t *copy;    /* private copy of a cell's block */
    void *merge;       /* struct sketch_merge or struct set_merge */

    bool wants_native; /* histogram: show native buckets. Written by whoever reads. */
    struct native_merge *native_merge;
    struct snapshot_native native;
};

void cell_reader_release(struct cell_reader *r); /* accepts a zeroed one */

/*
 * Sum @n cells of one series (NULLs are skipped) into @out, whose arrays then borrow @r until its
 * next use; labels are left alone. 0 or -ENOMEM.
 */
int cell_read(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
              struct cell_reader *r, struct snapshot_series *out);

/* Room for a sum of native buckets. 0 or -ENOMEM. */
int cell_reader_reserve_native(struct cell_reader *r);

/*
 * Histogram: add the native buckets of @n cells to @m. 1; 0 when not all that the cells count is in
 * them; -ENOMEM. Classic buckets that are read after this hold at least what was added.
 */
int cell_native_add(struct cell *const *cells, unsigned n, const struct shape *shape,
                    struct native_merge *m);

/* Histogram: show the native buckets of @r, which add up to @count, with the classic ones of @out,
 * which were read later into @r. */
void cell_native_show(struct cell_reader *r, uint64_t count, struct snapshot_series *out);

/* ---- to write values down and take them up again: control, no worker is being fed ---- */

/* Counter: what @n cells hold, in two parts that give it exactly; add it to one. */
void cell_counter_parts(struct cell *const *cells, unsigned n, uint64_t *whole, double *rest);
void cell_counter_put(struct cell *c, uint64_t whole, double rest);

/* When slot @i of a set's window began, from 0 for the one that goes on now. */
int64_t cell_set_slot_begins(const struct shape *shape, int64_t now_ms, unsigned i);

/* The members of slot @i of @n cells, which @out borrows @r for. 0 or -ENOMEM. */
int cell_set_members(struct cell *const *cells, unsigned n, const struct shape *shape,
                     int64_t now_ms, unsigned i, struct cell_reader *r, struct set_members *out);

/* Add to a cell's slot @i members of as many bits as @shape has, unless its place holds a newer
 * one. 0 or -ENOMEM. */
int cell_set_put(struct cell *c, const struct shape *shape, int64_t now_ms, unsigned i,
                 const struct set_members *members);

/* How the page shows a metric type. */
enum snapshot_type metric_snapshot_type(enum metric_type type);

/* The label that the page adds to a type's samples by itself: `le`, `quantile`; empty: none. */
struct slice metric_own_label(enum metric_type type);

/* "counter", "gauge", "histogram", "summary", "set". */
const char *metric_type_name(enum metric_type type);

#endif
