/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: what a line, a birth, a page and a series cost
 *
 * Everything happens in one thread and in memory: no socket, no server. Ours and the reference take
 * turns, so that what else the machine does meets both; only the ratios carry from one machine to
 * the next. After each measurement the engine's own counters are asked whether the work was done.
 *
 *      bench [--rounds N] [--only NAME] [--json FILE] [--gates]
 *
 * NAME is a workload (W1 to W5) or lines, scale, births, pages, memory. With --gates a missed goal
 * is exit status 1; a benchmark that cannot be believed is 2 always.
 */
#include "bench/bench.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

/* As many datagrams as libuv receives in one call. */
#define BATCH          20u
#define DEFAULT_ROUNDS 7u

void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

bool bench_wants(const struct bench *b, const char *name)
{
    return b->only == NULL || strcmp(b->only, name) == 0;
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
    return (double)(m.uordblks + m.hblkhd);
}

/* ---- the engine under test ---- */

static void on_warning(void *ctx, const struct err *e)
{
    (void)ctx;
    bench_die(e->text);
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

    for (unsigned i = 0; i < n; i += BATCH)
        bacowr_feed(w, datagrams + i, n - i < BATCH ? n - i : BATCH, now_ms);
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

/* ---- options ---- */

struct options {
    const char *json;
    const char *only;
    bool gates;
    unsigned n_rounds;
};

static void usage(void)
{
    fputs("usage: bench [--rounds N] [--only W1..W5|lines|scale|births|pages|memory] [--json FILE] "
          "[--gates]\n",
          stderr);
    exit(2);
}

static struct options read_options(int argc, char **argv)
{
    struct options o = {.n_rounds = DEFAULT_ROUNDS};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--gates") == 0)
            o.gates = true;
        else if (i + 1 == argc)
            usage();
        else if (strcmp(argv[i], "--json") == 0)
            o.json = argv[++i];
        else if (strcmp(argv[i], "--only") == 0)
            o.only = argv[++i];
        else if (strcmp(argv[i], "--rounds") == 0)
            o.n_rounds = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            usage();
    }
    if (o.n_rounds < 1 || o.n_rounds > ROUNDS_MAX)
        usage();
    return o;
}

static void write_json(const struct report *report, const char *file)
{
    FILE *out = fopen(file, "w");

    if (out == NULL)
        bench_die("cannot write the JSON file");
    report_json(report, out);
    if (fclose(out) != 0)
        bench_die("cannot write the JSON file");
}

int main(int argc, char **argv)
{
    struct options o = read_options(argc, argv);
    struct report report = {.n_rounds = o.n_rounds};
    struct bench b = {.n_rounds = o.n_rounds, .only = o.only, .report = &report};
    unsigned n_missed;

    bench_lines(&b);
    if (bench_wants(&b, "scale"))
        bench_scale(&b);
    if (bench_wants(&b, "births"))
        bench_births(&b);
    if (bench_wants(&b, "pages"))
        bench_pages(&b);
    if (bench_wants(&b, "memory"))
        bench_sizes(&b);
    if (report.n_rows == 0)
        usage();
    report_table(&report, stdout);
    if (o.json != NULL)
        write_json(&report, o.json);
    n_missed = report_n_missed(&report);
    printf("\n%u goals missed\n", n_missed);
    return o.gates && n_missed > 0 ? 1 : 0;
}
