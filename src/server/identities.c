/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: see identities.h
 *
 *      control: identities_ask --errand--> worker: copies a piece --uv_async_send--> control: done
 *
 * The piece belongs to who has the errand: to the worker from worker_ask() to its uv_async_send(),
 * else to control. The mutex of the errand and libuv's wake-up carry it over; libuv promises that
 * what stands before uv_async_send() is seen by the callback, as worker.c relies on in the other
 * direction under its mutex; here the mutex is taken too, so that no promise of order but the
 * mutex's is needed.
 *
 * Laws: one errand at a time. A reader who leaves while it is out leaves nothing behind: the next
 *       one is refused until it is back. Memory is one piece, whoever asks.
 */
#include "server/identities.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bacowr/identities.h"

struct identities {
    uv_async_t back;
    uv_mutex_t lock;               /* of `copied` */
    struct worker *const *workers; /* borrowed */
    unsigned n_workers;

    /* Control's own. */
    void (*done)(void *ctx); /* NULL: nobody reads */
    void *ctx;
    bool away; /* a worker has the errand */
    unsigned at;
    bool complete;

    /* Who has the errand. */
    struct bacowr_identities_walk walk;
    size_t len;
    char room[BACOWR_IDENTITIES_PIECE];

    bool copied; /* under the lock: the errand is done */
};

/* On the worker's thread. */
static void copy(struct worker *w, void *ctx)
{
    struct identities *i = ctx;

    i->len = bacowr_identities_copy(w->engine, &i->walk, i->room);
    uv_mutex_lock(&i->lock);
    i->copied = true;
    uv_mutex_unlock(&i->lock);
    uv_async_send(&i->back);
}

static void on_back(uv_async_t *back)
{
    struct identities *i = back->data;
    bool copied;

    uv_mutex_lock(&i->lock);
    copied = i->copied;
    i->copied = false;
    uv_mutex_unlock(&i->lock);
    if (!copied)
        return;
    i->away = false;
    if (i->walk.ended) {
        i->complete = i->complete && !i->walk.cut;
        i->walk = (struct bacowr_identities_walk){0};
        i->at++;
    }
    if (i->done != NULL)
        i->done(i->ctx);
}

int identities_new(struct identities **out, uv_loop_t *loop, struct worker *const *workers,
                   unsigned n_workers)
{
    struct identities *i = calloc(1, sizeof *i);
    int r = i != NULL ? uv_mutex_init(&i->lock) : -ENOMEM;

    if (r != 0) {
        free(i);
        return r;
    }
    r = uv_async_init(loop, &i->back, on_back);
    if (r != 0) {
        uv_mutex_destroy(&i->lock);
        free(i);
        return r;
    }
    i->back.data = i;
    i->workers = workers;
    i->n_workers = n_workers;
    *out = i;
    return 0;
}

void identities_close(struct identities *i)
{
    if (i != NULL)
        uv_close((uv_handle_t *)&i->back, NULL);
}

void identities_free(struct identities *i)
{
    if (i == NULL)
        return;
    uv_mutex_destroy(&i->lock);
    free(i);
}

int identities_begin(struct identities *i, void (*done)(void *ctx), void *ctx)
{
    if (i->done != NULL || i->away)
        return -EBUSY;
    i->done = done;
    i->ctx = ctx;
    i->at = 0;
    i->complete = true;
    i->walk = (struct bacowr_identities_walk){0};
    return 0;
}

void identities_ask(struct identities *i)
{
    assert(i->done != NULL && !i->away && i->at < i->n_workers);
    i->away = true;
    worker_ask(i->workers[i->at], copy, i);
}

struct slice identities_piece(const struct identities *i)
{
    assert(!i->away);
    return slice_of(i->room, i->len);
}

bool identities_ended(const struct identities *i)
{
    return i->at == i->n_workers;
}

bool identities_complete(const struct identities *i)
{
    return i->complete;
}

void identities_leave(struct identities *i)
{
    i->done = NULL;
}
