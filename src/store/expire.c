/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expiry: forgetting series that nobody sends any more
 *
 * A worker may be writing to a cell at any moment, by a route that it looked up long ago. So a
 * series is not taken away but asked for twice:
 *
 *      live --due--> marked: its cells lose their birth number, so every route to them misses and
 *                    the worker comes to the lock, where it finds the series and revives it
 *             ... every worker that was in a batch has ended it ...
 *           --look again: revived, or seen after all? --> live
 *           --else--> removed; cells go back to their pools, the rest is retired
 *
 * So a name that returns in between finds the same series with its value, and nothing is ever
 * written to a cell that has been given away. What comes back later begins at zero.
 *
 * When to look is told by a wheel: each series is looked at about once per time to live, not once
 * a second. The steps are plain calls without threads or clocks: a test runs them in any order.
 *
 * Laws: the control thread only. One step looks at no more than LOOKS_MAX series, marks no more
 * than MARKS_MAX, and holds the lock for those. While marked ones wait for the workers, none are
 * added.
 */
#include "store/series.h"

#include <errno.h>
#include <stdlib.h>

#define LOOKS_MAX 32768u
#define MARKS_MAX 4096u

static uint32_t due_of(const struct series *s)
{
    return series_last_seen(s) + relaxed_load(&s->ttl_ticks) + 1;
}

static bool is_due(const struct series *s, uint32_t now, uint32_t *due)
{
    *due = due_of(s);
    return (int32_t)(now - *due) >= 0;
}

/* What waits for the workers to be gone. */
struct burial {
    struct retired retired;
    struct registry *r;
    uint32_t first;
};

static void burial_end(struct retired *item)
{
    struct burial *b = table_entry(item, struct burial, retired);
    struct registry *r = b->r;

    pthread_mutex_lock(&r->lock);
    for (uint32_t ref = b->first, next; ref != 0; ref = next) {
        next = series_at(r, ref)->next;
        slab_give(&r->slab, ref);
    }
    pthread_mutex_unlock(&r->lock);
    free(b);
}

/* Under the lock: those that were removed. Without memory they stay for the next step. */
static void bury(struct registry *r)
{
    struct burial *b = r->dead != 0 ? malloc(sizeof *b) : NULL;

    if (b == NULL)
        return;
    *b = (struct burial){.r = r, .first = r->dead};
    r->dead = 0;
    reclaim_retire(r->reclaim, &b->retired, burial_end);
}

static void put_back(struct registry *r, uint32_t ref, uint32_t due)
{
    wheel_put(&r->wheel, ref, &series_at(r, ref)->next, due);
}

/* Under the lock: what workers left for us since the last step. */
static void take_what_was_left(struct registry *r)
{
    while (r->to_time != 0) {
        uint32_t ref = r->to_time;
        const struct series *s = series_at(r, ref);

        r->to_time = s->next;
        put_back(r, ref, due_of(s));
    }
    while (r->outgrown != NULL) {
        struct retired *item = r->outgrown;

        r->outgrown = item->next;
        reclaim_retire(r->reclaim, item, item->free);
    }
}

/* Under the lock: the second look. */
static void remove_or_keep(struct registry *r, uint32_t now)
{
    for (size_t i = 0; i < r->n_dying; i++) {
        struct series *s = series_at(r, r->dying[i]);
        uint32_t due;

        /* The rules may have taken its time to live away meanwhile. */
        if (s->dying && relaxed_load(&s->ttl_ticks) != 0 && !series_is_leaving(s) &&
            is_due(s, now, &due)) {
            registry_remove(r, s);
            continue;
        }
        series_revive(s);
        put_back(r, r->dying[i], due_of(s));
    }
    r->n_dying = 0;
}

static int dying_reserve(struct registry *r)
{
    if (r->dying == NULL)
        r->dying = malloc(MARKS_MAX * sizeof r->dying[0]);
    return r->dying != NULL ? 0 : -ENOMEM;
}

/* The first look, without the lock: gather what seems due. */
static void gather_due(struct registry *r, uint32_t now)
{
    for (unsigned looks = 0; looks < LOOKS_MAX && r->n_dying < MARKS_MAX; looks++) {
        uint32_t *head = wheel_next(&r->wheel, now);
        uint32_t ref, due;
        const struct series *s;

        if (head == NULL)
            return;
        ref = *head;
        s = series_at(r, ref);
        *head = s->next;
        if (relaxed_load(&s->ttl_ticks) == 0 || is_due(s, now, &due))
            r->dying[r->n_dying++] = ref;
        else
            put_back(r, ref, due);
    }
}

/* Under the lock: mark what was gathered; a series that may live for ever leaves the wheel. */
static void mark_gathered(struct registry *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_dying; i++) {
        struct series *s = series_at(r, r->dying[i]);

        if (relaxed_load(&s->ttl_ticks) == 0) {
            s->timed = false;
            continue;
        }
        series_mark(s);
        r->dying[n++] = r->dying[i];
    }
    r->n_dying = n;
}

void registry_expire(struct registry *r, int64_t now_ms)
{
    uint32_t now = (uint32_t)(now_ms / CELL_TICK_MS);
    bool second_look = r->n_dying > 0 && reclaim_passed(r->reclaim, r->dying_epoch);

    /* A family that goes must have been seen by the scrape's order first. */
    if (registry_sort(r) != 0 || dying_reserve(r) != 0)
        return;
    pthread_mutex_lock(&r->lock);
    take_what_was_left(r);
    if (second_look)
        remove_or_keep(r, now);
    bury(r);
    pthread_mutex_unlock(&r->lock);

    if (r->n_dying > 0)
        return;
    gather_due(r, now);
    if (r->n_dying == 0)
        return;
    pthread_mutex_lock(&r->lock);
    mark_gathered(r);
    pthread_mutex_unlock(&r->lock);
    r->dying_epoch = reclaim_advance(r->reclaim);
}

void registry_let_go(struct registry *r, const struct series *s)
{
    pthread_mutex_lock(&r->lock);
    series_set_ttl(r, series_at(r, series_number(s)), 1);
    pthread_mutex_unlock(&r->lock);
}

/* ---- rest ---- */

uint32_t registry_rest(struct registry *r, int64_t now_ms, uint32_t max)
{
    bool left;

    pthread_mutex_lock(&r->lock);
    left = r->to_time != 0 || r->outgrown != NULL || r->dead != 0 || r->changed != NULL;
    pthread_mutex_unlock(&r->lock);
    if (left || r->n_dying > 0 || r->n_moving > 0)
        return 0;
    return wheel_rest(&r->wheel, (uint32_t)(now_ms / CELL_TICK_MS), max);
}
