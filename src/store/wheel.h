/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wheel: which series are due to be looked at?
 *
 * A hashed timing wheel of WHEEL_SLOTS slots, one a tick of 100 ms. A deadline further away than a
 * turn comes round early, is looked at, and goes back: the caller decides, the wheel only reminds.
 * So a deadline that was brought forward is noticed within a turn of 12.8 s, and a million series
 * with long times to live cost 80 000 looks a second.
 *
 * Contract: intrusive and doubly linked, so that everything is O(1); one thread. A zeroed wheel is
 * empty.
 */
#ifndef STORE_WHEEL_H
#define STORE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_SLOTS 128u

struct wheel_link {
    struct wheel_link *next;
    struct wheel_link **at; /* what points to this link; NULL: in no slot */
};

struct wheel {
    struct wheel_link *slots[WHEEL_SLOTS];
    uint32_t tick; /* the next slot to be looked at */
};

/* @due may lie in the past: then it is looked at with the next tick. */
static inline void wheel_put(struct wheel *w, struct wheel_link *link, uint32_t due)
{
    uint32_t wait = (int32_t)(due - w->tick) > 0 ? due - w->tick : 0;
    struct wheel_link **slot;

    if (wait >= WHEEL_SLOTS)
        wait = WHEEL_SLOTS - 1;
    slot = &w->slots[(w->tick + wait) % WHEEL_SLOTS];
    link->next = *slot;
    link->at = slot;
    if (link->next != NULL)
        link->next->at = &link->next;
    *slot = link;
}

static inline void wheel_cut(struct wheel_link *link)
{
    if (link->at == NULL)
        return;
    *link->at = link->next;
    if (link->next != NULL)
        link->next->at = link->at;
    link->at = NULL;
}

/*
 * The next link due at or before @now, already cut; NULL when there is none, and the wheel has
 * arrived at @now. The caller puts it back with a later due or keeps it. A clock that is more than
 * a turn away, as at the start, makes one turn up to @now: it passes every slot.
 */
static inline struct wheel_link *wheel_next(struct wheel *w, uint32_t now)
{
    /* From -WHEEL_SLOTS to WHEEL_SLOTS - 1 is near; the difference may wrap. */
    if (now - w->tick + WHEEL_SLOTS >= 2 * WHEEL_SLOTS)
        w->tick = now - (WHEEL_SLOTS - 1);
    while ((int32_t)(now - w->tick) >= 0) {
        struct wheel_link *link = w->slots[w->tick % WHEEL_SLOTS];

        if (link != NULL) {
            wheel_cut(link);
            return link;
        }
        w->tick++;
    }
    return NULL;
}

#endif
