/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carry: what a series counted before it was kept in another way
 *
 * Contract: the control thread only. A struct carried belongs to its series; NULL: it has always
 * been kept as it is now.
 */
#ifndef STORE_CARRY_H
#define STORE_CARRY_H

#include "store/cell.h"

/* Cells that a series has left, as long as workers may be writing to them. */
struct leaving {
    struct leaving *next;
    const struct shape *shape; /* of the cells */
    uint32_t since;            /* the tick in which they were left */
    unsigned n;
    struct cell *cells[]; /* one for each worker; NULL: it had none */
};

struct carried_point {
    double bound;
    uint64_t cumulative; /* observations known to be <= bound */
};

struct carried {
    struct leaving *leaving; /* owned; its cells belong to their pools */
    uint32_t tick;           /* when what is folded in was written to last */

    /* Counted in no native buckets before there were any: not told to who asks for native ones.
     * Owned; its own fields above and `native` are not used. NULL: nothing. */
    struct carried *unseen;
    uint32_t since; /* the tick from which on all but that was counted */

    struct native_kept *native; /* owned; NULL: not all that is counted here is in native buckets */
    double sum;
    uint64_t count;
    unsigned n_points;
    struct carried_point points[]; /* ascending in both */
};

/* More bounds than this are not remembered beside those in force. */
#define CARRIED_MAX_POINTS 1024u

/*
 * Fold @from, what was read of cells that nobody writes to any more, into *@c (NULL: the first).
 * @native: the native buckets of *@c and @from together, or NULL if they are not in any. @shape:
 * how the series is kept now. 0, or -ENOMEM with *@c as it was.
 */
int carried_fold(struct carried **c, const struct snapshot_series *from,
                 const struct native_merge *native, const struct shape *shape);

/* The same for the cells that are leaving, whose struct becomes the caller's. */
int carried_fold_leaving(struct carried **c, int64_t now_ms, const struct shape *shape);

/*
 * Read @n cells of @shape and what was carried, and what is still leaving, as cell_read() does the
 * cells alone. 0 or -ENOMEM.
 */
int carried_read(const struct carried *c, struct cell *const *cells, unsigned n,
                 const struct shape *shape, int64_t now_ms, struct cell_reader *r,
                 struct snapshot_series *out);

/* The tick from which on that counted which is told to who asks for native buckets; @born if it is
 * everything. */
uint32_t carried_since(const struct carried *c, const struct shape *shape, uint32_t born);

void carried_free(struct carried *c); /* accepts NULL */

/* ---- carry_keep.c ---- */

/*
 * All that a series has counted by now, as one that has left these cells of @shape would carry it:
 * *@c (NULL: nothing), what is leaving it, and the cells, which nobody writes to. It is to be kept
 * as @now_shape, from the tick @now on. 0 with a copy that the caller owns; -ENOMEM.
 */
int carried_keep(const struct carried *c, struct cell *const *cells, unsigned n,
                 const struct shape *shape, const struct shape *now_shape, int64_t now_ms,
                 struct carried **out);

/* Room for @n points, to be filled. NULL without memory. */
struct carried *carried_new(size_t n_points);

/* The sum of both staircases, of counts and sums; @a may be NULL. NULL without memory. */
struct carried *carried_sum(const struct carried *a, const struct carried *b);

/* Could it have been carried? Nothing is leaving it. */
bool carried_valid(const struct carried *c);

/* Add @more to *@at, which may be NULL. Takes @more, also on failure. 0, or -ENOMEM with *@at as it
 * was. */
int carried_add(struct carried **at, struct carried *more);

#endif
