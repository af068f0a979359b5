/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP entrance: passwords, whose turn it is, and the rate
 *
 *      request --no token left--> 429
 *              --known to be right or wrong--> in, or 401
 *                `-- not known: it waits until bcrypt had a look (login.c), one after the other
 *
 * Who guesses passwords sends more of them than bcrypt looks at, so whose turn it is is decided by
 * rounds: in each round every address that waits has one password looked at. One that comes gets
 * the round that is on, or the one behind its address' last. When there is no room left, who is in
 * the last round goes; so one address that floods us delays another by one bcrypt, and never shuts
 * it out. Addresses of IPv6 are taken together by their network of 64 bits, which is what one host
 * can have; those of Unix sockets are one.
 *
 * A reload changes the door. A password is looked at anew with each request, but a certificate only
 * in the handshake: where certificates are looked at, a connection from before gets no further
 * answer. Else it gets one that tells it to come again.
 *
 * Probes (/-/healthy, /-/ready) do not come by here: whoever asks them has no password, and they
 * tell only that the server runs.
 *
 * Laws: a wrong password costs its connection.
 *       h->knocking is in the order of rounds, of coming within each, and of at most MAX_KNOCKING.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* Requests whose passwords wait to be looked at. */
#define MAX_KNOCKING 64

/* ---- whose turn it is ---- */

static uint64_t next_round(const struct http *h, struct ip from)
{
    const struct http_conn *first = TAILQ_FIRST(&h->knocking), *c;
    uint64_t round = first ? first->round : 0;

    TAILQ_FOREACH(c, &h->knocking, knocking)
    {
        if (ip_eq(c->from, from))
            round = c->round + 1;
    }
    return round;
}

static void refuse_to_wait(struct http_conn *c)
{
    c->http->stats.busy++;
    http_conn_answer_status(c, 503, "Retry-After: 1\r\n");
}

/* Is there room for one in @round, made by the last of a later one if need be? */
static bool make_room(struct http *h, uint64_t round)
{
    struct http_conn *last = TAILQ_LAST(&h->knocking, http_knocking);

    if (h->n_knocking < MAX_KNOCKING)
        return true;
    if (last->round <= round)
        return false;
    http_knock_drop(last);
    refuse_to_wait(last);
    return true;
}

static void knock(struct http_conn *c)
{
    struct http *h = c->http;
    struct http_conn *before;

    if (c->knocks)
        return; /* it has its place */
    c->round = next_round(h, c->from);
    if (!make_room(h, c->round)) {
        refuse_to_wait(c);
        return;
    }
    c->knocks = true;
    h->n_knocking++;
    before = TAILQ_LAST(&h->knocking, http_knocking);
    while (before && before->round > c->round)
        before = TAILQ_PREV(before, http_knocking, knocking);
    if (before)
        TAILQ_INSERT_AFTER(&h->knocking, before, c, knocking);
    else
        TAILQ_INSERT_HEAD(&h->knocking, c, knocking);
}

void http_knock_drop(struct http_conn *c)
{
    if (!c->knocks)
        return;
    c->knocks = false;
    c->http->n_knocking--;
    TAILQ_REMOVE(&c->http->knocking, c, knocking);
}

/* ---- passwords ---- */

static void refuse_login(struct http_conn *c)
{
    c->http->stats.unauthorized++;
    c->keep_alive = c->keep_alive && request_authorization(&c->request).len == 0;
    http_conn_answer_status(c, 401, "WWW-Authenticate: Basic realm=\"bacowr-statsd\"\r\n");
}

static bool asks_passwords(const struct http *h)
{
    return h->door && h->door->config->n_users > 0;
}

static enum login_verdict look_at_password(struct http_conn *c)
{
    struct slice text = request_authorization(&c->request);
    const struct http *h = c->http;

    if (text.len < 6 || strncasecmp(text.p, "Basic ", 6) != 0)
        return LOGIN_BAD;
    return login_ask(h->login, h->door->config, slice_from(text, 6));
}

bool http_may_enter(struct http_conn *c)
{
    enum login_verdict verdict = LOGIN_GOOD;

    if (asks_passwords(c->http)) {
        verdict = look_at_password(c);
        c->known = verdict == LOGIN_GOOD;
    }
    if (verdict == LOGIN_LATER) {
        knock(c);
        return false;
    }
    http_knock_drop(c);
    if (verdict == LOGIN_BAD)
        refuse_login(c);
    return verdict == LOGIN_GOOD;
}

/* The first of those who are not known yet is looked at next; the others keep their places. */
void http_on_password(void *ctx)
{
    struct http *h = ctx;
    struct http_conn *next;

    for (struct http_conn *c = TAILQ_FIRST(&h->knocking); c; c = next) {
        next = TAILQ_NEXT(c, knocking);
        c->since_ms = http_now(h);
        if (http_may_enter(c))
            http_admitted(c);
    }
}

/* ---- another door ---- */

bool http_is_outdated(const struct http_conn *c)
{
    const struct http *h = c->http;

    return c->generation != h->generation && !c->unix_socket && h->door &&
           h->door->config->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN;
}

/* A certificate cannot be looked at again; a password that was right is known. */
bool http_may_stay(struct http_conn *c)
{
    bool asks = asks_passwords(c->http);

    if (http_is_outdated(c))
        return false;
    c->known = asks && look_at_password(c) == LOGIN_GOOD;
    return (c->known || !asks) && http_may_see_senders(c);
}

/* ---- the rate ---- */

/* A bucket of tokens, filled with one each interval. */
bool http_within_rate(struct http_conn *c)
{
    struct http *h = c->http;
    const struct web_config *config = h->door ? h->door->config : NULL;
    uint64_t now = uv_hrtime();

    if (!config || config->rate_interval_ns == 0)
        return true;
    h->tokens += (double)(now - h->tokens_ns) / (double)config->rate_interval_ns;
    h->tokens_ns = now;
    if (h->tokens > config->rate_burst)
        h->tokens = config->rate_burst;
    if (h->tokens >= 1) {
        h->tokens--;
        return true;
    }
    h->stats.rate_limited++;
    http_conn_answer_status(c, 429, NULL);
    return false;
}
