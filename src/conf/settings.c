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
     .help = "Listen address of the web interface and metrics; unix:PATH for a Unix socket, "
             "unix:@NAME for an abstract one.",
     .group = "The web interface"},
    {"web.unixsocket-mode", SETTING_VALUE, setter_mode, FIELD(web_unixsocket_mode),
     {"600"}, "MODE",
     .help = "Permissions of the web interface's Unix sockets, in octal; clients need write "
             "permission."},
    {"web.config.file", SETTING_VALUE, setter_text, FIELD(web_config),
     {""}, "FILE",
     .help = "TLS, passwords, headers and rate limit of the web interface, in the format of "
             "Prometheus exporters. Reloaded when it or a certificate changes, and on "
             "SIGHUP."},
    {"web.telemetry-path", SETTING_VALUE, setter_path, FIELD(telemetry_path),
     {"/metrics"}, "PATH",
     .help = "Path under which to expose metrics."},
    {"web.enable-lifecycle", SETTING_SWITCH, setter_switch, FIELD(enable_lifecycle),
     {"false"},
     .help = "Enable PUT or POST to /-/reload and /-/quit, which reload and stop the "
             "server."},
    {"web.allowed-host", SETTING_LIST, setter_host, FIELD(web_hosts),
     {""}, "NAME",
     .help = "Additional host name accepted by /-/reload and /-/quit, besides localhost, "
             "addresses, the machine's own name and those in --web.listen-address."},
    {"web.enable-openmetrics", SETTING_SWITCH, setter_switch, FIELD(enable_openmetrics),
     {"false"},
     .help = "Offer metrics in OpenMetrics too. Prometheus then prefers it, and sees le and "
             "quantile labels as floats: le=\"2\" becomes le=\"2.0\"."},
    {"web.max-connections", SETTING_VALUE, setter_number, FIELD(web_max_connections),
     {"512"}, "N", .min = 1, .max = 1000000,
     .help = "Maximum number of connections to the web interface."},
    {"web.timeout", SETTING_VALUE, setter_duration, FIELD(web_timeout_ms),
     {"30s"}, "DURATION",
     .help = "Timeout of a request, and of a response without progress."},
    {"web.max-head", SETTING_VALUE, setter_number, FIELD(web_max_head),
     {"16384"}, "BYTES", .min = 512, .max = 1048576,
     .help = "Maximum size of a request's head, from its first line to the end of its "
             "headers."},
    {"web.max-path", SETTING_VALUE, setter_number, FIELD(web_max_path),
     {"2048"}, "BYTES", .min = 64, .max = OPTIONS_MAX_PATH,
     .help = "Maximum length of a request's path, without the query."},
    {"web.max-body", SETTING_VALUE, setter_number, FIELD(web_max_body),
     {"65536"}, "BYTES", .min = 1, .max = 16777216,
     .help = "Maximum size of a request's body, as sent; 16384 at most for paths that read "
             "it."},

    {"web.zero-first", SETTING_VALUE, setter_duration_or_off, FIELD(web_zero_first_ms),
     {"0s"}, "DURATION",
     .help = "Expose a new counter as 0 for this time, so that rate() sees its first "
             "increments; slightly more than the scrape interval."},

    {"statsd.listen-udp", SETTING_LIST, setter_address, FIELD(listen_udp),
     {"127.0.0.1:8125", "127.0.0.1:9125"}, "ADDRESS",
     .help = "UDP listen address for StatsD lines; an empty value for none.", .group = "Receiving"},
    {"statsd.listen-tcp", SETTING_LIST, setter_address, FIELD(listen_tcp),
     {"127.0.0.1:8125", "127.0.0.1:9125"}, "ADDRESS",
     .help = "TCP listen address for StatsD lines; an empty value for none."},
    {"statsd.listen-unixgram", SETTING_VALUE, setter_text, FIELD(listen_unixgram),
     {""}, "PATH",
     .help = "Unix datagram socket for StatsD lines; @NAME for an abstract one."},
    {"statsd.listen-unix", SETTING_VALUE, setter_text, FIELD(listen_unix),
     {""}, "PATH",
     .help = "Unix stream socket with DogStatsD framing: a length of four bytes, little "
             "endian, then that many bytes of lines."},
    {"statsd.unixsocket-mode", SETTING_VALUE, setter_text, FIELD(unixsocket_mode),
     {"755"}, "MODE",
     .help = "Permissions of the Unix socket files, in octal."},
    {"statsd.listen-admin", SETTING_LIST, setter_address, FIELD(listen_admin),
     {""}, "ADDRESS",
     .help = "TCP listen address for the commands of Etsy's admin port (8126 by default "
             "there): help, health, stats, counters, gauges, timers and others."},
    {"statsd.admin-max-connections", SETTING_VALUE, setter_number, FIELD(admin_max_connections),
     {"32"}, "N", .min = 1, .max = 1024,
     .help = "Maximum number of connections to the admin port."},
    {"statsd.admin-max-line", SETTING_VALUE, setter_number, FIELD(admin_max_line),
     {"4096"}, "BYTES", .min = 64, .max = OPTIONS_MAX_ADMIN_LINE,
     .help = "Maximum length of an admin port command, including its end; a longer one "
             "closes its connection."},
    {"statsd.admin-timeout", SETTING_VALUE, setter_duration, FIELD(admin_timeout_ms),
     {"5m"}, "DURATION",
     .help = "Idle timeout of admin port connections."},
    {"statsd.mapping-config", SETTING_LIST, setter_file, FIELD(mapping_config),
     {""}, "FILE",
     .help = "Mapping file, reloaded on SIGHUP. A directory means its *.yml and *.yaml "
             "files; the rules of several files form one list. Without one, names are only "
             "escaped."},
    {"statsd.read-buffer", SETTING_VALUE, setter_number, FIELD(read_buffer),
     {"0"}, "BYTES", .min = 0, .max = INT32_MAX,
     .help = "Receive buffer of each datagram socket; 0: the maximum that the system "
             "allows."},
    {"statsd.udp-gro", SETTING_SWITCH, setter_switch, FIELD(udp_gro),
     {"false"},
     .help = "Let the kernel deliver UDP datagrams of one sender and size in groups "
             "(UDP_GRO): less CPU where senders or network cards form groups, but kernel "
             "drops are then counted in groups."},
    {"statsd.ingest-threads", SETTING_VALUE, setter_number, FIELD(ingest_threads),
     {"1"}, "N", .min = 1, .max = OPTIONS_MAX_INGEST_THREADS,
     .help = "Number of ingest threads. With more than one, lines of different senders may "
             "be processed out of order."},
    {"statsd.max-series", SETTING_VALUE, setter_number, FIELD(max_series),
     {"1000000"}, "N", .min = 1, .max = UINT32_MAX,
     .help = "Maximum number of active series. Counters, observations and sets over it go "
             "to one series overflow=\"true\" per metric name; gauges are refused and "
             "counted."},
    {"statsd.max-series-per-family", SETTING_VALUE, setter_number, FIELD(max_series_per_family),
     {"0"}, "N", .min = 0, .max = UINT32_MAX,
     .help = "Likewise, per metric name; 0 for no limit."},
    {"statsd.max-label-values", SETTING_VALUE, setter_number, FIELD(max_label_values),
     {"0"}, "N", .min = 0, .max = UINT32_MAX,
     .help = "Likewise, distinct values per label of a metric name; 0 for no limit."},
    {"statsd.tcp-max-connections", SETTING_VALUE, setter_number, FIELD(tcp_max_connections),
     {"1024"}, "N", .min = 1, .max = 1000000,
     .help = "Maximum number of TCP and Unix stream connections with StatsD lines."},
    {"statsd.tcp-max-line", SETTING_VALUE, setter_number, FIELD(tcp_max_line),
     {"4096"}, "BYTES", .min = 64, .max = 65536,
     .help = "Maximum length of a line over TCP, including its end; a longer one closes its "
             "connection."},
    {"statsd.regex-max-steps", SETTING_VALUE, setter_number, FIELD(regex_max_steps),
     {"10000"}, "N", .min = 100, .max = 1000000,
     .help = "Backtracking steps that a regex may take from each position of a name, fewer "
             "in long names; one that needs more does not match."},

    {"statsd.udp-allow", SETTING_LIST, setter_network, FIELD(udp_allow),
     {""}, "NETWORK",
     .help = "Address or network, such as 10.0.0.0/8 or 2001:db8::/32, that may send over "
             "UDP; default: all. UDP source addresses can be spoofed.",
     .group = "Senders and rate limits"},
    {"statsd.tcp-allow", SETTING_LIST, setter_network, FIELD(tcp_allow),
     {""}, "NETWORK",
     .help = "Address or network that may connect over TCP; default: all."},
    {"statsd.sources", SETTING_VALUE, setter_number, FIELD(n_sources),
     {"0"}, "N", .min = 0, .max = OPTIONS_MAX_SOURCES,
     .help = "Number of senders to track per thread, the largest ones, with lines, bytes, "
             "bad lines and new series: see /api/v1/sources. 0 for none."},
    {"statsd.source-max-datagrams", SETTING_VALUE, setter_number, FIELD(source_max_datagrams),
     {"0"}, "N", .min = 0, .max = 1000000000,
     .help = "Maximum datagrams per second of one sender over UDP; 0 for no limit."},
    {"statsd.source-max-lines", SETTING_VALUE, setter_number, FIELD(source_max_lines),
     {"0"}, "N", .min = 0, .max = 1000000000,
     .help = "Maximum lines per second of one sender: UDP datagrams above it are refused, "
             "TCP connections are throttled; 0 for no limit."},
    {"statsd.source-burst", SETTING_VALUE, setter_duration, FIELD(source_burst_ms),
     {"1s"}, "DURATION",
     .help = "Burst of these rate limits, as a duration."},
    {"statsd.parse-dogstatsd-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.dogstatsd_tags),
     {"true"},
     .help = "Parse DogStatsD tags: name:1|c|#key:value,...", .group = "Parsing"},
    {"statsd.parse-influxdb-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.influxdb_tags),
     {"true"},
     .help = "Parse InfluxDB tags: name,key=value,...:1|c"},
    {"statsd.parse-librato-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.librato_tags),
     {"true"},
     .help = "Parse Librato tags: name#key=value,...:1|c"},
    {"statsd.parse-signalfx-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.signalfx_tags),
     {"true"},
     .help = "Parse SignalFX tags: name[key=value,...]:1|c"},
    {"statsd.parse-graphite-tags", SETTING_SWITCH, setter_switch, FIELD(statsd.graphite_tags),
     {"false"},
     .help = "Parse Graphite tags: name;key=value;...:1|c"},
    {"statsd.valueless-tags", SETTING_VALUE, setter_word, FIELD(statsd.valueless_tags),
     {"error"}, "WORD", .choices = valueless,
     .help = "A tag with a key but no value: a counted error, a label with the value true "
             "or an empty value, or ignored."},
    {"statsd.max-tags", SETTING_VALUE, setter_number, FIELD(statsd.max_labels),
     {"128"}, "N", .min = 1, .max = STATSD_MAX_LABELS,
     .help = "Maximum number of tags of a sample; further ones are dropped, each a tag "
             "error."},
    {"statsd.max-pieces", SETTING_VALUE, setter_number, FIELD(statsd.max_pieces),
     {"6"}, "N", .min = 2, .max = 64,
     .help = "Maximum number of parts of a sample, separated by '|': its value, its type "
             "and its sections; one with more is refused."},
    {"statsd.max-tag-length", SETTING_VALUE, setter_number, FIELD(statsd.max_label_length),
     {"0"}, "BYTES", .min = 0, .max = 65536,
     .help = "Maximum length of a tag value; a longer one is dropped, a tag error. 0 for no "
             "separate limit: name and labels of a series are limited to 8192 bytes "
             "together."},
    {"statsd.container-id-label", SETTING_SWITCH, setter_switch, FIELD(statsd.container_id_label),
     {"true"},
     .help = "Add DogStatsD's |c:ID as the label container_id. If off, samples of all "
             "containers share a series."},
    {"statsd.exemplar-tag", SETTING_LIST, setter_exemplar_tag, FIELD(exemplar_tags),
     {""}, "KEY",
     .help = "Tag of a |# section that becomes an exemplar instead of a label; at most four "
             "keys."},
    {"statsd.service-checks", SETTING_VALUE, setter_word, FIELD(service_checks),
     {"count"}, "WORD", .choices = checks,
     .help = "DogStatsD service checks: only count them, or turn each into a gauge "
             "NAME.status with the value 0 to 3."},
    {"statsd.gauge-mode", SETTING_VALUE, setter_word, FIELD(gauge_mode),
     {"delta"}, "WORD", .choices = gauge_modes,
     .help = "Meaning of a sign before a gauge value: change the gauge; set it; or change "
             "an existing gauge and set a new one."},

    {"statsd.cache-size", SETTING_VALUE, setter_number, IGNORED,
     {"1000"}, "N", .max = SETTER_NO_LIMIT,
     .help = "No effect: the mapping needs no cache.", .group = "Compatibility with "
                                                                "statsd_exporter"},
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
     .help = "UDP address of a StatsD server that gets every received line unchanged.",
     .group = "Relay"},
    {"statsd.relay.packet-length", SETTING_VALUE, setter_number, FIELD(relay_packet_length),
     {"1400"}, "BYTES", .min = 2, .max = 65507,
     .help = "Maximum size of a relayed datagram, including the end of the last line."},
    {"state.file", SETTING_VALUE, setter_text, FIELD(state_file),
     {""}, "FILE",
     .help = "Preserve values in this file over restarts: all of them after a clean "
             "shutdown, gauges and sets after a crash.",
     .group = "State"},
    {"state.interval", SETTING_VALUE, setter_duration_or_off, FIELD(state_interval_ms),
     {"1m"}, "DURATION",
     .help = "Interval at which gauges and sets are saved while the server runs; 0s for "
             "never."},
    {"state.max-age", SETTING_VALUE, setter_duration_or_off, FIELD(state_max_age_ms),
     {"1h"}, "DURATION",
     .help = "Older saved gauges and sets are ignored at start; 0s for any age."},

    {"debug.dump-fsm", SETTING_VALUE, setter_text, FIELD(dump_fsm),
     {""}, "FILE",
     .help = "Write the mapping's globs as a Graphviz graph into this file at start.",
     .group = "Debugging"},

    {"control.socket", SETTING_VALUE, setter_text, FIELD(control_socket),
     {""}, "PATH",
     .help = "Unix socket on which a new process of the same user may take over; @NAME for "
             "an abstract one.",
     .group = "Hand-over, commands and log"},
    {"control.timeout", SETTING_VALUE, setter_duration, FIELD(control_timeout_ms),
     {"10s"}, "DURATION",
     .help = "Timeout of each step of a hand-over; if it expires, the old server continues."},
    {"replace", SETTING_SWITCH, setter_switch, FIELD(replace),
     {"false"},
     .help = "Take over from the server at --control.socket, with its sockets, connections "
             "and series. If none is there, start normally."},

    {"config.watch", SETTING_SWITCH, setter_switch, FIELD(config_watch),
     {"false"},
     .help = "Reload the mapping when one of its files changes."},
    {"check-config", SETTING_SWITCH, setter_switch, FIELD(check_config),
     {"false"},
     .help = "Check the mapping and exit without opening a socket."},
    {"json", SETTING_SWITCH, setter_switch, FIELD(explain_json),
     {"false"},
     .help = "Write JSON, one object per line or comparison.",
     .command = "explain or tap or check"},
    {"against", SETTING_VALUE, setter_text, FIELD(against),
     {""}, "URL",
     .help = "Compare the files, as one mapping, with the mapping and traffic of a running "
             "server: http://HOST:PORT, https://HOST:PORT or unix:PATH, a file with its "
             "response to /api/v1/identities, or - for standard input.", .command = "check"},
    {"url", SETTING_VALUE, setter_text, FIELD(tap_url),
     {""}, "URL",
     .help = "The server to query: http://HOST:PORT, https://HOST:PORT or unix:PATH. "
             "Default: the first --web.listen-address, over TLS if --web.config.file "
             "configures it.",
     .command = "tap or record"},
    {"http.config.file", SETTING_VALUE, setter_text, FIELD(http_config),
     {""}, "FILE",
     .help = "Credentials and trusted certificates for it: basic_auth and tls_config as in "
             "Prometheus and promtool.", .command = "tap or record or healthcheck or check"},
    {"match", SETTING_VALUE, setter_text, FIELD(tap_match),
     {""}, "TEXT",
     .help = "Only lines that contain this text; * matches anything.",
     .command = "tap or record"},
    {"rate", SETTING_VALUE, setter_number, FIELD(tap_rate),
     {"0"}, "N", .min = 0, .max = 1000000,
     .help = "Maximum lines per second; 0 means 200 with tap and no limit with record.",
     .command = "tap or record"},
    {"duration", SETTING_VALUE, setter_duration_or_off, FIELD(record_ms),
     {"0s"}, "DURATION",
     .help = "Stop after this time; 0s for never.", .command = "tap or record"},
    {"to", SETTING_VALUE, setter_text, FIELD(replay_to),
     {"127.0.0.1:8125"}, "ADDRESS",
     .help = "Address of the StatsD server to send to.", .command = "replay"},
    {"tcp", SETTING_SWITCH, setter_switch, FIELD(replay_tcp),
     {"false"},
     .help = "Send over TCP instead of UDP.", .command = "replay"},
    {"speed", SETTING_VALUE, setter_text, FIELD(replay_speed),
     {"1"}, "NUMBER",
     .help = "Speed factor relative to the recording; max for no delay.",
     .command = "replay"},
    {"log.level", SETTING_VALUE, setter_level, FIELD(log_level),
     {"info"}, "LEVEL", .choices = levels,
     .help = "Log lines of this level and above."},
    {"log.format", SETTING_VALUE, setter_word, FIELD(log_format),
     {"logfmt"}, "FORMAT", .choices = formats,
     .help = "Format of the log on standard error."},
    {"log.max-lines", SETTING_VALUE, setter_number, FIELD(log_max_lines),
     {"200"}, "N", .min = 1, .max = 1000000,
     .help = "Maximum log lines per second; further ones are counted but not written."},
    {.name = NULL},
};

const struct setting_word settings_print_flags[] = {
    {"help", "", "Print this help and exit; also -h."},
    {"help-long", "", "The same as --help."},
    {"help-man", "", "Print this program's manual page and exit."},
    {"version", "", "Print the version and exit."},
    {"completion-bash", "WORD...", "Print completions of the last word, for a shell."},
    {"completion-script-bash", "", "Print a completion script for bash."},
    {"completion-script-zsh", "", "Print a completion script for zsh."},
    {.name = NULL},
};

const struct setting_word settings_commands[] = {
    {"serve", "", "Receive StatsD lines and serve metrics. The default."},
    {"check", "FILE...", "Check mapping files: print the first error of each with its line "
                         "and column, and all warnings. Each file or directory is checked "
                         "separately; --check-config checks all that the flags name, as one "
                         "mapping. With --against, show what they would change on a running "
                         "server."},
    {"explain", "[LINE...]", "Show how StatsD lines are parsed, which rule matches and the "
                             "resulting series. Without a line, or for -, read lines or a "
                             "recording from standard input."},
    {"man", "[mapping]", "Print a manual page: of this program, or of mapping files. To "
                         "read it: bacowr-statsd man | man -l -"},
    {"healthcheck", "", "Ask the server at the first --web.listen-address, or the first "
                        "that is a Unix socket, whether it is ready; over TLS if "
                        "--web.config.file configures it. The exit status is 0 if it is "
                        "ready within 3 s, else 1."},
    {"tap", "", "Print the lines that a running server receives, with their results; a "
                "subset of them under load."},
    {"record", "FILE", "Write the lines that a running server receives to a file, with "
                       "timestamps; - for standard output."},
    {"replay", "FILE", "Send a recording, or a file of lines, at its original speed or "
                       "faster; - for standard input."},
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
