/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay: see relay.h
 *
 * Control knows where the targets are, the workers send:
 *
 *      getaddrinfo (libuv's pool) --> move_target() --lock--> route of the target
 *                                                                     |  read by each worker
 *      worker: sender --> packet of the target --> its own socket <---'  when the generation moved
 *
 * Names are looked up at the start, where one that does not resolve ends it; then every 30 s, and
 * after a failed send, though not more often than every 5 s. What resolved once stays in use until
 * something else does: a name server that is away stops nothing. One look-up runs at a time, so a
 * slow name server never takes all threads of the pool, which reloads need as well. Targets written
 * as addresses are not looked up again.
 *
 * Laws: a target is told in the log when it moves, and when its name stops and starts to resolve;
 *       lines that were dropped, at most once a minute for each target.
 *       No two targets have the same text, since it is their label on the page.
 */
#include "server/relay.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostport.h"
#include "server/address.h"
#include "server/worker.h"

#define RESOLVE_MS       30000
#define RESOLVE_ERROR_MS 5000
#define TELL_MS          60000
#define HOST_SIZE        256

struct target {
    const char *text;      /* borrowed from the options */
    struct address now;    /* as in its route */
    char host[HOST_SIZE];  /* what is looked up; "": never */
    int64_t resolved_ms;   /* when the last look-up began */
    bool unresolved;       /* the last one failed */
    uint64_t told_dropped; /* lines, in the log so far */
    int64_t tell_ms;       /* not before */
};

struct relay {
    struct relay_config config;
    unsigned n;
    struct target *targets;     /* owned, like the arrays below */
    struct relay_route *routes; /* n of them have their lock */
    struct relay_sender *senders[BACOWR_MAX_WORKERS];

    uv_getaddrinfo_t lookup;
    struct target *looked_up; /* NULL: no look-up goes on */
    bool stopped;
};

static const char *const reason_names[RELAY_N_REASONS] = {
    [RELAY_QUEUE_FULL] = "queue_full",
    [RELAY_REFUSED] = "refused",
    [RELAY_UNREACHABLE] = "unreachable",
    [RELAY_SEND_ERROR] = "send_error",
};

const char *relay_reason_name(enum relay_reason reason)
{
    return reason_names[reason];
}

/* ---- life ---- */

static bool is_numeric(const char *host)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    return uv_ip4_addr(host, 0, &v4) == 0 || uv_ip6_addr(host, 0, &v6) == 0;
}

/* The host of a target that address_resolve() took, or "" when it is none that can move. */
static void set_host(struct target *t)
{
    struct slice host = {0};
    uint16_t port;
    const char *fault = hostport_split(slice_str(t->text), &host, &port);

    assert(fault == NULL && host.len < sizeof t->host);
    (void)fault;
    if (host.len > 0)
        memcpy(t->host, host.p, host.len);
    t->host[host.len] = '\0';
    if (is_numeric(t->host))
        t->host[0] = '\0';
}

static int add_target(struct relay *r, const char *text, struct err *e)
{
    struct target *t = &r->targets[r->n];
    struct relay_route *route = &r->routes[r->n];
    int result;

    for (unsigned i = 0; i < r->n; i++) {
        if (strcmp(r->targets[i].text, text) == 0) {
            err_set(e, NULL, 0, 0, "--statsd.relay.address: '%s' is given twice", text);
            return -EINVAL;
        }
    }
    result = address_resolve(&t->now, text, e);
    if (result != 0)
        return result;
    t->text = text;
    t->resolved_ms = worker_now_ms();
    set_host(t);

    route->sa = t->now.sa;
    relaxed_store(&route->generation, 1);
    if (uv_mutex_init(&route->lock) != 0) {
        err_set(e, NULL, 0, 0, "relay: no memory");
        return -ENOMEM;
    }
    r->n++;
    log_event(r->config.log, LOG_LEVEL_INFO, "relaying", log_str("target", text),
              log_str("address", t->now.text));
    return 0;
}

static int add_senders(struct relay *r, struct err *e)
{
    for (unsigned i = 0; i < r->config.n_workers; i++) {
        if (relay_sender_new(&r->senders[i], r->routes, r->n, r->config.packet_length) != 0) {
            err_set(e, NULL, 0, 0, "relay: no memory");
            return -ENOMEM;
        }
    }
    return 0;
}

int relay_new(struct relay **out, const struct relay_config *config, struct err *e)
{
    struct relay *r = calloc(1, sizeof *r);
    int result = -ENOMEM;

    err_set(e, NULL, 0, 0, "relay: no memory");
    if (r == NULL)
        return -ENOMEM;
    r->config = *config;
    r->targets = calloc(config->targets->n, sizeof *r->targets);
    r->routes = calloc(config->targets->n, sizeof *r->routes);
    if (r->targets == NULL || r->routes == NULL)
        goto fail;
    result = 0;
    for (size_t i = 0; i < config->targets->n && result == 0; i++)
        result = add_target(r, config->targets->items[i], e);
    if (result == 0)
        result = add_senders(r, e);
    if (result != 0)
        goto fail;
    *out = r;
    return 0;

fail:
    relay_free(r);
    return result;
}

void relay_stop(struct relay *r)
{
    if (r == NULL)
        return;
    r->stopped = true;
    if (r->looked_up != NULL)
        uv_cancel((uv_req_t *)&r->lookup); /* one that runs already ends by itself */
}

void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    assert(r->looked_up == NULL);
    for (unsigned i = 0; i < r->config.n_workers; i++)
        relay_sender_free(r->senders[i]);
    for (unsigned i = 0; i < r->n; i++)
        uv_mutex_destroy(&r->routes[i].lock);
    free(r->routes);
    free(r->targets);
    free(r);
}

struct relay_sender *relay_sender(struct relay *r, unsigned i)
{
    return r->senders[i];
}

/* ---- where the targets are ---- */

static void move_target(struct relay *r, struct target *t, const struct address *a)
{
    struct relay_route *route = &r->routes[t - r->targets];

    if (strcmp(a->text, t->now.text) == 0)
        return;
    log_event(r->config.log, LOG_LEVEL_INFO, "relay_target_moved", log_str("target", t->text),
              log_str("from", t->now.text), log_str("to", a->text));
    t->now = *a;
    uv_mutex_lock(&route->lock);
    route->sa = a->sa;
    relaxed_add(&route->generation, 1);
    uv_mutex_unlock(&route->lock);
}

static void tell_resolved(const struct relay *r, struct target *t, int status)
{
    if (status != 0 && !t->unresolved)
        log_event(r->config.log, LOG_LEVEL_WARN, "relay_target_unresolved",
                  log_str("target", t->text), log_str("error", uv_strerror(status)),
                  log_str("effect", "the previous address stays in use"));
    if (status == 0 && t->unresolved)
        log_event(r->config.log, LOG_LEVEL_INFO, "relay_target_resolved",
                  log_str("target", t->text));
    t->unresolved = status != 0;
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list)
{
    struct relay *r = lookup->data;
    struct target *t = r->looked_up;
    struct address a;

    r->looked_up = NULL;
    if (!r->stopped) {
        tell_resolved(r, t, status);
        if (status == 0) {
            address_from_list(&a, list, address_port(&t->now));
            move_target(r, t, &a);
        }
    }
    uv_freeaddrinfo(list);
}

static bool is_due(struct relay *r, unsigned i, int64_t now_ms)
{
    int64_t age_ms = now_ms - r->targets[i].resolved_ms;

    if (r->targets[i].host[0] == '\0')
        return false;
    if (age_ms >= RESOLVE_ERROR_MS && relaxed_load(&r->routes[i].failed))
        return true;
    return age_ms >= RESOLVE_MS;
}

static void look_up(struct relay *r, unsigned i, int64_t now_ms)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct target *t = &r->targets[i];
    int status;

    t->resolved_ms = now_ms;
    relaxed_store(&r->routes[i].failed, 0);
    r->lookup.data = r;
    status = uv_getaddrinfo(r->config.loop, &r->lookup, on_looked_up, t->host, NULL, &hints);
    if (status == 0)
        r->looked_up = t;
    else
        tell_resolved(r, t, status);
}

/* ---- now and then ---- */

static void tell_dropped(struct relay *r, unsigned i, int64_t now_ms)
{
    struct target *t = &r->targets[i];
    struct relay_stats stats;
    uint64_t dropped = 0;

    if (now_ms < t->tell_ms)
        return;
    relay_read_stats(r, i, &stats);
    for (unsigned k = 0; k < RELAY_N_REASONS; k++)
        dropped += stats.dropped[k];
    if (dropped == t->told_dropped)
        return;
    log_event(r->config.log, LOG_LEVEL_WARN, "relay_lines_dropped", log_str("target", t->text),
              log_int("n", (int64_t)(dropped - t->told_dropped)),
              log_str("reasons", "see bacowr_statsd_relay_dropped_lines_total"));
    t->told_dropped = dropped;
    t->tell_ms = now_ms + TELL_MS;
}

void relay_tick(struct relay *r, int64_t now_ms)
{
    if (r == NULL || r->stopped)
        return;
    for (unsigned i = 0; i < r->n; i++) {
        tell_dropped(r, i, now_ms);
        if (r->looked_up == NULL && is_due(r, i, now_ms))
            look_up(r, i, now_ms);
    }
}

/* ---- what is told of it ---- */

unsigned relay_n_targets(const struct relay *r)
{
    return r != NULL ? r->n : 0;
}

const char *relay_target(const struct relay *r, unsigned i)
{
    return r->targets[i].text;
}

const char *relay_leads_to(const struct relay *r, const struct address *own)
{
    for (unsigned i = 0; r != NULL && i < r->n; i++) {
        const struct address *to = &r->targets[i].now;

        if (strcmp(own->text, to->text) == 0 || (address_covers(own, to) && address_stays_here(to)))
            return r->targets[i].text;
    }
    return NULL;
}

void relay_read_stats(const struct relay *r, unsigned i, struct relay_stats *out)
{
    *out = (struct relay_stats){0};
    for (unsigned k = 0; k < r->config.n_workers; k++) {
        const struct relay_counters *from = relay_sender_counters(r->senders[k], i);

        out->packets += relaxed_load(&from->packets);
        out->long_lines += relaxed_load(&from->long_lines);
        out->lines += relaxed_load(&from->lines);
        for (unsigned reason = 0; reason < RELAY_N_REASONS; reason++)
            out->dropped[reason] += relaxed_load(&from->dropped[reason]);
    }
}
