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
     "`bacowr-statsd` receives StatsD lines over UDP, TCP and Unix sockets, turns their names into "
     "metrics by the rules of a mapping file, and serves the metrics to Prometheus over HTTP. It "
     "takes the flags, the mapping files and the names of self metrics of statsd_exporter.", NULL},
    {ROFF_TEXT,
     "Each sample changes its series at once; nothing is queued, and nothing is flushed at "
     "intervals. Counters and histograms count from the start on; a gauge keeps its last "
     "value; a summary's quantiles and a set's count are those of a sliding window. A series "
     "lives until the server ends, or until it got no sample for the `ttl` of its rule.", NULL},
    {ROFF_TEXT,
     "Everything listens on loopback only unless a flag says otherwise: neither StatsD nor the "
     "metrics page has a password.", NULL},
    {ROFF_TEXT,
     "No line, datagram or request ends the server or spoils the metrics page. What is refused is "
     "counted on the page with the reason, in `statsd_exporter_sample_errors_total`, "
     "`statsd_exporter_events_error_total` and `statsd_exporter_events_conflict_total`. Datagrams "
     "that the kernel had no room for are in "
     "`bacowr_statsd_udp_kernel_dropped_datagrams_total`, which is worth an alert.", NULL},
    {ROFF_END, NULL, NULL},
};

static const struct roff_part after[] = {
    {ROFF_HEAD, "LINES", NULL},
    {ROFF_TEXT,
     "A line is a name and what was measured. A datagram holds any number of lines, parted by LF "
     "or CR LF; a TCP line ends with one of these.", NULL},
    {ROFF_LINES, "NAME:VALUE|TYPE|@RATE|#KEY:VALUE,KEY:VALUE\n", NULL},
    {ROFF_TEXT, "The rate and the tags may be left out, and stand in any order. The types:", NULL},
    {ROFF_ITEM, "A counter, which rises by the value, divided by the rate.", "c"},
    {ROFF_ITEM, "A gauge, which gets the value; with a sign, see `--statsd.gauge-mode`.", "g"},
    {ROFF_ITEM, "A timer in milliseconds, which is kept in seconds.", "ms"},
    {ROFF_ITEM, "A histogram and a distribution: numbers that are kept as they are.", "h, d"},
    {ROFF_ITEM, "A set, which counts how many distinct values came in.", "s"},
    {ROFF_TEXT, "Other forms:", NULL},
    {ROFF_ITEM,
     "Several values of one kind, for the types `ms`, `h` and `d`; and several samples of one "
     "name.", "NAME:1:2:3|TYPE, NAME:1|TYPE:2|TYPE"},
    {ROFF_ITEM,
     "Tags in the name, as InfluxDB, Librato, SignalFX and, when that is switched on, Graphite "
     "have them. A line with tags in both places is refused.",
     "NAME,K=V:1|c, NAME#K=V:1|c, NAME[K=V]:1|c, NAME;K=V:1|c"},
    {ROFF_ITEM,
     "DogStatsD's container, timestamp and further fields. The container is a label "
     "`container_id` unless `--no-statsd.container-id-label` is given; the others are left out.",
     "|c:ID, |T1700000000, |e:DATA, |card:LEVEL"},
    {ROFF_ITEM,
     "DogStatsD's events and service checks: counted and left out, or see "
     "`--statsd.service-checks`.", "_e{...}:..., _sc|NAME|STATUS"},
    {ROFF_HEAD, "SIGNALS", NULL},
    {ROFF_ITEM,
     "The mapping is read again. When it has a mistake, that is logged and the old rules go on.",
     "SIGHUP"},
    {ROFF_ITEM,
     "The server takes in what its sockets hold, for at most a second, and ends.",
     "SIGTERM, SIGINT"},
    {ROFF_HEAD, "HTTP", NULL},
    {ROFF_ITEM,
     "The metrics page, or where `--web.telemetry-path` puts it: in the text format; in delimited "
     "protobuf or, with `--web.enable-openmetrics`, in OpenMetrics for those who ask for them.",
     "/metrics"},
    {ROFF_ITEM, "The status page.", "/"},
    {ROFF_ITEM,
     "As JSON: the documents with what the status page shows; `/api/v1/explain` takes lines by "
     "POST.",
     "/api/v1/"},
    {ROFF_ITEM,
     "In JSON: the metrics and labels with the most series and values, and those that are over a "
     "limit.",
     "/api/v1/cardinality"},
    {ROFF_ITEM, "200 while the process lives.", "/-/healthy"},
    {ROFF_ITEM,
     "200 while it receives; before and after that 503, and while the admin port was told "
     "`health down`.",
     "/-/ready"},
    {ROFF_ITEM,
     "The largest senders with what they sent, as JSON: with `--statsd.sources`, and for clients "
     "on this machine.",
     "/api/v1/sources"},
    {ROFF_ITEM,
     "Lines as they come in, with what becomes of each; for clients on this machine. See `tap`.",
     "/api/v1/tap"},
    {ROFF_ITEM,
     "PUT or POST reads the mapping again and answers when that is done: 200, or 500 with the "
     "mistake. Only with `--web.enable-lifecycle`.", "/-/reload"},
    {ROFF_ITEM, "PUT or POST ends the server. Only with `--web.enable-lifecycle`.", "/-/quit"},
    {ROFF_HEAD, "ENVIRONMENT", NULL},
    {ROFF_ITEM,
     "Sockets that the service manager opened, as systemd passes them: those of a kind stand in "
     "the place of all that the flags name for it. One whose name begins with `http` is the web "
     "interface's.", "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES"},
    {ROFF_ITEM,
     "Where the service manager hears that the server is ready, reloads, ends and lives.",
     "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID"},
    {ROFF_HEAD, "FILES", NULL},
    {ROFF_TEXT, "No file is read that the command line does not name.", NULL},
    {ROFF_ITEM,
     "Rules, in the language of bacowr-statsd-mapping(5).", "--statsd.mapping-config=FILE"},
    {ROFF_ITEM,
     "The sockets' files. One that nobody listens on is replaced at start; at the end they are "
     "removed.", "--statsd.listen-unixgram=PATH, --statsd.listen-unix=PATH"},
    {ROFF_ITEM,
     "Arguments, one a line. Empty lines and those that begin with # are none.", "@FILE"},
    {ROFF_HEAD, "EXIT STATUS", NULL},
    {ROFF_ITEM,
     "The server ended in order; all files that `check` was given are right, perhaps with "
     "warnings; `explain` answered, whatever becomes of the lines.", "0"},
    {ROFF_ITEM,
     "A mistake on the command line or in a mapping file, an address that cannot be had, an input "
     "that cannot be read, an output that cannot be written. A sentence on the standard error "
     "output says which.", "1"},
    {ROFF_ITEM,
     "`check --against`: compared, and something that is not refused now would be, or go over a "
     "limit.",
     "2"},
    {ROFF_HEAD, "EXAMPLES", NULL},
    {ROFF_TEXT, "Is a mapping file right? Then serve with it, to other hosts too:", NULL},
    {ROFF_LINES,
     "bacowr-statsd check mapping.yml\n"
     "bacowr-statsd --statsd.mapping-config=mapping.yml --statsd.listen-udp=:8125 \\\n"
     "    --web.listen-address=:9102\n", NULL},
    {ROFF_TEXT, "What would a new mapping change of a running server?", NULL},
    {ROFF_LINES, "bacowr-statsd check new.yml --against=http://127.0.0.1:9102\n", NULL},
    {ROFF_TEXT, "A first metric, from bash, and a look at it:", NULL},
    {ROFF_LINES,
     "echo -n 'api.hits:1|c|#env:prod' >/dev/udp/127.0.0.1/8125\n"
     "curl -s http://127.0.0.1:9102/metrics | grep api_hits\n", NULL},
    {ROFF_TEXT, "What becomes of a line, and which rule takes it:", NULL},
    {ROFF_LINES,
     "bacowr-statsd --statsd.mapping-config=mapping.yml explain 'api.hits:1|c'\n", NULL},
    {ROFF_TEXT, "The series that a file of lines becomes:", NULL},
    {ROFF_LINES,
     "bacowr-statsd explain --json <lines.txt |\n"
     "    jq -r '.samples[].series.text // empty' | sort -u\n", NULL},
    {ROFF_TEXT, "A scrape job for Prometheus:", NULL},
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
     "A mistake in a flag or in the mapping file is told before any socket is opened, with status "
     "1. Else it runs until a signal ends it, with status 0."},
    {"check",
     "No socket is opened. The status is 0 when all files are right, else 1; warnings do not "
     "count. `--check-config` does the same for all that `--statsd.mapping-config` names, as one. "
     "With `--against` the files are one mapping, and lines are read as the server's flags have "
     "it; the status is 0 whatever changes, but 2 when something that is not refused now would be "
     "or go over a limit, and 1 when nothing could be compared. A server tells of what came in the "
     "last two minutes."},
    {"explain",
     "The rules are those of `--statsd.mapping-config`, and the flags that say how lines are read "
     "have their meaning here too. The status is 0 for lines that are refused as well: that is an "
     "answer."},
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
