/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell types: what the files of cells share
 *
 * cell.c has the table of metric types, and counters and gauges; cell_histogram.c, cell_summary.c
 * and cell_set.c have one type each. The head of cell.c tells the memory order of them all.
 *
 * Contract: private to these files.
 */
#ifndef STORE_CELL_TYPES_H
#define STORE_CELL_TYPES_H

#include <stdatomic.h>

#include "store/cell_write.h"
#include "store/seq.h"

/* ---- the types' rows in cell.c's table ---- */

size_t cell_histogram_size(const struct shape *shape);
int cell_histogram_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out);
void cell_histogram_release(struct cell *c, const struct shape *shape);

size_t cell_summary_size(const struct shape *shape);
void cell_summary_init(struct cell *c, const struct shape *shape);
int cell_summary_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                      int64_t now_ms, struct cell_reader *r, struct snapshot_series *out);

size_t cell_set_size(const struct shape *shape);
void cell_set_release(struct cell *c, const struct shape *shape);
int cell_set_read(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
                  struct cell_reader *r, struct snapshot_series *out);

/* ---- writing ---- */

/* Where the memory of @block, which may be NULL, begins: the link that the control thread's list of
 * outgrown ones needs stands before it, since a reader may still be looking at the block. */
static inline struct cell_outgrown *block_memory(void *block)
{
    return block != NULL ? (struct cell_outgrown *)block - 1 : NULL;
}

static inline uint32_t slot_epoch(const struct shape *shape, int64_t now_ms)
{
    return (uint32_t)(now_ms / shape->slot_ms);
}

/* ---- reading ---- */

/* Room for @n_points bounds or quantiles; for a copy and a merge. 0 or -ENOMEM. */
int cell_reader_reserve(struct cell_reader *r, unsigned n_points);
int cell_reader_reserve_merge(struct cell_reader *r);

#endif
