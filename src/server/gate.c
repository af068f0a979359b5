/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gate: see gate.h
 *
 *      datagrams --allowed?--> --datagrams left?--> --lines left?--> batch --by runs--> engine
 *                  |                  |                  |
 *               refused            limited            limited        (counted, by source too)
 *
 * All is done per datagram at most. Of a batch from one sender the engine's own counts say before
 * and after what became of it. In a batch of several, datagrams, bytes and lines (LFs are counted)
 * are told apart without the engine, which gets the batch whole, since it is fastest so. Only when
 * that batch had something refused, or made a series, the question is whose it was. It stays open,
 * and is counted as unknown; but for a while from then on batches are fed sender by sender, in
 * their order, so who goes on with it is found.
 *
 * Laws: what does not pass is counted once, under its reason, and never as received. Without a
 *       limit and without a list nothing is refused.
 */
#include "server/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lines.h"

#define SPLIT_MS  10000
#define NS_PER_MS 1000000

struct passed {
    unsigned n;
    struct bacowr_datagram *datagrams; /* those of the batch, moved up */
    struct ip ips[WORKER_N_CHUNKS];
};

/* ---- lines ---- */

/* Lines as the engine counts them, empty ones too. */
static uint64_t count_lines(const struct bacowr_datagram *d)
{
    return lines_count_ends(slice_of(d->p, d->len)) + !(d->truncated || d->stream);
}

/* ---- who may pass ---- */

static void count_limited(struct gate *g, struct ip ip, int64_t now_ms)
{
    if (g->sources != NULL)
        sources_add(g->sources, ip, 0, &(struct source_counts){.limited = 1}, now_ms);
}

static void count_refused(struct gate *g, struct ip ip, int64_t now_ms)
{
    if (g->refused != NULL)
        sources_add(g->refused, ip, 1, &(struct source_counts){0}, now_ms);
}

static bool is_within_limits(struct gate *g, struct ip ip, const struct bacowr_datagram *d,
                             int64_t now_ns)
{
    if (g->datagrams != NULL && !limiter_take(g->datagrams, ip, 1, now_ns))
        return false;
    return g->lines == NULL || limiter_take(g->lines, ip, count_lines(d), now_ns);
}

/* May @d pass? Counted where it may not. */
static bool passes(struct gate *g, struct inlet *in, struct ip ip, const struct bacowr_datagram *d,
                   int64_t now_ns)
{
    if (!policy_allows(&g->policy->udp, ip)) {
        relaxed_add(&in->counters.not_allowed, 1);
        count_refused(g, ip, now_ns / NS_PER_MS);
        return false;
    }
    if (!is_within_limits(g, ip, d, now_ns)) {
        relaxed_add(&in->counters.limited, 1);
        count_limited(g, ip, now_ns / NS_PER_MS);
        return false;
    }
    return true;
}

static void sort_out(struct gate *g, struct inlet *in, struct joined_batch *batch,
                     struct passed *out)
{
    int64_t now_ns = (int64_t)uv_hrtime();
    uint64_t bytes = 0, truncated = 0;

    out->n = 0;
    out->datagrams = batch->datagrams;
    for (unsigned i = 0; i < batch->n; i++) {
        const struct bacowr_datagram *d = &batch->datagrams[i];
        struct ip *ip = &out->ips[out->n];

        *ip = (struct ip){0};
        names_ip(&g->worker->names, batch->messages[i], ip);
        if (!passes(g, in, *ip, d, now_ns))
            continue;
        bytes += d->len;
        truncated += d->truncated;
        if (out->n < i)
            out->datagrams[out->n] = *d;
        out->n++;
    }
    relaxed_add(&in->counters.datagrams, out->n);
    relaxed_add(&in->counters.bytes, bytes);
    relaxed_add(&in->counters.truncated, truncated);
}

/* ---- whose it is ---- */

static bool ip_at(const void *ctx, unsigned i, struct ip *out)
{
    const struct ip *ips = ctx;

    *out = ips[i];
    return true;
}

static bool ip_of_all(const void *ctx, unsigned i, struct ip *out)
{
    *out = *(const struct ip *)ctx;
    return true;
}

static void feed(struct gate *g, const struct passed *p)
{
    const struct bacowr_senders senders = {ip_at, p->ips};

    worker_feed(g->worker, p->datagrams, p->n, &senders);
}

static void feed_of(struct gate *g, struct ip ip, const struct bacowr_datagram *batch, unsigned n)
{
    const struct bacowr_senders senders = {ip_of_all, &ip};

    worker_feed(g->worker, batch, n, &senders);
}

/*
 * Feed @batch, all of one sender. @account: the engine's before, and then after it. Was there
 * anything about which one asks whose it was?
 */
static bool feed_known(struct gate *g, struct ip ip, const struct bacowr_datagram *batch,
                       unsigned n, struct bacowr_account *account, int64_t now_ms)
{
    struct source_counts counts = {.datagrams = batch[0].stream ? 0 : n};
    const struct bacowr_account before = *account;

    for (unsigned i = 0; i < n; i++)
        counts.bytes += batch[i].len;
    feed_of(g, ip, batch, n);
    bacowr_account(g->worker->engine, account);
    counts.bad = account->refused - before.refused;
    counts.series = account->series - before.series;
    sources_add(g->sources, ip, account->lines - before.lines, &counts, now_ms);
    return counts.bad + counts.series > 0;
}

/* Count the datagrams of one sender, without asking what became of them. */
static void count_run(struct gate *g, struct ip ip, const struct bacowr_datagram *batch, unsigned n,
                      int64_t now_ms)
{
    struct source_counts counts = {.datagrams = n};
    uint64_t lines = 0;

    for (unsigned i = 0; i < n; i++) {
        counts.bytes += batch[i].len;
        lines += count_lines(&batch[i]);
    }
    sources_add(g->sources, ip, lines, &counts, now_ms);
}

/* The end of the run of one sender that begins at @from. */
static unsigned run_end(const struct passed *p, unsigned from)
{
    unsigned i = from + 1;

    while (i < p->n && ip_eq(p->ips[i], p->ips[from]))
        i++;
    return i;
}

static void feed_whole(struct gate *g, const struct passed *p, int64_t now_ms)
{
    struct bacowr_account before, after;
    unsigned end;

    bacowr_account(g->worker->engine, &before);
    feed(g, p);
    bacowr_account(g->worker->engine, &after);
    if (after.refused + after.series > before.refused + before.series) {
        relaxed_add(&g->unknown.bad, after.refused - before.refused);
        relaxed_add(&g->unknown.series, after.series - before.series);
        g->split_until_ms = now_ms + SPLIT_MS;
    }
    for (unsigned i = 0; i < p->n; i = end) {
        end = run_end(p, i);
        count_run(g, p->ips[i], &p->datagrams[i], end - i, now_ms);
    }
}

static void feed_split(struct gate *g, const struct passed *p, int64_t now_ms)
{
    struct bacowr_account account;
    unsigned end;

    bacowr_account(g->worker->engine, &account);
    for (unsigned i = 0; i < p->n; i = end) {
        end = run_end(p, i);
        if (feed_known(g, p->ips[i], &p->datagrams[i], end - i, &account, now_ms))
            g->split_until_ms = now_ms + SPLIT_MS;
    }
}

/* ---- the worker's thread ---- */

void gate_take(struct gate *g, struct inlet *in, struct joined_batch *batch)
{
    struct passed p;
    int64_t now_ms;

    sort_out(g, in, batch, &p);
    if (p.n == 0)
        return;
    if (g->sources == NULL) {
        feed(g, &p);
        return;
    }
    now_ms = worker_now_ms();
    if (now_ms < g->split_until_ms || run_end(&p, 0) == p.n)
        feed_split(g, &p, now_ms);
    else
        feed_whole(g, &p, now_ms);
}

int64_t gate_take_stream(struct gate *g, struct ip ip, const struct bacowr_datagram *batch,
                         unsigned n)
{
    struct bacowr_account account;
    int64_t wait_ns;
    uint64_t lines = 0;

    if (g->sources != NULL) {
        bacowr_account(g->worker->engine, &account);
        feed_known(g, ip, batch, n, &account, worker_now_ms());
    } else {
        feed_of(g, ip, batch, n);
    }
    if (g->lines == NULL)
        return 0;
    for (unsigned i = 0; i < n; i++)
        lines += count_lines(&batch[i]);
    wait_ns = limiter_owe(g->lines, ip, lines, (int64_t)uv_hrtime());
    if (wait_ns > 0)
        count_limited(g, ip, worker_now_ms());
    return (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* ---- control's side ---- */

static int new_limiter(struct limiter **out, const struct policy *p, uint64_t rate)
{
    const struct limiter_config config = {
        .rate = rate,
        .burst_ms = p->burst_ms,
        .seed = p->seed,
    };

    return rate > 0 ? limiter_new(out, &config) : 0;
}

static int new_tables(struct gate *g, const struct policy *p)
{
    int r = new_limiter(&g->datagrams, p, p->datagrams);

    if (r == 0)
        r = new_limiter(&g->lines, p, p->lines);
    if (r == 0 && p->n_sources > 0)
        r = sources_new(&g->sources, p->n_sources, p->seed);
    if (r == 0 && p->n_sources > 0 && p->udp.n > 0)
        r = sources_new(&g->refused, GATE_N_REFUSED, p->seed);
    return r;
}

int gate_open(struct worker *w, const struct policy *policy)
{
    struct gate *g;

    if (!policy_looks(policy))
        return 0;
    g = aligned_alloc(WORKER_CACHE_LINE, sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    memset(g, 0, sizeof *g);
    g->worker = w;
    g->policy = policy;
    if (new_tables(g, policy) != 0) {
        gate_free(g);
        return -ENOMEM;
    }
    w->gate = g;
    names_turn(w, true);
    return 0;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    sources_free(g->sources);
    sources_free(g->refused);
    limiter_free(g->datagrams);
    limiter_free(g->lines);
    free(g);
}
