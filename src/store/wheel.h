/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wheel: which series are due to be looked at?
 *
 * A hashed timing wheel of WHEEL_SLOTS slots, one a tick of 100 ms. A deadline further away than a
 * turn comes round early, is looked at, and goes back: the caller decides, the wheel only reminds.
 * So a deadline that was brought forward is noticed within a turn of 12.8 s, and a million series
 * with long times to live cost 80 000 looks a second.
 *
 * Contract: whoever is timed has a number that is not 0, and a field for the number of the next one
 * in its slot. Links are put in and come out at a slot's head, so everything is O(1); one thread. A
 * zeroed wheel is empty.
 */
#ifndef STORE_WHEEL_H
#define STORE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_SLOTS 128u

struct wheel {
    uint32_t slots[WHEEL_SLOTS]; /* numbers of the first ones; 0: none */
    uint32_t tick;               /* the next slot to be looked at */
};

/* @next is number @ref's field. @due may lie in the past: then it is looked at with the next
 * tick. */
static inline void wheel_put(struct wheel *w, uint32_t ref, uint32_t *next, uint32_t due)
{
    uint32_t wait = (int32_t)(due - w->tick) > 0 ? due - w->tick : 0;
    uint32_t *slot;

    if (wait >= WHEEL_SLOTS)
        wait = WHEEL_SLOTS - 1;
    slot = &w->slots[(w->tick + wait) % WHEEL_SLOTS];
    *next = *slot;
    *slot = ref;
}

/*
 * Where the number of the next one due at or before @now stands: the caller puts that one's next
 * one there, and puts it back with a later due or keeps it. NULL when there is none, and the wheel
 * has arrived at @now. A clock that is more than a turn away, as at the start, makes one turn up to
 * @now: it passes every slot.
 */
static inline uint32_t *wheel_next(struct wheel *w, uint32_t now)
{
    /* From -WHEEL_SLOTS to WHEEL_SLOTS - 1 is near; the difference may wrap. */
    if (now - w->tick + WHEEL_SLOTS >= 2 * WHEEL_SLOTS)
        w->tick = now - (WHEEL_SLOTS - 1);
    for (; (int32_t)(now - w->tick) >= 0; w->tick++)
        if (w->slots[w->tick % WHEEL_SLOTS] != 0)
            return &w->slots[w->tick % WHEEL_SLOTS];
    return NULL;
}

/* How many ticks after @now, at most @max, find nobody due, if nobody is put in. */
static inline uint32_t wheel_rest(const struct wheel *w, uint32_t now, uint32_t max)
{
    uint32_t rest = 0;

    /* A wheel that has not arrived at @now, or a clock that leapt, rests not at all. */
    if (w->tick != now + 1)
        return 0;
    while (rest < max && rest < WHEEL_SLOTS && w->slots[(w->tick + rest) % WHEEL_SLOTS] == 0)
        rest++;
    return rest;
}

#endif
