/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal: see journal.h
 *
 *      starting    version, pid
 *      ready       everything that the flags came to: who looks at one line of a log, looks at this
 *      stopped     the totals
 *
 * Between them stands what the counters count too and nobody is alerted of: datagrams that the
 * kernel dropped, TCP connections at the limit. Both happen thousands of times or never, so the
 * first one is told at once and the next line a minute later says how many there were.
 *
 * Law: a field of `ready` and `stopped` is always there; an empty value or 0 means none.
 */
#include "server/journal.h"

#include <unistd.h>

#include "base/buf.h"
#include "server/control.h"
#include "server/descriptors.h"
#include "server/ingest.h"
#include "server/listen.h"
#include "server/mapfile.h"
#include "server/tcp.h"
#include "server/worker.h"

#define TELL_MS 60000

/* ---- the start ---- */

void journal_starting(struct server *s)
{
    s->started_ms = worker_now_ms();
    log_event(s->log, LOG_LEVEL_INFO, "starting", log_str("version", BACOWR_VERSION),
              log_int("pid", getpid()));
    for (size_t i = 0; i < s->o->ignored.n; i++)
        log_event(s->log, LOG_LEVEL_WARN, "flag_ignored", log_str("flag", s->o->ignored.items[i]),
                  log_str("reason", "accepted for compatibility with statsd_exporter, no effect"));
}

static void add_word(struct buf *b, const char *word)
{
    if (b->len > 0)
        buf_add_byte(b, ' ');
    buf_add_str(b, word);
}

static struct slice add_addresses(struct buf *b, const struct addresses *list)
{
    for (size_t i = 0; i < list->n; i++)
        add_word(b, list->items[i].text);
    return buf_slice(b);
}

static struct slice add_web(struct buf *b, const struct server *s)
{
    add_addresses(b, &s->web);
    for (size_t i = 0; i < s->n_web_names; i++)
        add_word(b, s->web_names[i].text);
    return buf_slice(b);
}

/* The socket that was granted the least; NULL: there is none. */
static const struct ingest *least_socket(const struct server *s)
{
    const struct ingest *least = NULL;

    for (unsigned i = 0; i < s->n_sockets; i++) {
        if (least == NULL || s->sockets[i]->granted_buffer < least->granted_buffer)
            least = s->sockets[i];
    }
    return least;
}

/* As the kernel reckons it. */
static int64_t least_buffer(const struct server *s)
{
    const struct ingest *least = least_socket(s);

    return least != NULL ? least->granted_buffer : 0;
}

void journal_ready(const struct server *s)
{
    struct buf udp = {0}, tcp = {0}, admin = {0}, web = {0};
    char mapping[512] = "";

    if (s->o->mapping_config.n > 0)
        mapfile_label(&s->o->mapping_config, mapping, sizeof mapping);
    log_event(s->log, LOG_LEVEL_INFO, "ready", log_slice("udp", add_addresses(&udp, &s->udp)),
              log_slice("tcp", add_addresses(&tcp, &s->tcp_addresses)),
              log_str("unixgram", s->unixgram_name.text), log_str("unix", s->unix_name.text),
              log_slice("admin", add_addresses(&admin, &s->admin_addresses)),
              log_slice("web", add_web(&web, s)), log_str("path", s->o->telemetry_path),
              log_int("ingest_threads", s->n_workers),
              log_int("receive_buffer_bytes", least_buffer(s)), log_str("mapping", mapping),
              log_int("rules", (int64_t)bacowr_n_rules(s->engine)),
              log_int("max_series", (int64_t)s->o->max_series),
              log_int("max_series_per_family", (int64_t)s->o->max_series_per_family),
              log_int("max_label_values", (int64_t)s->o->max_label_values),
              log_int("tcp_max_connections", (int64_t)descriptors_for_tcp(s)),
              log_int("web_max_connections", (int64_t)descriptors_for_http(s)),
              log_double("seconds", (double)(worker_now_ms() - s->started_ms) / 1e3));
    buf_release(&udp);
    buf_release(&tcp);
    buf_release(&admin);
    buf_release(&web);
}

/* ---- what goes wrong ---- */

static uint64_t kernel_dropped(const struct server *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < s->n_sockets; i++)
        n += s->sockets[i]->kernel_dropped;
    return n;
}

/* How many of the @n so far the log is to be told of now; 0: none, or not yet. */
static int64_t news(struct told *t, uint64_t n, int64_t now_ms)
{
    uint64_t more = n - t->n;

    if (more == 0 || now_ms < t->not_before)
        return 0;
    t->n = n;
    t->not_before = now_ms + TELL_MS;
    return (int64_t)more;
}

/* Would the system grant more than what was asked for? */
static bool flag_holds_buffer(const struct server *s)
{
    const struct ingest *least = least_socket(s);
    int64_t asked = 2 * (int64_t)s->o->read_buffer; /* as the kernel reckons it */

    return asked > 0 && least != NULL && least->granted_buffer >= asked &&
           least->granted_buffer < least->wanted_buffer;
}

static void tell_dropped(struct server *s, int64_t now_ms)
{
    int64_t n = news(&s->told_dropped, kernel_dropped(s), now_ms);

    if (n == 0)
        return;
    log_event(s->log, LOG_LEVEL_WARN, "udp_datagrams_dropped", log_int("n", n),
              log_str("by", "the kernel: a receive buffer was full"),
              log_int("receive_buffer_bytes", least_buffer(s)),
              log_str("remedy", flag_holds_buffer(s)
                                    ? "remove --statsd.read-buffer, send several lines per "
                                      "datagram, or raise --statsd.ingest-threads"
                                    : "raise net.core.rmem_max and restart, send several lines per "
                                      "datagram, or raise --statsd.ingest-threads"));
}

void journal_tick(struct server *s, int64_t now_ms)
{
    struct tcp_stats tcp;
    int64_t n;

    tell_dropped(s, now_ms);
    tcp_read_stats(s->tcp, &tcp);
    n = news(&s->told_refused, tcp.refused, now_ms);
    if (n > 0)
        log_event(s->log, LOG_LEVEL_WARN, "tcp_connections_refused", log_int("n", n),
                  log_int("open", (int64_t)tcp.open),
                  log_str("remedy", "raise --statsd.tcp-max-connections, or keep fewer open"));
}

/* ---- the end ---- */

void journal_stopped(const struct server *s)
{
    uint64_t datagrams = 0, udp_bytes = 0, tcp_bytes = 0, unix_bytes = 0;
    uint64_t unixgrams = 0, unixgram_bytes = 0;
    struct bacowr_account all = {0};
    struct tcp_stats tcp;

    for (unsigned i = 0; i < s->n_sockets; i++) {
        datagrams += relaxed_load(&s->sockets[i]->inlet.counters.datagrams);
        udp_bytes += relaxed_load(&s->sockets[i]->inlet.counters.bytes);
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct bacowr_account one;

        bacowr_account(s->workers[i]->engine, &one);
        all.lines += one.lines;
        all.refused += one.refused;
        all.series += one.series;
        tcp_bytes += relaxed_load(&s->workers[i]->counters.tcp_bytes);
        unix_bytes += relaxed_load(&s->workers[i]->counters.unix_bytes);
    }
    if (s->unixgram != NULL) {
        unixgrams = relaxed_load(&s->unixgram->counters.datagrams);
        unixgram_bytes = relaxed_load(&s->unixgram->counters.bytes);
    }
    tcp_read_stats(s->tcp, &tcp);
    log_event(
        s->log, LOG_LEVEL_INFO, "stopped", log_int("lines", (int64_t)all.lines),
        log_int("refused", (int64_t)all.refused), log_int("series_born", (int64_t)all.series),
        log_int("udp_datagrams", (int64_t)datagrams), log_int("udp_bytes", (int64_t)udp_bytes),
        log_int("udp_kernel_dropped", (int64_t)kernel_dropped(s)),
        log_int("tcp_connections", (int64_t)tcp.connections),
        log_int("tcp_bytes", (int64_t)tcp_bytes), log_int("unixgram_datagrams", (int64_t)unixgrams),
        log_int("unixgram_bytes", (int64_t)unixgram_bytes),
        log_int("unix_connections", (int64_t)tcp.unix_connections),
        log_int("unix_bytes", (int64_t)unix_bytes),
        log_double("seconds", (double)(worker_now_ms() - s->started_ms) / 1e3));
}
