/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: datagrams that stand ready in memory
 *
 *      W1    one line a datagram, 1 000 counters
 *      W2    1432-byte datagrams, 1 000 series: counters 50, gauges 20, timers 30 %
 *      W3    W2 with three DogStatsD tags
 *      W4    W2 with 100 000 series
 *      W5    W3 with 100 000 series
 *
 * Contract: traffic owns its text and datagrams. The same arguments give the same bytes. Whoever
 * runs out of memory here ends the benchmark.
 */
#ifndef TESTS_BENCH_WORKLOADS_H
#define TESTS_BENCH_WORKLOADS_H

#include "bacowr/aggregator.h"
#include "base/buf.h"

/* The payload of an Ethernet frame, as most clients pack it. */
#define DATAGRAM_SIZE 1432u

struct workload {
    const char *name;
    unsigned n_series;
    bool packed; /* many lines a datagram, and all three types */
    bool tagged;
};

#define N_WORKLOADS 5
extern const struct workload workloads[N_WORKLOADS];

struct traffic {
    struct buf text;
    struct bacowr_datagram *datagrams;
    unsigned n_datagrams;
    uint64_t n_lines;
};

/* Append line number @i without its LF. */
typedef void (*line_fn)(struct buf *out, uint64_t i, const void *ctx);

/* @n_lines lines of @line in datagrams of at most @size bytes; a size of 0: a line each. */
void traffic_init(struct traffic *traffic, uint64_t n_lines, size_t size, line_fn line,
                  const void *ctx);
void traffic_release(struct traffic *traffic);

/* @n_lines lines of series chosen at random. */
void traffic_init_workload(struct traffic *traffic, const struct workload *w, uint64_t n_lines);

/* One line for each series of the workload. */
void traffic_init_births(struct traffic *traffic, const struct workload *w);

/*
 * A mapping file of a thousand globs and a hundred regexes, all observers histograms. The
 * workloads' names meet no rule; rule 7 takes svc007.requests.A.B and makes the two labels of A and
 * B.
 */
void workload_mapping(struct buf *out);

#endif
