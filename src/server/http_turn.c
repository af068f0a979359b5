/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP turns: one piece of work in each turn of the loop
 *
 * A slice of a page is work that is felt, so one slice is made in a turn of the loop, whoever asks;
 * between two of them every socket and timer has been looked at. (A write callback is no such turn:
 * libuv runs up to nine generations of them before it polls again.)
 */
#include "server/http_conn.h"

#include <assert.h>

/* While no answer may begin, only those that have begun get their turn. */
static struct http_conn *next_in_turn(const struct http *h)
{
    struct http_conn *c = TAILQ_FIRST(&h->waiting);

    while (c && h->held && !c->page)
        c = TAILQ_NEXT(c, waiting);
    return c;
}

static void on_turn(uv_idle_t *idle)
{
    struct http *h = idle->data;
    struct http_conn *c = next_in_turn(h);
    void (*work)(struct http_conn *);

    if (!c) {
        uv_idle_stop(idle); /* http_turns_go_on() begins it anew */
        return;
    }
    work = c->work;
    http_turn_drop(c);
    work(c);
}

void http_turn_ask(struct http_conn *c, void (*work)(struct http_conn *c))
{
    struct http *h = c->http;

    assert(!c->work && !h->closing);
    c->work = work;
    TAILQ_INSERT_TAIL(&h->waiting, c, waiting);
    uv_idle_start(&h->turn, on_turn);
}

void http_turn_drop(struct http_conn *c)
{
    struct http *h = c->http;

    if (!c->work)
        return;
    c->work = NULL;
    TAILQ_REMOVE(&h->waiting, c, waiting);
    if (TAILQ_EMPTY(&h->waiting))
        uv_idle_stop(&h->turn);
}

void http_turns_go_on(struct http *h)
{
    if (!TAILQ_EMPTY(&h->waiting))
        uv_idle_start(&h->turn, on_turn);
}
