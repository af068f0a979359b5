/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: what a line, a birth, a page and a series cost
 *
 * Everything happens in one thread and in memory: no socket, no server. Ours and the reference take
 * turns, so that what else the machine does meets both; only the ratios carry from one machine to
 * the next. After each measurement the engine's own counters are asked whether the work was done.
 *
 *      bench [--rounds N] [--only NAME] [--json FILE] [--gates]
 *      bench --count
 *
 * NAME is a workload (W1 to W5) or lines, native, scale, births, pages, memory, churn; or micro,
 * which is measured only if it is named. --count is for micro.py. A missed
 * goal is exit status 1, with --gates or without; a benchmark that cannot be believed is 2.
 */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROUNDS 7u

bool bench_wants(const struct bench *b, const char *name)
{
    return b->only == NULL || strcmp(b->only, name) == 0;
}

/* ---- options ---- */

struct options {
    const char *json;
    const char *only;
    unsigned n_rounds;
    bool count;
};

static void usage(void)
{
    fputs("usage: bench [--rounds N] "
          "[--only W1..W5|lines|native|scale|births|pages|memory|churn|micro] [--json FILE] "
          "[--gates]\n"
          "       bench --count\n",
          stderr);
    exit(2);
}

static struct options read_options(int argc, char **argv)
{
    struct options o = {.n_rounds = DEFAULT_ROUNDS};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--gates") == 0)
            continue;
        else if (strcmp(argv[i], "--count") == 0)
            o.count = true;
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

    if (o.count) {
        bench_micro_count();
        return 0;
    }
    bench_lines(&b);
    if (bench_wants(&b, "scale"))
        bench_scale(&b);
    if (bench_wants(&b, "births"))
        bench_births(&b);
    if (bench_wants(&b, "pages"))
        bench_pages(&b);
    if (bench_wants(&b, "memory"))
        bench_sizes(&b);
    if (bench_wants(&b, "churn"))
        bench_churn(&b);
    if (b.only != NULL && bench_wants(&b, "micro"))
        bench_micro(&b);
    if (report.n_rows == 0)
        usage();
    report_table(&report, stdout);
    if (o.json != NULL)
        write_json(&report, o.json);
    n_missed = report_n_missed(&report);
    printf("\n%u goals missed\n", n_missed);
    return n_missed > 0 ? 1 : 0;
}
