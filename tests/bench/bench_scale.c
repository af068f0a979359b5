/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: ns a line, from ten series to a million
 *
 * The same lines as W2's, spread over more and more series, all of them born before the clock
 * starts. What grows is what the caches do not hold: routes, cells, names. Sizes take turns of a
 * millisecond or so, and in each round the dearest is held against the cheapest.
 */
#include "bench/bench.h"

#define N_LINES    400000u
#define N_TURNS    20u
#define SCALE_GOAL 4

static const struct workload sizes[] = {
    {.name = "10 series", .n_series = 10, .packed = true},
    {.name = "1 000 series", .n_series = 1000, .packed = true},
    {.name = "100 000 series", .n_series = 100000, .packed = true},
    {.name = "1 000 000 series", .n_series = 1000000, .packed = true},
};
#define N_SIZES (sizeof sizes / sizeof sizes[0])

struct size {
    struct bacowr *engine;
    struct traffic traffic;
    double ns[ROUNDS_MAX]; /* a line */
};

/* Turn number @turn of the traffic; @n_feeds: whole traffics fed before. */
static double feed_turn(struct size *s, unsigned turn, unsigned n_feeds)
{
    uint64_t n = s->traffic.n_datagrams;
    unsigned from = (unsigned)(n * turn / N_TURNS), to = (unsigned)(n * (turn + 1) / N_TURNS);
    double begin = bench_now_ns();

    bench_feed(s->engine, s->traffic.datagrams + from, to - from, n_feeds);
    return bench_now_ns() - begin;
}

static void feed_round(struct size all[N_SIZES], unsigned round)
{
    for (size_t i = 0; i < N_SIZES; i++)
        all[i].ns[round] = 0;
    for (unsigned turn = 0; turn < N_TURNS; turn++)
        for (size_t i = 0; i < N_SIZES; i++)
            all[i].ns[round] += feed_turn(&all[i], turn, round + 1) / N_LINES;
}

/* All series are born, and each line was fed once. */
static void size_init(struct size *s, const struct workload *w)
{
    struct traffic births;

    s->engine = bench_engine(NULL);
    traffic_init_births(&births, w);
    bench_feed(s->engine, births.datagrams, births.n_datagrams, 0);
    traffic_release(&births);
    traffic_init_workload(&s->traffic, w, N_LINES);
    bench_feed(s->engine, s->traffic.datagrams, s->traffic.n_datagrams, 0);
}

static void size_release(struct size *s, const struct workload *w, unsigned n_rounds)
{
    bench_check(s->engine, "statsd_exporter_events_unmapped_total",
                (double)w->n_series + (double)N_LINES * (n_rounds + 1));
    bench_check(s->engine, "bacowr_statsd_series_born_total", w->n_series);
    traffic_release(&s->traffic);
    bacowr_free(s->engine);
}

static void report_extremes(struct bench *b, const struct size all[N_SIZES])
{
    double highest[ROUNDS_MAX], lowest[ROUNDS_MAX];

    for (unsigned round = 0; round < b->n_rounds; round++) {
        highest[round] = lowest[round] = all[0].ns[round];
        for (size_t i = 1; i < N_SIZES; i++) {
            double ns = all[i].ns[round];

            highest[round] = ns > highest[round] ? ns : highest[round];
            lowest[round] = ns < lowest[round] ? ns : lowest[round];
        }
    }
    report_rounds(b->report,
                  &(struct row){.group = "scale",
                                .name = "dearest against cheapest",
                                .unit = "ns/line",
                                .goal_for = GOAL_RATIO,
                                .goal = SCALE_GOAL},
                  highest, lowest, b->n_rounds);
}

void bench_scale(struct bench *b)
{
    struct size all[N_SIZES];

    for (size_t i = 0; i < N_SIZES; i++)
        size_init(&all[i], &sizes[i]);
    for (unsigned round = 0; round < b->n_rounds; round++)
        feed_round(all, round);
    report_extremes(b, all);
    for (size_t i = 0; i < N_SIZES; i++) {
        report_rounds(b->report,
                      &(struct row){.group = "scale", .name = sizes[i].name, .unit = "ns/line"},
                      all[i].ns, NULL, b->n_rounds);
        size_release(&all[i], &sizes[i], b->n_rounds);
    }
}
