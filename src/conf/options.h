/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: the settings table, and the command line read by it
 *
 * Every setting is one row of the table in settings.c: flag, kind, default, check, meaning. The
 * defaults, --help, the checks and the shell completion all come from that row.
 *
 * Contract: the spelling is kingpin's, as statsd_exporter's users know it: --a.b-c=v, --a.b-c v,
 * --flag, --no-flag, `--` ends the flags, @FILE stands for the arguments in FILE, one a line. A
 * repeatable flag's first use replaces its defaults; an empty value alone means "none". Any other
 * flag may be given once.
 */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "bacowr/statsd.h"

enum options_command {
    OPTIONS_SERVE,        /* the default */
    OPTIONS_CHECK,        /* check FILE...: each by itself */
    OPTIONS_CHECK_CONFIG, /* --check-config: the mapping as serve would load it */
    OPTIONS_EXPLAIN,
    OPTIONS_MAN, /* this program's page; with an argument that of mapping files */
    OPTIONS_HEALTHCHECK,
    OPTIONS_TAP,
    OPTIONS_RECORD, /* record FILE */
    OPTIONS_REPLAY, /* replay FILE */
};

/* The most that --statsd.ingest-threads takes. */
#define OPTIONS_MAX_INGEST_THREADS 64

/* The most that --statsd.sources takes. */
#define OPTIONS_MAX_SOURCES        4096

/* The most that --web.max-path takes: there is room for no longer one. */
#define OPTIONS_MAX_PATH           2048

/* Likewise --statsd.admin-max-line. */
#define OPTIONS_MAX_ADMIN_LINE     4096

/* What stands before the path of a Unix socket among addresses. */
#define OPTIONS_UNIX               "unix:"

enum options_outcome {
    OPTIONS_E_DONE = 1, /* --help, --version and the like: printed, nothing left to do */
};

struct options_list {
    size_t n;
    char **items; /* each owned */
};

/* Copies @text to the end. 0 or -ENOMEM. */
int options_list_add(struct options_list *list, const char *text, size_t len);
void options_list_release(struct options_list *list); /* leaves an empty list */

struct options {
    enum options_command command;
    struct options_list arguments; /* check: files; explain: lines, perhaps none; man */
    bool explain_json;
    char *against;     /* check: a server or a file; NULL: none */
    char *tap_url;     /* NULL: as healthcheck */
    char *tap_match;   /* NULL: all lines */
    char *http_config; /* NULL: none */
    uint64_t tap_rate;
    int64_t record_ms; /* 0: without end */
    char *replay_to;
    char *replay_speed;
    bool replay_tcp;

    struct options_list listen_udp; /* host:port, [v6]:port, :port */
    struct options_list listen_tcp;
    struct options_list listen_admin; /* host:port; empty: none */
    uint64_t admin_max_connections;
    uint64_t admin_max_line; /* bytes with the LF */
    int64_t admin_timeout_ms;
    char *listen_unixgram; /* path or @name; NULL: none */
    char *listen_unix;
    char *unixsocket_mode;             /* octal digits; perhaps none */
    struct options_list web_listen;    /* host:port, or unix: and a path or @name */
    char *web_unixsocket_mode;         /* octal digits */
    char *web_config;                  /* NULL: none */
    struct options_list relay_targets; /* host:port; empty: nothing is relayed */
    struct options_list web_hosts;     /* names by which browsers may know this server */
    char *telemetry_path;
    struct options_list mapping_config; /* files and directories; empty: none */
    bool config_watch;
    bool check_config;
    char *dump_fsm; /* NULL: none */

    struct statsd_options statsd; /* borrows exemplar_tags */
    struct options_list exemplar_tags;
    enum statsd_checks service_checks;
    enum statsd_gauge_mode gauge_mode;
    char *control_socket; /* path or @name; NULL: none */
    int64_t control_timeout_ms;
    bool replace;
    uint64_t read_buffer;    /* bytes of SO_RCVBUF; 0: as much as the system allows */
    bool udp_gro;            /* the kernel may join datagrams */
    uint64_t ingest_threads; /* 1.. */
    uint64_t relay_packet_length;
    uint64_t max_series;
    uint64_t max_series_per_family;
    uint64_t max_label_values;
    uint64_t tcp_max_connections;
    uint64_t tcp_max_line;         /* bytes with the LF */
    uint64_t regex_max_steps;      /* back, from each place of a name */
    struct options_list udp_allow; /* addresses and networks; empty: all */
    struct options_list tcp_allow;
    uint64_t n_sources;            /* that are counted apart; 0: none */
    uint64_t source_max_datagrams; /* a second; 0: without limit */
    uint64_t source_max_lines;
    int64_t source_burst_ms;
    uint64_t web_max_connections;
    uint64_t web_max_head; /* bytes of a request's */
    uint64_t web_max_path;
    uint64_t web_max_body;
    int64_t web_timeout_ms;    /* for a request to come in, and for a response to make progress */
    int64_t web_zero_first_ms; /* 0: new counters are shown as they are */
    bool enable_lifecycle;
    bool enable_openmetrics;

    char *state_file;          /* NULL: none */
    int64_t state_interval_ms; /* 0: at the end only */
    int64_t state_max_age_ms;  /* 0: whatever the age */

    enum log_level log_level;
    enum log_format log_format;
    uint64_t log_max_lines; /* a second */

    struct options_list given;   /* in pairs: name and value, as they were written */
    struct options_list ignored; /* flags that were given and have no meaning here */
};

/*
 * Read @argv (NULL ends it, argv[0] is skipped) over the defaults. What --help and the like print
 * goes to @out; @version is what --version says. 0; OPTIONS_E_DONE; -EINVAL with @e filled;
 * -ENOMEM. options_release() in every case.
 */
int options_parse(struct options *o, char *const *argv, const char *version, FILE *out,
                  struct err *e);
void options_release(struct options *o); /* accepts a zeroed one */

#endif
