/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: ns from an identity's first sight to its series
 *
 * Every line is an identity that was not met before. What its way costs depends on what the mapping
 * says: a glob takes it and makes its labels; no rule takes it, which is known only after the last
 * of the regexes; or a limit of series is reached and it is folded or, a gauge, refused.
 */
#include "bench/bench.h"

#define N_BIRTHS    50000u
#define LIMIT       1000u
#define N_NAMES     10u
#define BIRTH_GOAL  1500
#define REFUSE_GOAL 1000

static void tagged_line(struct buf *out, uint64_t i, const void *ctx)
{
    buf_addf(out, "births_total:1|c|#host:web-%04u,route:/r/%05u", (unsigned)(i % 1000),
             (unsigned)(i / 1000));
}

static void mapped_line(struct buf *out, uint64_t i, const void *ctx)
{
    buf_addf(out, "svc%03u.requests.r-%05u.web-%04u:1|c", (unsigned)(i % N_NAMES),
             (unsigned)(i / 1000), (unsigned)(i % 1000));
}

static void gauge_line(struct buf *out, uint64_t i, const void *ctx)
{
    mapped_line(out, i, ctx);
    out->p[out->len - 1] = 'g';
}

static const struct birth_row {
    const char *name;
    line_fn line;
    struct bench_limits limits;
    unsigned n_born; /* at the limit; 0: there is none */
    double goal;
} rows[] = {
    {"a glob takes it", mapped_line, {0}, 0, BIRTH_GOAL},
    {"no rule takes it, two tags", tagged_line, {0}, 0, BIRTH_GOAL},
    {"refused at the limit", gauge_line, {.series = LIMIT}, LIMIT, REFUSE_GOAL},
    {"folded at the limit", mapped_line, {.series = LIMIT}, LIMIT + N_NAMES, REFUSE_GOAL},
    {"folded at the families' limit",
     mapped_line,
     {.family = LIMIT / N_NAMES},
     LIMIT + N_NAMES,
     REFUSE_GOAL},
    {"folded at a label's limit", mapped_line, {.values = 1}, 2 * N_NAMES, REFUSE_GOAL},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* The first LIMIT births make the limit's engine full; they are no part of the figure. */
static double measure(const struct birth_row *row, const struct traffic *first,
                      const struct traffic *rest)
{
    struct bacowr *engine = bench_engine(&row->limits);
    double begin, ns;

    bench_feed(engine, first->datagrams, first->n_datagrams, 0);
    begin = bench_now_ns();
    bench_feed(engine, rest->datagrams, rest->n_datagrams, 0);
    ns = bench_now_ns() - begin;
    bench_check(engine, "bacowr_statsd_series_born_total",
                (double)(row->n_born > 0 ? row->n_born : first->n_lines + rest->n_lines));
    bacowr_free(engine);
    return ns / (double)rest->n_lines;
}

struct later {
    line_fn line;
    uint64_t from;
};

static void later_line(struct buf *out, uint64_t i, const void *ctx)
{
    const struct later *later = ctx;

    later->line(out, later->from + i, NULL);
}

void bench_births(struct bench *b)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        struct later later = {rows[i].line, LIMIT};
        double ns[ROUNDS_MAX];
        struct traffic first, rest;

        traffic_init(&first, LIMIT, DATAGRAM_SIZE, rows[i].line, NULL);
        traffic_init(&rest, N_BIRTHS, DATAGRAM_SIZE, later_line, &later);
        for (unsigned round = 0; round < b->n_rounds; round++)
            ns[round] = measure(&rows[i], &first, &rest);
        report_rounds(b->report,
                      &(struct row){.group = "births",
                                    .name = rows[i].name,
                                    .unit = "ns",
                                    .goal_for = GOAL_VALUE,
                                    .goal = rows[i].goal},
                      ns, NULL, b->n_rounds);
        traffic_release(&first);
        traffic_release(&rest);
    }
}
