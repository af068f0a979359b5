/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self: see self.h
 *
 * Here are the families of one sample without labels: one table, a row for each, and a field of
 * `struct reading`, which is filled in one go. A new family is a row and its field. Families with
 * labels are self_labelled.c's, the memory of a page is self_page.c's.
 *
 * Laws: every family has all its samples from the first page on, at 0, since an alert on a rate
 *       misses the first increment of a series that is born with it.
 *       Counters that others write are read once for a page.
 */
#include "server/self.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/admin.h"
#include "server/gate.h"
#include "server/process.h"
#include "server/self_carry.h"
#include "server/self_labelled.h"
#include "server/self_page.h"
#include "server/tap.h"

struct self {
    struct self_config config;
    double process_start; /* both since 1970 */
    double serving_since;
    unsigned n_samples;         /* of each page */
    struct self_labels *labels; /* owned */
    struct self_carry carry;    /* what servers before this one counted */
};

/* ---- families of one sample ---- */

struct reading {
    double zero; /* statsd_exporter counts here what cannot happen in this server */
    double udp_datagrams;
    double udp_no_port;
    double unixgrams;
    double unixgrams_truncated;
    double unixgram_errors;
    double unix_connections;
    double unix_errors;
    double unix_frame_errors;
    double batches;
    double tcp_errors;
    double tcp_too_long;
    double tcp_connections;
    double tcp_open;
    double tcp_evicted;
    double tcp_refused;
    double tcp_accept_errors;
    double tcp_not_allowed;
    double log_dropped;
    double tap_readers;
    double tap_lines;
    double tap_skipped;
    double sources_known;
    double sources_replaced;
    double unknown_bad;
    double unknown_series;
    double n_rules;
    double last_reload_good;
    double last_reload_seconds;
    double n_workers;
    double process_start;
    double serving_since;
    double http_connections;
    double http_refused;
    double http_evicted;
    double http_open;
    double http_accept_pauses;
    double http_timeouts;
    double http_bad_requests;
    double admin_connections;
    double admin_open;
    double admin_refused;
    double admin_evicted;
    double admin_timeouts;
    double admin_cut;
    double admin_too_long;
    double admin_commands;
    double admin_errors;
    double admin_let_go;
    double health;
    double state_saved_seconds;
    double state_bytes;
    double state_series;
    double tls_handshakes;
    double tls_failures;
    double password_checks;
    double web_reload_good;
    double scrapes_in_flight;
    double scrape_bytes;
    double scrape_seconds;
    double last_scrape_seconds;
    double last_scrape_bytes;
    struct process_stats process;
};

struct scalar {
    const char *name;
    const char *help;
    enum bacowr_metric_type type;
    size_t field; /* of struct reading */
};

#define COUNTER(field) BACOWR_METRIC_COUNTER, offsetof(struct reading, field)
#define GAUGE(field)   BACOWR_METRIC_GAUGE, offsetof(struct reading, field)

static const struct scalar scalars[] = {
    {"statsd_exporter_udp_packets_total", "Datagrams received over UDP.", COUNTER(udp_datagrams)},
    {"statsd_exporter_udp_packet_drops_total",
     "Datagrams dropped from an internal queue. There is none: see "
     "bacowr_statsd_udp_kernel_dropped_datagrams_total.",
     COUNTER(zero)},
    {"statsd_exporter_unixgram_packets_total", "Datagrams received on a Unix socket.",
     COUNTER(unixgrams)},
    {"statsd_exporter_tcp_connections_total", "TCP connections accepted and served.",
     COUNTER(tcp_connections)},
    {"statsd_exporter_tcp_connection_errors_total", "TCP connections that ended with an error.",
     COUNTER(tcp_errors)},
    {"statsd_exporter_tcp_too_long_lines_total", "Oversized lines; each closed its TCP connection.",
     COUNTER(tcp_too_long)},
    {"statsd_exporter_event_queue_flushed_total", "Batches passed to the aggregator.",
     COUNTER(batches)},
    {"statsd_exporter_loaded_mappings", "Rules in the active mapping.", GAUGE(n_rules)},

    {"bacowr_statsd_config_last_reload_successful",
     "1: the last mapping load succeeded; 0: it failed and the previous rules stay active.",
     GAUGE(last_reload_good)},
    {"bacowr_statsd_config_last_reload_success_timestamp_seconds",
     "Unix time of the last successful mapping load; 0: never.", GAUGE(last_reload_seconds)},

    {"bacowr_statsd_ingest_threads", "Ingest threads.", GAUGE(n_workers)},
    {"bacowr_statsd_start_time_seconds", "Unix time when the server started to serve.",
     GAUGE(serving_since)},
    {"bacowr_statsd_host_udp_no_port_datagrams_total",
     "Datagrams received by this host or container for UDP ports without a listener.",
     COUNTER(udp_no_port)},
    {"bacowr_statsd_unixgram_truncated_datagrams_total",
     "Truncated datagrams of the Unix socket; their complete lines were processed.",
     COUNTER(unixgrams_truncated)},
    {"bacowr_statsd_unixgram_receive_errors_total",
     "Receive calls that failed on the Unix datagram socket.", COUNTER(unixgram_errors)},
    {"bacowr_statsd_unix_connections_total", "Unix stream connections accepted and served.",
     COUNTER(unix_connections)},
    {"bacowr_statsd_unix_connection_errors_total",
     "Unix stream connections that ended with an error.", COUNTER(unix_errors)},
    {"bacowr_statsd_unix_frame_errors_total",
     "Oversized or truncated frames; each closed its Unix stream connection.",
     COUNTER(unix_frame_errors)},
    {"bacowr_statsd_tcp_connections_open", "Open TCP and Unix stream connections.",
     GAUGE(tcp_open)},
    {"bacowr_statsd_tcp_connections_refused_total",
     "TCP and Unix stream connections closed at once because of the limit.", COUNTER(tcp_refused)},
    {"bacowr_statsd_tcp_connections_evicted_total",
     "Idle TCP and Unix stream connections closed to make room for others at the limit.",
     COUNTER(tcp_evicted)},
    {"bacowr_statsd_tcp_connections_not_allowed_total",
     "TCP connections closed at once because the sender is not allowed.", COUNTER(tcp_not_allowed)},
    {"bacowr_statsd_log_dropped_lines_total", "Log lines dropped by the rate limit.",
     COUNTER(log_dropped)},
    {"bacowr_statsd_tap_readers", "Clients of /api/v1/tap.", GAUGE(tap_readers)},
    {"bacowr_statsd_tap_lines_total", "Lines sent to clients of /api/v1/tap.", COUNTER(tap_lines)},
    {"bacowr_statsd_tap_skipped_lines_total",
     "Lines not sent to clients of /api/v1/tap because of their rate limit or slow reading.",
     COUNTER(tap_skipped)},
    {"bacowr_statsd_sources", "Tracked senders; see /api/v1/sources.", GAUGE(sources_known)},
    {"bacowr_statsd_sources_replaced_total", "Tracked senders replaced by others.",
     COUNTER(sources_replaced)},
    {"bacowr_statsd_source_unknown_bad_total",
     "Refused lines and samples in batches of several senders, not attributed to one.",
     COUNTER(unknown_bad)},
    {"bacowr_statsd_source_unknown_series_total",
     "Series created by batches of several senders, not attributed to one.",
     COUNTER(unknown_series)},
    {"bacowr_statsd_tcp_accept_errors_total",
     "TCP and Unix stream connections that failed to be accepted.", COUNTER(tcp_accept_errors)},
    {"bacowr_statsd_http_connections_total", "HTTP connections accepted.",
     COUNTER(http_connections)},
    {"bacowr_statsd_http_connections_refused_total",
     "HTTP connections closed at once because of the limit.", COUNTER(http_refused)},
    {"bacowr_statsd_http_connections_evicted_total",
     "Stalled HTTP connections closed to make room for others.", COUNTER(http_evicted)},
    {"bacowr_statsd_http_connections_open", "Open HTTP connections.", GAUGE(http_open)},
    {"bacowr_statsd_http_accept_errors_total",
     "Failed accepts because file descriptors or memory ran out.", COUNTER(http_accept_pauses)},
    {"bacowr_statsd_http_timeouts_total", "HTTP connections that timed out.",
     COUNTER(http_timeouts)},
    {"bacowr_statsd_http_bad_requests_total", "Malformed HTTP requests.",
     COUNTER(http_bad_requests)},
    {"bacowr_statsd_http_tls_handshakes_total", "TLS handshakes completed.",
     COUNTER(tls_handshakes)},
    {"bacowr_statsd_http_tls_failures_total",
     "TLS connections that failed, in the handshake or later.", COUNTER(tls_failures)},
    {"bacowr_statsd_http_password_checks_total",
     "Passwords verified with bcrypt; cached ones are not counted.", COUNTER(password_checks)},
    {"bacowr_statsd_health",
     "0: set down by `health down` on the admin port, so /-/ready returns 503; 1: up.",
     GAUGE(health)},
    {"bacowr_statsd_admin_connections_total", "Admin port connections accepted.",
     COUNTER(admin_connections)},
    {"bacowr_statsd_admin_connections_open", "Open admin port connections.", GAUGE(admin_open)},
    {"bacowr_statsd_admin_connections_refused_total",
     "Admin port connections closed at once because of the limit.", COUNTER(admin_refused)},
    {"bacowr_statsd_admin_connections_evicted_total",
     "Idle admin port connections closed to make room for others at the limit.",
     COUNTER(admin_evicted)},
    {"bacowr_statsd_admin_timeouts_total", "Admin port connections closed because they were idle.",
     COUNTER(admin_timeouts)},
    {"bacowr_statsd_admin_answers_cut_total",
     "Admin port replies aborted because the client did not read them in time.",
     COUNTER(admin_cut)},
    {"bacowr_statsd_admin_commands_total", "Admin port commands.", COUNTER(admin_commands)},
    {"bacowr_statsd_admin_command_errors_total",
     "Admin port commands that were unknown, too long or not allowed.", COUNTER(admin_errors)},
    {"bacowr_statsd_admin_too_long_lines_total",
     "Oversized lines to the admin port; each closed its connection.", COUNTER(admin_too_long)},
    {"bacowr_statsd_admin_deleted_series_total",
     "Series deleted through the admin port; those still being sent come back.",
     COUNTER(admin_let_go)},
    {"bacowr_statsd_web_config_last_reload_successful",
     "1: the last load of the web configuration succeeded; 0: it failed and the previous "
     "one stays active.",
     GAUGE(web_reload_good)},
    {"bacowr_statsd_scrape_duration_seconds_total",
     "Total time from a scrape's request to its last byte.", COUNTER(scrape_seconds)},
    {"bacowr_statsd_scrape_sent_bytes_total", "Bytes sent for scrapes, after compression.",
     COUNTER(scrape_bytes)},
    {"bacowr_statsd_last_scrape_duration_seconds", "Duration of the previous scrape.",
     GAUGE(last_scrape_seconds)},
    {"bacowr_statsd_last_scrape_size_bytes", "Uncompressed response size of the previous scrape.",
     GAUGE(last_scrape_bytes)},
    {"bacowr_statsd_state_last_save_timestamp_seconds",
     "Unix time of the last save of the state file; 0: never by this process.",
     GAUGE(state_saved_seconds)},
    {"bacowr_statsd_state_last_save_size_bytes", "Size of the last saved state file.",
     GAUGE(state_bytes)},
    {"bacowr_statsd_state_last_save_series", "Series in the last saved state file.",
     GAUGE(state_series)},

    {"promhttp_metric_handler_requests_in_flight", "Scrapes being served now.",
     GAUGE(scrapes_in_flight)},
    {"process_cpu_seconds_total", "User and system CPU time.", COUNTER(process.cpu_seconds)},
    {"process_open_fds", "Open file descriptors.", GAUGE(process.open_fds)},
    {"process_max_fds", "Maximum number of open file descriptors.", GAUGE(process.max_fds)},
    {"process_virtual_memory_bytes", "Virtual memory.", GAUGE(process.virtual_bytes)},
    {"process_virtual_memory_max_bytes", "Maximum amount of virtual memory.",
     GAUGE(process.virtual_max_bytes)},
    {"process_resident_memory_bytes", "Resident memory.", GAUGE(process.resident_bytes)},
    {"process_start_time_seconds", "Unix time when the process started.", GAUGE(process_start)},
};
#define N_SCALARS (sizeof scalars / sizeof scalars[0])

static void read_ingest(const struct self_config *c, struct reading *r)
{
    for (unsigned i = 0; i < c->n_sockets; i++)
        r->udp_datagrams += (double)relaxed_load(&c->sockets[i]->inlet.counters.datagrams);
    r->udp_no_port = (double)no_port_count(c->no_port);
    for (unsigned i = 0; i < c->n_workers; i++) {
        const struct worker_counters *from = &c->workers[i]->counters;

        r->batches += (double)relaxed_load(&from->batches);
        r->tcp_errors += (double)relaxed_load(&from->tcp_errors);
        r->tcp_too_long += (double)relaxed_load(&from->tcp_too_long);
        r->unix_errors += (double)relaxed_load(&from->unix_errors);
        r->unix_frame_errors += (double)relaxed_load(&from->unix_frame_errors);
    }
}

static void read_sources(const struct self_config *c, struct reading *r)
{
    for (unsigned i = 0; i < c->n_workers; i++) {
        const struct gate *g = c->workers[i]->gate;

        if (g == NULL || g->sources == NULL)
            continue;
        r->sources_known += sources_n(g->sources);
        r->sources_replaced += (double)sources_n_replaced(g->sources);
        r->unknown_bad += (double)relaxed_load(&g->unknown.bad);
        r->unknown_series += (double)relaxed_load(&g->unknown.series);
    }
}

static void read_unixgram(const struct self_config *c, struct reading *r)
{
    if (c->unixgram == NULL)
        return;
    r->unixgrams = (double)relaxed_load(&c->unixgram->counters.datagrams);
    r->unixgrams_truncated = (double)relaxed_load(&c->unixgram->counters.truncated);
    r->unixgram_errors = (double)relaxed_load(&c->unixgram->counters.errors);
}

static void read_tcp(const struct self_config *c, struct reading *r)
{
    struct tcp_stats tcp;

    tcp_read_stats(c->tcp, &tcp);
    r->tcp_connections = (double)tcp.connections;
    r->unix_connections = (double)tcp.unix_connections;
    r->tcp_open = (double)tcp.open;
    r->tcp_evicted = (double)tcp.evicted;
    r->tcp_refused = (double)tcp.refused;
    r->tcp_accept_errors = (double)tcp.errors;
    r->tcp_not_allowed = (double)tcp.not_allowed;
}

static void read_tap(struct reading *r, const struct tap *tap)
{
    uint64_t told, skipped;

    tap_totals(tap, &told, &skipped);
    r->tap_readers = tap_n_readers(tap);
    r->tap_lines = (double)told;
    r->tap_skipped = (double)skipped;
}

static void read_http(const struct self_config *c, struct reading *r)
{
    const struct http_stats *http = http_stats(c->http);

    r->http_connections = (double)http->connections;
    r->http_refused = (double)http->connections_refused;
    r->http_evicted = (double)http->evicted;
    r->http_open = (double)http->connections_open;
    r->http_accept_pauses = (double)http->accept_pauses;
    r->http_timeouts = (double)http->timeouts;
    read_tap(r, c->tap);
    r->http_bad_requests = (double)http->bad_requests;
    r->tls_handshakes = (double)http->tls_handshakes;
    r->tls_failures = (double)http->tls_failures;
    r->password_checks = (double)http->password_checks;
    r->scrapes_in_flight = (double)http->scrapes_in_flight;
    r->scrape_bytes = (double)http->scrape_bytes;
    r->scrape_seconds = http->scrape_seconds;
    r->last_scrape_seconds = http->last_scrape_seconds;
    r->last_scrape_bytes = (double)http->last_scrape_bytes;
}

static void read_admin(const struct self_config *c, struct reading *r)
{
    const struct admin_stats admin = admin_read_stats(c->admin);

    r->health = *c->drained ? 0 : 1;
    r->admin_connections = (double)admin.connections;
    r->admin_open = (double)admin.open;
    r->admin_refused = (double)admin.refused;
    r->admin_evicted = (double)admin.evicted;
    r->admin_timeouts = (double)admin.timeouts;
    r->admin_cut = (double)admin.cut;
    r->admin_too_long = (double)admin.too_long;
    r->admin_commands = (double)admin.commands;
    r->admin_errors = (double)admin.errors;
    r->admin_let_go = (double)admin.let_go;
}

static void read_all(const struct self *s, struct reading *r)
{
    *r = (struct reading){
        .n_rules = (double)bacowr_n_rules(s->config.engine),
        .n_workers = s->config.n_workers,
        .last_reload_good = s->config.reloads->last_failed ? 0 : 1,
        .web_reload_good = s->config.web_reloads->last_failed ? 0 : 1,
        .last_reload_seconds = s->config.reloads->last_good_seconds,
        .state_saved_seconds = s->config.state->last_saved_seconds,
        .state_bytes = (double)s->config.state->last_size,
        .state_series = (double)s->config.state->last_series,
        .process_start = s->process_start,
        .serving_since = s->serving_since,
    };
    if (s->config.log->rate != NULL)
        r->log_dropped = (double)relaxed_load(&s->config.log->rate->dropped);
    read_ingest(&s->config, r);
    read_sources(&s->config, r);
    read_unixgram(&s->config, r);
    read_tcp(&s->config, r);
    read_http(&s->config, r);
    read_admin(&s->config, r);
    process_read(&r->process);
}

/* ---- life ---- */

int self_reserve(struct bacowr *b)
{
    int r = 0;

    for (size_t i = 0; i < N_SCALARS && r == 0; i++)
        r = bacowr_reserve(b, scalars[i].name);
    return r == 0 ? self_labelled_reserve(b) : r;
}

int self_new(struct self **out, const struct self_config *config)
{
    struct self *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    if (self_labels_new(&s->labels, &s->config) != 0) {
        self_free(s);
        return -ENOMEM;
    }
    s->process_start = process_start_seconds();
    s->serving_since = process_now_seconds();
    s->n_samples = N_SCALARS + self_labelled_n_samples(s->labels);
    *out = s;
    return 0;
}

int self_count_on(struct self *s, const char *name, const char *labels, double value)
{
    return self_carry_add(&s->carry, name, labels, value);
}

void self_free(struct self *s)
{
    if (s == NULL)
        return;
    self_carry_release(&s->carry);
    self_labels_free(s->labels);
    free(s);
}

/* ---- pages ---- */

static void fill_scalars(struct self_page *p, const struct self *s)
{
    struct reading reading;

    read_all(s, &reading);
    for (size_t i = 0; i < N_SCALARS; i++) {
        double value;

        memcpy(&value, (const char *)&reading + scalars[i].field, sizeof value);
        self_page_begin(p, scalars[i].name, scalars[i].help, scalars[i].type);
        self_page_add(p, NULL, value);
    }
}

int self_page_new(struct self_page **out, struct self *s)
{
    struct self_page *p;
    int r = self_page_alloc(&p, N_SCALARS + self_labelled_n_families(), s->n_samples);

    if (r != 0)
        return r;
    fill_scalars(p, s);
    self_labelled_fill(p, s->labels);
    self_page_carry(p, &s->carry);
    assert(self_page_n_samples(p) == s->n_samples);
    *out = p;
    return 0;
}
