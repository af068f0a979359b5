/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carry, kept: what observers have counted, out of one process and into the next
 *
 * A process that takes over begins where a series would that was moved to another shape: with empty
 * cells, and all that was counted carried along (carry.c). So what is written down is what would be
 * carried if the series left its cells now, and a series that is taken up again carries that.
 *
 * Laws: keeping changes nothing of the series. The sum of two is what both counted: no bucket,
 *       count or sum is less than either's. Of native buckets that only one has none are told, as
 *       everywhere; those that both have are told at the coarser resolution.
 */
#include "store/carry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/native.h"

/* A copy without what is leaving. NULL without memory. */
static struct carried *copy(const struct carried *c)
{
    struct carried *to = carried_new(c->n_points);

    if (to == NULL)
        return NULL;
    to->tick = c->tick;
    to->since = c->since;
    to->sum = c->sum;
    to->count = c->count;
    to->n_points = c->n_points;
    memcpy(to->points, c->points, c->n_points * sizeof c->points[0]);
    if (c->unseen != NULL)
        to->unseen = copy(c->unseen);
    if ((c->unseen != NULL && to->unseen == NULL) ||
        (c->native != NULL && native_kept_sum(c->native, NULL, &to->native) != 0)) {
        carried_free(to);
        return NULL;
    }
    return to;
}

/* As if @c had just left these cells. */
static int leave(struct carried **c, struct cell *const *cells, unsigned n,
                 const struct shape *shape, uint32_t since)
{
    struct leaving *l = calloc(1, sizeof *l + n * sizeof l->cells[0]);

    if (l == NULL)
        return -ENOMEM;
    l->shape = shape;
    l->since = since;
    l->n = n;
    memcpy(l->cells, cells, n * sizeof l->cells[0]);
    (*c)->leaving = l;
    return 0;
}

/* The same, and nobody is in a batch any more. */
static int leave_and_fold(struct carried **c, const struct leaving *from, int64_t now_ms,
                          const struct shape *now_shape)
{
    struct leaving *l;
    int rc = leave(c, from->cells, from->n, from->shape, from->since);

    if (rc != 0)
        return rc;
    l = (*c)->leaving;
    rc = carried_fold_leaving(c, now_ms, now_shape);
    (*c)->leaving = NULL;
    free(l);
    return rc;
}

int carried_keep(const struct carried *c, struct cell *const *cells, unsigned n,
                 const struct shape *shape, const struct shape *now_shape, int64_t now_ms,
                 struct carried **out)
{
    struct carried *kept = c != NULL ? copy(c) : carried_new(0);
    struct leaving *now = calloc(1, sizeof *now + n * sizeof now->cells[0]);
    int rc = kept != NULL && now != NULL ? 0 : -ENOMEM;

    if (rc == 0 && c != NULL && c->leaving != NULL)
        rc = leave_and_fold(&kept, c->leaving, now_ms, now_shape);
    if (rc == 0) {
        now->shape = shape;
        now->since = (uint32_t)(now_ms / CELL_TICK_MS);
        now->n = n;
        memcpy(now->cells, cells, n * sizeof now->cells[0]);
        rc = leave_and_fold(&kept, now, now_ms, now_shape);
    }
    free(now);
    if (rc != 0)
        carried_free(kept);
    else
        *out = kept;
    return rc;
}

/* ---- back again ---- */

static bool points_valid(const struct carried *c)
{
    for (unsigned i = 0; i < c->n_points; i++) {
        const struct carried_point *p = &c->points[i];

        if (!isfinite(p->bound) || p->cumulative > c->count ||
            p->cumulative <= (i > 0 ? p[-1].cumulative : 0) || (i > 0 && p->bound <= p[-1].bound))
            return false;
    }
    return true;
}

bool carried_valid(const struct carried *c)
{
    uint64_t in_native;

    if (c->leaving != NULL || !points_valid(c))
        return false;
    if (c->native != NULL && (!native_kept_valid(c->native, &in_native) || in_native != c->count))
        return false;
    return c->unseen == NULL ||
           (c->unseen->unseen == NULL && c->unseen->native == NULL && carried_valid(c->unseen));
}

/* Both know all that they count by native buckets, or their sum does not. */
static int add_native(const struct carried *a, const struct carried *b, struct carried *sum)
{
    if ((a->native == NULL && a->count > 0) || (b->native == NULL && b->count > 0))
        return 0;
    return native_kept_sum(a->native, b->native, &sum->native);
}

static int add_unseen(const struct carried *a, const struct carried *b, struct carried *sum)
{
    if (a->unseen == NULL && b->unseen == NULL)
        return 0;
    sum->since = a->unseen != NULL ? a->since : b->since;
    sum->unseen = a->unseen != NULL && b->unseen != NULL
                      ? carried_sum(a->unseen, b->unseen)
                      : carried_sum(NULL, a->unseen != NULL ? a->unseen : b->unseen);
    return sum->unseen != NULL ? 0 : -ENOMEM;
}

int carried_add(struct carried **at, struct carried *more)
{
    struct carried *was = *at, *sum;

    if (was == NULL) {
        *at = more;
        return 0;
    }
    sum = carried_sum(was, more);
    if (sum == NULL || add_native(was, more, sum) != 0 || add_unseen(was, more, sum) != 0) {
        carried_free(sum);
        carried_free(more);
        return -ENOMEM;
    }
    sum->leaving = was->leaving;
    sum->tick = was->tick > more->tick ? was->tick : more->tick;
    was->leaving = NULL;
    carried_free(was);
    carried_free(more);
    *at = sum;
    return 0;
}
