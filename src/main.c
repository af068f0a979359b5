/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bacowr-statsd: the program
 *
 *      serve            receive StatsD lines, serve the metrics page (the default)
 *      check FILE...    load mapping files and say what is wrong with them
 *      explain LINE...  say how lines are read and which series they become
 *
 * Each command is a row of a table. This file only turns a command line into a call and a result
 * into an exit status: 0 for success, 1 for any failure. What a command was asked for goes to the
 * standard output, what went wrong to the standard error output.
 *
 * Laws: a mistake on the command line or in a mapping file is told before any socket is opened;
 *       check and explain open none at all.
 */
#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "conf/options.h"
#include "server/fsmfile.h"
#include "server/mapfile.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(OPTIONS_MAX_INGEST_THREADS <= BACOWR_MAX_WORKERS, "the engine refuses as many");

static void print_error(const struct err *e)
{
    char text[sizeof *e + 32];

    err_format(e, text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

static void print_warning(void *ctx, const struct err *e)
{
    struct err warning;

    (void)ctx;
    err_set(&warning, e->file, e->line, e->column, "warning: %s", e->text);
    print_error(&warning);
}

/* An engine for one thread that meets no hostile names: any hash seed will do. */
static int new_engine(struct bacowr **out, const struct options *o)
{
    struct bacowr_config config = {
        .n_workers = 1,
        .statsd = o->statsd,
        .max_series = o->max_series,
    };
    int r = bacowr_new(out, &config);

    if (r < 0)
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    return r;
}

/* 0, or a negative errno after the reason was printed. */
static int load(struct bacowr *b, const char *file)
{
    struct bacowr_mapping *mapping;
    struct err e = {.file = ""};
    int r = mapfile_load(&mapping, file, MAPFILE_ANY, print_warning, NULL, &e);

    if (r < 0)
        print_error(&e);
    else
        bacowr_publish_mapping(b, mapping);
    return r;
}

static int run_serve(const struct options *o)
{
    struct log log = {STDERR_FILENO, o->log_level, o->log_format};

    return server_run(o, &log);
}

static void print_good(const char *file, uint64_t n_rules)
{
    char text[sizeof(struct err)];
    struct err e;

    err_set(&e, file, 0, 0, "ok, %llu rules", (unsigned long long)n_rules);
    err_format(&e, text, sizeof text);
    printf("%s\n", text);
    fflush(stdout); /* before what the next file has to say */
}

/* As serve does it at start; a picture that cannot be drawn does not make the mapping wrong. */
static void dump_fsm(struct bacowr *b, const struct options *o)
{
    struct err e;

    if (o->check_config && o->dump_fsm && fsmfile_write(b, o->dump_fsm, &e) < 0)
        print_error(&e);
}

/* Every file is looked at, whatever is wrong with those before it. */
static int run_check(const struct options *o)
{
    struct bacowr *b = NULL;
    int status = new_engine(&b, o) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t i = 0; b != NULL && i < o->arguments.n; i++) {
        const char *file = o->arguments.items[i];

        if (load(b, file) != 0) {
            status = EXIT_FAILURE;
            continue;
        }
        dump_fsm(b, o);
        print_good(file, bacowr_n_rules(b));
    }
    bacowr_free(b);
    return status;
}

static int explain_lines(struct bacowr *b, const struct options_list *lines)
{
    struct buf text = {0};
    int r = 0;

    for (size_t i = 0; i < lines->n && r == 0; i++) {
        buf_clear(&text);
        r = bacowr_explain(b, slice_str(lines->items[i]), BACOWR_EXPLAIN_TEXT, &text);
        if (r == 0 && i > 0)
            putchar('\n');
        if (r == 0)
            fwrite(text.p, 1, text.len, stdout);
    }
    buf_release(&text);
    if (r < 0)
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    return r;
}

static int run_explain(const struct options *o)
{
    struct bacowr *b = NULL;
    int r = new_engine(&b, o);

    if (r == 0 && o->mapping_config)
        r = load(b, o->mapping_config);
    if (r == 0)
        r = explain_lines(b, &o->arguments);
    bacowr_free(b);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int (*const commands[])(const struct options *) = {
    [OPTIONS_SERVE] = run_serve,
    [OPTIONS_CHECK] = run_check,
    [OPTIONS_EXPLAIN] = run_explain,
};

/* What was printed counts only when it arrived: a full disk is a failure. */
static int flush_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "bacowr-statsd: cannot write the output: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {.text = ""};
    int r = options_parse(&o, argv, BACOWR_VERSION, stdout, &e);
    int status = EXIT_SUCCESS;

    (void)argc;
    if (r == 0) {
        status = commands[o.command](&o);
    } else if (r < 0) {
        fprintf(stderr, "bacowr-statsd: %s, try --help\n",
                r == -ENOMEM ? strerror(ENOMEM) : e.text);
        status = EXIT_FAILURE;
    }
    options_release(&o);
    return flush_output(status);
}
