/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuild: series move to another shape
 *
 * How a vector's series are kept is decided by the first that comes under a generation of rules
 * (vector_decide()). When that is not what they are kept by, the family is put into a list, and
 * control moves its series one by one:
 *
 *      kept by old --move--> its old cells lose their birth number and are set aside: every route
 *                            misses, and the worker comes to the lock for a new cell
 *             ... every worker that was in a batch has ended it ...
 *           --fold--> what the old cells hold is added to what the series carries (carry.c), and
 *                     they go back to their pools
 *
 * In between they are read with the rest, so no sample is lost, and none is ever shown and then not
 * any more. Where the cells would be laid out the same, as with other quantiles over the same
 * window, only the shape changes.
 *
 * A family of observers that changes its type (family_decide()) moves its series in the same way:
 * a histogram's buckets are remembered by what it carries, of a summary count and sum go on. A
 * series whose labels the new type has for itself is not shown any more and expires.
 *
 * A worker that looks without the lock must not take an old cell for one of the new shape. It
 * reads birth number, shape and cell, in this order and each with acquire; a move takes the cells
 * away, then sets the shape, then the new birth number, each with release. So a new number implies
 * the new shape, and a new shape that the old cell is gone; and an old cell has an old number.
 *
 * A family that was restored from a state of other rules and whose name is another's by now
 * (family_decide()) has no place any more: its series get the shortest time to live.
 *
 * Laws: the control thread only. One step looks at no more than LOOKS_MAX series and moves no more
 *       than MOVES_MAX, and holds the lock for those. While moved ones wait for the workers, none
 *       are added. A series that is marked is moved later; one with cells that are leaving is not
 *       removed.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store/carry.h"
#include "store/family.h"

#define LOOKS_MAX 32768u
#define MOVES_MAX 4096u

/* ---- reading ---- */

void series_cells(const struct series *s, struct cell **cells)
{
    for (unsigned i = 0; i < s->n_cells; i++)
        /* Acquire pairs with the cell's birth: what it holds is initialised. */
        cells[i] = atomic_load_explicit(&s->cells[i], memory_order_acquire);
}

int series_read(const struct series *s, int64_t now_ms, struct cell_reader *r,
                struct snapshot_series *out)
{
    struct cell *cells[RECLAIM_MAX_WORKERS];

    series_cells(s, cells);
    if (s->carried == NULL || series_shape(s)->type == METRIC_SET)
        return cell_read(cells, s->n_cells, series_shape(s), now_ms, r, out);
    return carried_read(s->carried, cells, s->n_cells, series_shape(s), now_ms, r, out);
}

struct shape *series_next_shape(struct registry *r, const struct series *s)
{
    struct shape *shape;

    pthread_mutex_lock(&r->lock);
    vector_conform(s->vector);
    shape = s->vector->shape;
    pthread_mutex_unlock(&r->lock);
    return shape;
}

uint32_t series_since(const struct series *s, bool wants_native)
{
    return wants_native && s->carried != NULL ? carried_since(s->carried, series_shape(s), s->born)
                                              : s->born;
}

/* ---- the second step: fold ---- */

/* What the cells hold goes to what is carried. A set's members are not: its window begins anew. */
static int fold(struct series *s, int64_t now_ms)
{
    uint32_t tick = series_last_seen(s);

    if (s->carried->leaving->shape->type == METRIC_SET)
        s->carried->leaving = NULL;
    else if (carried_fold_leaving(&s->carried, now_ms, series_shape(s)) != 0)
        return -ENOMEM;
    s->carried->tick = tick;
    return 0;
}

/* Without memory the cells are read where they are until the next step. */
static void end_moves(struct registry *r, int64_t now_ms)
{
    struct leaving *left = NULL;
    size_t n = 0;

    for (size_t i = 0; i < r->n_moving; i++) {
        struct series *s = r->moving[i];
        struct leaving *l = s->carried->leaving;

        if (fold(s, now_ms) != 0) {
            r->moving[n++] = s;
            continue;
        }
        l->next = left;
        left = l;
    }
    r->n_moving = n;
    pthread_mutex_lock(&r->lock);
    while (left != NULL) {
        struct leaving *next = left->next;

        series_release_leaving(r, left);
        left = next;
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- the first step: move ---- */

/* Room to carry and to leave. */
static int prepare(struct series *s, uint32_t now)
{
    struct leaving *l = calloc(1, sizeof *l + s->n_cells * sizeof l->cells[0]);

    if (l != NULL && s->carried == NULL)
        s->carried = calloc(1, sizeof *s->carried);
    if (l == NULL || s->carried == NULL) {
        free(l);
        return -ENOMEM;
    }
    l->shape = series_shape(s);
    l->since = now;
    l->n = s->n_cells;
    s->carried->leaving = l;
    return 0;
}

/* Under the lock: the cells are set aside and @s is as one without any. The order: see the head. */
static int move(struct registry *r, struct series *s, uint32_t now)
{
    if (shape_same_cells(series_shape(s), s->vector->shape)) {
        atomic_store_explicit(&s->shape, s->vector->shape, memory_order_release);
        return 0;
    }
    /* Nothing is moved while anything is leaving. */
    assert(!series_is_leaving(s));
    if (s->dying || prepare(s, now) != 0)
        return -EAGAIN;
    for (unsigned i = 0; i < s->n_cells; i++) {
        struct cell *c = atomic_load_explicit(&s->cells[i], memory_order_relaxed);

        s->carried->leaving->cells[i] = c;
        if (c != NULL)
            relaxed_store(&c->birth, 0);
        atomic_store_explicit(&s->cells[i], NULL, memory_order_release);
    }
    atomic_store_explicit(&s->shape, s->vector->shape, memory_order_release);
    atomic_store_explicit(&s->birth, registry_next_birth(r), memory_order_release);
    r->moving[r->n_moving++] = s;
    return 0;
}

/* Under the lock: some of the family's series. True when all are kept as they should be. */
static bool move_family(struct registry *r, struct family *f, uint32_t now, unsigned *looks)
{
    struct series_list *list = atomic_load_explicit(&f->list, memory_order_relaxed);
    uint32_t n = relaxed_load(&list->n);

    for (; *looks > 0 && f->looked < n && r->n_moving < MOVES_MAX; f->looked++, --*looks) {
        uint32_t ref = relaxed_load(&list->entries[f->looked]);
        struct series *s = ref != 0 ? series_at(r, ref) : NULL;

        if (s == NULL)
            continue;
        if (f->yields || vector_clashes(s->vector, family_type(f))) {
            series_set_ttl(r, s, 1);
            continue;
        }
        vector_conform(s->vector);
        if (series_shape(s) == s->vector->shape)
            continue;
        if (move(r, s, now) != 0)
            f->look_again = true;
        else
            relaxed_add(&r->n_rebuilt, 1);
    }
    if (f->looked < n)
        return false;
    if (!f->look_again)
        return true;
    f->looked = 0;
    f->look_again = false;
    return false;
}

static int moving_reserve(struct registry *r)
{
    if (r->moving == NULL)
        r->moving = malloc(MOVES_MAX * sizeof(struct series *));
    return r->moving != NULL ? 0 : -ENOMEM;
}

static void begin_moves(struct registry *r, uint32_t now)
{
    unsigned looks = LOOKS_MAX;

    pthread_mutex_lock(&r->lock);
    while (r->changed != NULL) {
        struct family *f = table_entry(r->changed, struct family, changed);

        if (!move_family(r, f, now, &looks))
            break;
        family_settled(r, f);
    }
    pthread_mutex_unlock(&r->lock);
    if (r->n_moving > 0)
        r->moving_epoch = reclaim_advance(r->reclaim);
}

void registry_rebuild(struct registry *r, int64_t now_ms)
{
    if (r->n_moving > 0 && reclaim_passed(r->reclaim, r->moving_epoch))
        end_moves(r, now_ms);
    /* Relaxed: what a worker changed just now is seen by the next step. */
    if (r->n_moving > 0 || relaxed_load(&r->n_changed) == 0 || moving_reserve(r) != 0)
        return;
    begin_moves(r, (uint32_t)(now_ms / CELL_TICK_MS));
}
