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

static bool is_due(const struct series *s, uint32_t now, uint32_t *due)
{
    uint32_t ttl = relaxed_load(&s->ttl_ticks);

    *due = series_last_seen(s) + ttl + 1;
    return (int32_t)(now - *due) >= 0;
}

static void put_back(struct registry *r, struct series *s, uint32_t due)
{
    wheel_put(&r->wheel, &s->timer, due);
}

/* Under the lock: what workers left for us since the last step. */
static void take_what_was_left(struct registry *r)
{
    while (r->to_time != NULL) {
        struct series *s = r->to_time;

        r->to_time = (struct series *)s->timer.next;
        s->timer = (struct wheel_link){0};
        put_back(r, s, series_last_seen(s) + relaxed_load(&s->ttl_ticks) + 1);
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
        struct series *s = r->dying[i];
        uint32_t due;

        /* The rules may have taken its time to live away meanwhile. */
        if (s->dying && relaxed_load(&s->ttl_ticks) != 0 && !series_is_leaving(s) &&
            is_due(s, now, &due)) {
            registry_remove(r, s);
            continue;
        }
        series_revive(s);
        put_back(r, s, series_last_seen(s) + relaxed_load(&s->ttl_ticks) + 1);
    }
    r->n_dying = 0;
}

static int dying_reserve(struct registry *r)
{
    if (r->dying == NULL)
        r->dying = malloc(MARKS_MAX * sizeof(struct series *));
    return r->dying != NULL ? 0 : -ENOMEM;
}

/* The first look, without the lock: gather what seems due. */
static void gather_due(struct registry *r, uint32_t now)
{
    for (unsigned looks = 0; looks < LOOKS_MAX && r->n_dying < MARKS_MAX; looks++) {
        struct wheel_link *link = wheel_next(&r->wheel, now);
        struct series *s;
        uint32_t due;

        if (link == NULL)
            return;
        s = table_entry(link, struct series, timer);
        if (relaxed_load(&s->ttl_ticks) == 0 || is_due(s, now, &due))
            r->dying[r->n_dying++] = s;
        else
            put_back(r, s, due);
    }
}

/* Under the lock: mark what was gathered; a series that may live for ever leaves the wheel. */
static void mark_gathered(struct registry *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_dying; i++) {
        struct series *s = r->dying[i];

        if (relaxed_load(&s->ttl_ticks) == 0) {
            s->timed = false;
            continue;
        }
        series_mark(s);
        r->dying[n++] = s;
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
