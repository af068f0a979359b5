/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources as JSON: see source_json.h
 *
 * The workers' tables are put together: a sender that several know is added up, and where a worker
 * does not know it, it may have been there and have weighed what that worker's table misses at
 * most. That is added to weight and error alike, so that the law of source.h holds for the sum.
 *
 * All places are looked at and sorted, which the flag bounds to 4096 a worker; the first 100 are
 * widened so and written.
 */
#include "server/source_json.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "server/gate.h"

/* One of the tables of a gate. */
typedef const struct sources *(*table_of)(const struct worker *w);

static const struct sources *sources_of(const struct worker *w)
{
    return w->gate != NULL ? w->gate->sources : NULL;
}

static const struct sources *refused_of(const struct worker *w)
{
    return w->gate != NULL ? w->gate->refused : NULL;
}

struct merged {
    struct source *items; /* owned */
    size_t n;
    uint64_t missed; /* who is not among the items weighed no more */
    uint64_t n_replaced;
    unsigned capacity;
};

static int by_address(const void *a, const void *b)
{
    return ip_compare(((const struct source *)a)->ip, ((const struct source *)b)->ip);
}

static int by_weight(const void *a, const void *b)
{
    const struct source *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return ip_compare(x->ip, y->ip);
}

/* ---- putting together ---- */

static int gather(struct merged *m, struct worker *const *workers, unsigned n, table_of table)
{
    for (unsigned i = 0; i < n; i++) {
        const struct sources *s = table(workers[i]);

        if (s != NULL) {
            m->capacity += sources_capacity(s);
            m->n_replaced += sources_n_replaced(s);
        }
    }
    m->items = calloc(m->capacity + 1, sizeof *m->items);
    if (m->items == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        const struct sources *s = table(workers[i]);

        for (unsigned k = 0; s != NULL && k < sources_capacity(s); k++)
            m->n += sources_read(s, k, &m->items[m->n]);
    }
    return 0;
}

static void add(struct source *to, const struct source *from)
{
    to->weight += from->weight;
    to->error += from->error;
    to->counts.datagrams += from->counts.datagrams;
    to->counts.bytes += from->counts.bytes;
    to->counts.bad += from->counts.bad;
    to->counts.series += from->counts.series;
    to->counts.limited += from->counts.limited;
    if (from->last_ms > to->last_ms)
        to->last_ms = from->last_ms;
}

/* Add up what is of one address. */
static void melt(struct merged *m)
{
    size_t n = 0;

    qsort(m->items, m->n, sizeof *m->items, by_address);
    for (size_t i = 0; i < m->n; i++) {
        if (n > 0 && ip_eq(m->items[n - 1].ip, m->items[i].ip))
            add(&m->items[n - 1], &m->items[i]);
        else
            m->items[n++] = m->items[i];
    }
    m->n = n;
}

/* What the workers that do not know @source may have missed of it. */
static void widen(struct source *source, struct worker *const *workers, unsigned n, table_of table)
{
    for (unsigned i = 0; i < n; i++) {
        const struct sources *s = table(workers[i]);

        if (s != NULL && !sources_knows(s, source->ip)) {
            uint64_t missed = sources_missed(s, source->ip);

            source->weight += missed;
            source->error += missed;
        }
    }
}

static int merge(struct merged *m, struct worker *const *workers, unsigned n, table_of table)
{
    size_t shown;

    *m = (struct merged){0};
    if (gather(m, workers, n, table) != 0)
        return -ENOMEM;
    melt(m);
    qsort(m->items, m->n, sizeof *m->items, by_weight);
    shown = m->n < SOURCE_JSON_MAX ? m->n : SOURCE_JSON_MAX;
    for (size_t i = 0; i < shown; i++)
        widen(&m->items[i], workers, n, table);
    qsort(m->items, shown, sizeof *m->items, by_weight);
    for (unsigned i = 0; i < n; i++) {
        if (table(workers[i]) != NULL)
            m->missed += sources_missed_most(table(workers[i]));
    }
    return 0;
}

/* ---- writing ---- */

static void put_ip(struct json *j, struct ip ip)
{
    char text[IP_TEXT_MAX];

    ip_format(ip, text);
    json_str(j, "address", text);
}

static void put_seen(struct json *j, const struct source *s, int64_t now_ms)
{
    json_double(j, "seconds_ago", (double)(now_ms > s->last_ms ? now_ms - s->last_ms : 0) / 1000);
}

static void put_source(struct json *j, const struct source *s, int64_t now_ms)
{
    json_object(j, NULL);
    put_ip(j, s->ip);
    json_u64(j, "lines", s->weight);
    json_u64(j, "lines_error", s->error);
    json_u64(j, "datagrams", s->counts.datagrams);
    json_u64(j, "bytes", s->counts.bytes);
    json_u64(j, "bad", s->counts.bad);
    json_u64(j, "series", s->counts.series);
    json_u64(j, "limited", s->counts.limited);
    put_seen(j, s, now_ms);
    json_end_object(j);
}

static void put_refused(struct json *j, const struct source *s, int64_t now_ms)
{
    json_object(j, NULL);
    put_ip(j, s->ip);
    json_u64(j, "datagrams", s->weight);
    json_u64(j, "datagrams_error", s->error);
    put_seen(j, s, now_ms);
    json_end_object(j);
}

static void put_list(struct json *j, const char *key, const struct merged *m, int64_t now_ms,
                     void (*put)(struct json *j, const struct source *s, int64_t now_ms))
{
    json_array(j, key);
    for (size_t i = 0; i < m->n && i < SOURCE_JSON_MAX; i++)
        put(j, &m->items[i], now_ms);
    json_end_array(j);
}

static void put_unknown(struct json *j, struct worker *const *workers, unsigned n)
{
    uint64_t bad = 0, series = 0;

    for (unsigned i = 0; i < n; i++) {
        if (workers[i]->gate == NULL)
            continue;
        bad += relaxed_load(&workers[i]->gate->unknown.bad);
        series += relaxed_load(&workers[i]->gate->unknown.series);
    }
    json_object(j, "unknown_sender");
    json_u64(j, "bad", bad);
    json_u64(j, "series", series);
    json_end_object(j);
}

int source_json(struct buf *out, struct worker *const *workers, unsigned n, int64_t now_ms)
{
    struct json j = json_writer(out);
    struct merged sources, refused;

    if (merge(&sources, workers, n, sources_of) != 0)
        return -ENOMEM;
    if (merge(&refused, workers, n, refused_of) != 0) {
        free(sources.items);
        return -ENOMEM;
    }
    json_object(&j, NULL);
    json_u64(&j, "capacity", sources.capacity);
    json_u64(&j, "known", sources.n);
    json_u64(&j, "replaced", sources.n_replaced);
    json_u64(&j, "missed_lines_at_most", sources.missed);
    put_unknown(&j, workers, n);
    put_list(&j, "sources", &sources, now_ms, put_source);
    put_list(&j, "refused", &refused, now_ms, put_refused);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    free(sources.items);
    free(refused.items);
    return out->failed ? -ENOMEM : 0;
}
