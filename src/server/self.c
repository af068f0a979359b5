/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self: see self.h
 *
 * Two tables, one row for each family. A family of one sample without labels is a field of
 * `struct reading`, which is filled in one go; a family with labels has a function that adds its
 * samples. A new family is a row and its field or function.
 *
 * A page is one allocation: the families, and behind them all samples. The label texts live in
 * `struct self` and in literals, so nothing is rendered when a page is made.
 *
 * Laws: every family has all its samples from the first page on, at 0, since an alert on a rate
 *       misses the first increment of a series that is born with it.
 *       Counters that others write are read once for a page.
 */
#include "server/self.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/process.h"

/* Room for listener="...",worker="..": every byte of the address escaped. */
#define LABELS_MAX        (2 * ADDRESS_TEXT_MAX + 64)

/* Room for target="...",reason="...": a name of the DNS, every byte escaped, and a port. */
#define TARGET_LABELS_MAX 640

struct relay_labels {
    char target[TARGET_LABELS_MAX];
    char dropped[RELAY_N_REASONS][TARGET_LABELS_MAX];
};

struct self {
    struct self_config config;
    double process_start; /* both since 1970 */
    double serving_since;
    unsigned max_samples;
    char build_labels[256];
    char (*socket_labels)[LABELS_MAX]; /* owned; one for each socket */
    struct relay_labels *relay_labels; /* owned; one for each target */
};

struct self_page {
    struct bacowr_own_family *families; /* in this allocation */
    unsigned n_families, n_samples;     /* so far, the last family's too */
    unsigned max_families, max_samples;
    struct bacowr_own_sample samples[];
};

/* ---- a page ---- */

/* An empty page with room for so much. */
static int page_new(struct self_page **out, unsigned max_families, unsigned max_samples)
{
    size_t head = sizeof(struct self_page) + max_samples * sizeof(struct bacowr_own_sample);
    struct self_page *p = calloc(1, head + max_families * sizeof(struct bacowr_own_family));

    if (p == NULL)
        return -ENOMEM;
    p->families = (struct bacowr_own_family *)((char *)p + head);
    p->max_families = max_families;
    p->max_samples = max_samples;
    *out = p;
    return 0;
}

/* What is added from here on is of this family. All three are borrowed. */
static void begin(struct self_page *p, const char *name, const char *help,
                  enum bacowr_metric_type type)
{
    assert(p->n_families < p->max_families);
    p->families[p->n_families++] = (struct bacowr_own_family){
        .name = name,
        .help = help,
        .type = type,
        .samples = p->samples + p->n_samples,
    };
}

static void add(struct self_page *p, const char *labels, double value)
{
    assert(p->n_families > 0 && p->n_samples < p->max_samples);
    p->samples[p->n_samples++] = (struct bacowr_own_sample){.labels = labels, .value = value};
    p->families[p->n_families - 1].n_samples++;
}

/* ---- families of one sample ---- */

struct reading {
    double zero; /* statsd_exporter counts here what cannot happen in this server */
    double udp_datagrams;
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
    {"bacowr_statsd_scrape_duration_seconds_total",
     "Time from a scrape's request to its last byte, summed.", COUNTER(scrape_seconds)},
    {"bacowr_statsd_scrape_sent_bytes_total", "Bytes sent for scrapes, after compression.",
     COUNTER(scrape_bytes)},
    {"bacowr_statsd_last_scrape_duration_seconds", "Duration of the scrape before this one.",
     GAUGE(last_scrape_seconds)},
    {"bacowr_statsd_last_scrape_size_bytes",
     "Size of the page of the scrape before this one, before compression.",
     GAUGE(last_scrape_bytes)},

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
        r->udp_datagrams += (double)relaxed_load(&c->sockets[i]->counters.datagrams);
    for (unsigned i = 0; i < c->n_workers; i++) {
        const struct worker_counters *from = &c->workers[i]->counters;

        r->batches += (double)relaxed_load(&from->batches);
        r->tcp_errors += (double)relaxed_load(&from->tcp_errors);
        r->tcp_too_long += (double)relaxed_load(&from->tcp_too_long);
        r->unix_errors += (double)relaxed_load(&from->unix_errors);
        r->unix_frame_errors += (double)relaxed_load(&from->unix_frame_errors);
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
    r->http_bad_requests = (double)http->bad_requests;
    r->scrapes_in_flight = (double)http->scrapes_in_flight;
    r->scrape_bytes = (double)http->scrape_bytes;
    r->scrape_seconds = http->scrape_seconds;
    r->last_scrape_seconds = http->last_scrape_seconds;
    r->last_scrape_bytes = (double)http->last_scrape_bytes;
}

static void read_all(const struct self *s, struct reading *r)
{
    *r = (struct reading){
        .n_rules = (double)bacowr_n_rules(s->config.engine),
        .n_workers = s->config.n_workers,
        .last_reload_good = s->config.reloads->last_failed ? 0 : 1,
        .last_reload_seconds = s->config.reloads->last_good_seconds,
        .process_start = s->process_start,
        .serving_since = s->serving_since,
    };
    read_ingest(&s->config, r);
    read_unixgram(&s->config, r);
    read_tcp(&s->config, r);
    read_http(&s->config, r);
    process_read(&r->process);
}

/* ---- families with labels ---- */

static void add_dropped(struct self_page *p, const struct self *s)
{
    for (unsigned i = 0; i < s->config.n_sockets; i++)
        add(p, s->socket_labels[i], (double)s->config.sockets[i]->kernel_dropped);
}

static void add_truncated(struct self_page *p, const struct self *s)
{
    for (unsigned i = 0; i < s->config.n_sockets; i++)
        add(p, s->socket_labels[i],
            (double)relaxed_load(&s->config.sockets[i]->counters.truncated));
}

static void add_errors(struct self_page *p, const struct self *s)
{
    for (unsigned i = 0; i < s->config.n_sockets; i++)
        add(p, s->socket_labels[i], (double)relaxed_load(&s->config.sockets[i]->counters.errors));
}

static void add_buffers(struct self_page *p, const struct self *s)
{
    for (unsigned i = 0; i < s->config.n_sockets; i++)
        add(p, s->socket_labels[i], (double)s->config.sockets[i]->granted_buffer);
}

static void add_bytes(struct self_page *p, const struct self *s)
{
    const struct unixgram *unixgram = s->config.unixgram;
    double udp = 0, tcp = 0, streams = 0;

    for (unsigned i = 0; i < s->config.n_sockets; i++)
        udp += (double)relaxed_load(&s->config.sockets[i]->counters.bytes);
    for (unsigned i = 0; i < s->config.n_workers; i++) {
        tcp += (double)relaxed_load(&s->config.workers[i]->counters.tcp_bytes);
        streams += (double)relaxed_load(&s->config.workers[i]->counters.unix_bytes);
    }
    add(p, "transport=\"tcp\"", tcp);
    add(p, "transport=\"udp\"", udp);
    add(p, "transport=\"unix\"", streams);
    add(p, "transport=\"unixgram\"",
        unixgram != NULL ? (double)relaxed_load(&unixgram->counters.bytes) : 0);
}

static void add_reloads(struct self_page *p, const struct self *s)
{
    add(p, "outcome=\"failure\"", (double)s->config.reloads->failed);
    add(p, "outcome=\"success\"", (double)s->config.reloads->good);
}

static void add_build(struct self_page *p, const struct self *s)
{
    add(p, s->build_labels, 1);
}

static void add_scrapes(struct self_page *p, const struct self *s)
{
    const struct http_stats *http = http_stats(s->config.http);

    add(p, "code=\"200\"", (double)http->scrapes_by_code[0]);
    add(p, "code=\"500\"", (double)http->scrapes_by_code[1]);
    add(p, "code=\"503\"", (double)http->scrapes_by_code[2]);
}

/* A sample for each target: the counter at @field of struct relay_stats. */
static void add_targets(struct self_page *p, const struct self *s, size_t field)
{
    for (unsigned i = 0; i < relay_n_targets(s->config.relay); i++) {
        struct relay_stats stats;
        uint64_t count;

        relay_read_stats(s->config.relay, i, &stats);
        memcpy(&count, (const char *)&stats + field, sizeof count);
        add(p, s->relay_labels[i].target, (double)count);
    }
}

static void add_relay_packets(struct self_page *p, const struct self *s)
{
    add_targets(p, s, offsetof(struct relay_stats, packets));
}

static void add_relay_long_lines(struct self_page *p, const struct self *s)
{
    add_targets(p, s, offsetof(struct relay_stats, long_lines));
}

static void add_relay_lines(struct self_page *p, const struct self *s)
{
    add_targets(p, s, offsetof(struct relay_stats, lines));
}

static void add_relay_dropped(struct self_page *p, const struct self *s)
{
    for (unsigned i = 0; i < relay_n_targets(s->config.relay); i++) {
        struct relay_stats stats;

        relay_read_stats(s->config.relay, i, &stats);
        for (unsigned reason = 0; reason < RELAY_N_REASONS; reason++)
            add(p, s->relay_labels[i].dropped[reason], (double)stats.dropped[reason]);
    }
}

struct labelled {
    const char *name;
    const char *help;
    enum bacowr_metric_type type;
    unsigned n_fixed;    /* samples, whatever the configuration */
    unsigned per_socket; /* and so many for each socket, */
    unsigned per_target; /* and for each target of the relay */
    void (*fill)(struct self_page *p, const struct self *s);
};

static const struct labelled labelled[] = {
    {"statsd_exporter_config_reloads_total", "Reloads of the mapping.", BACOWR_METRIC_COUNTER, 2, 0,
     0, add_reloads},
    {"statsd_exporter_build_info", "The program; always 1.", BACOWR_METRIC_GAUGE, 1, 0, 0,
     add_build},
    {"bacowr_statsd_received_bytes_total", "Bytes received.", BACOWR_METRIC_COUNTER, 4, 0, 0,
     add_bytes},
    {"bacowr_statsd_udp_kernel_dropped_datagrams_total",
     "Datagrams that the kernel dropped, most often because the receive buffer was full.",
     BACOWR_METRIC_COUNTER, 0, 1, 0, add_dropped},
    {"bacowr_statsd_udp_truncated_datagrams_total",
     "Datagrams that were cut; their whole lines were used.", BACOWR_METRIC_COUNTER, 0, 1, 0,
     add_truncated},
    {"bacowr_statsd_udp_receive_errors_total", "Receive calls that failed.", BACOWR_METRIC_COUNTER,
     0, 1, 0, add_errors},
    {"bacowr_statsd_udp_receive_buffer_bytes", "Receive buffer that the system granted.",
     BACOWR_METRIC_GAUGE, 0, 1, 0, add_buffers},
    {"statsd_exporter_relay_packets_total", "Datagrams sent to a relay target, or tried.",
     BACOWR_METRIC_COUNTER, 0, 0, 1, add_relay_packets},
    {"statsd_exporter_relay_long_lines_total",
     "Lines longer than a relayed datagram, and therefore not relayed.", BACOWR_METRIC_COUNTER, 0,
     0, 1, add_relay_long_lines},
    {"statsd_exporter_relay_lines_relayed_total", "Lines put into datagrams for a relay target.",
     BACOWR_METRIC_COUNTER, 0, 0, 1, add_relay_lines},
    {"bacowr_statsd_relay_dropped_lines_total",
     "Lines put into datagrams that could not be sent, by reason.", BACOWR_METRIC_COUNTER, 0, 0,
     RELAY_N_REASONS, add_relay_dropped},
    {"promhttp_metric_handler_requests_total", "Scrapes served.", BACOWR_METRIC_COUNTER, 3, 0, 0,
     add_scrapes},
};
#define N_LABELLED (sizeof labelled / sizeof labelled[0])

static unsigned n_samples(const struct labelled *family, const struct self_config *c)
{
    return family->n_fixed + family->per_socket * c->n_sockets +
           family->per_target * relay_n_targets(c->relay);
}

/* ---- life ---- */

int self_reserve(struct bacowr *b)
{
    int r = 0;

    for (size_t i = 0; i < N_SCALARS && r == 0; i++)
        r = bacowr_reserve(b, scalars[i].name);
    for (size_t i = 0; i < N_LABELLED && r == 0; i++)
        r = bacowr_reserve(b, labelled[i].name);
    return r;
}

/* As in the text format: backslash, LF and the quote. @out has room for twice @text and a NUL. */
static void escape(char *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            *out++ = '\\';
        *out++ = *text == '\n' ? 'n' : *text;
    }
    *out = '\0';
}

/* The architecture as statsd_exporter's builds call it. */
static const char *architecture(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__i386__)
    return "386";
#else
    return "";
#endif
}

static void render_relay_labels(struct self *s)
{
    for (unsigned i = 0; i < relay_n_targets(s->config.relay); i++) {
        struct relay_labels *labels = &s->relay_labels[i];
        const char *text = relay_target(s->config.relay, i);
        char target[TARGET_LABELS_MAX - 64] = "";

        if (strlen(text) < sizeof target / 2)
            escape(target, text);
        snprintf(labels->target, sizeof labels->target, "target=\"%s\"", target);
        for (unsigned reason = 0; reason < RELAY_N_REASONS; reason++)
            snprintf(labels->dropped[reason], sizeof labels->dropped[reason],
                     "reason=\"%s\",target=\"%s\"", relay_reason_name(reason), target);
    }
}

static void render_labels(struct self *s)
{
    char version[128] = "";
    char listener[2 * ADDRESS_TEXT_MAX];

    if (strlen(s->config.version) < sizeof version / 2)
        escape(version, s->config.version);
    snprintf(s->build_labels, sizeof s->build_labels,
             "branch=\"\",goarch=\"%s\",goos=\"linux\",goversion=\"\",revision=\"\",tags=\"\","
             "version=\"%s\"",
             architecture(), version);
    for (unsigned i = 0; i < s->config.n_sockets; i++) {
        const struct ingest *in = s->config.sockets[i];

        escape(listener, in->address.text);
        snprintf(s->socket_labels[i], LABELS_MAX, "listener=\"%s\",worker=\"%u\"", listener,
                 in->worker->id);
    }
}

int self_new(struct self **out, const struct self_config *config)
{
    struct self *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    s->process_start = process_start_seconds();
    s->serving_since = process_now_seconds();
    s->socket_labels = calloc(config->n_sockets + 1, LABELS_MAX);
    s->relay_labels = calloc(relay_n_targets(config->relay) + 1, sizeof *s->relay_labels);
    if (s->socket_labels == NULL || s->relay_labels == NULL) {
        self_free(s);
        return -ENOMEM;
    }
    render_labels(s);
    render_relay_labels(s);
    s->max_samples = N_SCALARS;
    for (size_t i = 0; i < N_LABELLED; i++)
        s->max_samples += n_samples(&labelled[i], config);
    *out = s;
    return 0;
}

void self_free(struct self *s)
{
    if (s == NULL)
        return;
    free(s->socket_labels);
    free(s->relay_labels);
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
        begin(p, scalars[i].name, scalars[i].help, scalars[i].type);
        add(p, NULL, value);
    }
}

static void fill_labelled(struct self_page *p, const struct self *s)
{
    for (size_t i = 0; i < N_LABELLED; i++) {
        unsigned before = p->n_samples, n = n_samples(&labelled[i], &s->config);

        if (n == 0)
            continue; /* no socket or no relay, no family */
        begin(p, labelled[i].name, labelled[i].help, labelled[i].type);
        labelled[i].fill(p, s);
        assert(p->n_samples == before + n);
        (void)before;
    }
}

int self_page_new(struct self_page **out, struct self *s)
{
    struct self_page *p;
    int r = page_new(&p, N_SCALARS + N_LABELLED, s->max_samples);

    if (r != 0)
        return r;
    fill_scalars(p, s);
    fill_labelled(p, s);
    assert(p->n_samples == p->max_samples);
    *out = p;
    return 0;
}

const struct bacowr_own_family *self_page_families(const struct self_page *page, unsigned *n)
{
    *n = page->n_families;
    return page->families;
}

void self_page_free(struct self_page *page)
{
    free(page);
}
