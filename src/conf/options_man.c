/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options man: the manual page of the program
 *
 * Commands and flags come from the tables that the command line is read by, each under the group
 * that its row begins or stands in; so the page tells of every flag, and of no other. What the
 * tables do not know, prose around them tells: lines, signals, paths, examples.
 *
 * Law: the page is the same for each build of a version; its date is the prose's.
 */
#include "conf/options_man.h"

#include <stdio.h>
#include <string.h>

#include "base/roff.h"
#include "conf/options_help.h"

#define DATE "2026-11-22"

/* clang-format off */
static const struct roff_part before[] = {
    {ROFF_HEAD, "NAME", NULL},
    {ROFF_TEXT, "bacowr-statsd - StatsD server for Prometheus", NULL},
    {ROFF_HEAD, "SYNOPSIS", NULL},
    {ROFF_TEXT, "`bacowr-statsd` [FLAG...] [`serve`]", NULL},
    {ROFF_TEXT, "`bacowr-statsd` [FLAG...] `check` FILE...", NULL},
    {ROFF_TEXT, "`bacowr-statsd check` FILE... `--against=`URL [`--json`]", NULL},
    {ROFF_TEXT, "`bacowr-statsd` [FLAG...] `explain` [`--json`] [LINE...]", NULL},
    {ROFF_TEXT, "`bacowr-statsd man` [`mapping`]", NULL},
    {ROFF_HEAD, "DESCRIPTION", NULL},
    {ROFF_TEXT,
     "`bacowr-statsd` receives StatsD lines over UDP, TCP and Unix sockets, maps their "
     "names to metrics by the rules of a mapping file, and exposes the metrics to "
     "Prometheus over HTTP. It is compatible with the flags, mapping files and self metric "
     "names of statsd_exporter.", NULL},
    {ROFF_TEXT,
     "Each sample updates its series at once; there is no queue and no flush interval. "
     "Counters and histograms accumulate from the start; a gauge keeps its last value; a "
     "summary's quantiles and a set's count cover a sliding window. A series exists until "
     "the server stops, or until it gets no sample for the `ttl` of its rule.", NULL},
    {ROFF_TEXT,
     "Everything listens on loopback only by default: neither StatsD nor the metrics page "
     "has a password.", NULL},
    {ROFF_TEXT,
     "No line, datagram or request crashes the server or breaks a scrape. Refused input is "
     "counted by reason in `statsd_exporter_sample_errors_total`, "
     "`statsd_exporter_events_error_total` and `statsd_exporter_events_conflict_total`. "
     "Datagrams dropped by the kernel are in "
     "`bacowr_statsd_udp_kernel_dropped_datagrams_total`; alert on it.", NULL},
    {ROFF_END, NULL, NULL},
};

static const struct roff_part after[] = {
    {ROFF_HEAD, "LINES", NULL},
    {ROFF_TEXT,
     "A line is a name with one or more values. A datagram contains any number of lines, "
     "separated by LF or CR LF; a TCP line ends with one of these.", NULL},
    {ROFF_LINES, "NAME:VALUE|TYPE|@RATE|#KEY:VALUE,KEY:VALUE\n", NULL},
    {ROFF_TEXT, "Rate and tags are optional, in any order. The types:", NULL},
    {ROFF_ITEM, "A counter, incremented by the value divided by the rate.", "c"},
    {ROFF_ITEM, "A gauge, set to the value; for a signed value see `--statsd.gauge-mode`.", "g"},
    {ROFF_ITEM, "A timer in milliseconds, stored in seconds.", "ms"},
    {ROFF_ITEM, "A histogram and a distribution, stored without conversion.", "h, d"},
    {ROFF_ITEM, "A set, which counts distinct values.", "s"},
    {ROFF_TEXT, "Other forms:", NULL},
    {ROFF_ITEM,
     "Several values of one kind, for the types `ms`, `h` and `d`; and several samples of one "
     "name.", "NAME:1:2:3|TYPE, NAME:1|TYPE:2|TYPE"},
    {ROFF_ITEM,
     "Tags in the name, in the style of InfluxDB, Librato, SignalFX and, if enabled, "
     "Graphite. A line with tags in both places is refused.",
     "NAME,K=V:1|c, NAME#K=V:1|c, NAME[K=V]:1|c, NAME;K=V:1|c"},
    {ROFF_ITEM,
     "DogStatsD's container, timestamp and further fields. The container becomes the label "
     "`container_id` unless `--no-statsd.container-id-label` is set; the others are "
     "ignored.",
     "|c:ID, |T1700000000, |e:DATA, |card:LEVEL"},
    {ROFF_ITEM,
     "DogStatsD's events and service checks: counted and ignored; see also "
     "`--statsd.service-checks`.", "_e{...}:..., _sc|NAME|STATUS"},
    {ROFF_HEAD, "SIGNALS", NULL},
    {ROFF_ITEM,
     "Reload the mapping. If it is invalid, the error is logged and the old rules stay "
     "active.",
     "SIGHUP"},
    {ROFF_ITEM,
     "Read what the sockets hold, for at most a second, and exit.",
     "SIGTERM, SIGINT"},
    {ROFF_HEAD, "HTTP", NULL},
    {ROFF_ITEM,
     "The metrics, at this path or `--web.telemetry-path`: in the text format; in delimited "
     "protobuf or, with `--web.enable-openmetrics`, in OpenMetrics for clients that ask for "
     "them.",
     "/metrics"},
    {ROFF_ITEM, "The status page.", "/"},
    {ROFF_ITEM,
     "The JSON API behind the status page; `/api/v1/explain` accepts lines by POST.",
     "/api/v1/"},
    {ROFF_ITEM,
     "The metrics and labels with the highest cardinality, and those over a limit, as JSON.",
     "/api/v1/cardinality"},
    {ROFF_ITEM, "200 while the process lives.", "/-/healthy"},
    {ROFF_ITEM,
     "200 while the server receives; 503 before and after that, and after `health down` on "
     "the admin port.",
     "/-/ready"},
    {ROFF_ITEM,
     "The largest senders as JSON: with `--statsd.sources`, and for clients on this "
     "machine.",
     "/api/v1/sources"},
    {ROFF_ITEM,
     "A stream of received lines with their results; for clients on this machine. See "
     "`tap`.",
     "/api/v1/tap"},
    {ROFF_ITEM,
     "PUT or POST reloads the mapping and responds when done: 200, or 500 with the error. "
     "Only with `--web.enable-lifecycle`.", "/-/reload"},
    {ROFF_ITEM, "PUT or POST stops the server. Only with `--web.enable-lifecycle`.", "/-/quit"},
    {ROFF_HEAD, "ENVIRONMENT", NULL},
    {ROFF_ITEM,
     "Sockets inherited from systemd (socket activation): those of a kind replace all "
     "addresses that the flags set for it. One whose name begins with `http` belongs to the "
     "web interface.", "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES"},
    {ROFF_ITEM,
     "Readiness, reload, shutdown and watchdog notifications to the service manager.",
     "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID"},
    {ROFF_HEAD, "FILES", NULL},
    {ROFF_TEXT, "The server reads only files that the command line names.", NULL},
    {ROFF_ITEM, "Mapping rules, see bacowr-statsd-mapping(5).", "--statsd.mapping-config=FILE"},
    {ROFF_ITEM,
     "Unix socket files. A stale one is replaced at start; they are removed at exit.",
     "--statsd.listen-unixgram=PATH, --statsd.listen-unix=PATH"},
    {ROFF_ITEM,
     "Arguments, one per line. Empty lines and lines that begin with # are ignored.", "@FILE"},
    {ROFF_HEAD, "EXIT STATUS", NULL},
    {ROFF_ITEM,
     "Clean shutdown; all files given to `check` are valid, perhaps with warnings; "
     "`explain` answered, also for refused lines.", "0"},
    {ROFF_ITEM,
     "An error on the command line or in a mapping file, an address that cannot be bound, "
     "an input that cannot be read, an output that cannot be written. A message on standard "
     "error gives the reason.", "1"},
    {ROFF_ITEM,
     "`check --against`: compared, and something accepted now would be refused, or exceed a "
     "limit.",
     "2"},
    {ROFF_HEAD, "EXAMPLES", NULL},
    {ROFF_TEXT, "Check a mapping file, then serve with it, to other hosts too:", NULL},
    {ROFF_LINES,
     "bacowr-statsd check mapping.yml\n"
     "bacowr-statsd --statsd.mapping-config=mapping.yml --statsd.listen-udp=:8125 \\\n"
     "    --web.listen-address=:9102\n", NULL},
    {ROFF_TEXT, "Show what a new mapping would change on a running server:", NULL},
    {ROFF_LINES, "bacowr-statsd check new.yml --against=http://127.0.0.1:9102\n", NULL},
    {ROFF_TEXT, "Send a metric from bash, and look at it:", NULL},
    {ROFF_LINES,
     "echo -n 'api.hits:1|c|#env:prod' >/dev/udp/127.0.0.1/8125\n"
     "curl -s http://127.0.0.1:9102/metrics | grep api_hits\n", NULL},
    {ROFF_TEXT, "Show the result of a line, and the rule that matches:", NULL},
    {ROFF_LINES,
     "bacowr-statsd --statsd.mapping-config=mapping.yml explain 'api.hits:1|c'\n", NULL},
    {ROFF_TEXT, "The series that a file of lines produces:", NULL},
    {ROFF_LINES,
     "bacowr-statsd explain --json <lines.txt |\n"
     "    jq -r '.samples[].series.text // empty' | sort -u\n", NULL},
    {ROFF_TEXT, "A scrape configuration for Prometheus:", NULL},
    {ROFF_LINES,
     "scrape_configs:\n"
     "  - job_name: statsd\n"
     "    static_configs:\n"
     "      - targets: ['127.0.0.1:9102']\n", NULL},
    {ROFF_HEAD, "SEE ALSO", NULL},
    {ROFF_TEXT, "bacowr-statsd-mapping(5), prometheus(1), curl(1)", NULL},
    {ROFF_END, NULL, NULL},
};

/* What there is to say of a command beyond its row. */
static const struct {
    const char *command, *prose;
} commands[] = {
    {"serve",
     "An error in a flag or in the mapping file is reported before any socket is opened, "
     "with status 1. Otherwise it runs until a signal stops it, with status 0."},
    {"check",
     "No socket is opened. The status is 0 if all files are valid, else 1; warnings do not "
     "count. `--check-config` does the same for all that `--statsd.mapping-config` names, "
     "as one mapping. With `--against` the files form one mapping, and lines are parsed "
     "with the server's flags; the status is 0 with or without changes, 2 if something "
     "accepted now would be refused or exceed a limit, and 1 if the comparison failed. A "
     "server reports the traffic of the last one to three minutes."},
    {"explain",
     "The rules are those of `--statsd.mapping-config`, and the parsing flags apply here "
     "too. The status is 0 also for refused lines."},
};
/* clang-format on */

static void add_commands(struct roff *r)
{
    char tag[OPTIONS_SPELLING_MAX];

    roff_head(r, "COMMANDS");
    for (const struct setting_word *w = settings_commands; w->name; w++) {
        snprintf(tag, sizeof tag, "%s%s%s", w->name, *w->arguments ? " " : "", w->arguments);
        roff_item(r, tag, w->help);
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            if (strcmp(commands[i].command, w->name) == 0)
                roff_indented(r, commands[i].prose);
        }
    }
}

static void add_flags(struct roff *r)
{
    char tag[OPTIONS_SPELLING_MAX], text[OPTIONS_DESCRIPTION_MAX];

    for (const struct setting *s = settings; s->name; s++) {
        if (s->group)
            roff_subhead(r, s->group);
        options_spell(s, tag, sizeof tag);
        options_describe(s, text, sizeof text);
        roff_item(r, tag, text);
    }
}

static void add_print_flags(struct roff *r)
{
    char tag[OPTIONS_SPELLING_MAX];

    roff_subhead(r, "Help");
    for (const struct setting_word *w = settings_print_flags; w->name; w++) {
        snprintf(tag, sizeof tag, "--%s%s%s", w->name, *w->arguments ? " " : "", w->arguments);
        roff_item(r, tag, w->help);
    }
}

static void add_commands_and_flags(struct roff *r)
{
    add_commands(r);
    roff_head(r, "OPTIONS");
    roff_paragraph(r, options_notes);
    add_flags(r);
    add_print_flags(r);
}

int options_man(struct buf *out, const char *version)
{
    static const struct roff_page page = {
        .name = "BACOWR-STATSD",
        .section = 1,
        .date = DATE,
        .program = "bacowr-statsd",
        .before = before,
        .tables = add_commands_and_flags,
        .after = after,
    };

    return roff_page(out, &page, version);
}
