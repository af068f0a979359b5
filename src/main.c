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
 * Each command is a row of a table. This file only turns a command line into a call and a result
 * into an exit status: 0 for success, 1 for any failure, 2 for a comparison that found what it is
 * made to find. What a command was asked for goes to the standard output, what went wrong to the
 * standard error output.
 *
 * Laws: a mistake on the command line or in a mapping file is told before any socket is opened;
 *       check and explain open none at all, but to ask who is named by --against.
 */
#include "bacowr/aggregator.h"
#include "bacowr/shadow.h"
#include "base/buf.h"
#include "conf/options.h"
#include "conf/options_man.h"
#include "server/against.h"
#include "server/capture.h"
#include "server/client.h"
#include "server/door.h"
#include "server/fsmfile.h"
#include "server/healthcheck.h"
#include "server/mapfile.h"
#include "server/replay.h"
#include "server/server.h"
#include "server/tap_client.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any datagram holds. */
#define EXPLAIN_MAX_LINE 65536

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
        .service_checks = o->service_checks,
        .gauge_mode = o->gauge_mode,
        .max_series = o->max_series,
        .max_family = o->max_series_per_family,
        .max_label_values = o->max_label_values,
        .regex_max_steps = (uint32_t)o->regex_max_steps,
        .zero_first_ms = o->web_zero_first_ms,
    };
    int r = bacowr_new(out, &config);

    if (r < 0)
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    return r;
}

/* 0, or a negative errno after the reason was printed. */
static int load(struct bacowr *b, const struct options_list *paths)
{
    struct bacowr_mapping *mapping;
    struct err e = {.file = ""};
    int r = mapfile_load(&mapping, paths, MAPFILE_ANY, print_warning, NULL, &e);

    if (r < 0) {
        print_error(&e);
        return r;
    }
    bacowr_check_mapping(b, mapping, print_warning, NULL);
    bacowr_publish_mapping(b, mapping);
    return 0;
}

static int run_serve(const struct options *o)
{
    struct log_rate rate = {.max = o->log_max_lines};
    struct log log = {STDERR_FILENO, o->log_level, o->log_format, &rate};

    return server_run(o, &log);
}

static void print_good(const struct options_list *paths, uint64_t n_rules)
{
    char label[sizeof((struct err *)0)->file], text[sizeof(struct err)];
    struct err e;

    mapfile_label(paths, label, sizeof label);
    err_set(&e, label, 0, 0, "ok, %llu rules", (unsigned long long)n_rules);
    err_format(&e, text, sizeof text);
    printf("%s\n", text);
    fflush(stdout); /* before what the next file has to say */
}

/* As serve does it at start; a picture that cannot be drawn does not make the mapping wrong. */
static void dump_fsm(struct bacowr *b, const struct options *o)
{
    struct err e;

    if (o->dump_fsm && fsmfile_write(b, o->dump_fsm, &e) < 0)
        print_error(&e);
}

/* ---- check --against ---- */

/* The status for what the comparison found: see options_man.c. */
#define EXIT_CONFLICTS 2

static int tell_shadow(const struct bacowr_shadow *s, const struct options *o)
{
    struct buf told = {0};
    int r = bacowr_shadow_tell(s, o->against, o->explain_json, &told);

    if (r == 0)
        fwrite(told.p, 1, told.len, stdout);
    else
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    buf_release(&told);
    if (r < 0)
        return EXIT_FAILURE;
    return bacowr_shadow_verdict(s) == BACOWR_SHADOW_CONFLICTS ? EXIT_CONFLICTS : EXIT_SUCCESS;
}

/* The files are one mapping, as a server has one. */
static int run_check_against(const struct options *o)
{
    struct bacowr_mapping *mapping;
    struct bacowr_shadow *s = NULL;
    struct err e = {.file = ""};
    int status = EXIT_FAILURE;
    int r = mapfile_load(&mapping, &o->arguments, MAPFILE_ANY, print_warning, NULL, &e);

    if (r == 0) {
        r = bacowr_shadow_new(&s, mapping);
        if (r == 0)
            r = against_read(s, o->against, o->http_config, print_warning, &e);
        else
            err_set(&e, NULL, 0, 0, "%s", strerror(-r));
    }
    if (r == 0)
        status = tell_shadow(s, o);
    else
        print_error(&e);
    bacowr_shadow_free(s);
    return status;
}

/* Every file is looked at, whatever is wrong with those before it. */
static int run_check(const struct options *o)
{
    struct bacowr *b = NULL;
    int status = new_engine(&b, o) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t i = 0; b != NULL && i < o->arguments.n; i++) {
        const struct options_list file = {1, &o->arguments.items[i]};

        if (load(b, &file) == 0)
            print_good(&file, bacowr_n_rules(b));
        else
            status = EXIT_FAILURE;
    }
    bacowr_free(b);
    return status;
}

static int run_check_or_compare(const struct options *o)
{
    return o->against != NULL ? run_check_against(o) : run_check(o);
}

/* With its certificates, as serve would load them. */
static int check_web_config(const struct options *o)
{
    struct err e = {.file = ""};
    struct door *d;
    int r;

    if (o->web_config == NULL)
        return 0;
    r = door_load(&d, NULL, o->web_config, print_warning, NULL, &e);
    if (r < 0) {
        print_error(&e);
        return r;
    }
    printf("%s: ok, %zu users, TLS %s\n", o->web_config, d->config->n_users, d->tls ? "on" : "off");
    fflush(stdout);
    door_free(d);
    return 0;
}

static int run_check_config(const struct options *o)
{
    struct bacowr *b = NULL;
    int r = new_engine(&b, o);

    if (r == 0 && o->mapping_config.n > 0) {
        r = load(b, &o->mapping_config);
        if (r == 0) {
            dump_fsm(b, o);
            print_good(&o->mapping_config, bacowr_n_rules(b));
        }
    }
    bacowr_free(b);
    if (check_web_config(o) != 0)
        r = -EINVAL;
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- explain ---- */

struct explainer {
    struct bacowr *b;
    enum bacowr_explain_form form;
    struct buf line, told;
    bool told_one;
};

/* Each explanation leaves at once, so that lines may come from a pipe that stays open. */
static int explain_one(struct explainer *x, struct slice line)
{
    int r;

    buf_clear(&x->told);
    if (x->told_one && x->form == BACOWR_EXPLAIN_TEXT)
        buf_add_byte(&x->told, '\n');
    r = bacowr_explain(x->b, line, x->form, &x->told);
    if (r == 0)
        fwrite(x->told.p, 1, x->told.len, stdout);
    fflush(stdout);
    x->told_one = true;
    return r;
}

/* Read a line with its LF, whatever bytes it has. False at the end. */
static bool read_input_line(struct buf *line, bool *cut)
{
    bool any = false;
    int c;

    buf_clear(line);
    *cut = false;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
        any = true;
        if (line->len < EXPLAIN_MAX_LINE)
            buf_add_byte(line, (char)c);
        else
            *cut = true;
    }
    if (c == '\n')
        buf_add_byte(line, '\n');
    return any || c == '\n';
}

/* A line of a capture, without its LF. Remarks are passed over. */
static int explain_record(struct explainer *x, struct slice line, unsigned long long n)
{
    struct capture_record record;
    int r;

    if (line.len > 0 && line.p[line.len - 1] == '\n')
        line.len--;
    r = capture_read(line, &record);
    if (r < 0)
        fprintf(stderr, "bacowr-statsd: line %llu of the capture is none\n", n);
    return r > 0 ? explain_one(x, record.text) : r;
}

/* The first line of the input: 1, and it is used up, if a capture begins with it. */
static int begin_capture(struct slice line)
{
    int r;

    if (line.len > 0 && line.p[line.len - 1] == '\n')
        line.len--;
    r = capture_begins(line);
    if (r < 0)
        fprintf(stderr, "bacowr-statsd: the capture is of another version, this program knows 1\n");
    return r;
}

static int explain_input(struct explainer *x)
{
    unsigned long long n = 0;
    bool cut;
    int r = 0, capture = 0;

    while (r == 0 && !ferror(stdout) && read_input_line(&x->line, &cut)) {
        n++;
        if (cut)
            fprintf(stderr, "bacowr-statsd: line %llu of the input is cut after %d bytes\n", n,
                    EXPLAIN_MAX_LINE);
        r = x->line.failed ? -ENOMEM : 0;
        if (r == 0 && n == 1)
            r = capture = begin_capture(buf_slice(&x->line));
        if (r == 0)
            r = capture > 0 ? explain_record(x, buf_slice(&x->line), n)
                            : explain_one(x, buf_slice(&x->line));
        else if (r > 0)
            r = 0;
    }
    return r == 0 && ferror(stdin) ? -EIO : r;
}

static int explain_all(struct explainer *x, const struct options_list *lines)
{
    int r = lines->n == 0 ? explain_input(x) : 0;

    for (size_t i = 0; i < lines->n && r == 0; i++) {
        if (strcmp(lines->items[i], "-") == 0)
            r = explain_input(x);
        else
            r = explain_one(x, slice_str(lines->items[i]));
    }
    if (r < 0 && r != -EPROTONOSUPPORT && r != -EBADMSG) /* told already */
        fprintf(stderr, "bacowr-statsd: %s\n",
                r == -EIO ? "cannot read the standard input" : strerror(-r));
    return r;
}

static int run_explain(const struct options *o)
{
    struct explainer x = {.form = o->explain_json ? BACOWR_EXPLAIN_JSON : BACOWR_EXPLAIN_TEXT};
    int r = new_engine(&x.b, o);

    if (r == 0 && o->mapping_config.n > 0)
        r = load(x.b, &o->mapping_config);
    if (r == 0)
        r = explain_all(&x, &o->arguments);
    buf_release(&x.line);
    buf_release(&x.told);
    bacowr_free(x.b);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
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

/* The first Unix socket, where nobody is asked for a certificate; else the first address. */
static const char *choose_address(const struct options_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strncmp(list->items[i], OPTIONS_UNIX, strlen(OPTIONS_UNIX)) == 0)
            return list->items[i];
    }
    return list->items[0];
}

/* Does the server speak TLS? Its certificates need not be readable for who only asks. */
static int speaks_tls(const struct options *o, bool *tls, struct err *e)
{
    struct web_config *c;
    int r;

    *tls = false;
    if (o->web_config == NULL)
        return 0;
    r = door_read(&c, o->web_config, NULL, NULL, e);
    if (r < 0)
        return r;
    *tls = c->has_tls;
    web_config_free(c);
    return 0;
}

/* Who asks his own machine believes it, unless he says how to make sure. */
static int ask_health(const struct options *o, const struct address *a, const char *host,
                      struct err *e)
{
    struct client_identity identity = {0};
    bool tls;
    int r = speaks_tls(o, &tls, e);

    if (r == 0 && o->http_config != NULL)
        r = client_identity_load(&identity, o->http_config, tls, print_warning, NULL, e);
    else if (r == 0 && tls)
        r = tls_client_new_blind(&identity.tls, e);
    if (r == 0)
        r = healthcheck_ask(a, identity.tls, host, HEALTHCHECK_LIMIT_MS, e);
    client_identity_release(&identity);
    return r;
}

/* One line, whatever comes out: a container's engine keeps it as the result of the check. */
static int run_healthcheck(const struct options *o)
{
    struct client_url url;
    struct address a;
    struct err e = {.file = ""};
    char text[sizeof e + 32];
    int r = client_url_read(&url, choose_address(&o->web_listen), &e);

    if (r == 0)
        r = healthcheck_address(&a, url.address, &e);
    if (r == 0)
        r = ask_health(o, &a, url.host, &e);
    err_format(&e, text, sizeof text);
    if (r < 0)
        fprintf(stderr, "bacowr-statsd: %s\n", text);
    else
        printf("%s: ready\n", a.text);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- tap, record, replay ---- */

static int end_command(int r, const struct err *e)
{
    char text[sizeof *e + 32];

    if (r < 0) {
        err_format(e, text, sizeof text);
        fprintf(stderr, "bacowr-statsd: %s\n", text);
    }
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Of the server that the flags name, as far as they are its flags. */
static int read_url(struct client_url *out, const struct options *o, struct err *e)
{
    bool tls;
    int r = client_url_read(out, o->tap_url ? o->tap_url : choose_address(&o->web_listen), e);

    if (r < 0 || o->tap_url != NULL || strncmp(out->address, OPTIONS_UNIX, 5) == 0)
        return r;
    r = speaks_tls(o, &tls, e);
    if (r == 0)
        out->tls = tls;
    return r;
}

static int ask_tap(const struct options *o, const char *form, FILE *out, FILE *progress)
{
    struct client_url url;
    struct client_identity identity = {0};
    const struct tap_client config = {
        .url = &url,
        .identity = &identity,
        .form = form,
        .match = o->tap_match,
        .rate = o->tap_rate,
        .limit_ms = o->record_ms,
        .out = out,
        .progress = progress,
    };
    struct err e = {.file = ""};
    int r = read_url(&url, o, &e);

    if (r == 0)
        r = client_identity_load(&identity, o->http_config, url.tls, print_warning, NULL, &e);
    if (r == 0)
        r = tap_client_run(&config, &e);
    client_identity_release(&identity);
    return end_command(r, &e);
}

static int run_tap(const struct options *o)
{
    return ask_tap(o, o->explain_json ? "json" : "text", stdout, NULL);
}

/* "-" is @standard. What senders send is nobody's business: a new file is the user's alone. */
static FILE *open_file(const char *path, const char *mode, FILE *standard)
{
    FILE *f;
    mode_t before;

    if (strcmp(path, "-") == 0)
        return standard;
    before = umask(077);
    f = fopen(path, mode);
    umask(before);
    if (f == NULL)
        fprintf(stderr, "bacowr-statsd: %s: %s\n", path, strerror(errno));
    return f;
}

static int run_record(const struct options *o)
{
    const char *path = o->arguments.items[0];
    FILE *f = open_file(path, "we", stdout);
    int status;

    if (f == NULL)
        return EXIT_FAILURE;
    status = ask_tap(o, "capture", f, stderr);
    if (f != stdout && fclose(f) != 0) {
        fprintf(stderr, "bacowr-statsd: %s: %s\n", path, strerror(errno));
        status = EXIT_FAILURE;
    }
    return status;
}

static int run_replay(const struct options *o)
{
    struct replay config = {.to = o->replay_to, .tcp = o->replay_tcp, .progress = stderr};
    struct err e = {.file = ""};
    int r;

    if (o->replay_to == NULL || o->replay_speed == NULL ||
        !replay_read_speed(o->replay_speed, &config.speed)) {
        fprintf(stderr, "bacowr-statsd: replay needs --to=HOST:PORT and --speed=NUMBER, which is "
                        "above 0 and at most 1000000, or max\n");
        return EXIT_FAILURE;
    }
    config.in = open_file(o->arguments.items[0], "re", stdin);
    if (config.in == NULL)
        return EXIT_FAILURE;
    r = replay_run(&config, &e);
    if (config.in != stdin)
        fclose(config.in);
    return end_command(r, &e);
}

static int (*const commands[])(const struct options *) = {
    [OPTIONS_SERVE] = run_serve,
    [OPTIONS_CHECK] = run_check_or_compare,
    [OPTIONS_CHECK_CONFIG] = run_check_config,
    [OPTIONS_EXPLAIN] = run_explain,
    [OPTIONS_MAN] = run_man,
    [OPTIONS_HEALTHCHECK] = run_healthcheck,
    [OPTIONS_TAP] = run_tap,
    [OPTIONS_RECORD] = run_record,
    [OPTIONS_REPLAY] = run_replay,
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

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {.text = ""};
    int r = options_parse(&o, argv, BACOWR_VERSION, stdout, &e);
    int status = EXIT_SUCCESS;

    (void)argc;
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
