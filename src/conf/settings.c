/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: one row for everything that can be set
 *
 * To add a setting: a field in struct options, a row here. The row names the setter, which checks
 * the value (setters.c); most kinds of value have one already. Defaults are text and take the same
 * way, so a default that its own check refuses is caught by the first test that runs.
 *
 * Two sorts of rows: what this server does; and what statsd_exporter has and makes no sense here
 * (queues, caches), which is checked as it checks it, so that a wrong value is not discovered on
 * the way back.
 */
#include "conf/settings.h"

#include "conf/setters.h"

#include <string.h>

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"logfmt", "json", NULL};
static const char *const valueless[] = {"error", "true", "empty", "ignore", NULL};
static const char *const checks[] = {"count", "gauge", NULL};
static const char *const gauge_modes[] = {"delta", "absolute", "etsy", NULL};
static const char *const cache_types[] = {"lru", "random", NULL};

/* Where a value goes: into a field, or nowhere, with or without a word about it at start. */
#define FIELD(member) offsetof(struct options, member), false
#define IGNORED       SETTING_NOWHERE, true

/* clang-format off */
const struct setting settings[] = {
    {"web.listen-address", SETTING_LIST, setter_web_address, FIELD(web_listen),
     {"127.0.0.1:9102"}, "ADDRESS",
     .help = "Address of the web interface and the metrics page; unix:PATH for a Unix socket, "
             "unix:@NAME for an abstract one.",
     .group = "The web interface"},
    {"web.unixsocket-mode", SETTING_VALUE, setter_mode, FIELD(web_unixsocket_mode),
     {"600"}, "MODE",
     .help = "Permissions of the web interface's Unix sockets, in octal: who may write to one may "
             "come in."},
    {"web.config.file", SETTING_VALUE, setter_text, FIELD(web_config),
     {""}, "FILE",
     .help = "TLS, passwords, headers and rate of the web interface, in the format of Prometheus' "
             "exporters. Read again when it or a certificate changes, and on SIGHUP."},
    {"web.telemetry-path", SETTING_VALUE, setter_path, FIELD(telemetry_path),
     {"/metrics"}, "PATH",
     .help = "Path of the metrics page."},
    {"web.enable-lifecycle", SETTING_SWITCH, setter_switch, FIELD(enable_lifecycle),
     {"false"},
     .help = "Let a PUT or POST to /-/reload and /-/quit reload and end the server."},
    {"web.allowed-host", SETTING_LIST, setter_host, FIELD(web_hosts),
     {""}, "NAME",
     .help = "Name by which this server may be told to reload or end, beside localhost, addresses, "
             "the machine's own name and those in --web.listen-address."},
    {"web.enable-openmetrics", SETTING_SWITCH, setter_switch, FIELD(enable_openmetrics),
     {"false"},
     .help = "Offer the metrics page in OpenMetrics too. Prometheus then prefers it, and sees le "
             "and quantile labels as floats: le=\"2\" becomes le=\"2.0\"."},
    {"web.max-connections", SETTING_VALUE, setter_number, FIELD(web_max_connections),
     {"512"}, "N", .min = 1, .max = 1000000,
     .help = "Connections to the web interface at the same time."},
    {"web.timeout", SETTING_VALUE, setter_duration, FIELD(web_timeout_ms),
     {"30s"}, "DURATION",
     .help = "Time for a request to come in, and for a response to make progress."},
    {"web.max-head", SETTING_VALUE, setter_number, FIELD(web_max_head),
     {"16384"}, "BYTES", .min = 512, .max = 1048576,
     .help = "Longest head of a request, from its first line to its headers' end."},
    {"web.max-path", SETTING_VALUE, setter_number, FIELD(web_max_path),
     {"2048"}, "BYTES", .min = 64, .max = OPTIONS_MAX_PATH,
     .help = "Longest path of a request, without its query."},
    {"web.max-body", SETTING_VALUE, setter_number, FIELD(web_max_body),
     {"65536"}, "BYTES", .min = 1, .max = 16777216,
     .help = "Longest body of a request, as it is on the wire; 16384 at most of one that is kept."},

    {"web.zero-first", SETTING_VALUE, setter_duration_or_off, FIELD(web_zero_first_ms),
     {"0s"}, "DURATION",
     .help = "Show a new counter as 0 for so long, so that rate() sees its first increments: "
             "somewhat more than the scrape interval."},

    {"statsd.listen-udp", SETTING_LIST, setter_address, FIELD(listen_udp),
     {"127.0.0.1:8125", "127.0.0.1:9125"}, "ADDRESS",
     .help = "UDP address for StatsD lines; an empty value for none.", .group = "Receiving"},
    {"statsd.listen-tcp", SETTING_LIST, setter_address, FIELD(listen_tcp),
     {"127.0.0.1:8125", "127.0.0.1:9125"}, "ADDRESS",
     .help = "TCP address for StatsD lines; an empty value for none."},
    {"statsd.listen-unixgram", SETTING_VALUE, setter_text, FIELD(listen_unixgram),
     {""}, "PATH",
     .help = "Unix datagram socket for StatsD lines; @NAME for an abstract one."},
    {"statsd.listen-unix", SETTING_VALUE, setter_text, FIELD(listen_unix),
     {""}, "PATH",
     .help = "Unix stream socket for DogStatsD's frames: a length of four bytes, the lowest first, "
             "and so many bytes of lines."},
    {"statsd.unixsocket-mode", SETTING_VALUE, setter_text, FIELD(unixsocket_mode),
     {"755"}, "MODE",
     .help = "Permissions of the Unix sockets' files, in octal."},
    {"statsd.listen-admin", SETTING_LIST, setter_address, FIELD(listen_admin),
     {""}, "ADDRESS",
     .help = "TCP address for the commands of Etsy's admin port, which is 8126 there: help, "
             "health, stats, counters, gauges, timers and others."},
    {"statsd.admin-max-connections", SETTING_VALUE, setter_number, FIELD(admin_max_connections),
     {"32"}, "N", .min = 1, .max = 1024,
     .help = "Connections to the admin port at the same time."},
    {"statsd.admin-max-line", SETTING_VALUE, setter_number, FIELD(admin_max_line),
     {"4096"}, "BYTES", .min = 64, .max = OPTIONS_MAX_ADMIN_LINE,
     .help = "Longest command of the admin port, its end included; a longer one ends its "
             "connection."},
    {"statsd.admin-timeout", SETTING_VALUE, setter_duration, FIELD(admin_timeout_ms),
     {"5m"}, "DURATION",
     .help = "A connection to the admin port that was silent for so long ends."},
    {"statsd.mapping-config", SETTING_LIST, setter_file, FIELD(mapping_config),
     {""}, "FILE",
     .help = "Mapping file, read again on SIGHUP. A directory stands for its *.yml and *.yaml "
             "files; the rules of several files are one list. Without one, names are only "
             "escaped."},
    {"statsd.read-buffer", SETTING_VALUE, setter_number, FIELD(read_buffer),
     {"0"}, "BYTES", .min = 0, .max = INT32_MAX,
     .help = "Receive buffer of each datagram socket; 0: as large as the system allows."},
    {"statsd.udp-gro", SETTING_SWITCH, setter_switch, FIELD(udp_gro),
     {"false"},
     .help = "Let the kernel hand over UDP datagrams of one sender and size in groups (UDP_GRO): "
             "cheaper where senders or network cards make such groups, but what the kernel drops "
             "is then counted in groups."},
    {"statsd.ingest-threads", SETTING_VALUE, setter_number, FIELD(ingest_threads),
     {"1"}, "N", .min = 1, .max = OPTIONS_MAX_INGEST_THREADS,
     .help = "Threads that receive. With more than one, lines of different senders may be taken "
             "out of their order."},
    {"statsd.max-series", SETTING_VALUE, setter_number, FIELD(max_series),
     {"1000000"}, "N", .min = 1, .max = UINT32_MAX,
     .help = "Series alive at the same time. Counters, observations and sets over it go to a "
             "series overflow=\"true\" of their name; gauges are refused and counted."},
    {"statsd.max-series-per-family", SETTING_VALUE, setter_number, FIELD(max_series_per_family),
     {"0"}, "N", .min = 0, .max = UINT32_MAX,
     .help = "Likewise, series of one metric name; 0 for no such limit."},
    {"statsd.max-label-values", SETTING_VALUE, setter_number, FIELD(max_label_values),
     {"0"}, "N", .min = 0, .max = UINT32_MAX,
     .help = "Likewise, distinct values of a label of one metric name; 0 for no such limit."},
    {"statsd.tcp-max-connections", SETTING_VALUE, setter_number, FIELD(tcp_max_connections),
     {"1024"}, "N", .min = 1, .max = 1000000,
     .help = "TCP and Unix stream connections with StatsD lines at the same time."},
    {"statsd.tcp-max-line", SETTING_VALUE, setter_number, FIELD(tcp_max_line),
     {"4096"}, "BYTES", .min = 64, .max = 65536,
     .help = "Longest line over TCP, its end included; a longer one ends its connection."},
    {"statsd.regex-max-steps", SETTING_VALUE, setter_number, FIELD(regex_max_steps),
     {"10000"}, "N", .min = 100, .max = 1000000,
     .help = "Steps back that a regex may take from each place of a name, fewer in long names; one "
             "that takes more does not match."},

    {"statsd.udp-allow", SETTING_LIST, setter_network, FIELD(udp_allow),
     {""}, "NETWORK",
     .help = "Address or network, as 10.0.0.0/8 or 2001:db8::/32, that may send over UDP; without "
             "one everybody may. Senders of UDP can be forged.",
     .group = "Who may send, and how much"},
    {"statsd.tcp-allow", SETTING_LIST, setter_network, FIELD(tcp_allow),
     {""}, "NETWORK",
     .help = "Address or network that may connect over TCP; without one everybody may."},
    {"statsd.sources", SETTING_VALUE, setter_number, FIELD(n_sources),
     {"0"}, "N", .min = 0, .max = OPTIONS_MAX_SOURCES,
     .help = "Count lines, bytes, bad lines and new series of so many senders apart in each "
             "thread, the largest: see /api/v1/sources. 0 for none."},
    {"statsd.source-max-datagrams", SETTING_VALUE, setter_number, FIELD(source_max_datagrams),
     {"0"}, "N", .min = 0, .max = 1000000000,
     .help = "Datagrams a second of one sender over UDP; 0 for no limit."},
    {"statsd.source-max-lines", SETTING_VALUE, setter_number, FIELD(source_max_lines),
     {"0"}, "N", .min = 0, .max = 1000000000,
     .help = "Lines a second of one sender: UDP datagrams above it are refused, TCP connections "
             "are read more slowly; 0 for no limit."},
    {"statsd.source-burst", SETTING_VALUE, setter_duration, FIELD(source_burst_ms),
     {"1s"}, "DURATION",
     .help = "How much of these rates a sender that was quiet may send at once."},
    {"statsd.parse-dogstatsd-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.dogstatsd_tags),
     {"true"},
     .help = "Read DogStatsD tags: name:1|c|#key:value,...", .group = "Reading lines"},
    {"statsd.parse-influxdb-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.influxdb_tags),
     {"true"},
     .help = "Read InfluxDB tags: name,key=value,...:1|c"},
    {"statsd.parse-librato-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.librato_tags),
     {"true"},
     .help = "Read Librato tags: name#key=value,...:1|c"},
    {"statsd.parse-signalfx-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.signalfx_tags),
     {"true"},
     .help = "Read SignalFX tags: name[key=value,...]:1|c"},
    {"statsd.parse-graphite-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.graphite_tags),
     {"false"},
     .help = "Read Graphite tags: name;key=value;...:1|c"},
    {"statsd.valueless-tags", SETTING_VALUE, setter_word, FIELD(statsd.valueless_tags),
     {"error"}, "WORD", .choices = valueless,
     .help = "A tag that has a key and no value: an error that is counted, a label with the value "
             "true or with an empty one, or nothing at all."},
    {"statsd.max-tags", SETTING_VALUE, setter_number, FIELD(statsd.max_labels),
     {"128"}, "N", .min = 1, .max = STATSD_MAX_LABELS,
     .help = "Tags of a sample; those beyond are left out, each a tag error."},
    {"statsd.max-pieces", SETTING_VALUE, setter_number, FIELD(statsd.max_pieces),
     {"6"}, "N", .min = 2, .max = 64,
     .help = "Pieces of a sample, cut at '|': its value, its type and its sections; one with more "
             "is refused."},
    {"statsd.max-tag-length", SETTING_VALUE, setter_number, FIELD(statsd.max_label_length),
     {"0"}, "BYTES", .min = 0, .max = 65536,
     .help = "Longest value of a tag; one with a longer value is left out, a tag error. 0 for what "
             "fits: name and labels of a series take at most 8192 bytes together."},
    {"statsd.container-id-label", SETTING_SWITCH, setter_switch, FIELD(statsd.container_id_label),
     {"true"},
     .help = "Make a label container_id of DogStatsD's |c:ID. Off, samples of all containers are "
             "one series."},
    {"statsd.exemplar-tag", SETTING_LIST, setter_exemplar_tag, FIELD(exemplar_tags),
     {""}, "KEY",
     .help = "Tag of a |# section that goes to exemplars and is no label; at most four keys."},
    {"statsd.service-checks", SETTING_VALUE, setter_word, FIELD(service_checks),
     {"count"}, "WORD", .choices = checks,
     .help = "DogStatsD service checks: count them and leave them out, or make each a gauge "
             "NAME.status with the value 0 to 3."},
    {"statsd.gauge-mode", SETTING_VALUE, setter_word, FIELD(gauge_mode),
     {"delta"}, "WORD", .choices = gauge_modes,
     .help = "A sign before a gauge's value: the value changes by so much; it is the number's; or "
             "the value changes where there is a number to change and is set where there is none."},

    {"statsd.cache-size", SETTING_VALUE, setter_number, IGNORED,
     {"1000"}, "N", .max = SETTER_NO_LIMIT,
     .help = "No effect: the mapping needs no cache.", .group = "Taken for statsd_exporter's sake"},
    {"statsd.cache-type", SETTING_VALUE, setter_choice, IGNORED,
     {"lru"}, "TYPE", .choices = cache_types,
     .help = "No effect: the mapping needs no cache."},
    {"statsd.event-queue-size", SETTING_VALUE, setter_number, IGNORED,
     {"10000"}, "N", .max = SETTER_NO_LIMIT,
     .help = "No effect: samples are not queued."},
    {"statsd.event-flush-threshold", SETTING_VALUE, setter_number, IGNORED,
     {"1000"}, "N", .max = SETTER_NO_LIMIT,
     .help = "No effect: samples are not queued."},
    {"statsd.event-flush-interval", SETTING_VALUE, setter_duration, IGNORED,
     {"200ms"}, "DURATION",
     .help = "No effect: samples are not queued."},
    {"statsd.udp-packet-queue-size", SETTING_VALUE, setter_number, IGNORED,
     {"10000"}, "N", .max = SETTER_NO_LIMIT,
     .help = "No effect: datagrams wait in the socket's buffer only."},

    {"statsd.relay.address", SETTING_LIST, setter_address, FIELD(relay_targets),
     {""}, "ADDRESS",
     .help = "UDP address of a StatsD server that gets every line as it came in.",
     .group = "Relaying"},
    {"statsd.relay.packet-length", SETTING_VALUE, setter_number, FIELD(relay_packet_length),
     {"1400"}, "BYTES", .min = 2, .max = 65507,
     .help = "Longest datagram that is relayed; a line must leave room in it for its end."},
    {"state.file", SETTING_VALUE, setter_text, FIELD(state_file),
     {""}, "FILE",
     .help = "Keep what is counted in this file over a restart: all of it if the server ends in "
             "order, gauges and sets if it does not.",
     .group = "State that survives"},
    {"state.interval", SETTING_VALUE, setter_duration_or_off, FIELD(state_interval_ms),
     {"1m"}, "DURATION",
     .help = "Save gauges and sets so often while the server runs; 0s for never."},
    {"state.max-age", SETTING_VALUE, setter_duration_or_off, FIELD(state_max_age_ms),
     {"1h"}, "DURATION",
     .help = "Gauges and sets that were saved longer ago are left out at the start; 0s for any "
             "age."},

    {"debug.dump-fsm", SETTING_VALUE, setter_text, FIELD(dump_fsm),
     {""}, "FILE",
     .help = "Draw the mapping's globs as a graph, in Graphviz's language, into this file at "
             "start.",
     .group = "Checks and the log"},

    {"control.socket", SETTING_VALUE, setter_text, FIELD(control_socket),
     {""}, "PATH",
     .help = "Unix socket on which a successor of the same user may take over; @NAME for an "
             "abstract one.",
     .group = "Taking over"},
    {"control.timeout", SETTING_VALUE, setter_duration, FIELD(control_timeout_ms),
     {"10s"}, "DURATION",
     .help = "Time for each step of a hand-over; a longer one fails, and the old server goes on."},
    {"replace", SETTING_SWITCH, setter_switch, FIELD(replace),
     {"false"},
     .help = "Take over from the server at --control.socket: its sockets, connections and all that "
             "it counted. Is none there, start as usual."},

    {"config.watch", SETTING_SWITCH, setter_switch, FIELD(config_watch),
     {"false"},
     .help = "Load the mapping again whenever one of its files has changed."},
    {"check-config", SETTING_SWITCH, setter_switch, FIELD(check_config),
     {"false"},
     .help = "Check the mapping and exit, before any socket is opened."},
    {"json", SETTING_SWITCH, setter_switch, FIELD(explain_json),
     {"false"},
     .help = "Write JSON, an object for each line, or for a comparison.",
     .command = "explain or tap or check"},
    {"against", SETTING_VALUE, setter_text, FIELD(against),
     {""}, "URL",
     .help = "Compare the files, as one mapping, with what a running server is sent and makes of "
             "it: http://HOST:PORT, https://HOST:PORT or unix:PATH, a file with its answer to "
             "/api/v1/identities, or - for the standard input.", .command = "check"},
    {"url", SETTING_VALUE, setter_text, FIELD(tap_url),
     {""}, "URL",
     .help = "The server to ask: http://HOST:PORT, https://HOST:PORT or unix:PATH. Without it the "
             "first --web.listen-address, by TLS if --web.config.file says so.",
     .command = "tap or record"},
    {"http.config.file", SETTING_VALUE, setter_text, FIELD(http_config),
     {""}, "FILE",
     .help = "Who one is there, and whom to believe: basic_auth and tls_config as Prometheus and "
             "promtool have them.", .command = "tap or record or healthcheck or check"},
    {"match", SETTING_VALUE, setter_text, FIELD(tap_match),
     {""}, "TEXT",
     .help = "Only lines that contain this text, in which * stands for anything.",
     .command = "tap or record"},
    {"rate", SETTING_VALUE, setter_number, FIELD(tap_rate),
     {"0"}, "N", .min = 0, .max = 1000000,
     .help = "At most so many lines a second; 0 for 200 with tap and for no bound with record.",
     .command = "tap or record"},
    {"duration", SETTING_VALUE, setter_duration_or_off, FIELD(record_ms),
     {"0s"}, "DURATION",
     .help = "End after this time; 0s for never.", .command = "tap or record"},
    {"to", SETTING_VALUE, setter_text, FIELD(replay_to),
     {"127.0.0.1:8125"}, "ADDRESS",
     .help = "The StatsD server that gets the lines.", .command = "replay"},
    {"tcp", SETTING_SWITCH, setter_switch, FIELD(replay_tcp),
     {"false"},
     .help = "Send over TCP instead of UDP.", .command = "replay"},
    {"speed", SETTING_VALUE, setter_text, FIELD(replay_speed),
     {"1"}, "NUMBER",
     .help = "So many times as fast as it was recorded; max for as fast as it goes.",
     .command = "replay"},
    {"log.level", SETTING_VALUE, setter_level, FIELD(log_level),
     {"info"}, "LEVEL", .choices = levels,
     .help = "Log lines of this level and above."},
    {"log.format", SETTING_VALUE, setter_word, FIELD(log_format),
     {"logfmt"}, "FORMAT", .choices = formats,
     .help = "Form of the log lines on the standard error output."},
    {"log.max-lines", SETTING_VALUE, setter_number, FIELD(log_max_lines),
     {"200"}, "N", .min = 1, .max = 1000000,
     .help = "Log lines a second; those beyond are counted and not written."},
    {.name = NULL},
};

const struct setting_word settings_print_flags[] = {
    {"help", "", "Print this help and exit; also -h."},
    {"help-long", "", "The same as --help."},
    {"help-man", "", "Print this program's manual page and exit."},
    {"version", "", "Print the version and exit."},
    {"completion-bash", "WORD...", "Print what could complete the last word, for a shell."},
    {"completion-script-bash", "", "Print a completion script for bash."},
    {"completion-script-zsh", "", "Print a completion script for zsh."},
    {.name = NULL},
};

const struct setting_word settings_commands[] = {
    {"serve", "", "Receive StatsD lines and serve the metrics page. The default."},
    {"check", "FILE...", "Check mapping files: the first mistake of each with its line and column, "
     "and all warnings. Each file or directory alone; --check-config takes all that the flags "
     "name, as one mapping. With --against what they would change of a running server."},
    {"explain", "[LINE...]", "Say how StatsD lines are read, which rule takes them and the series "
     "they become. Without a line, and where one is -, those of the standard input, which may be "
     "what record wrote."},
    {"man", "[mapping]", "Print a manual page: this program's, or that of mapping files. To read "
     "it: bacowr-statsd man | man -l -"},
    {"healthcheck", "", "Ask the server at the first --web.listen-address, or the first that is a "
     "Unix socket, whether it receives; by TLS if --web.config.file says so. The exit status is 0 "
     "if it says so within 3 s, else 1."},
    {"tap", "", "Print the lines that a running server receives, with what becomes of them: a "
     "sample of them under load."},
    {"record", "FILE", "Write the lines that a running server receives to a file, with their "
     "times; - for the standard output."},
    {"replay", "FILE", "Send what was recorded, or a file of lines, in its time or faster; - for "
     "the standard input."},
    {"help", "", "The same as --help."},
    {.name = NULL},
};
/* clang-format on */

void *setting_field(const struct setting *s, struct options *o)
{
    return s->offset == SETTING_NOWHERE ? NULL : (char *)o + s->offset;
}

const struct setting *setting_find(const char *name, size_t len)
{
    for (const struct setting *s = settings; s->name; s++) {
        if (strlen(s->name) == len && memcmp(s->name, name, len) == 0)
            return s;
    }
    return NULL;
}

bool setting_is_for(const struct setting *s, const char *command)
{
    size_t len = strlen(command);

    for (const char *at = s->command; at != NULL; at = strchr(at, ' '), at += at != NULL) {
        if (strncmp(at, command, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return s->command == NULL;
}

int settings_defaults(struct options *o)
{
    for (const struct setting *s = settings; s->name; s++) {
        for (size_t i = 0; i < 2 && s->fallback[i]; i++) {
            int r = s->set(s, s->fallback[i], setting_field(s, o), NULL);

            if (r != 0)
                return r;
        }
    }
    return 0;
}
