/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: ns a sample of the page, and the bytes of a series
 *
 * The page is taken in slices into one buffer, as the server takes it; the reference copies the
 * same texts, which lie ready in page order, and prints the same numbers. Nothing is compressed.
 *
 * Memory is what malloc has handed out after the last series more than before the first: cells,
 * index, routes. What was outgrown on the way has been given back by some ticks. The text of the
 * labels and the identity's bytes are the sender's, and are taken off a series' size.
 */
#include "bench/bench.h"
#include "bench/reference.h"

#define SLICE_SIZE     (64u * 1024u)
#define N_SIZED        100000u
#define N_TICKS        10u
#define PAGE_GOAL      8
#define MILLION_GOAL_S 2

/* ---- two-label counters, and others that differ in their type only ---- */

static void label_text(struct buf *out, uint64_t i, const void *ctx)
{
    (void)ctx;
    buf_addf(out, "host=\"web-%04u\",route=\"/r/%05u\"", (unsigned)(i % 1000),
             (unsigned)(i / 1000));
}

/* @ctx: name, value and type. */
static void two_label_line(struct buf *out, uint64_t i, const void *ctx)
{
    buf_addf(out, "%s|#host:web-%04u,route:/r/%05u", (const char *)ctx, (unsigned)(i % 1000),
             (unsigned)(i / 1000));
}

#define COUNTER_NAME "pages_total"

static void traffic_init_series(struct traffic *traffic, uint64_t n, const char *what)
{
    traffic_init(traffic, n, DATAGRAM_SIZE, two_label_line, what);
}

/* ---- pages ---- */

/* The page's bytes. */
static uint64_t scrape(struct bacowr *engine, struct buf *out)
{
    struct bacowr_scrape *s;
    uint64_t n_bytes = 0;
    int rc;

    if (bacowr_scrape_new(&s, engine, bacowr_format_for(engine, slice_of(NULL, 0)), NULL, 0,
                          BENCH_FEED_MS) != 0)
        bench_die("out of memory");
    do {
        buf_clear(out);
        rc = bacowr_scrape_next(s, out, SLICE_SIZE);
        n_bytes += out->len;
    } while (rc > 0);
    bacowr_scrape_free(s);
    if (rc != 0)
        bench_die("out of memory");
    return n_bytes;
}

static void measure_page(struct bench *b, struct bacowr *engine, uint64_t n, const char *name)
{
    double ours[ROUNDS_MAX], reference[ROUNDS_MAX];
    struct reference_page page;
    struct buf out = {0};

    reference_page_init(&page, n, label_text, COUNTER_NAME);
    for (unsigned i = 0; i < b->n_rounds; i++) {
        double begin = bench_now_ns();
        uint64_t n_ours = scrape(engine, &out);
        double middle = bench_now_ns();
        uint64_t n_reference = reference_page_write(&page, &out, SLICE_SIZE);

        ours[i] = (middle - begin) / (double)n;
        reference[i] = (bench_now_ns() - middle) / (double)n;
        /* Ours has heads and the engine's own families besides. */
        if (n_ours < n_reference || n_ours > n_reference + 16384)
            bench_die("the page has not the size it ought to have");
    }
    report_rounds(b->report,
                  &(struct row){.group = "pages",
                                .name = name,
                                .unit = "ns/sample",
                                .goal_for = GOAL_RATIO,
                                .goal = PAGE_GOAL},
                  ours, reference, b->n_rounds);
    buf_release(&out);
    reference_page_release(&page);
}

static double feed_births(struct bacowr *engine, uint64_t n)
{
    struct traffic traffic;
    double begin, ns;

    traffic_init_series(&traffic, n, COUNTER_NAME ":1|c");
    begin = bench_now_ns();
    bench_feed(engine, traffic.datagrams, traffic.n_datagrams, 0);
    ns = bench_now_ns() - begin;
    traffic_release(&traffic);
    bench_check(engine, "bacowr_statsd_series{type=\"counter\"}", (double)n);
    return ns;
}

void bench_pages(struct bench *b)
{
    struct bacowr *engine = bench_engine(NULL);
    double ns;

    (void)feed_births(engine, 100000);
    measure_page(b, engine, 100000, "100 000 counters");
    bacowr_free(engine);

    engine = bench_engine(NULL);
    ns = feed_births(engine, 1000000);
    measure_page(b, engine, 1000000, "1 000 000 counters");
    report_add(b->report, &(struct row){.group = "births",
                                        .name = "1 000 000 counters",
                                        .unit = "s",
                                        .ours = spread_one(ns / 1e9),
                                        .goal_for = GOAL_VALUE,
                                        .goal = MILLION_GOAL_S});
    bacowr_free(engine);
}

/* ---- memory ---- */

static const struct size_row {
    const char *name;
    const char *what;
    double goal;
} size_rows[] = {
    {"a counter, two labels", "sizes_total:1|c", 200},
    {"a gauge, two labels", "sizes:1|g", 0},
    {"a histogram of 11 bounds", "sizes_seconds:1|ms", 400},
    {"a set of one member", "sizes_users:u|s", 0},
};
#define N_SIZE_ROWS (sizeof size_rows / sizeof size_rows[0])

/* Malloc's bytes when @engine has given back what it can. */
static double memory_settled(struct bacowr *engine)
{
    for (unsigned i = 0; i < N_TICKS; i++)
        bacowr_tick(engine, BENCH_FEED_MS);
    return bench_memory();
}

/* The texts that a series must hold: its labels, and the identity that leads to it. */
static double text_bytes(const struct traffic *traffic)
{
    struct buf labels = {0};
    double n_bytes;

    for (uint64_t i = 0; i < traffic->n_lines; i++)
        label_text(&labels, i, NULL);
    /* A line, its LF left out, is its identity and ":1" or the like. */
    n_bytes = (double)labels.len + (double)traffic->text.len - 3 * (double)traffic->n_lines;
    buf_release(&labels);
    return n_bytes;
}

static void measure_size(struct bench *b, const struct size_row *row)
{
    struct bacowr *engine = bench_engine(NULL);
    struct traffic traffic;
    double before, bytes;

    traffic_init_series(&traffic, N_SIZED, row->what);
    before = bench_memory();
    bench_feed(engine, traffic.datagrams, traffic.n_datagrams, 0);
    bytes = (memory_settled(engine) - before - text_bytes(&traffic)) / N_SIZED;
    bench_check(engine, "statsd_exporter_samples_total", N_SIZED);
    report_add(b->report, &(struct row){.group = "memory",
                                        .name = row->name,
                                        .unit = "B/series",
                                        .ours = spread_one(bytes),
                                        .goal_for = row->goal > 0 ? GOAL_VALUE : GOAL_NONE,
                                        .goal = row->goal});
    traffic_release(&traffic);
    bacowr_free(engine);
}

static void measure_workload(struct bench *b, const struct workload *w, double goal_mb)
{
    struct traffic traffic;
    struct bacowr *engine;
    double before, bytes;

    traffic_init_births(&traffic, w);
    before = bench_memory();
    engine = bench_engine(NULL);
    bench_feed(engine, traffic.datagrams, traffic.n_datagrams, 0);
    bytes = memory_settled(engine) - before;
    bench_check(engine, "statsd_exporter_samples_total", w->n_series);
    report_add(b->report, &(struct row){.group = "memory",
                                        .name = w->name,
                                        .unit = "MB",
                                        .ours = spread_one(bytes / 1e6),
                                        .goal_for = GOAL_VALUE,
                                        .goal = goal_mb});
    traffic_release(&traffic);
    bacowr_free(engine);
}

void bench_sizes(struct bench *b)
{
    for (size_t i = 0; i < N_SIZE_ROWS; i++)
        measure_size(b, &size_rows[i]);
    measure_workload(b, &workloads[1], 6);
    measure_workload(b, &workloads[3], 60);
}
