/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: memory over a day in which labels come and go
 *
 * The engine's clock is moved on by hand, so a day takes seconds. Every simulated second brings a
 * few identities that were never there and never return, as pods and versions do, and each expires
 * after half an hour; some hundred series stay. After two hours as many die as are born: what is
 * handed out, and what is resident, must then be as large as at the end of the day.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

#define DAY_S      86400u
#define SETTLED_S  7200u
#define N_NEW      8u
#define N_STAYING  100u
#define RATIO_GOAL 1.1

static const char mapping[] = "defaults:\n"
                              "  observer_type: histogram\n"
                              "  ttl: 30m\n";

static void churn_line(struct buf *out, uint64_t i, const void *ctx)
{
    static const char *const types[] = {"c", "g", "ms", "s"};
    const uint64_t *second = ctx;
    uint64_t pod = i < N_NEW ? *second * N_NEW + i : i;

    buf_addf(out, "churn.%s.%u:%u|%s|#pod:web-%07u", types[i % 4], i < N_NEW, (unsigned)(1 + i),
             types[i % 4], (unsigned)pod);
}

/* Bytes that are memory of this process. */
static double resident(void)
{
    unsigned long all, pages;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%lu %lu", &all, &pages) != 2)
        bench_die("the kernel does not say what is resident");
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void pass_second(struct bacowr *b, uint64_t second)
{
    int64_t now_ms = (int64_t)second * 1000;
    struct traffic t;

    traffic_init(&t, N_NEW + N_STAYING, DATAGRAM_SIZE, churn_line, &second);
    bacowr_feed(bacowr_worker(b, 0), t.datagrams, t.n_datagrams, now_ms);
    traffic_release(&t);
    for (unsigned i = 0; i < 10; i++) {
        bacowr_feed(bacowr_worker(b, 0), NULL, 0, now_ms + i * 100);
        bacowr_tick(b, now_ms + i * 100);
    }
}

static void add_row(struct bench *b, const char *name, double at_end, double settled)
{
    report_rounds(b->report,
                  &(struct row){.group = "churn",
                                .name = name,
                                .unit = "MB",
                                .goal_for = GOAL_RATIO,
                                .goal = RATIO_GOAL},
                  &at_end, &settled, 1);
}

void bench_churn(struct bench *b)
{
    struct bacowr *engine = bench_engine(NULL);
    double asked = 0, pages = 0;

    bench_map(engine, mapping);
    for (uint64_t second = 1; second <= DAY_S; second++) {
        pass_second(engine, second);
        if (second == SETTLED_S) {
            asked = bench_memory();
            pages = resident();
        }
    }
    bench_check(engine, "bacowr_statsd_series_born_total", (double)DAY_S * N_NEW + N_STAYING);
    add_row(b, "a day's end, handed out", bench_memory() / 1e6, asked / 1e6);
    add_row(b, "a day's end, resident", resident() / 1e6, pages / 1e6);
    bacowr_free(engine);
}
