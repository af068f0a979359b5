/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: ns a line against the reference loop
 *
 * All series are born before the clock starts: this is the path that nearly every line takes. In a
 * round the two take turns of a millisecond or so: a processor that changes its speed, or a
 * neighbour that comes and goes, then meets both.
 */
#include "bench/bench.h"
#include "bench/reference.h"

#define N_LINES    400000u
#define N_TURNS    20u
#define RATIO_GOAL 1.4

struct sides {
    struct bacowr *engine;
    struct reference *reference;
    unsigned n_feeds;
};

/* ns */
struct times {
    double ours, reference;
};

static void turn_ours(struct sides *s, const struct bacowr_datagram *datagrams, unsigned n,
                      struct times *t)
{
    double begin = bench_now_ns();

    bench_feed(s->engine, datagrams, n, s->n_feeds);
    t->ours += bench_now_ns() - begin;
}

static void turn_reference(struct sides *s, const struct bacowr_datagram *datagrams, unsigned n,
                           struct times *t)
{
    double begin = bench_now_ns();

    reference_feed(s->reference, datagrams, n);
    t->reference += bench_now_ns() - begin;
}

/* Feed it all to both sides, turn by turn; who begins changes too. */
static struct times feed_round(struct sides *s, const struct traffic *traffic)
{
    struct times t = {0};

    for (unsigned i = 0; i < N_TURNS; i++) {
        unsigned from = (unsigned)((uint64_t)traffic->n_datagrams * i / N_TURNS);
        unsigned to = (unsigned)((uint64_t)traffic->n_datagrams * (i + 1) / N_TURNS);

        if (i % 2 == 0)
            turn_ours(s, traffic->datagrams + from, to - from, &t);
        turn_reference(s, traffic->datagrams + from, to - from, &t);
        if (i % 2 == 1)
            turn_ours(s, traffic->datagrams + from, to - from, &t);
    }
    s->n_feeds++;
    return t;
}

static void check_sides(struct sides *s, double n_lines)
{
    bench_check(s->engine, "statsd_exporter_lines_total", n_lines);
    bench_check(s->engine, "statsd_exporter_events_unmapped_total", n_lines);
    if ((double)reference_total(s->reference) != n_lines)
        bench_die("the reference lost lines");
}

static void warm(struct sides *s, const struct workload *w, const struct traffic *traffic)
{
    struct traffic births;

    traffic_init_births(&births, w);
    (void)feed_round(s, &births);
    traffic_release(&births);
    (void)feed_round(s, traffic);
}

/* @native: for orientation, what is usual without a word in the mapping. */
static void measure(struct bench *b, const struct workload *w, bool native)
{
    struct sides s = {.engine = bench_engine(NULL), .reference = reference_new(w->n_series)};
    double ours[ROUNDS_MAX], reference[ROUNDS_MAX];
    struct traffic traffic;

    if (native)
        bench_map(s.engine, "defaults:\n  observer_type: histogram\n");
    traffic_init_workload(&traffic, w, N_LINES);
    warm(&s, w, &traffic);
    for (unsigned i = 0; i < b->n_rounds; i++) {
        struct times t = feed_round(&s, &traffic);

        ours[i] = t.ours / N_LINES;
        reference[i] = t.reference / N_LINES;
    }
    check_sides(&s, (double)w->n_series + (double)N_LINES * (b->n_rounds + 1));
    report_rounds(b->report,
                  &(struct row){.group = "lines",
                                .name = native ? "W2, native buckets too" : w->name,
                                .unit = "ns/line",
                                .goal_for = native ? GOAL_NONE : GOAL_RATIO,
                                .goal = RATIO_GOAL},
                  ours, reference, b->n_rounds);
    traffic_release(&traffic);
    reference_free(s.reference);
    bacowr_free(s.engine);
}

void bench_lines(struct bench *b)
{
    for (unsigned i = 0; i < N_WORKLOADS; i++)
        if (bench_wants(b, "lines") || bench_wants(b, workloads[i].name))
            measure(b, &workloads[i], false);
    if (bench_wants(b, "lines") || bench_wants(b, "native"))
        measure(b, &workloads[1], true);
}
