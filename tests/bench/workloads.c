/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: datagrams that stand ready in memory
 *
 * Names, tags and values look like an application's: dotted names of some 22 bytes, tags of some
 * 30, small whole numbers, every fourth gauge and timer with a fraction. A series keeps its type
 * for life. Series are chosen evenly and at random, which is the worst that a cache can meet.
 *
 * Laws: a fixed seed, so each run feeds the same bytes; a datagram has no LF at its end.
 */
#include "bench/workloads.h"

#include <stdio.h>
#include <stdlib.h>

#define N_GLOBS        1000u
#define N_REGEXES      100u
#define SEED           UINT64_C(0x9e3779b97f4a7c15)

/* Names of a tagged workload; the rest of what tells its series apart is in the tags. */
#define N_TAGGED_NAMES 50u

const struct workload workloads[N_WORKLOADS] = {
    {.name = "W1", .n_series = 1000},
    {.name = "W2", .n_series = 1000, .packed = true},
    {.name = "W3", .n_series = 1000, .packed = true, .tagged = true},
    {.name = "W4", .n_series = 100000, .packed = true},
    {.name = "W5", .n_series = 100000, .packed = true, .tagged = true},
};

static void out_of_memory(void)
{
    fputs("bench: out of memory\n", stderr);
    exit(2);
}

/* ---- traffic ---- */

static void begin_datagram(struct traffic *traffic, size_t *cap, size_t offset)
{
    if (traffic->n_datagrams == *cap) {
        *cap = *cap > 0 ? 2 * *cap : 1024;
        traffic->datagrams = realloc(traffic->datagrams, *cap * sizeof traffic->datagrams[0]);
        if (traffic->datagrams == NULL)
            out_of_memory();
    }
    traffic->datagrams[traffic->n_datagrams++] = (struct bacowr_datagram){.len = offset};
}

/* While the text grows, `len` holds where a datagram begins. As the server's buffers are, it is
 * padded. */
static void set_bounds(struct traffic *traffic)
{
    size_t end = traffic->text.len;

    if (buf_reserve(&traffic->text, BACOWR_PADDING) != 0)
        out_of_memory();
    for (unsigned i = traffic->n_datagrams; i-- > 0;) {
        struct bacowr_datagram *d = &traffic->datagrams[i];
        size_t begin = d->len;

        d->p = traffic->text.p + begin;
        d->len = end - begin;
        d->padded = true;
        end = begin;
    }
}

void traffic_init(struct traffic *traffic, uint64_t n_lines, size_t size, line_fn line,
                  const void *ctx)
{
    struct buf text = {0};
    size_t cap = 0, begin = 0;

    *traffic = (struct traffic){.n_lines = n_lines};
    for (uint64_t i = 0; i < n_lines; i++) {
        buf_clear(&text);
        line(&text, i, ctx);
        if (i == 0 || traffic->text.len - begin + 1 + text.len > size) {
            begin = traffic->text.len;
            begin_datagram(traffic, &cap, begin);
        } else {
            buf_add_byte(&traffic->text, '\n');
        }
        buf_add_slice(&traffic->text, buf_slice(&text));
    }
    if (text.failed || traffic->text.failed)
        out_of_memory();
    buf_release(&text);
    set_bounds(traffic);
}

void traffic_release(struct traffic *traffic)
{
    buf_release(&traffic->text);
    free(traffic->datagrams);
    *traffic = (struct traffic){0};
}

/* ---- lines ---- */

/* Numbers that look like chance and depend on @i only. */
static uint64_t mix(uint64_t i)
{
    uint64_t x = (i + 1) * SEED;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Ten series in turn: five counters, two gauges, three timers. */
static const char *type_of(const struct workload *w, unsigned id)
{
    static const char *const types[10] = {"c", "c", "c", "c", "c", "g", "g", "ms", "ms", "ms"};

    return w->packed ? types[id % 10] : "c";
}

static void add_line(struct buf *out, const struct workload *w, unsigned id, uint64_t chance)
{
    const char *type = type_of(w, id);

    if (w->tagged)
        buf_addf(out, "app.web.%s.family%03u:", type, id % N_TAGGED_NAMES);
    else
        buf_addf(out, "app.web.%s.metric%07u:", type, id);
    if (type[0] == 'c')
        buf_addf(out, "%u", (unsigned)(1 + chance % 9));
    else if (chance % 4 == 0)
        buf_addf(out, "%u.%03u", (unsigned)(chance / 4 % 1000), (unsigned)(chance / 4000 % 1000));
    else
        buf_addf(out, "%u", (unsigned)(1 + chance / 4 % 999));
    buf_addf(out, "|%s", type);
    if (w->tagged)
        buf_addf(out, "|#host:web-%04u,route:/r/%05u,env:prod%u", id / N_TAGGED_NAMES % 1000,
                 id / N_TAGGED_NAMES / 1000, id % 7);
}

static void random_line(struct buf *out, uint64_t i, const void *ctx)
{
    const struct workload *w = ctx;
    uint64_t chance = mix(i);

    add_line(out, w, (unsigned)((chance >> 32) % w->n_series), chance & UINT32_MAX);
}

static void birth_line(struct buf *out, uint64_t i, const void *ctx)
{
    add_line(out, ctx, (unsigned)i, mix(i) & UINT32_MAX);
}

void traffic_init_workload(struct traffic *traffic, const struct workload *w, uint64_t n_lines)
{
    traffic_init(traffic, n_lines, w->packed ? DATAGRAM_SIZE : 0, random_line, w);
}

void traffic_init_births(struct traffic *traffic, const struct workload *w)
{
    traffic_init(traffic, w->n_series, DATAGRAM_SIZE, birth_line, w);
}

void workload_mapping(struct buf *out)
{
    buf_add_str(out, "defaults:\n  observer_type: histogram\n"
                     "  histogram_options: {native_histogram_bucket_factor: 1}\nmappings:\n");
    for (unsigned i = 0; i < N_GLOBS; i++)
        buf_addf(out,
                 "- match: svc%03u.requests.*.*\n"
                 "  name: svc%03u_requests\n"
                 "  labels: {endpoint: $1, status: $2}\n",
                 i, i);
    for (unsigned i = 0; i < N_REGEXES; i++)
        buf_addf(out,
                 "- match: '^job%03u\\.([a-z]+)\\.run-(\\d+)$'\n"
                 "  match_type: regex\n"
                 "  name: job%03u_$1\n"
                 "  labels: {run: $2}\n",
                 i, i);
    if (out->failed)
        out_of_memory();
}
