/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grid: exponential buckets in private memory, where they are moved, merged and coarsened
 *
 * Contract: private to the store. At most GRID_MAX_LEN buckets of each sign; the schema starts at
 * the finest and becomes coarser as the range of what is added demands.
 */
#ifndef STORE_GRID_H
#define STORE_GRID_H

#include <stdbool.h>
#include <stdint.h>

#define GRID_MAX_LEN 1024

/* Which of the two runs: buckets of positive values, or of the magnitudes of negative ones. */
enum grid_sign { GRID_POSITIVE, GRID_NEGATIVE };
#define GRID_N_SIGNS 2

struct run {
    int32_t first; /* bucket of n[0]; means nothing when len is 0 */
    uint32_t len;  /* n[len] and beyond are not set */
    uint64_t n[GRID_MAX_LEN];
};

struct grid {
    int schema;
    struct run runs[GRID_N_SIGNS];
};

void grid_init(struct grid *g);
bool grid_is_empty(const struct grid *g);

/* Make the schema @steps coarser; it stays at BUCKET_SCHEMA_MIN or above. */
void grid_coarsen(struct grid *g, unsigned steps);

/*
 * Make buckets @lo..@hi of the grid's present schema part of a run. Coarsens all when they do not
 * fit: look at the schema again.
 */
void grid_cover(struct grid *g, enum grid_sign sign, int32_t lo, int32_t hi);

/* Add @v, finite and not zero, counted @weight times. */
void grid_add(struct grid *g, double v, uint64_t weight);

/* The fullest bucket. */
uint64_t grid_most(const struct grid *g);

uint64_t run_total(const struct run *r);

#endif
