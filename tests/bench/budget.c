/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budget: lines of each type, to be counted in instructions
 *
 * budget.py runs this by callgrind, which counts what bacowr_feed() executes and writes down its
 * sum whenever budget_mark() is called. Of each type all identities are born, then fed again,
 * before a mark; what is fed between that mark and the next is the figure. So the sums with even
 * numbers are figures, in the order in which this prints the types: name and number of lines.
 *
 * Laws: the same bytes, seeds and times each time. What was refused or accepted is counted by the
 *       engine, and has to be what the type says.
 */
#include <inttypes.h>
#include <string.h>

#include "bench/bench.h"

#define N_NAMES  100u
#define N_LINES  4700u
#define N_BORN   470u
#define N_VALUES 4u

/* It is looked for by its name, so it must stay a function that is called. */
__attribute__((noinline, noclone)) void budget_mark(void);
void budget_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static void (*volatile feed)(struct bacowr_worker *, const struct bacowr_datagram *, unsigned,
                             int64_t) = bacowr_feed;

/* ---- lines ---- */

static unsigned name_of(uint64_t i)
{
    return (unsigned)(i * 37 % N_NAMES);
}

static unsigned value_of(uint64_t i)
{
    return (unsigned)(1 + i * 7919 % 997);
}

#define TYPE(name, format, ...)                                    \
    static void name(struct buf *out, uint64_t i, const void *ctx) \
    {                                                              \
        (void)ctx;                                                 \
        buf_addf(out, format, __VA_ARGS__);                        \
    }

TYPE(counter, "app.web.requests.of%03u:%u|c", name_of(i), value_of(i))
TYPE(counter_tags, "app.web.requests:%u|c|#host:web-%04u,route:/r/%05u,env:prod1", value_of(i),
     name_of(i), name_of(i))
TYPE(counter_rate, "app.web.requests.of%03u:%u|c|@0.1", name_of(i), value_of(i))
TYPE(gauge, "app.web.sessions.of%03u:%u|g", name_of(i), value_of(i))
TYPE(gauge_signed, "app.web.sessions.of%03u:%c%u|g", name_of(i), i % 2 ? '-' : '+', value_of(i))
TYPE(timer, "app.web.duration.of%03u:%u|ms", name_of(i), value_of(i))
TYPE(timer_rate, "app.web.duration.of%03u:%u|ms|@0.1", name_of(i), value_of(i))
TYPE(timer_packed, "app.web.duration.of%03u:%u:%u:%u:%u|ms", name_of(i), value_of(i),
     value_of(i + 1), value_of(i + 2), value_of(i + 3))
TYPE(set, "app.web.users.of%03u:u%u|s", name_of(i), value_of(i))
TYPE(birth, "app.web.births.of%05u:1|c", (unsigned)i)
TYPE(no_number, "app.web.requests.of%03u:x%u|c", name_of(i), value_of(i))
TYPE(no_type, "app.web.requests.of%03u:%u|x", name_of(i), value_of(i))

static const struct type {
    const char *name;
    line_fn line;
    unsigned n_samples; /* of a line, refused ones too */
    bool alone;         /* a line a datagram */
    bool born;          /* every line is an identity of its own */
} types[] = {
    {"counter", counter, 1, false, false},
    {"counter, three tags", counter_tags, 1, false, false},
    {"counter, sample rate", counter_rate, 1, false, false},
    {"gauge", gauge, 1, false, false},
    {"gauge, signed", gauge_signed, 1, false, false},
    {"timer", timer, 1, false, false},
    {"timer, sample rate", timer_rate, 1, false, false},
    {"timer, four packed values", timer_packed, N_VALUES, false, false},
    {"set", set, 1, false, false},
    {"birth, no rule takes it", birth, 1, false, true},
    {"refused, no number", no_number, 1, false, false},
    {"refused, no such type", no_type, 1, false, false},
    {"counter, alone in its datagram", counter, 1, true, false},
};
#define N_TYPES (sizeof types / sizeof types[0])

/* ---- counting ---- */

static void feed_all(struct bacowr *b, const struct traffic *t, unsigned n_feeds)
{
    struct bacowr_worker *w = bacowr_worker(b, 0);

    for (unsigned i = 0; i < t->n_datagrams; i += BENCH_BATCH)
        feed(w, t->datagrams + i,
             t->n_datagrams - i < BENCH_BATCH ? t->n_datagrams - i : BENCH_BATCH,
             BENCH_FEED_MS * ((int64_t)n_feeds + 1));
}

static void later_line(struct buf *out, uint64_t i, const void *ctx)
{
    const struct type *type = ctx;

    type->line(out, N_BORN + i, NULL);
}

static void print_figure(const char *name, const struct traffic *t)
{
    printf("%s\t%" PRIu64 "\n", name, t->n_lines);
}

/* The engine is the type's own, so that types have no say in each other's figures. */
static void count_type(const struct type *type)
{
    struct bacowr *b = bench_engine(NULL);
    uint64_t n_lines = type->born ? N_BORN : N_LINES;
    struct traffic first, then;

    traffic_init(&first, n_lines, type->alone ? 0 : DATAGRAM_SIZE, type->line, NULL);
    traffic_init(&then, n_lines, type->alone ? 0 : DATAGRAM_SIZE,
                 type->born ? later_line : type->line, type);
    feed_all(b, &first, 0);
    if (!type->born)
        feed_all(b, &first, 1);
    budget_mark();
    feed_all(b, &then, 2);
    budget_mark();
    bench_check(b, "statsd_exporter_samples_total",
                (double)(n_lines * type->n_samples * (type->born ? 2 : 3)));
    print_figure(type->name, &then);
    traffic_release(&first);
    traffic_release(&then);
    bacowr_free(b);
}

/* A workload's lines, all of its types. */
static void count_workload(const char *name, const struct workload *w)
{
    struct bacowr *b = bench_engine(NULL);
    struct traffic births, traffic;

    traffic_init_births(&births, w);
    traffic_init_workload(&traffic, w, N_LINES);
    feed_all(b, &births, 0);
    feed_all(b, &traffic, 1);
    budget_mark();
    feed_all(b, &traffic, 2);
    budget_mark();
    print_figure(name, &traffic);
    traffic_release(&births);
    traffic_release(&traffic);
    bacowr_free(b);
}

int main(void)
{
    for (size_t i = 0; i < N_TYPES; i++)
        count_type(&types[i]);
    count_workload("datagrams of some 47 lines, W2", &workloads[1]);
    count_workload("datagrams of some 21 lines with tags, W3", &workloads[2]);
    return 0;
}
