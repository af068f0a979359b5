/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: the engine under test, and the clock beside it
 *
 * Law: a figure of work that was not done is worth nothing, so the engine's own counters are asked.
 */
#include "bench/bench.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/huge.h"

void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

double bench_now_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        bench_die("no CPU clock");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_memory(void)
{
    struct mallinfo2 m = mallinfo2();

    /* Another malloc was put in its place, valgrind's for one. */
    if (m.uordblks == 0)
        bench_die("malloc does not say how much it has handed out");
    return (double)(m.uordblks + m.hblkhd + huge_n_bytes());
}

/* ---- the engine under test ---- */

static void on_warning(void *ctx, const struct err *e)
{
    (void)ctx;
    bench_die(e->text);
}

void bench_map(struct bacowr *b, const char *mapping)
{
    struct err e;

    if (bacowr_load_mapping(b, "bench.yml", slice_of(mapping, strlen(mapping)), on_warning, NULL,
                            &e) != 0)
        bench_die(e.text);
}

struct bacowr *bench_engine(const struct bench_limits *limits)
{
    struct bacowr_config config = {
        .n_workers = 1,
        .hash_seed = 1,
        .statsd = statsd_default_options(),
        .max_series = limits != NULL ? limits->series : 0,
        .max_family = limits != NULL ? limits->family : 0,
        .max_label_values = limits != NULL ? limits->values : 0,
    };
    struct buf mapping = {0};
    struct bacowr *b;
    struct err e;

    if (bacowr_new(&b, &config) != 0)
        bench_die("out of memory");
    workload_mapping(&mapping);
    if (bacowr_load_mapping(b, "bench.yml", buf_slice(&mapping), on_warning, NULL, &e) != 0)
        bench_die(e.text);
    buf_release(&mapping);
    return b;
}

void bench_feed(struct bacowr *b, const struct bacowr_datagram *datagrams, unsigned n,
                unsigned n_feeds)
{
    struct bacowr_worker *w = bacowr_worker(b, 0);
    int64_t now_ms = BENCH_FEED_MS * ((int64_t)n_feeds + 1);

    for (unsigned i = 0; i < n; i += BENCH_BATCH)
        bacowr_feed(w, datagrams + i, n - i < BENCH_BATCH ? n - i : BENCH_BATCH, now_ms);
}

/* The value on the page's line that begins with @name and a blank; -1 when there is none. */
static double page_value(struct slice page, const char *name)
{
    size_t len = strlen(name);

    while (page.len > 0) {
        struct slice line = slice_of(page.p, slice_find(page, '\n'));

        if (line.len > len && line.p[len] == ' ' && memcmp(line.p, name, len) == 0)
            return strtod(line.p + len + 1, NULL);
        page = slice_from(page, line.len < page.len ? line.len + 1 : line.len);
    }
    return -1;
}

void bench_check(struct bacowr *b, const char *name, double value)
{
    struct bacowr_scrape *scrape;
    struct buf page = {0};
    double found;
    int rc;

    if (bacowr_scrape_new(&scrape, b, bacowr_format_for(b, slice_of(NULL, 0)), NULL, 0,
                          BENCH_FEED_MS) != 0)
        bench_die("out of memory");
    do
        rc = bacowr_scrape_next(scrape, &page, 1u << 20);
    while (rc > 0);
    if (rc != 0 || buf_add_byte(&page, '\0') != 0)
        bench_die("out of memory");
    bacowr_scrape_free(scrape);
    found = page_value(buf_slice(&page), name);
    buf_release(&page);
    if (found != value) {
        fprintf(stderr, "bench: %s is %.17g and ought to be %.17g\n", name, found, value);
        exit(2);
    }
}
