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
    double sum;
    uint64_t count;
    unsigned n_points;
    struct carried_point points[]; /* ascending in both */
};

/* More bounds than this are not remembered beside those in force. */
#define CARRIED_MAX_POINTS 1024u

/*
 * Fold @from, what was read of cells that nobody writes to any more, into *@c (NULL: the first).
 * @shape: how the series is kept now. 0, or -ENOMEM with *@c as it was.
 */
int carried_fold(struct carried **c, const struct snapshot_series *from, const struct shape *shape);

/* Add what was carried, and what is still leaving, to what was read into @out with @r. 0 or
 * -ENOMEM. */
int carried_add(const struct carried *c, int64_t now_ms, struct cell_reader *r,
                struct snapshot_series *out);

void carried_free(struct carried *c); /* accepts NULL */

#endif
