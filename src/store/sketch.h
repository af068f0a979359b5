/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch: quantiles over a sliding window, in at most 2 KB
 *
 * A window of n slots; slot (epoch mod n) holds the observations of one epoch in exponential
 * buckets of its own resolution. The head of sketch.c states the relative error.
 *
 * Contract: one thread writes; what it writes are relaxed words (base/relaxed.h), so another thread
 * may copy the block at any time. Whether a copy is whole is the caller's business (store/cell.c
 * puts a sequence counter around it); the reading functions below work on such a private copy.
 */
#ifndef STORE_SKETCH_H
#define STORE_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKETCH_MAX_SLOTS 10
#define SKETCH_MAX_SIZE  2048

struct sketch;

/* Bytes of a sketch with @n_slots (1..SKETCH_MAX_SLOTS): a multiple of 8, <= SKETCH_MAX_SIZE. */
size_t sketch_size(unsigned n_slots);

/* Make @s, sketch_size() bytes aligned to 8, an empty sketch. */
void sketch_init(struct sketch *s, unsigned n_slots);

/*
 * Add @v, counted @weight times, to the slot of @epoch; a slot left over from an older epoch is
 * emptied first. Any double is accepted; NaN is counted nowhere.
 */
void sketch_observe(struct sketch *s, uint32_t epoch, double v, uint64_t weight);

/*
 * The same where it takes no more than words of their own: a copy made meanwhile is whole, be each
 * of them old or new. False: nothing was counted, take the way above.
 */
bool sketch_count(struct sketch *s, uint32_t epoch, double v, uint64_t weight);

/*
 * Add the live slots of @from (epochs @epoch-n+1 .. @epoch) into @into, a private accumulator set
 * up by sketch_merge_init(). Several workers' sketches of one series merge this way.
 */
struct sketch_merge;
size_t sketch_merge_size(void);
void sketch_merge_init(struct sketch_merge *into);
void sketch_merge_add(struct sketch_merge *into, const struct sketch *from, uint32_t epoch);

/*
 * The value of rank ceil(count * q) (at least 1) in what was merged: NaN when it is empty, exact
 * for the smallest and the largest and when all values are equal.
 */
double sketch_merge_quantile(const struct sketch_merge *m, double q);

#endif
