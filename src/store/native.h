/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native: the exponential buckets of a histogram, those only that something fell into
 *
 * A block counts at one resolution (see store/bucket.h) and has room for so many buckets. What does
 * not fit goes into a new block that takes over what the old one counted.
 *
 * Contract: as store/set.h: one writer, relaxed words, a block never moves or grows by itself. A
 * reader may look at a block while it is written: there is nothing to tear, every word only grows.
 */
#ifndef STORE_NATIVE_H
#define STORE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/snapshot.h"

#define NATIVE_SCHEMA_MIN     (-4)
#define NATIVE_ZERO_THRESHOLD 0x1p-128 /* up to it a magnitude counts as zero */

/* A higher maximum of buckets counts as this one. */
#define NATIVE_MAX_BUCKETS    4096u

/* The coarsest schema whose buckets grow by no more than @factor, within the limits of schemas.
 * @factor is above 1. */
int native_schema(double factor);

/* ---- the owner's side ---- */

struct native;

/* Count @v @weight times where its bucket is there. False: nothing was done. */
bool native_count(struct native *b, double v, uint64_t weight);

/* The same, and its bucket may be new. False: nothing was done, as the block has no room or would
 * have more than @max buckets. */
bool native_add(struct native *b, double v, uint64_t weight, uint32_t max);

/*
 * Bytes of a block that native_take_over() can fill from @from, which may be NULL. It counts what
 * @from did, and @v; as fine as @from, or @schema without one, but so coarse that it has no more
 * than @max buckets, if any schema is.
 */
size_t native_size_after(const struct native *from);
void native_take_over(struct native *to, const struct native *from, int schema, double v,
                      uint64_t weight, uint32_t max);

/* ---- a reader's side ---- */

/* The sum of blocks. It grows to the largest sum met. */
struct native_merge;

struct native_merge *native_merge_new(void); /* NULL: out of memory */
void native_merge_free(struct native_merge *m);

/* Begin a sum that is as fine as @schema or coarser. */
void native_merge_begin(struct native_merge *m, int schema);

/* 0 or -ENOMEM: then the sum is of no use. More can be added to one that was put in order. */
int native_merge_add(struct native_merge *m, const struct native *b);

/*
 * Put it in order and, if need be, make it coarser, as native_take_over() does. @out borrows @m
 * until the next sum. The count is of all that was added: zeros and NaNs, which are in no bucket,
 * too.
 */
void native_merge_end(struct native_merge *m, uint32_t max, struct snapshot_native *out,
                      uint64_t *count);

/* A sum that outlives its blocks. It never changes. */
struct native_kept {
    int schema;
    uint64_t zero, nan;
    size_t n[2];                /* buckets of positive values, and of negative ones */
    struct snapshot_bucket p[]; /* those first, then these, each ascending */
};

/* Keep what native_merge_end() has put in order: 0 with a copy that the caller owns, or NULL if
 * nothing was counted; -ENOMEM. */
int native_keep(const struct native_merge *m, struct native_kept **out);
void native_kept_free(struct native_kept *k); /* accepts NULL */

/* ---- native_kept.c ---- */

/* Room for so many buckets, to be filled. NULL without memory. */
struct native_kept *native_kept_new(size_t n_positive, size_t n_negative);

/* Could native_keep() have made it? Its total goes to @count then. */
bool native_kept_valid(const struct native_kept *k, uint64_t *count);

/* The sum of both, either of which may be NULL: 0 or -ENOMEM. */
int native_kept_sum(const struct native_kept *a, const struct native_kept *b,
                    struct native_kept **out);

/* As native_merge_add(). */
int native_merge_add_kept(struct native_merge *m, const struct native_kept *k);

#endif
