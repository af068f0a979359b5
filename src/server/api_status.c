/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API, status and rates: the server itself
 *
 * Status is what does not change by the second: version, listeners, flags, the mapping files and
 * how their last reload went. Rates are the history of the last minutes; who has some of it asks
 * for what came since. A reason of refusal is among them once it was met.
 *
 * Laws: a flag is told as it was given, or by its default. Nothing here is a secret: who may read
 *       the metrics page may read this.
 */
#include "server/api.h"

#include <errno.h>
#include <unistd.h>

#include "base/json.h"
#include "bacowr/insight.h"
#include "conf/settings.h"
#include "server/control.h"
#include "server/gate.h"
#include "server/process.h"
#include "server/query.h"

/* ---- counts ---- */

/* Those that stand behind the engine's. */
enum count { COUNT_DATAGRAMS, COUNT_BYTES, COUNT_LOST, COUNT_CONNECTIONS, COUNT_SCRAPES, N_COUNTS };

static const char *const count_names[N_COUNTS] = {
    [COUNT_DATAGRAMS] = "datagrams", [COUNT_BYTES] = "bytes",
    [COUNT_LOST] = "lost_datagrams", [COUNT_CONNECTIONS] = "connections",
    [COUNT_SCRAPES] = "scrapes",
};

unsigned api_n_counts(void)
{
    return bacowr_n_totals() + N_COUNTS;
}

static const char *count_name(unsigned i)
{
    unsigned n = bacowr_n_totals();

    return i < n ? bacowr_total_name(i) : count_names[i - n];
}

static bool is_refusal(unsigned i)
{
    return i >= BACOWR_TOTAL_REFUSED && i < bacowr_n_totals();
}

static void read_sockets(const struct server *s, uint64_t *counts)
{
    for (unsigned i = 0; i < s->n_sockets; i++) {
        counts[COUNT_DATAGRAMS] += relaxed_load(&s->sockets[i]->inlet.counters.datagrams);
        counts[COUNT_BYTES] += relaxed_load(&s->sockets[i]->inlet.counters.bytes);
        counts[COUNT_LOST] += s->sockets[i]->kernel_dropped;
    }
    if (s->unixgram != NULL) {
        counts[COUNT_DATAGRAMS] += relaxed_load(&s->unixgram->counters.datagrams);
        counts[COUNT_BYTES] += relaxed_load(&s->unixgram->counters.bytes);
    }
}

void api_read_counts(const struct server *s, uint64_t *counts)
{
    const struct http_stats *http = http_stats(s->http);
    struct tcp_stats tcp;

    bacowr_read_totals(s->engine, counts);
    counts += bacowr_n_totals();
    for (unsigned i = 0; i < N_COUNTS; i++)
        counts[i] = 0;
    read_sockets(s, counts);
    for (unsigned i = 0; i < s->n_workers; i++)
        counts[COUNT_BYTES] += relaxed_load(&s->workers[i]->counters.tcp_bytes) +
                               relaxed_load(&s->workers[i]->counters.unix_bytes);
    tcp_read_stats(s->tcp, &tcp);
    counts[COUNT_CONNECTIONS] = tcp.connections + tcp.unix_connections;
    counts[COUNT_SCRAPES] = http->scrapes_by_code[0];
}

/* ---- rates ---- */

struct steps {
    uint64_t from, end;
};

static void put_rates(const struct history *h, struct steps steps, unsigned i, struct json *j)
{
    json_array(j, count_name(i));
    for (uint64_t step = steps.from; step < steps.end; step++) {
        double rate = history_rate(h, step, i);

        /* Fractions matter where little happens only. */
        json_double(j, NULL,
                    rate < 100 ? (double)(int64_t)(rate * 100 + 0.5) / 100
                               : (double)(int64_t)(rate + 0.5));
    }
    json_end_array(j);
}

static void put_table(const struct server *s, const uint64_t *totals, struct steps steps,
                      bool refusals, struct json *j)
{
    for (unsigned i = 0; i < api_n_counts(); i++)
        if (is_refusal(i) == refusals && (!refusals || totals[i] > 0))
            put_rates(s->history, steps, i, j);
}

static void put_totals(const uint64_t *totals, bool refusals, struct json *j)
{
    for (unsigned i = 0; i < api_n_counts(); i++)
        if (is_refusal(i) == refusals && (!refusals || totals[i] > 0))
            json_u64(j, count_name(i), totals[i]);
}

int api_rates(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    const struct server *s = ctx;
    struct json j = json_writer(out);
    struct steps steps = {0, history_end(s->history)};
    uint64_t first = history_first(s->history);
    uint64_t *totals = s->counts;

    if (!query_number(ask->query, "since", 0, UINT64_MAX / 16, &steps.from))
        return -EINVAL;
    /* Of one who has seen more than there is, the server began anew. */
    if (steps.from < first || steps.from > steps.end)
        steps.from = first;
    api_read_counts(s, totals);
    json_object(&j, NULL);
    json_double(&j, "step_seconds", HISTORY_STEP_MS / 1e3);
    json_u64(&j, "from", steps.from);
    json_u64(&j, "end", steps.end);
    json_object(&j, "rates");
    put_table(s, totals, steps, false, &j);
    json_end_object(&j);
    json_object(&j, "refused_rates");
    put_table(s, totals, steps, true, &j);
    json_end_object(&j);
    json_object(&j, "totals");
    put_totals(totals, false, &j);
    json_end_object(&j);
    json_object(&j, "refused_totals");
    put_totals(totals, true, &j);
    json_end_object(&j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return 0;
}

/* ---- status ---- */

static void put_process(struct json *j)
{
    struct process_stats process;

    process_read(&process);
    json_object(j, "process");
    json_u64(j, "pid", (uint64_t)getpid());
    json_double(j, "cpu_seconds", process.cpu_seconds);
    json_double(j, "resident_bytes", process.resident_bytes);
    json_double(j, "open_fds", process.open_fds);
    json_double(j, "max_fds", process.max_fds);
    json_end_object(j);
}

static void put_listener(struct json *j, const char *transport, const char *address)
{
    json_object(j, NULL);
    json_str(j, "transport", transport);
    json_str(j, "address", address);
}

static void put_listeners(const struct server *s, struct json *j)
{
    json_array(j, "listeners");
    for (unsigned i = 0; i < s->n_sockets; i++) {
        const struct ingest *in = s->sockets[i];

        put_listener(j, "udp", in->address.text);
        json_u64(j, "datagrams", relaxed_load(&in->inlet.counters.datagrams));
        json_u64(j, "lost_datagrams", in->kernel_dropped);
        json_u64(j, "receive_buffer_bytes", (uint64_t)in->granted_buffer);
        json_u64(j, "receive_buffer_wanted_bytes", (uint64_t)in->wanted_buffer);
        json_end_object(j);
    }
    for (size_t i = 0; i < s->tcp_addresses.n; i++) {
        put_listener(j, "tcp", s->tcp_addresses.items[i].text);
        json_end_object(j);
    }
    for (size_t i = 0; i < s->admin_addresses.n; i++) {
        put_listener(j, "admin", s->admin_addresses.items[i].text);
        json_end_object(j);
    }
    if (s->unixgram != NULL) {
        put_listener(j, "unixgram", s->o->listen_unixgram);
        json_u64(j, "datagrams", relaxed_load(&s->unixgram->counters.datagrams));
        json_end_object(j);
    }
    if (s->o->listen_unix != NULL) {
        put_listener(j, "unix", s->o->listen_unix);
        json_end_object(j);
    }
    json_end_array(j);
}

static void put_config(const struct server *s, struct json *j)
{
    const struct reload_stats *reloads = reload_stats(s->reload);

    json_object(j, "mapping");
    json_array(j, "files");
    for (size_t i = 0; i < s->o->mapping_config.n; i++)
        json_str(j, NULL, s->o->mapping_config.items[i]);
    json_end_array(j);
    json_u64(j, "rules", bacowr_n_rules(s->engine));
    json_bool(j, "watched", s->watch != NULL);
    json_u64(j, "reloads_good", reloads->good);
    json_u64(j, "reloads_failed", reloads->failed);
    json_bool(j, "last_reload_good", !reloads->last_failed);
    if (reloads->last_good_seconds > 0)
        json_double(j, "loaded_age_seconds", process_now_seconds() - reloads->last_good_seconds);
    else
        json_null(j, "loaded_age_seconds");
    json_str(j, "error", reloads->last_failed ? reloads->error : NULL);
    json_u64(j, "warnings", reloads->n_warnings);
    json_end_object(j);
}

static bool is_given(const struct options *o, const struct setting *s)
{
    bool given = false;

    for (size_t i = 0; i + 1 < o->given.n; i += 2)
        given |= strcmp(o->given.items[i], s->name) == 0;
    return given;
}

static void put_values(const struct options *o, const struct setting *s, bool given, struct json *j)
{
    json_array(j, "values");
    for (size_t i = 0; given && i + 1 < o->given.n; i += 2)
        if (strcmp(o->given.items[i], s->name) == 0)
            json_str(j, NULL, o->given.items[i + 1]);
    for (size_t i = 0; !given && i < 2 && s->fallback[i] != NULL; i++)
        json_str(j, NULL, s->fallback[i]);
    json_end_array(j);
}

static void put_flags(const struct options *o, struct json *j)
{
    json_array(j, "flags");
    for (const struct setting *s = settings; s->name != NULL; s++) {
        bool given = is_given(o, s);

        if (s->command != NULL || (s->ignored && !given))
            continue;
        json_object(j, NULL);
        json_str(j, "name", s->name);
        json_bool(j, "given", given);
        put_values(o, s, given, j);
        json_end_object(j);
    }
    json_end_array(j);
}

static bool knows_senders(const struct server *s)
{
    return s->workers[0]->gate != NULL && s->workers[0]->gate->sources != NULL;
}

int api_status(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    struct server *s = ctx;
    struct json j = json_writer(out);

    json_object(&j, NULL);
    json_str(&j, "version", BACOWR_VERSION);
    json_bool(&j, "ready", s->ready);
    json_double(&j, "uptime_seconds", (double)(worker_now_ms() - s->begun_ms) / 1e3);
    json_u64(&j, "ingest_threads", s->n_workers);
    json_u64(&j, "series_limit", s->o->max_series);
    json_bool(&j, "lines_shown", ask->may_see_senders);
    json_bool(&j, "senders_known", knows_senders(s));
    put_process(&j);
    put_listeners(s, &j);
    if (s->no_port.known)
        json_u64(&j, "udp_no_port_datagrams", no_port_count(&s->no_port));
    else
        json_null(&j, "udp_no_port_datagrams");
    put_config(s, &j);
    put_flags(s->o, &j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return 0;
}
