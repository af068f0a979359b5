/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP turns: one piece of work in each turn of the loop
 *
 * A slice of a page is work that is felt, so one slice is made in a turn of the loop, whoever asks;
 * between two of them every socket and timer has been looked at. (A write callback is no such turn:
 * libuv runs up to nine generations of them before it polls again.)
 *
 *      answers     slice, slice, ...            in the order of asking   --.
 *      handshakes  step of TLS, step, ...       in rounds, by address    --`--> one of each in turn
 *
 * A step of a handshake is a tenth of a millisecond to some milliseconds of arithmetic, which a few
 * hundred bytes of a client set off. So handshakes have a line of their own: whoever is in waits
 * for at most one of them before each slice. In it every address that waits has one step in each
 * round, and one that comes gets the next round, since in the one that is on it may have had its
 * step: a flood from one address delays another's handshake by two steps of each, and its own by
 * all. Addresses of IPv6 are taken together by their network of 64 bits, which is what one host can
 * have.
 *
 * Law: h->shaking is in the order of rounds, and of asking within each.
 */
#include "server/http_conn.h"

#include <assert.h>

/* ---- whose turn it is ---- */

/* While no answer may begin, only those that have begun get their turn. */
static struct http_conn *next_answer(const struct http *h)
{
    struct http_conn *c = TAILQ_FIRST(&h->waiting);

    while (c && h->held && !c->page)
        c = TAILQ_NEXT(c, waiting);
    return c;
}

static struct http_conn *next_in_turn(struct http *h)
{
    struct http_conn *answer = next_answer(h);
    struct http_conn *shake = h->held ? NULL : TAILQ_FIRST(&h->shaking);

    h->shook = shake && (!answer || !h->shook);
    return h->shook ? shake : answer;
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
    if (c->shakes)
        TAILQ_REMOVE(&h->shaking, c, waiting);
    else
        TAILQ_REMOVE(&h->waiting, c, waiting);
    c->shakes = false;
    if (TAILQ_EMPTY(&h->waiting) && TAILQ_EMPTY(&h->shaking))
        uv_idle_stop(&h->turn);
}

void http_turns_go_on(struct http *h)
{
    if (!TAILQ_EMPTY(&h->waiting) || !TAILQ_EMPTY(&h->shaking))
        uv_idle_start(&h->turn, on_turn);
}

/* ---- handshakes ---- */

static uint64_t next_round(const struct http *h, struct ip from)
{
    const struct http_conn *first = TAILQ_FIRST(&h->shaking), *c;
    uint64_t round = first ? first->round + 1 : 0;

    TAILQ_FOREACH(c, &h->shaking, waiting)
    {
        if (ip_eq(c->from, from))
            round = c->round + 1;
    }
    return round;
}

void http_turn_shake(struct http_conn *c, void (*work)(struct http_conn *c))
{
    struct http *h = c->http;
    struct http_conn *before;

    assert(!c->work && !h->closing);
    c->work = work;
    c->shakes = true;
    c->round = next_round(h, c->from);
    before = TAILQ_LAST(&h->shaking, http_shaking);
    while (before && before->round > c->round)
        before = TAILQ_PREV(before, http_shaking, waiting);
    if (before)
        TAILQ_INSERT_AFTER(&h->shaking, before, c, waiting);
    else
        TAILQ_INSERT_HEAD(&h->shaking, c, waiting);
    uv_idle_start(&h->turn, on_turn);
}
