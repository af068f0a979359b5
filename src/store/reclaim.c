/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reclaim: memory that other threads may still be looking at
 *
 * A worker announces the epoch in which it began its batch and takes the announcement back at the
 * end. Control unlinks an object, moves the epoch on, and compares:
 *
 *      worker    | enter(7) ... reads a pointer ... leave |        | enter(8) ...
 *      control        unlink, advance -> 8     passed(8)? no   yes: free
 *
 * An idle worker announces nothing and is waited for by nobody, so a quiet server gives memory back
 * as fast as a busy one. The order that carries the argument: control unlinks, then (sequentially
 * consistent) moves the epoch and reads the announcements; a worker announces (sequentially
 * consistent), then reads pointers. Of the two, one sees the other: either control finds the
 * announcement and waits, or the worker finds the object unlinked.
 *
 * Retired objects gather in batches, one a turn; a batch carries the epoch and the turn in which it
 * was closed. Scrapes hold pins with the turn in which they began: a batch waits for all pins that
 * are not younger. If no memory can be had for the batch's own record, it stays open: freeing comes
 * a turn later, nothing else happens.
 *
 * Laws: only the control thread frees. Batches are freed in order.
 */
#include "store/reclaim.h"

#include <stdlib.h>

struct reclaim_batch {
    struct reclaim_batch *next;
    struct retired *items;
    uint64_t epoch;
    uint64_t turn;
};

void reclaim_init(struct reclaim *r, unsigned n_workers)
{
    *r = (struct reclaim){.n_workers = n_workers, .turn = 1};
    atomic_init(&r->epoch, 1);
}

static void free_items(struct retired *items)
{
    while (items != NULL) {
        struct retired *next = items->next;

        items->free(items);
        items = next;
    }
}

void reclaim_release(struct reclaim *r)
{
    while (r->oldest != NULL) {
        struct reclaim_batch *batch = r->oldest;

        r->oldest = batch->next;
        free_items(batch->items);
        free(batch);
    }
    free_items(r->open);
    r->open = NULL;
    r->newest = NULL;
}

void reclaim_enter(struct reclaim *r, unsigned worker)
{
    uint64_t epoch = atomic_load_explicit(&r->epoch, memory_order_acquire);

    /* Sequentially consistent: see the head. */
    atomic_store_explicit(&r->workers[worker].entered, epoch, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

void reclaim_leave(struct reclaim *r, unsigned worker)
{
    /* Release: whoever sees the batch ended sees what it wrote. */
    atomic_store_explicit(&r->workers[worker].entered, 0, memory_order_release);
}

uint64_t reclaim_advance(struct reclaim *r)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_fetch_add_explicit(&r->epoch, 1, memory_order_seq_cst) + 1;
}

bool reclaim_passed(const struct reclaim *r, uint64_t epoch)
{
    for (unsigned i = 0; i < r->n_workers; i++) {
        uint64_t entered = atomic_load_explicit(&r->workers[i].entered, memory_order_seq_cst);

        if (entered != 0 && entered < epoch)
            return false;
    }
    return true;
}

void reclaim_retire(struct reclaim *r, struct retired *item, void (*fn)(struct retired *))
{
    item->free = fn;
    item->next = r->open;
    r->open = item;
}

static void close_batch(struct reclaim *r)
{
    struct reclaim_batch *batch;

    if (r->open == NULL)
        return;
    batch = malloc(sizeof *batch);
    if (batch == NULL)
        return;
    *batch = (struct reclaim_batch){.items = r->open, .epoch = reclaim_advance(r), .turn = r->turn};
    r->open = NULL;
    if (r->newest != NULL)
        r->newest->next = batch;
    else
        r->oldest = batch;
    r->newest = batch;
}

void reclaim_turn(struct reclaim *r)
{
    close_batch(r);
    r->turn++;
    while (r->oldest != NULL) {
        struct reclaim_batch *batch = r->oldest;

        if (r->first_pin != NULL && r->first_pin->turn <= batch->turn)
            return;
        if (!reclaim_passed(r, batch->epoch))
            return;
        r->oldest = batch->next;
        if (r->oldest == NULL)
            r->newest = NULL;
        free_items(batch->items);
        free(batch);
    }
}

void reclaim_pin(struct reclaim *r, struct reclaim_pin *pin)
{
    *pin = (struct reclaim_pin){.prev = r->last_pin, .turn = r->turn};
    if (r->last_pin != NULL)
        r->last_pin->next = pin;
    else
        r->first_pin = pin;
    r->last_pin = pin;
}

void reclaim_unpin(struct reclaim *r, struct reclaim_pin *pin)
{
    if (pin->prev != NULL)
        pin->prev->next = pin->next;
    else
        r->first_pin = pin->next;
    if (pin->next != NULL)
        pin->next->prev = pin->prev;
    else
        r->last_pin = pin->prev;
}
