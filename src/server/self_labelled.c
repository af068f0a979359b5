/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, families with labels: see self_labelled.h
 *
 * One table, a row for each family, with a function that adds its samples. A new family is a row
 * and its function.
 *
 * The label texts that depend on the configuration are rendered at the start (self_labels.c); those
 * of transports, outcomes and codes are literals.
 *
 * Law: a family has the number of samples that its row says, whatever their values are.
 */
#include "server/self_labelled.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the families ---- */

static void add_received(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i],
                      (double)relaxed_load(&s->config->sockets[i]->inlet.counters.datagrams));
}

static void add_groups(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i],
                      (double)relaxed_load(&s->config->sockets[i]->inlet.counters.groups));
}

static void add_dropped(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i], (double)s->config->sockets[i]->kernel_dropped);
}

static void add_truncated(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i],
                      (double)relaxed_load(&s->config->sockets[i]->inlet.counters.truncated));
}

static void add_refused(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++) {
        const struct inlet_counters *c = &s->config->sockets[i]->inlet.counters;

        self_page_add(p, s->refused_labels[2 * i], (double)relaxed_load(&c->limited));
        self_page_add(p, s->refused_labels[2 * i + 1], (double)relaxed_load(&c->not_allowed));
    }
}

static void add_errors(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i],
                      (double)relaxed_load(&s->config->sockets[i]->inlet.counters.errors));
}

static void add_buffers(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i], (double)s->config->sockets[i]->granted_buffer);
}

static void add_wanted(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_sockets; i++)
        self_page_add(p, s->socket_labels[i], (double)s->config->sockets[i]->wanted_buffer);
}

static void add_loss(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->n_listeners; i++) {
        struct loss_count sum = {0};

        for (unsigned j = 0; j < s->config->n_sockets; j++) {
            struct loss_count c = loss_recent(&s->config->sockets[j]->loss);

            if (!self_labels_is_of(s->config->sockets[j], &s->listeners[i]))
                continue;
            sum.received += c.received;
            sum.lost += c.lost;
        }
        self_page_add(p, s->listeners[i].labels, loss_ratio(sum));
    }
}

static void add_bytes(struct self_page *p, const struct self_labels *s)
{
    const struct inlet *unixgram = s->config->unixgram;
    double udp = 0, tcp = 0, streams = 0;

    for (unsigned i = 0; i < s->config->n_sockets; i++)
        udp += (double)relaxed_load(&s->config->sockets[i]->inlet.counters.bytes);
    for (unsigned i = 0; i < s->config->n_workers; i++) {
        tcp += (double)relaxed_load(&s->config->workers[i]->counters.tcp_bytes);
        streams += (double)relaxed_load(&s->config->workers[i]->counters.unix_bytes);
    }
    self_page_add(p, "transport=\"tcp\"", tcp);
    self_page_add(p, "transport=\"udp\"", udp);
    self_page_add(p, "transport=\"unix\"", streams);
    self_page_add(p, "transport=\"unixgram\"",
                  unixgram != NULL ? (double)relaxed_load(&unixgram->counters.bytes) : 0);
}

static void add_web_reloads(struct self_page *p, const struct self_labels *s)
{
    self_page_add(p, "outcome=\"failure\"", (double)s->config->web_reloads->failed);
    self_page_add(p, "outcome=\"success\"", (double)s->config->web_reloads->good);
}

static void add_refused_requests(struct self_page *p, const struct self_labels *s)
{
    const struct http_stats *http = http_stats(s->config->http);

    self_page_add(p, "reason=\"body_too_large\"", (double)http->body_too_large);
    self_page_add(p, "reason=\"busy\"", (double)http->busy);
    self_page_add(p, "reason=\"forbidden\"", (double)http->forbidden);
    self_page_add(p, "reason=\"head_too_large\"", (double)http->head_too_large);
    self_page_add(p, "reason=\"path_too_long\"", (double)http->path_too_long);
    self_page_add(p, "reason=\"rate_limit\"", (double)http->rate_limited);
    self_page_add(p, "reason=\"unauthorized\"", (double)http->unauthorized);
}

static void add_reloads(struct self_page *p, const struct self_labels *s)
{
    self_page_add(p, "outcome=\"failure\"", (double)s->config->reloads->failed);
    self_page_add(p, "outcome=\"success\"", (double)s->config->reloads->good);
}

static void add_state_saves(struct self_page *p, const struct self_labels *s)
{
    self_page_add(p, "outcome=\"failure\"", (double)s->config->state->failed);
    self_page_add(p, "outcome=\"success\"", (double)s->config->state->saved);
}

static void add_state_loaded(struct self_page *p, const struct self_labels *s)
{
    static const char *const labels[BACOWR_STATE_N_OUTCOMES] = {
        [BACOWR_STATE_RESTORED] = "outcome=\"restored\"",
        [BACOWR_STATE_NOT_COUNTED] = "outcome=\"not_clean\"",
        [BACOWR_STATE_TOO_OLD] = "outcome=\"too_old\"",
        [BACOWR_STATE_TYPE] = "outcome=\"type_conflict\"",
        [BACOWR_STATE_NAME] = "outcome=\"name_conflict\"",
        [BACOWR_STATE_LIMIT] = "outcome=\"series_limit\"",
        [BACOWR_STATE_NO_MEMORY] = "outcome=\"out_of_memory\"",
    };

    for (unsigned i = 0; i < BACOWR_STATE_N_OUTCOMES; i++)
        self_page_add(p, labels[i], (double)s->config->state->loaded[i]);
}

static void add_state_refused(struct self_page *p, const struct self_labels *s)
{
    static const char *const labels[STATEFILE_N_REFUSALS] = {
        [STATEFILE_DAMAGED] = "reason=\"damaged\"",
        [STATEFILE_FOREIGN] = "reason=\"foreign\"",
        [STATEFILE_VERSION] = "reason=\"version\"",
        [STATEFILE_UNREADABLE] = "reason=\"unreadable\"",
    };

    for (unsigned i = 0; i < STATEFILE_N_REFUSALS; i++)
        self_page_add(p, labels[i], (double)s->config->state->refused[i]);
}

static void add_handovers(struct self_page *p, const struct self_labels *s)
{
    self_page_add(p, "outcome=\"failure\"", (double)s->config->handovers->failed);
    self_page_add(p, "outcome=\"success\"", (double)s->config->handovers->good);
}

static void add_build(struct self_page *p, const struct self_labels *s)
{
    self_page_add(p, s->build_labels, 1);
}

static void add_cpu(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < s->config->n_workers; i++)
        self_page_add(p, s->worker_labels[i], (double)worker_cpu_ns(s->config->workers[i]) / 1e9);
}

static void add_scrapes(struct self_page *p, const struct self_labels *s)
{
    const struct http_stats *http = http_stats(s->config->http);

    self_page_add(p, "code=\"200\"", (double)http->scrapes_by_code[0]);
    self_page_add(p, "code=\"500\"", (double)http->scrapes_by_code[1]);
    self_page_add(p, "code=\"503\"", (double)http->scrapes_by_code[2]);
}

/* A sample for each target: the counter at @field of struct relay_stats. */
static void add_targets(struct self_page *p, const struct self_labels *s, size_t field)
{
    for (unsigned i = 0; i < relay_n_targets(s->config->relay); i++) {
        struct relay_stats stats;
        uint64_t count;

        relay_read_stats(s->config->relay, i, &stats);
        memcpy(&count, (const char *)&stats + field, sizeof count);
        self_page_add(p, s->relay_labels[i].target, (double)count);
    }
}

static void add_relay_packets(struct self_page *p, const struct self_labels *s)
{
    add_targets(p, s, offsetof(struct relay_stats, packets));
}

static void add_relay_long_lines(struct self_page *p, const struct self_labels *s)
{
    add_targets(p, s, offsetof(struct relay_stats, long_lines));
}

static void add_relay_lines(struct self_page *p, const struct self_labels *s)
{
    add_targets(p, s, offsetof(struct relay_stats, lines));
}

static void add_relay_dropped(struct self_page *p, const struct self_labels *s)
{
    for (unsigned i = 0; i < relay_n_targets(s->config->relay); i++) {
        struct relay_stats stats;

        relay_read_stats(s->config->relay, i, &stats);
        for (unsigned reason = 0; reason < RELAY_N_REASONS; reason++)
            self_page_add(p, s->relay_labels[i].dropped[reason], (double)stats.dropped[reason]);
    }
}

/* What a family has its samples for. */
enum each { EACH_PAGE, EACH_SOCKET, EACH_TARGET, EACH_LISTENER, EACH_WORKER };

struct labelled {
    const char *name;
    const char *help;
    enum bacowr_metric_type type;
    unsigned n; /* samples, for */
    enum each each;
    void (*fill)(struct self_page *p, const struct self_labels *s);
};

static const struct labelled labelled[] = {
    {"statsd_exporter_config_reloads_total", "Reloads of the mapping.", BACOWR_METRIC_COUNTER, 2,
     EACH_PAGE, add_reloads},
    {"bacowr_statsd_web_config_reloads_total", "Reloads of the web configuration.",
     BACOWR_METRIC_COUNTER, 2, EACH_PAGE, add_web_reloads},
    {"bacowr_statsd_http_refused_requests_total", "HTTP requests refused, by reason.",
     BACOWR_METRIC_COUNTER, 7, EACH_PAGE, add_refused_requests},
    {"bacowr_statsd_handovers_total",
     "Hand-overs: take-overs from a running server, and failed attempts of a new one.",
     BACOWR_METRIC_COUNTER, 2, EACH_PAGE, add_handovers},
    {"bacowr_statsd_ingest_thread_cpu_seconds_total",
     "CPU time of an ingest thread; near 1 per second, it uses a whole processor.",
     BACOWR_METRIC_COUNTER, 1, EACH_WORKER, add_cpu},
    {"statsd_exporter_build_info", "The program; always 1.", BACOWR_METRIC_GAUGE, 1, EACH_PAGE,
     add_build},
    {"bacowr_statsd_received_bytes_total", "Bytes received.", BACOWR_METRIC_COUNTER, 4, EACH_PAGE,
     add_bytes},
    {"bacowr_statsd_udp_received_datagrams_total", "Datagrams received.", BACOWR_METRIC_COUNTER, 1,
     EACH_SOCKET, add_received},
    {"bacowr_statsd_udp_received_groups_total",
     "Groups of datagrams received, including refused ones; without --statsd.udp-gro each "
     "datagram is one.",
     BACOWR_METRIC_COUNTER, 1, EACH_SOCKET, add_groups},
    {"bacowr_statsd_udp_kernel_dropped_datagrams_total",
     "Datagrams dropped by the kernel, usually because the receive buffer was full; with "
     "--statsd.udp-gro a group counts as one.",
     BACOWR_METRIC_COUNTER, 1, EACH_SOCKET, add_dropped},
    {"bacowr_statsd_udp_truncated_datagrams_total",
     "Truncated datagrams; their complete lines were processed.", BACOWR_METRIC_COUNTER, 1,
     EACH_SOCKET, add_truncated},
    {"bacowr_statsd_udp_refused_datagrams_total",
     "Datagrams refused by policy, not counted as received: the sender is not allowed, or "
     "exceeds its rate limit.",
     BACOWR_METRIC_COUNTER, 2, EACH_SOCKET, add_refused},
    {"bacowr_statsd_udp_receive_errors_total", "Receive calls that failed.", BACOWR_METRIC_COUNTER,
     1, EACH_SOCKET, add_errors},
    {"bacowr_statsd_udp_receive_buffer_bytes", "Receive buffer size granted by the system.",
     BACOWR_METRIC_GAUGE, 1, EACH_SOCKET, add_buffers},
    {"bacowr_statsd_udp_receive_buffer_wanted_bytes",
     "Recommended receive buffer size: as requested, or 4 MiB, in the same units; if less "
     "was granted, raise net.core.rmem_max, or remove --statsd.read-buffer.",
     BACOWR_METRIC_GAUGE, 1, EACH_SOCKET, add_wanted},
    {"bacowr_statsd_udp_loss_ratio",
     "Share of the last minute's datagrams, or groups of them, that the kernel dropped, 0 "
     "to 1.",
     BACOWR_METRIC_GAUGE, 1, EACH_LISTENER, add_loss},
    {"bacowr_statsd_state_saves_total", "Saves of the state file, by outcome.",
     BACOWR_METRIC_COUNTER, 2, EACH_PAGE, add_state_saves},
    {"bacowr_statsd_state_loaded_series", "Series of the state file at start, by outcome.",
     BACOWR_METRIC_GAUGE, BACOWR_STATE_N_OUTCOMES, EACH_PAGE, add_state_loaded},
    {"bacowr_statsd_state_refused_files_total",
     "State files refused, by reason; all except unreadable ones were renamed.",
     BACOWR_METRIC_COUNTER, STATEFILE_N_REFUSALS, EACH_PAGE, add_state_refused},
    {"statsd_exporter_relay_packets_total",
     "Datagrams sent to a relay target, including "
     "failed sends.",
     BACOWR_METRIC_COUNTER, 1, EACH_TARGET, add_relay_packets},
    {"statsd_exporter_relay_long_lines_total",
     "Lines not relayed because they exceed the maximum packet length.", BACOWR_METRIC_COUNTER, 1,
     EACH_TARGET, add_relay_long_lines},
    {"statsd_exporter_relay_lines_relayed_total", "Lines put into datagrams for a relay target.",
     BACOWR_METRIC_COUNTER, 1, EACH_TARGET, add_relay_lines},
    {"bacowr_statsd_relay_dropped_lines_total",
     "Lines in datagrams that could not be sent, by reason.", BACOWR_METRIC_COUNTER,
     RELAY_N_REASONS, EACH_TARGET, add_relay_dropped},
    {"promhttp_metric_handler_requests_total", "Scrapes served.", BACOWR_METRIC_COUNTER, 3,
     EACH_PAGE, add_scrapes},
};
#define N_LABELLED (sizeof labelled / sizeof labelled[0])

static unsigned n_samples(const struct labelled *family, const struct self_labels *s)
{
    switch (family->each) {
    case EACH_PAGE:
        return family->n;
    case EACH_SOCKET:
        return family->n * s->config->n_sockets;
    case EACH_TARGET:
        return family->n * relay_n_targets(s->config->relay);
    case EACH_LISTENER:
        return family->n * s->n_listeners;
    case EACH_WORKER:
        return family->n * s->config->n_workers;
    }
    return 0;
}

unsigned self_labelled_n_families(void)
{
    return N_LABELLED;
}

unsigned self_labelled_n_samples(const struct self_labels *s)
{
    unsigned n = 0;

    for (size_t i = 0; i < N_LABELLED; i++)
        n += n_samples(&labelled[i], s);
    return n;
}

int self_labelled_reserve(struct bacowr *b)
{
    int r = 0;

    for (size_t i = 0; i < N_LABELLED && r == 0; i++)
        r = bacowr_reserve(b, labelled[i].name);
    return r;
}

void self_labelled_fill(struct self_page *p, const struct self_labels *s)
{
    for (size_t i = 0; i < N_LABELLED; i++) {
        unsigned before = self_page_n_samples(p), n = n_samples(&labelled[i], s);

        if (n == 0)
            continue; /* no socket or no relay, no family */
        self_page_begin(p, labelled[i].name, labelled[i].help, labelled[i].type);
        labelled[i].fill(p, s);
        assert(self_page_n_samples(p) == before + n);
        (void)before;
    }
}
