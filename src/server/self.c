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
    {"statsd_exporter_tcp_too_long_lines_total",
     "Lines that were too long; each ended its TCP connection.", COUNTER(tcp_too_long)},
    {"statsd_exporter_event_queue_flushed_total", "Batches handed to the aggregator.",
     COUNTER(batches)},
    {"statsd_exporter_loaded_mappings", "Rules in the active mapping.", GAUGE(n_rules)},

    {"bacowr_statsd_config_last_reload_successful",
     "1: the mapping file was good when it was last read; 0: the rules from before go on.",
     GAUGE(last_reload_good)},
    {"bacowr_statsd_config_last_reload_success_timestamp_seconds",
     "When a mapping file last came into force, since 1970; 0: never.", GAUGE(last_reload_seconds)},

    {"bacowr_statsd_ingest_threads", "Threads that receive and aggregate.", GAUGE(n_workers)},
    {"bacowr_statsd_start_time_seconds", "When the server began to serve, since 1970.",
     GAUGE(serving_since)},
    {"bacowr_statsd_host_udp_no_port_datagrams_total",
     "Datagrams that came to this machine, or container, for UDP ports where nobody listens.",
     COUNTER(udp_no_port)},
    {"bacowr_statsd_unixgram_truncated_datagrams_total",
     "Datagrams of the Unix socket that were cut; their whole lines were used.",
     COUNTER(unixgrams_truncated)},
    {"bacowr_statsd_unixgram_receive_errors_total",
     "Receive calls that failed on the Unix datagram socket.", COUNTER(unixgram_errors)},
    {"bacowr_statsd_unix_connections_total", "Unix stream connections accepted and served.",
     COUNTER(unix_connections)},
    {"bacowr_statsd_unix_connection_errors_total",
     "Unix stream connections that ended with an error.", COUNTER(unix_errors)},
    {"bacowr_statsd_unix_frame_errors_total",
     "Frames that were too long or cut; each ended its Unix stream connection.",
     COUNTER(unix_frame_errors)},
    {"bacowr_statsd_tcp_connections_open", "TCP and Unix stream connections that are open now.",
     GAUGE(tcp_open)},
    {"bacowr_statsd_tcp_connections_refused_total",
     "TCP and Unix stream connections closed at once because of the limit.", COUNTER(tcp_refused)},
    {"bacowr_statsd_tcp_connections_evicted_total",
     "TCP and Unix stream connections that were silent for long and made room for others at the "
     "limit.",
     COUNTER(tcp_evicted)},
    {"bacowr_statsd_tcp_connections_not_allowed_total",
     "TCP connections closed at once because the sender is not on the list.",
     COUNTER(tcp_not_allowed)},
    {"bacowr_statsd_log_dropped_lines_total",
     "Log lines that were not written, since there were too many in a second.",
     COUNTER(log_dropped)},
    {"bacowr_statsd_tap_readers", "Clients of /api/v1/tap.", GAUGE(tap_readers)},
    {"bacowr_statsd_tap_lines_total", "Lines that were shown to clients of /api/v1/tap.",
     COUNTER(tap_lines)},
    {"bacowr_statsd_tap_skipped_lines_total",
     "Lines that clients of /api/v1/tap were not shown: over their rate, or too slow.",
     COUNTER(tap_skipped)},
    {"bacowr_statsd_sources", "Senders that are counted apart; see /api/v1/sources.",
     GAUGE(sources_known)},
    {"bacowr_statsd_sources_replaced_total",
     "Senders that lost their place among those counted to others.", COUNTER(sources_replaced)},
    {"bacowr_statsd_source_unknown_bad_total",
     "Refused lines and samples that came among those of several senders and were not told apart.",
     COUNTER(unknown_bad)},
    {"bacowr_statsd_source_unknown_series_total",
     "Series born of lines that came among those of several senders and were not told apart.",
     COUNTER(unknown_series)},
    {"bacowr_statsd_tcp_accept_errors_total",
     "TCP and Unix stream connections that could not be accepted.", COUNTER(tcp_accept_errors)},
    {"bacowr_statsd_http_connections_total", "HTTP connections accepted.",
     COUNTER(http_connections)},
    {"bacowr_statsd_http_connections_refused_total",
     "HTTP connections closed at once because of the limit.", COUNTER(http_refused)},
    {"bacowr_statsd_http_connections_evicted_total",
     "HTTP connections without progress that were ended to make room for others.",
     COUNTER(http_evicted)},
    {"bacowr_statsd_http_connections_open", "HTTP connections that are open now.",
     GAUGE(http_open)},
    {"bacowr_statsd_http_accept_errors_total",
     "Times that accepting stopped for want of descriptors or memory.",
     COUNTER(http_accept_pauses)},
    {"bacowr_statsd_http_timeouts_total", "HTTP connections that were too slow.",
     COUNTER(http_timeouts)},
    {"bacowr_statsd_http_bad_requests_total", "HTTP requests that could not be read.",
     COUNTER(http_bad_requests)},
    {"bacowr_statsd_http_tls_handshakes_total", "TLS handshakes that were completed.",
     COUNTER(tls_handshakes)},
    {"bacowr_statsd_http_tls_failures_total",
     "TLS connections that ended with a failure, in the handshake or later.",
     COUNTER(tls_failures)},
    {"bacowr_statsd_http_password_checks_total",
     "Passwords that bcrypt was run for; those that are known already are not among them.",
     COUNTER(password_checks)},
    {"bacowr_statsd_health",
     "0: somebody told the admin port `health down`, so /-/ready answers 503; 1: nobody did.",
     GAUGE(health)},
    {"bacowr_statsd_admin_connections_total", "Connections to the admin port accepted.",
     COUNTER(admin_connections)},
    {"bacowr_statsd_admin_connections_open", "Connections to the admin port that are open now.",
     GAUGE(admin_open)},
    {"bacowr_statsd_admin_connections_refused_total",
     "Connections to the admin port closed at once because of the limit.", COUNTER(admin_refused)},
    {"bacowr_statsd_admin_connections_evicted_total",
     "Silent connections to the admin port that made room for others at the limit.",
     COUNTER(admin_evicted)},
    {"bacowr_statsd_admin_timeouts_total",
     "Connections to the admin port that ended because they were silent for long.",
     COUNTER(admin_timeouts)},
    {"bacowr_statsd_admin_answers_cut_total",
     "Answers of the admin port that were cut off because they were not taken in time.",
     COUNTER(admin_cut)},
    {"bacowr_statsd_admin_commands_total", "Commands of the admin port.", COUNTER(admin_commands)},
    {"bacowr_statsd_admin_command_errors_total",
     "Commands of the admin port that are none, were too long or not allowed.",
     COUNTER(admin_errors)},
    {"bacowr_statsd_admin_too_long_lines_total",
     "Lines to the admin port of more bytes than a command may have; each ends its connection.",
     COUNTER(admin_too_long)},
    {"bacowr_statsd_admin_deleted_series_total",
     "Series that the admin port was told to delete; those still sent come back.",
     COUNTER(admin_let_go)},
    {"bacowr_statsd_web_config_last_reload_successful",
     "1: the web configuration was good when it was last read; 0: the one from before goes on.",
     GAUGE(web_reload_good)},
    {"bacowr_statsd_scrape_duration_seconds_total",
     "Time from a scrape's request to its last byte, summed.", COUNTER(scrape_seconds)},
    {"bacowr_statsd_scrape_sent_bytes_total", "Bytes sent for scrapes, after compression.",
     COUNTER(scrape_bytes)},
    {"bacowr_statsd_last_scrape_duration_seconds", "Duration of the scrape before this one.",
     GAUGE(last_scrape_seconds)},
    {"bacowr_statsd_last_scrape_size_bytes",
     "Size of the page of the scrape before this one, before compression.",
     GAUGE(last_scrape_bytes)},
    {"bacowr_statsd_state_last_save_timestamp_seconds",
     "When the state file was last written, since 1970; 0: never by this process.",
     GAUGE(state_saved_seconds)},
    {"bacowr_statsd_state_last_save_size_bytes", "Size of the state file written last.",
     GAUGE(state_bytes)},
    {"bacowr_statsd_state_last_save_series", "Series in the state file written last.",
     GAUGE(state_series)},

    {"promhttp_metric_handler_requests_in_flight", "Scrapes being served now.",
     GAUGE(scrapes_in_flight)},
    {"process_cpu_seconds_total", "User and system CPU time spent.", COUNTER(process.cpu_seconds)},
    {"process_open_fds", "Open file descriptors.", GAUGE(process.open_fds)},
    {"process_max_fds", "Limit of open file descriptors.", GAUGE(process.max_fds)},
    {"process_virtual_memory_bytes", "Virtual memory.", GAUGE(process.virtual_bytes)},
    {"process_virtual_memory_max_bytes", "Limit of virtual memory.",
     GAUGE(process.virtual_max_bytes)},
    {"process_resident_memory_bytes", "Resident memory.", GAUGE(process.resident_bytes)},
    {"process_start_time_seconds", "When the process began, since 1970.", GAUGE(process_start)},
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
