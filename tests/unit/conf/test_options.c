/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: the command line as people write it, rightly and wrongly
 */
#include "conf/options.h"

#include "conf/options_help.h"
#include "conf/settings.h"
#include "lib/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define MAX_ARGS 8

static struct options o;
static struct err e;
static char *printed; /* what went to the output */

/* options_parse() over @args, NULL-terminated, without the program's name. */
static int parse(const char *const *args)
{
    char program[] = "bacowr-statsd";
    char *argv[MAX_ARGS + 2] = {program};
    size_t len;
    FILE *out;
    int r;

    for (size_t i = 0; i < MAX_ARGS && args[i]; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    memset(&o, 0x5a, sizeof o);
    memset(&e, 0x5a, sizeof e);
    free(printed);
    printed = NULL;
    out = open_memstream(&printed, &len);
    r = options_parse(&o, argv, "1.2.3", out, &e);
    fclose(out);
    return r;
}

/* The same over words in the call. */
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void assert_list(const struct options_list *list, const char *first, const char *second)
{
    ck_assert_uint_eq(list->n, (size_t) !!first + (size_t) !!second);
    if (first)
        ck_assert_str_eq(list->items[0], first);
    if (second)
        ck_assert_str_eq(list->items[1], second);
}

static void teardown(void)
{
    free(printed);
    printed = NULL;
}

/* Without arguments every setting has the default that the manual states. */
START_TEST(test_options_defaults)
{
    ck_assert_int_eq(PARSE(NULL), 0);
    ck_assert_int_eq(o.command, OPTIONS_SERVE);
    ck_assert_uint_eq(o.arguments.n, 0);
    assert_list(&o.listen_udp, "127.0.0.1:8125", "127.0.0.1:9125");
    assert_list(&o.listen_tcp, "127.0.0.1:8125", "127.0.0.1:9125");
    assert_list(&o.web_listen, "127.0.0.1:9102", NULL);
    ck_assert_str_eq(o.telemetry_path, "/metrics");
    assert_list(&o.mapping_config, NULL, NULL);
    ck_assert_ptr_null(o.listen_unixgram);
    ck_assert_ptr_null(o.listen_unix);
    ck_assert_str_eq(o.unixsocket_mode, "755");
    ck_assert(!o.check_config && !o.enable_lifecycle);
    ck_assert(o.statsd.dogstatsd_tags && o.statsd.influxdb_tags && o.statsd.librato_tags);
    ck_assert(o.statsd.signalfx_tags && !o.statsd.graphite_tags);
    ck_assert_uint_eq(o.read_buffer, 0);
    ck_assert_uint_eq(o.ingest_threads, 1);
    ck_assert_uint_eq(o.max_series, 1000000);
    ck_assert_uint_eq(o.max_series_per_family, 0);
    ck_assert_uint_eq(o.max_label_values, 0);
    ck_assert_uint_eq(o.tcp_max_connections, 1024);
    ck_assert_uint_eq(o.web_max_connections, 512);
    ck_assert_int_eq(o.web_timeout_ms, 30000);
    ck_assert_int_eq(o.log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(o.log_format, LOG_FORMAT_LOGFMT);
    ck_assert_uint_eq(o.ignored.n, 0);
    ck_assert_str_eq(printed, "");
    options_release(&o);
    options_release(&o);
    options_release(NULL);
}
END_TEST

/* A value may stand in the flag's word or in the next one; a dash alone is a value too. */
START_TEST(test_options_values_in_both_places)
{
    ck_assert_int_eq(PARSE("--web.telemetry-path=/a=b", "--statsd.mapping-config", "m.yml",
                           "--statsd.read-buffer", "65536", "--web.timeout=1m30s"),
                     0);
    ck_assert_str_eq(o.telemetry_path, "/a=b");
    assert_list(&o.mapping_config, "m.yml", NULL);
    ck_assert_uint_eq(o.read_buffer, 65536);
    ck_assert_int_eq(o.web_timeout_ms, 90000);
    options_release(&o);
    ck_assert_int_eq(PARSE("--web.zero-first=1m"), 0);
    ck_assert_int_eq(o.web_zero_first_ms, 60000);
    options_release(&o);
    ck_assert_int_eq(PARSE("--web.zero-first=0s"), 0);
    ck_assert_int_eq(o.web_zero_first_ms, 0);
    options_release(&o);
    ck_assert_int_eq(PARSE("--web.zero-first=1ns"), 0);
    ck_assert_int_eq(o.web_zero_first_ms, 1);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config", "-"), 0);
    assert_list(&o.mapping_config, "-", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config=-x", "--web.timeout=1us"), 0);
    assert_list(&o.mapping_config, "-x", NULL);
    ck_assert_int_eq(o.web_timeout_ms, 1);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config="), 0);
    assert_list(&o.mapping_config, NULL, NULL);
    options_release(&o);
}
END_TEST

/* A switch is on by its name, off by --no-, and takes true or false. */
START_TEST(test_options_switches)
{
    ck_assert_int_eq(PARSE("--no-statsd.parse-dogstatsd-tags", "--statsd.parse-graphite-tags",
                           "--no-statsd.parse-influxdb-tags", "--statsd.parse-librato-tags=false",
                           "--statsd.parse-signalfx-tags=true", "--web.enable-lifecycle"),
                     0);
    ck_assert(!o.statsd.dogstatsd_tags && !o.statsd.influxdb_tags && !o.statsd.librato_tags);
    ck_assert(o.statsd.signalfx_tags && o.statsd.graphite_tags && o.enable_lifecycle);
    options_release(&o);
}
END_TEST

/* A list's first use replaces its defaults, later ones add, an empty value adds nothing; among
 * addresses it takes back those before it. */
START_TEST(test_options_lists)
{
    ck_assert_int_eq(
        PARSE("--statsd.listen-udp=:1", "--statsd.listen-udp", "[::1]:2", "--statsd.listen-tcp="),
        0);
    assert_list(&o.listen_udp, ":1", "[::1]:2");
    assert_list(&o.listen_tcp, NULL, NULL);
    assert_list(&o.web_listen, "127.0.0.1:9102", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.listen-udp=", "--statsd.listen-udp=a:0"), 0);
    assert_list(&o.listen_udp, "a:0", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.listen-tcp=:1", "--statsd.listen-tcp=:2",
                           "--statsd.listen-tcp=", "--web.listen-address=unix:/a",
                           "--web.listen-address=", "--web.listen-address=:3"),
                     0);
    assert_list(&o.listen_tcp, NULL, NULL);
    assert_list(&o.web_listen, ":3", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config=b.yml",
                           "--statsd.mapping-config=", "--statsd.mapping-config", "a"),
                     0);
    assert_list(&o.mapping_config, "b.yml", "a");
    options_release(&o);
}
END_TEST

/* What can be listened on is accepted as written; the rest is named with its remedy. */
START_TEST(test_options_addresses)
{
    static const struct {
        const char *address;
        const char *fault; /* part of the message; NULL: good */
    } cases[] = {
        {"127.0.0.1:8125", NULL},
        {":8125", NULL},
        {"0.0.0.0:0", NULL},
        {"localhost:65535", NULL},
        {"a-b.example_c:1", NULL},
        {"[::1]:8125", NULL},
        {"[::]:8125", NULL},
        {"[fe80::1%eth0]:8125", NULL},
        {"[::ffff:127.0.0.1]:1", NULL},
        {"h:00080", NULL},
        {"127.0.0.1", "has no port"},
        {"8125", "has no port"},
        {"[::1]", "has no port"},
        {"127.0.0.1:", "bad port"},
        {":", "bad port"},
        {"h:65536", "bad port"},
        {"h:99999999999999999999", "bad port"},
        {"h:-1", "bad port"},
        {"h:+1", "bad port"},
        {"h:http", "bad port"},
        {"h: 1", "bad port"},
        {"::1:8125", "needs brackets"},
        {"a:b:1", "needs brackets"},
        {"[]:1", "not have an IPv6 address"},
        {"[127.0.0.1]:1", "not have an IPv6 address"},
        {"[::1%]:1", "not have an IPv6 address"},
        {"[::g]:1", "not have an IPv6 address"},
        {"[::1:1", "needs brackets"},
        {"a b:1", "bad host"},
        {"udp//h:1", "bad host"},
        {"a]:1", "bad host"},
        {"\x7f:1", "bad host"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        int r = PARSE("--statsd.listen-udp", cases[i].address);

        if (!cases[i].fault) {
            ck_assert_msg(r == 0, "%s: %s", cases[i].address, e.text);
            assert_list(&o.listen_udp, cases[i].address, NULL);
        } else {
            ck_assert_msg(r == -EINVAL, "%s was accepted", cases[i].address);
            ck_assert_msg(strstr(e.text, cases[i].fault), "%s: %s", cases[i].address, e.text);
            ck_assert_ptr_nonnull(strstr(e.text, "--statsd.listen-udp: '"));
        }
        options_release(&o);
    }
}
END_TEST

static const struct {
    const char *args[4];
    const char *message; /* all of it */
} refused[] = {
    {{"--statsd.no-such-flag"}, "unknown flag --statsd.no-such-flag"},
    {{"--statsd.liste-udp=:1"},
     "unknown flag --statsd.liste-udp, did you mean --statsd.listen-udp"},
    {{"--verison"}, "unknown flag --verison, did you mean --version"},
    {{"--no-web.timeout"}, "unknown flag --no-web.timeout, did you mean --web.timeout"},
    {{"--=x"}, "unknown flag --"},
    {{"-x"}, "unknown short flag '-x': there is only -h, other flags begin with --"},
    {{"--log.level"}, "--log.level needs a value, write --log.level=LEVEL"},
    {{"--log.level", "--check-config"}, "--log.level needs a value, write --log.level=LEVEL"},
    {{"--statsd.read-buffer", "-1"},
     "--statsd.read-buffer needs a value, write --statsd.read-buffer=BYTES"},
    {{"--log.level=info", "--log.level=info"},
     "--log.level is given more than once, keep one of them"},
    {{"--check-config", "--no-check-config"},
     "--check-config is given more than once, keep one of them"},
    {{"--no-check-config=true"}, "--no-check-config=true: a flag with --no- takes no value"},
    {{"--check-config=yes"}, "--check-config: 'yes' is neither true nor false"},
    {{"--log.level=loud"},
     "--log.level: 'loud' is not known, choose one of debug, info, warn, error"},
    {{"--log.format=JSON"}, "--log.format: 'JSON' is not known, choose one of logfmt, json"},
    {{"--web.telemetry-path="},
     "--web.telemetry-path: '' is not a valid path, it must begin with '/' as in /metrics"},
    {{"--web.telemetry-path=metrics"},
     "--web.telemetry-path: 'metrics' is not a valid path, it must begin with '/' as in /metrics"},
    {{"--web.telemetry-path=/a?b"},
     "--web.telemetry-path: '/a?b' is not a valid path, remove spaces, '?' and '#'"},
    {{"--web.timeout=0"},
     "--web.timeout: '0' is not above zero, write something like 200ms or 30s"},
    {{"--web.zero-first=-1s"},
     "--web.zero-first: '-1s' is below zero, write something like 30s, or 0s for none"},
    {{"--web.zero-first=1"},
     "--web.zero-first: '1' is not a duration, write it with its unit as in 200ms or 30s"},
    {{"--web.timeout=30"},
     "--web.timeout: '30' is not a duration, write it with its unit as in 200ms or 30s"},
    {{"--web.timeout=9999999999h"},
     "--web.timeout: '9999999999h' is too long, write something like 200ms or 30s"},
    {{"--statsd.ingest-threads=0"},
     "--statsd.ingest-threads: '0' is not a whole number from 1 to 64"},
    {{"--statsd.ingest-threads=65"},
     "--statsd.ingest-threads: '65' is not a whole number from 1 to 64"},
    {{"--statsd.read-buffer=2147483648"},
     "--statsd.read-buffer: '2147483648' is not a whole number from 0 to 2147483647"},
    {{"--statsd.max-series=1e6"},
     "--statsd.max-series: '1e6' is not a whole number from 1 to 4294967295"},
    {{"--statsd.cache-size=many"},
     "--statsd.cache-size: 'many' is not a whole number of at least 0"},
    {{"--statsd.cache-size=-1"}, "--statsd.cache-size: '-1' is not a whole number of at least 0"},
    {{"--statsd.cache-type=fifo"},
     "--statsd.cache-type: 'fifo' is not known, choose one of lru, random"},
    {{"--statsd.event-queue-size=-1"},
     "--statsd.event-queue-size: '-1' is not a whole number of at least 0"},
    {{"--statsd.event-flush-interval=200"},
     "--statsd.event-flush-interval: '200' is not a duration, write it with its unit as in 200ms "
     "or "
     "30s"},
    {{"--statsd.event-flush-interval=-1s"},
     "--statsd.event-flush-interval: '-1s' is not above zero, write something like 200ms or 30s"},
    {{"--statsd.relay.address=h"},
     "--statsd.relay.address: 'h' has no port, write host:port, [IPv6]:port or :port"},
    {{"--statsd.relay.packet-length=0"},
     "--statsd.relay.packet-length: '0' is not a whole number from 2 to 65507"},
    {{"--statsd.listen-udp=", "--statsd.listen-tcp="},
     "nothing to listen on, give --statsd.listen-udp or --statsd.listen-tcp an address, or "
     "--statsd.listen-unixgram a path"},
    {{"--web.listen-address="}, "no HTTP listener: give --web.listen-address an address"},
    {{"run"},
     "unexpected word 'run', the commands are serve, check, explain, man, healthcheck, "
     "tap, record, replay and help"},
    {{""},
     "unexpected word '', the commands are serve, check, explain, man, healthcheck, "
     "tap, record, replay and help"},
    {{"record"},
     "record and replay need one file: record FILE, replay FILE; - is the standard output or "
     "input"},
    {{"tap", "--speed=2"}, "--speed is for replay only, write replay --speed"},
    {{"serve", "x"}, "unexpected word 'x', serve takes no arguments"},
    {{"healthcheck", "x"}, "unexpected word 'x', healthcheck takes no arguments"},
    {{"healthcheck", "--web.listen-address="},
     "no HTTP listener: give --web.listen-address an address"},
    {{"--", "--check-config"},
     "unexpected word '--check-config', the commands are serve, check, explain, man, healthcheck, "
     "tap, record, replay and help"},
    {{"check"}, "check needs a file: check FILE..."},
    {{"check", "--statsd.mapping-config=a.yml", "b.yml"},
     "check takes its files as arguments: write check FILE..., or --check-config without check for "
     "those of --statsd.mapping-config"},
    {{"check", "--statsd.mapping-config=a.yml"},
     "check takes its files as arguments: write check FILE..., or --check-config without check for "
     "those of --statsd.mapping-config"},
    {{"man", "serve"}, "there are two manual pages: man and man mapping"},
    {{"man", "mapping", "mapping"}, "there are two manual pages: man and man mapping"},
    {{"--json"}, "--json is for explain or tap or check only, write explain --json"},
    {{"man", "--no-json"}, "--json is for explain or tap or check only, write explain --json"},
    {{"explain", "--against=x"}, "--against is for check only, write check --against"},
    {{"check", "a.yml", "--json"},
     "check --json is for a comparison, write check FILE... --against=URL --json"},
    {{"check", "--against=x"}, "check needs a file: check FILE..."},
    {{"check", "a.yml", "--http.config.file=c.yml"},
     "check --http.config.file is for a comparison, write check FILE... --against=URL "
     "--http.config.file=FILE"},
    {{"check", "a.yml", "--against="},
     "--against has no value, write --against=http://HOST:PORT, unix:PATH, a file or -"},
};

/* Every mistake is one sentence that names the flag and the word and says what to write. */
START_TEST(test_options_refuses)
{
    for (size_t i = 0; i < N(refused); i++) {
        ck_assert_msg(parse(refused[i].args) == -EINVAL, "%s was accepted", refused[i].args[0]);
        ck_assert_str_eq(e.text, refused[i].message);
        ck_assert_str_eq(e.file, "");
        ck_assert_str_eq(printed, "");
        options_release(&o);
    }
}
END_TEST

/* statsd_exporter's flags without a meaning here are checked, remembered, and change nothing. */
START_TEST(test_options_remembers_ignored_flags)
{
    ck_assert_int_eq(PARSE("--statsd.cache-size=0", "--statsd.cache-type", "random",
                           "--statsd.event-flush-interval=20ms"),
                     0);
    ck_assert_uint_eq(o.ignored.n, 3);
    ck_assert_str_eq(o.ignored.items[0], "statsd.cache-size");
    options_release(&o);
    ck_assert_int_eq(
        PARSE("--statsd.listen-unixgram=", "--statsd.relay.address", "", "--debug.dump-fsm="), 0);
    ck_assert_uint_eq(o.ignored.n, 0);
    options_release(&o);
}
END_TEST

/* A word is stored as its place among the choices; keys of exemplars are lent to the parser. */
START_TEST(test_options_words_of_lines)
{
    ck_assert_int_eq(PARSE(NULL), 0);
    ck_assert(o.statsd.container_id_label);
    ck_assert_int_eq(o.statsd.valueless_tags, STATSD_VALUELESS_ERROR);
    ck_assert_int_eq(o.service_checks, STATSD_CHECKS_COUNT);
    ck_assert_int_eq(o.gauge_mode, STATSD_GAUGE_DELTA);
    ck_assert_ptr_null(o.statsd.exemplar_tags[0]);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.valueless-tags=empty", "--statsd.service-checks", "gauge",
                           "--statsd.gauge-mode=etsy", "--no-statsd.container-id-label",
                           "--statsd.exemplar-tag=trace_id", "--statsd.exemplar-tag=s"),
                     0);
    ck_assert(!o.statsd.container_id_label);
    ck_assert_int_eq(o.statsd.valueless_tags, STATSD_VALUELESS_EMPTY);
    ck_assert_int_eq(o.service_checks, STATSD_CHECKS_GAUGE);
    ck_assert_int_eq(o.gauge_mode, STATSD_GAUGE_ETSY);
    ck_assert_str_eq(o.statsd.exemplar_tags[0], "trace_id");
    ck_assert_str_eq(o.statsd.exemplar_tags[1], "s");
    ck_assert_ptr_null(o.statsd.exemplar_tags[2]);
    options_release(&o);
}
END_TEST

/* Levels are read in either case, as there. */
START_TEST(test_options_log_words)
{
    ck_assert_int_eq(PARSE("--log.level=WaRn", "--log.format=json"), 0);
    ck_assert_int_eq(o.log_level, LOG_LEVEL_WARN);
    ck_assert_int_eq(o.log_format, LOG_FORMAT_JSON);
    options_release(&o);
}
END_TEST

/* The first plain word is the command, the others are its arguments, flags may stand anywhere. */
START_TEST(test_options_commands)
{
    ck_assert_int_eq(PARSE("serve", "--log.level=error"), 0);
    ck_assert_int_eq(o.command, OPTIONS_SERVE);
    options_release(&o);
    ck_assert_int_eq(PARSE("check", "a.yml", "--log.level=error", "b.yml"), 0);
    ck_assert_int_eq(o.command, OPTIONS_CHECK);
    assert_list(&o.arguments, "a.yml", "b.yml");
    options_release(&o);
    ck_assert_int_eq(
        PARSE("--statsd.listen-udp=", "--statsd.listen-tcp=", "explain", "--", "-a:1|c", "@b:1|c"),
        0);
    ck_assert_int_eq(o.command, OPTIONS_EXPLAIN);
    assert_list(&o.arguments, "-a:1|c", "@b:1|c");
    ck_assert(!o.explain_json);
    options_release(&o);
    ck_assert_int_eq(PARSE("explain", "--json", "-"), 0);
    ck_assert(o.explain_json);
    assert_list(&o.arguments, "-", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--json", "explain"), 0);
    ck_assert(o.explain_json);
    assert_list(&o.arguments, NULL, NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("man"), 0);
    ck_assert_int_eq(o.command, OPTIONS_MAN);
    assert_list(&o.arguments, NULL, NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("man", "mapping"), 0);
    ck_assert_int_eq(o.command, OPTIONS_MAN);
    assert_list(&o.arguments, "mapping", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("healthcheck", "--statsd.listen-udp=", "--statsd.listen-tcp="), 0);
    ck_assert_int_eq(o.command, OPTIONS_HEALTHCHECK);
    assert_list(&o.web_listen, "127.0.0.1:9102", NULL);
    options_release(&o);
}
END_TEST

/* --check-config checks the mapping, or nothing; what sockets need does not matter then. */
START_TEST(test_options_check_config)
{
    ck_assert_int_eq(PARSE("--check-config", "--statsd.listen-udp=", "--statsd.listen-tcp="), 0);
    ck_assert_int_eq(o.command, OPTIONS_CHECK_CONFIG);
    ck_assert(o.check_config);
    assert_list(&o.mapping_config, NULL, NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config=m.yml", "--check-config"), 0);
    ck_assert_int_eq(o.command, OPTIONS_CHECK_CONFIG);
    assert_list(&o.mapping_config, "m.yml", NULL);
    options_release(&o);
    ck_assert_int_eq(PARSE("--statsd.mapping-config=m.yml", "--no-check-config"), 0);
    ck_assert_int_eq(o.command, OPTIONS_SERVE);
    options_release(&o);
}
END_TEST

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

/* @FILE stands for its lines, files in files too; what cannot be read or never ends is refused. */
START_TEST(test_options_argument_files)
{
    char folder[] = "/tmp/bacowr-options-XXXXXX";
    char first[64], second[64], text[256], at_first[65];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    snprintf(at_first, sizeof at_first, "@%s", first);

    snprintf(text, sizeof text, "# comment\r\n\n--statsd.mapping-config\r\na b.yml\n@%s", second);
    write_file(first, text);
    write_file(second, "--log.level=debug");
    ck_assert_int_eq(PARSE("--log.format=json", at_first), 0);
    assert_list(&o.mapping_config, "a b.yml", NULL);
    ck_assert_int_eq(o.log_level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(o.log_format, LOG_FORMAT_JSON);
    options_release(&o);

    write_file(second, at_first);
    ck_assert_int_eq(PARSE(at_first), -EINVAL);
    ck_assert_ptr_nonnull(strstr(e.text, "one may name itself"));
    options_release(&o);

    unlink(second);
    ck_assert_int_eq(PARSE(at_first), -EINVAL);
    ck_assert_ptr_nonnull(strstr(e.text, "cannot read arguments from"));
    options_release(&o);

    ck_assert_int_eq(truncate(first, 2 << 20), 0);
    ck_assert_int_eq(PARSE(at_first), -EINVAL);
    ck_assert_ptr_nonnull(strstr(e.text, "it is longer than 1 MiB"));
    options_release(&o);

    snprintf(at_first, sizeof at_first, "@%s", folder);
    ck_assert_int_eq(PARSE(at_first), -EINVAL);
    options_release(&o);
    unlink(first);
    rmdir(folder);
}
END_TEST

/* A wish for help or the version wins over everything else on the line. */
START_TEST(test_options_print_wins)
{
    static const struct {
        const char *args[4];
        const char *begins;
    } cases[] = {
        {{"-h"}, "usage: bacowr-statsd "},
        {{"--help"}, "usage: bacowr-statsd "},
        {{"--help-long"}, "usage: bacowr-statsd "},
        {{"help"}, "usage: bacowr-statsd "},
        {{"--log.level=debug", "help"}, "usage: bacowr-statsd "},
        {{"--log.level=loud", "--nonsense", "-h"}, "usage: bacowr-statsd "},
        {{"--version"}, "bacowr-statsd, version 1.2.3\n"},
        {{"--help-man"}, ".TH \"BACOWR\\-STATSD\" 1 "},
        {{"--completion-script-bash"}, "_bacowr_statsd() {\n"},
        {{"--completion-script-zsh"}, "#compdef bacowr-statsd\n"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        ck_assert_int_eq(parse(cases[i].args), OPTIONS_E_DONE);
        ck_assert_msg(strncmp(printed, cases[i].begins, strlen(cases[i].begins)) == 0,
                      "%s printed: %s", cases[i].args[0], printed);
        options_release(&o);
    }
    ck_assert_int_eq(PARSE("--statsd.mapping-config", "help"), 0);
    assert_list(&o.mapping_config, "help", NULL);
    options_release(&o);
}
END_TEST

/* Every setting is in the help, the manual page and the completion, each with its meaning. */
START_TEST(test_options_nothing_is_undocumented)
{
    for (const struct setting *s = settings; s->name; s++) {
        char flag[64], text[4096];

        ck_assert_msg(s->help && strlen(s->help) > 10, "%s has no help", s->name);
        ck_assert_ptr_eq(setting_find(s->name, strlen(s->name)), s);
        options_describe(s, text, sizeof text);
        ck_assert_msg(strlen(text) < OPTIONS_DESCRIPTION_MAX, "%s is cut", s->name);
        snprintf(flag, sizeof flag, s->kind == SETTING_SWITCH ? "  --[no-]%s\n" : "  --%s=%s\n",
                 s->name, s->metavar);
        ck_assert_int_eq(PARSE("--help"), OPTIONS_E_DONE);
        ck_assert_msg(strstr(printed, flag), "%s is not in the help", s->name);
        snprintf(flag, sizeof flag, "--%s", s->name);
        ck_assert_int_eq(PARSE("--completion-bash", flag), OPTIONS_E_DONE);
        ck_assert_msg(strstr(printed, flag), "%s is not completed", s->name);
    }
    ck_assert_ptr_nonnull(settings[0].group);
    ck_assert_int_eq(PARSE("--help-man"), OPTIONS_E_DONE);
    ck_assert_ptr_nonnull(strstr(printed, "\n\\fB\\-\\-web.listen\\-address=ADDRESS\\fR\nListen "
                                          "address of"));
    ck_assert_ptr_nonnull(strstr(printed, "\nWith explain or tap or check: Write JSON, "));
    ck_assert_ptr_nonnull(strstr(printed, "127.0.0.1:8125 and 127.0.0.1:9125)\n"));
}
END_TEST

/* No line of the help is wider than a terminal. */
START_TEST(test_options_help_fits_a_terminal)
{
    ck_assert_int_eq(PARSE("--help"), OPTIONS_E_DONE);
    for (const char *line = printed; *line;) {
        size_t len = strcspn(line, "\n");

        ck_assert_msg(len <= 80, "%.*s", (int)len, line);
        line += len + (line[len] != '\0');
    }
}
END_TEST

/* The last word is completed: a choice, a flag, or a command. */
START_TEST(test_options_completion)
{
    static const struct {
        const char *args[5];
        const char *printed;
    } cases[] = {
        {{"--completion-bash"},
         "serve\ncheck\nexplain\nman\nhealthcheck\ntap\nrecord\nreplay\nhelp\n"},
        {{"--completion-bash", ""},
         "serve\ncheck\nexplain\nman\nhealthcheck\ntap\nrecord\nreplay\nhelp\n"},
        {{"--completion-bash", "ch"}, "check\n"},
        {{"--completion-bash", "--log"}, "--log.level\n--log.format\n--log.max-lines\n"},
        {{"--completion-bash", "--no-ch"}, "--no-check-config\n"},
        {{"--completion-bash", "--vers"}, "--version\n"},
        {{"--completion-bash", "--log.format", ""}, "logfmt\njson\n"},
        {{"--completion-bash", "--log.format", "j"}, "json\n"},
        {{"--completion-bash", "--statsd.mapping-config", ""}, ""},
        {{"--completion-bash", "--check-config", "ser"}, "serve\n"},
        {{"--completion-bash", "--js"}, "--json\n"},
        {{"--completion-bash", "explain", "--js"}, "--json\n"},
        {{"--completion-bash", "check", "--js"}, "--json\n"},
        {{"--completion-bash", "check", "--ag"}, "--against\n"},
        {{"--completion-bash", "healthcheck", "--js"}, ""},
        {{"--completion-bash", "serve", "--no-j"}, ""},
        {{"--completion-bash", "--log.level", "info", "--js"}, "--json\n"},
        {{"--completion-bash", "check", "c"}, ""},
        {{"--completion-bash", "explain", ""}, ""},
        {{"--completion-bash", "--help", "--nothing-of-the-kind"}, ""},
    };

    for (size_t i = 0; i < N(cases); i++) {
        ck_assert_int_eq(parse(cases[i].args), OPTIONS_E_DONE);
        ck_assert_str_eq(printed, cases[i].printed);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("options");
    TCase *parse_case = tcase_create("options_parse");
    TCase *print_case = tcase_create("options_print");

    tcase_add_checked_fixture(parse_case, NULL, teardown);
    tcase_add_test(parse_case, test_options_defaults);
    tcase_add_test(parse_case, test_options_values_in_both_places);
    tcase_add_test(parse_case, test_options_switches);
    tcase_add_test(parse_case, test_options_lists);
    tcase_add_test(parse_case, test_options_addresses);
    tcase_add_test(parse_case, test_options_refuses);
    tcase_add_test(parse_case, test_options_remembers_ignored_flags);
    tcase_add_test(parse_case, test_options_words_of_lines);
    tcase_add_test(parse_case, test_options_log_words);
    tcase_add_test(parse_case, test_options_commands);
    tcase_add_test(parse_case, test_options_check_config);
    tcase_add_test(parse_case, test_options_argument_files);
    suite_add_tcase(s, parse_case);
    tcase_add_checked_fixture(print_case, NULL, teardown);
    tcase_add_test(print_case, test_options_print_wins);
    tcase_add_test(print_case, test_options_nothing_is_undocumented);
    tcase_add_test(print_case, test_options_help_fits_a_terminal);
    tcase_add_test(print_case, test_options_completion);
    suite_add_tcase(s, print_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
