/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: what its measurements share
 *
 *      bench.c         options, the list of measurements
 *      bench_engine.c  the engine under test; budget.c has it too
 *      bench_lines.c   W1 to W5: ns a line against the reference loop
 *      bench_scale.c   ns a line from ten series to a million
 *      bench_births.c  ns from an identity's first sight to its series
 *      bench_pages.c   ns a sample of the page, against copying texts; memory of a series
 *      bench_churn.c   memory over a day in which labels come and go
 *      bench_micro.c   ns of each step that a line and a page consist of, or its instructions
 *      workloads.c     the datagrams and the mapping
 *      reference.c     the two reference loops
 *      report.c        medians, goals, the table, JSON
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "bench/report.h"
#include "bench/workloads.h"

/* A feed of the whole traffic takes so long on the engine's clock: routes grow older, ticks
 * change. */
#define BENCH_FEED_MS 100

/* So many datagrams are fed at once. */
#define BENCH_BATCH   20u

struct bench {
    unsigned n_rounds;
    const char *only; /* NULL: all */
    struct report *report;
};

/* Is the measurement of this name wanted? */
bool bench_wants(const struct bench *b, const char *name);

/* CPU time of this thread in ns: what others do on the machine counts as little as can be. */
double bench_now_ns(void);

/* As in struct bacowr_config. */
struct bench_limits {
    uint64_t series, family, values;
};

/* An engine with the mapping loaded; @limits NULL: the usual ones. */
struct bacowr *bench_engine(const struct bench_limits *limits);

/* Another mapping for it. */
void bench_map(struct bacowr *b, const char *mapping);

/* @n datagrams in the batches in which the server receives. @n_feeds: whole traffics fed before. */
void bench_feed(struct bacowr *b, const struct bacowr_datagram *datagrams, unsigned n,
                unsigned n_feeds);

/* Bytes asked of malloc and not given back. */
double bench_memory(void);

/* Ends the benchmark unless the engine's own counter @name says @value: figures of work that was
 * not done are worth nothing. */
void bench_check(struct bacowr *b, const char *name, double value);

/* Ends the benchmark with a message. */
void bench_die(const char *what) __attribute__((noreturn));

void bench_lines(struct bench *b);
void bench_scale(struct bench *b);
void bench_births(struct bench *b);
void bench_pages(struct bench *b);
void bench_sizes(struct bench *b);
void bench_churn(struct bench *b);
void bench_micro(struct bench *b);

/* Each step between two marks, for micro.py. */
void bench_micro_count(void);

#endif
