/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reclaim: when may memory be freed that other threads may still be looking at?
 *
 * Contract: workers say when they begin and end a batch; scrapes pin what is on their page. The
 * control thread unlinks an object, retires it, and reclaim frees it once every worker has ended
 * the batch it was in and every scrape that was under way has ended. Nobody waits for that.
 */
#ifndef STORE_RECLAIM_H
#define STORE_RECLAIM_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECLAIM_MAX_WORKERS 64

/* Embedded in what is retired. */
struct retired {
    struct retired *next;
    void (*free)(struct retired *r);
};

/* One per scrape; the control thread's. */
struct reclaim_pin {
    struct reclaim_pin *next, *prev;
    uint64_t turn;
};

struct reclaim_batch;

struct reclaim {
    _Atomic uint64_t epoch; /* written by control */
    unsigned n_workers;
    struct {
        alignas(64) _Atomic uint64_t entered; /* written by its worker: 0 outside a batch */
    } workers[RECLAIM_MAX_WORKERS];

    /* The control thread's own. */
    uint64_t turn;
    struct retired *open; /* retired since the last turn */
    struct reclaim_batch *oldest, *newest;
    struct reclaim_pin *first_pin, *last_pin; /* in order of turns */
};

void reclaim_init(struct reclaim *r, unsigned n_workers);
void reclaim_release(struct reclaim *r); /* frees all that was retired; nobody looks any more */

/* ---- a worker's side ---- */

void reclaim_enter(struct reclaim *r, unsigned worker);
void reclaim_leave(struct reclaim *r, unsigned worker);

/* ---- the control thread's side ---- */

/*
 * A number for "now": what was unlinked before this call is out of every worker's sight once
 * reclaim_passed() says so.
 */
uint64_t reclaim_advance(struct reclaim *r);
bool reclaim_passed(const struct reclaim *r, uint64_t epoch);

/* Takes @item, already unlinked, to be freed by @fn when nobody can be looking at it. */
void reclaim_retire(struct reclaim *r, struct retired *item, void (*fn)(struct retired *));

/* Free what is due. Bounded by what was retired; called now and then. */
void reclaim_turn(struct reclaim *r);

/* Does nothing wait to be freed? */
static inline bool reclaim_rests(const struct reclaim *r)
{
    return r->open == NULL && r->oldest == NULL;
}

void reclaim_pin(struct reclaim *r, struct reclaim_pin *pin);
void reclaim_unpin(struct reclaim *r, struct reclaim_pin *pin);

#endif
