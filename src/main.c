/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bacowr-statsd: the program
 *
 *      serve            receive StatsD lines, serve the metrics page (the default)
 *      check FILE...    load mapping files, each by itself, and say what is wrong with them; with
 *                       --against what they would change of a running server
 *      explain LINE...  say how lines are read and which series they become; without LINE, those
 *                       of the standard input, which may be a capture
 *      man [mapping]    print a manual page
 *      tap              print what a running server receives
 *      record FILE      write it to a file; replay FILE sends it
 *      healthcheck      ask the server of this machine whether it receives
 *
 * Each command is a row of a table, and most are in src/command. This file only turns a command
 * line into a call, and what could not be written at the end into a failure.
 *
 * Laws: a mistake on the command line or in a mapping file is told before any socket is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "command/command.h"
#include "conf/options.h"
#include "conf/options_man.h"
#include "server/server.h"

_Static_assert(OPTIONS_MAX_INGEST_THREADS <= BACOWR_MAX_WORKERS, "the engine refuses as many");

static int run_serve(const struct options *o)
{
    struct log_rate rate = {.max = o->log_max_lines};
    struct log log = {STDERR_FILENO, o->log_level, o->log_format, &rate};

    return server_run(o, &log);
}

static int run_man(const struct options *o)
{
    struct buf page = {0};
    int r = o->arguments.n > 0 ? bacowr_mapping_man(BACOWR_VERSION, &page)
                               : options_man(&page, BACOWR_VERSION);

    if (r == 0)
        fwrite(page.p, 1, page.len, stdout);
    else
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    buf_release(&page);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int (*const commands[])(const struct options *) = {
    [OPTIONS_SERVE] = run_serve,
    [OPTIONS_CHECK] = command_check,
    [OPTIONS_CHECK_CONFIG] = command_check_config,
    [OPTIONS_EXPLAIN] = command_explain,
    [OPTIONS_MAN] = run_man,
    [OPTIONS_HEALTHCHECK] = command_healthcheck,
    [OPTIONS_TAP] = command_tap,
    [OPTIONS_RECORD] = command_record,
    [OPTIONS_REPLAY] = command_replay,
};

/* What was printed counts only when it arrived: a full disk is a failure. */
static int flush_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "bacowr-statsd: cannot write the output: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

/*
 * What is large goes back to the system when it is freed: the document of a mapping, the text of a
 * file. glibc raises this bound of its own to the size of the first such piece, and from then on
 * they leave holes behind that nothing else is large enough for.
 */
static void keep_memory_small(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

/*
 * Who starts us may have closed a standard stream. The next descriptor would then be one of these
 * numbers: a socket that the log is written to, and libuv ends a process that closes one. What
 * stands there instead fails as a closed one does: 0 cannot be read, the others not written to.
 */
static void fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {.text = ""};
    int status = EXIT_SUCCESS;
    int r;

    (void)argc;
    fill_standard_streams();
    r = options_parse(&o, argv, BACOWR_VERSION, stdout, &e);
    keep_memory_small();
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
