/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: see start.h; everything in its order
 *
 *      addresses -> loop, signals -> engine -> mapping -> workers -> relay -> inherited sockets
 *      -> UDP -> TCP -> Unix -> HTTP -> control socket -> the state of who is replaced -> threads
 *
 * Addresses are resolved and the mapping is loaded before a socket opens, so an operator's mistake
 * never costs a datagram; HTTP comes last, so a page that can be scraped is a server that receives.
 * Datagrams that come before the threads run wait in the receive buffers.
 *
 * Law: a step that fails has logged why, and leaves what it made to server.c.
 */
#include "server/start.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/hostport.h"
#include "server/activation.h"
#include "server/addresses.h"
#include "server/api.h"
#include "server/descriptors.h"
#include "server/fsmfile.h"
#include "server/gate.h"
#include "server/journal.h"
#include "server/listen.h"
#include "server/replace.h"
#include "server/reserve.h"

/* ---- what a step says when it fails ---- */

int start_fail(const struct server *s, int r, const struct err *e)
{
    char text[sizeof *e + 64];

    err_format(e, text, sizeof text);
    log_event(s->log, LOG_LEVEL_ERROR, "start_failed", log_str("error", text));
    return r;
}

static int fail_text(const struct server *s, int r, const char *text)
{
    log_event(s->log, LOG_LEVEL_ERROR, "start_failed", log_str("error", text));
    return r;
}

/* Which limit is mostly met, and what raises it; or "". */
static const char *limit_remedy(int r)
{
    switch (r) {
    case -EAGAIN:
        return "; a limit of threads or memory is reached, raise the container's limit of pids, "
               "TasksMax= of the unit, or ulimit -u and -v";
    case -EMFILE:
        return "; raise the limit of open files: ulimit -n, or LimitNOFILE= of the unit";
    default:
        return "";
    }
}

int start_fail_step(const struct server *s, const char *what, int r)
{
    char text[256];

    snprintf(text, sizeof text, "%s%s", uv_strerror(r), limit_remedy(r));
    log_event(s->log, LOG_LEVEL_ERROR, "start_failed", log_str("step", what),
              log_str("error", text));
    return r;
}

/* ---- the steps ---- */

static int start_addresses(struct server *s)
{
    struct err e;

    if (s->o->ingest_threads == 0 || s->o->ingest_threads > BACOWR_MAX_WORKERS)
        return fail_text(s, -EINVAL, "--statsd.ingest-threads must be from 1 to 64");
    if (s->o->listen_udp.n == 0 && s->o->listen_tcp.n == 0 && s->o->listen_unixgram == NULL &&
        s->o->listen_unix == NULL)
        return fail_text(s, -EINVAL,
                         "no StatsD listener: give --statsd.listen-udp or "
                         "--statsd.listen-tcp an address, or --statsd.listen-unixgram a path");
    if (s->o->web_listen.n == 0)
        return fail_text(s, -EINVAL, "no HTTP listener: give --web.listen-address an address");
    if (!http_path_is_free(s->o->telemetry_path, s->o->enable_lifecycle)) {
        err_set(&e, NULL, 0, 0,
                "--web.telemetry-path: '%.200s' is reserved by the server, use another path such "
                "as /metrics",
                s->o->telemetry_path);
        return start_fail(s, -EINVAL, &e);
    }
    s->n_workers = (unsigned)s->o->ingest_threads;
    return addresses_resolve(s);
}

static int add_host(struct server *s, struct slice name)
{
    return name.len > 0 ? options_list_add(&s->hosts, name.p, name.len) : 0;
}

/* The names by which browsers may know this server: see http_guard.c. */
static int start_hosts(struct server *s)
{
    char own[256] = "";
    struct slice host;
    uint16_t port;
    int r = 0;

    if (gethostname(own, sizeof own - 1) == 0)
        r = add_host(s, slice_str(own));
    for (size_t i = 0; i < s->o->web_listen.n && r == 0; i++) {
        if (strncmp(s->o->web_listen.items[i], OPTIONS_UNIX, strlen(OPTIONS_UNIX)) != 0 &&
            hostport_split(slice_str(s->o->web_listen.items[i]), &host, &port) == NULL)
            r = add_host(s, host);
    }
    for (size_t i = 0; i < s->o->web_hosts.n && r == 0; i++)
        r = add_host(s, slice_str(s->o->web_hosts.items[i]));
    return r == 0 ? 0 : start_fail_step(s, "host names", r);
}

static int start_signal(struct server *s, int signum)
{
    uv_signal_t *handle = &s->signals[s->n_signals];
    int r = uv_signal_init(&s->loop, handle);

    if (r != 0)
        return r;
    s->n_signals++;
    handle->data = s;
    return uv_signal_start(handle, control_on_signal, signum);
}

/* Sockets of the service manager: those of a kind stand in the place of the flags for it. */
static int start_inherited(struct server *s)
{
    struct err e;
    int r = activation_read(&s->inherit, &e);

    notify_init(&s->notify);
    if (r != 0)
        return start_fail(s, r, &e);
    return replace_ask(s);
}

static int start_loop(struct server *s)
{
    static const int signals[SERVER_N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    int r = uv_loop_init(&s->loop);

    if (r != 0)
        return start_fail_step(s, "loop", r);
    r = uv_async_init(&s->loop, &s->busy, control_on_busy);
    if (r != 0) {
        uv_loop_close(&s->loop);
        return start_fail_step(s, "loop", r);
    }
    s->has_loop = true;
    s->busy.data = s;
    uv_timer_init(&s->loop, &s->tick);
    s->tick.data = s;
    r = reserve_descriptors(&s->loop, descriptors_wanted(s));
    if (r != 0)
        return start_fail_step(s, "descriptors", r);
    r = reserve_pool(&s->loop, &s->reserved);
    if (r != 0)
        return start_fail_step(s, "threads of the pool", r);
    for (size_t i = 0; i < SERVER_N_SIGNALS && r == 0; i++)
        r = start_signal(s, signals[i]);
    return r == 0 ? 0 : start_fail_step(s, "signals", r);
}

/* The wall clock when worker_now_ms() was 0: read once, so that what is told of the past stays. */
static int64_t unix_ms_at_zero(void)
{
    uv_timeval64_t now;

    if (uv_gettimeofday(&now) != 0)
        return 0;
    return now.tv_sec * 1000 + now.tv_usec / 1000 - worker_now_ms();
}

static int start_engine(struct server *s)
{
    struct bacowr_config config = {
        .n_workers = s->n_workers,
        .statsd = s->o->statsd,
        .service_checks = s->o->service_checks,
        .gauge_mode = s->o->gauge_mode,
        .max_series = s->o->max_series,
        .max_family = s->o->max_series_per_family,
        .max_label_values = s->o->max_label_values,
        .unix_ms_at_zero = unix_ms_at_zero(),
        .openmetrics = s->o->enable_openmetrics,
        .regex_max_steps = (uint32_t)s->o->regex_max_steps,
        .zero_first_ms = s->o->web_zero_first_ms,
    };
    int r;

    if (getrandom(&config.hash_seed, sizeof config.hash_seed, 0) != sizeof config.hash_seed)
        return start_fail_step(s, "random seed", -errno);
    r = bacowr_new(&s->engine, &config);
    if (r == 0)
        r = self_reserve(s->engine);
    return r == 0 ? 0 : start_fail_step(s, "engine", r);
}

/* A picture that cannot be drawn is no reason not to serve. */
static void dump_fsm(const struct server *s)
{
    char text[sizeof(struct err) + 64];
    struct err e;

    if (s->o->mapping_config.n == 0 || s->o->dump_fsm == NULL)
        return;
    if (fsmfile_write(s->engine, s->o->dump_fsm, &e) == 0)
        return;
    err_format(&e, text, sizeof text);
    log_event(s->log, LOG_LEVEL_ERROR, "dump_failed", log_str("error", text));
}

/* Before the first load, so that what changes while it goes on is not missed. */
static int start_watch(struct server *s)
{
    const struct watch_config config = {
        .loop = &s->loop,
        .paths = &s->o->mapping_config,
        .ctx = s,
        .changed = control_on_mapping_changed,
    };
    int r;

    if (!s->o->config_watch)
        return 0;
    if (config.paths->n == 0) {
        log_event(s->log, LOG_LEVEL_WARN, "watch_ignored",
                  log_str("reason", "no file was given with --statsd.mapping-config"));
        return 0;
    }
    r = watch_new(&s->watch, &config);
    return r == 0 ? 0 : start_fail_step(s, "watch", r);
}

static int start_state(struct server *s)
{
    const struct statefile_config config = {
        .loop = &s->loop,
        .engine = s->engine,
        .log = s->log,
        .path = s->o->state_file,
        .interval_ms = s->o->state_interval_ms,
        .max_age_ms = s->o->state_max_age_ms,
    };
    struct err e;
    int r = statefile_new(&s->state, &config, &e);

    if (r == -ENOMEM)
        return start_fail_step(s, "state", r);
    return r == 0 ? 0 : start_fail(s, r, &e);
}

/*
 * A certificate is made anew by somebody who knows nothing of this server, so it is always watched,
 * as exporter-toolkit's servers read theirs for each connection.
 */
static int start_web_watch(struct server *s)
{
    struct options_list files = {0};
    const struct watch_config config = {
        .loop = &s->loop,
        .paths = &files,
        .ctx = s,
        .changed = control_on_web_changed,
    };
    int r = 0;

    if (s->o->web_config != NULL)
        r = door_list(&files, s->o->web_config);
    if (r == 0 && s->o->web_config != NULL)
        r = watch_new(&s->web_watch, &config);
    options_list_release(&files);
    return r == 0 ? 0 : start_fail_step(s, "watch", r);
}

static int start_mapping(struct server *s)
{
    const struct reload_config config = {
        .loop = &s->loop,
        .engine = s->engine,
        .log = s->log,
        .paths = &s->o->mapping_config,
        .web_config = s->o->web_config,
        .ctx = s,
        .began = control_on_reload_began,
        .door = control_on_door,
        .done = control_on_reload_done,
    };
    struct err e;
    int r = reload_new(&s->reload, &config);

    if (r != 0)
        return start_fail_step(s, "mapping", r);
    r = reload_first(s->reload, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    dump_fsm(s);
    return 0;
}

static int start_workers(struct server *s)
{
    int r = policy_init(&s->policy, s->o);

    if (r != 0)
        return start_fail_step(s, "policy", r);
    r = tap_new(&s->tap, s->n_workers);
    if (r != 0)
        return start_fail_step(s, "tap", r);
    for (unsigned i = 0; i < s->n_workers; i++) {
        r = worker_new(&s->workers[i], i, bacowr_worker(s->engine, i));

        if (r == 0)
            r = gate_open(s->workers[i], &s->policy);
        if (r == 0)
            s->workers[i]->max_line = s->o->tcp_max_line;
        if (r == 0)
            s->workers[i]->tap = tap_lane(s->tap, i);
        if (r == 0)
            r = reserve_descriptors(&s->workers[i]->loop, descriptors_wanted(s));
        if (r != 0)
            return start_fail_step(s, "ingest threads", r);
    }
    return 0;
}

static int start_relay(struct server *s)
{
    const struct relay_config config = {
        .loop = &s->loop,
        .log = s->log,
        .targets = &s->o->relay_targets,
        .packet_length = s->o->relay_packet_length,
        .n_workers = s->n_workers,
    };
    struct err e;
    int r;

    if (config.targets->n == 0)
        return 0;
    r = relay_new(&s->relay, &config, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    for (unsigned i = 0; i < s->n_workers; i++)
        s->workers[i]->relay = relay_sender(s->relay, i);
    return 0;
}

static int start_history(struct server *s)
{
    int r = history_new(&s->history, api_n_counts());

    s->begun_ms = worker_now_ms();
    no_port_begin(&s->no_port);
    s->counts = calloc(api_n_counts(), sizeof *s->counts);
    return r == 0 && s->counts != NULL ? 0 : start_fail_step(s, "history", -ENOMEM);
}

static int start_http(struct server *s)
{
    _Static_assert(OPTIONS_MAX_PATH <= REQUEST_PATH_MAX, "there is room for the longest path");
    const struct http_config config = {
        .telemetry_path = s->o->telemetry_path,
        .enable_lifecycle = s->o->enable_lifecycle,
        .max_connections = listen_http_limit(s),
        .timeout_ms = s->o->web_timeout_ms,
        .request_max = {s->o->web_max_head, s->o->web_max_path, s->o->web_max_body},
        .version = BACOWR_VERSION,
        .hosts = &s->hosts,
        .docs = api_docs,
        .ctx = s,
        .scrape = control_on_scrape,
        .scrape_done = control_on_scrape_done,
        .reload = control_on_reload,
        .quit = control_on_quit,
        .ready = control_on_ready,
        .tap = s->tap,
        .explain = control_on_explain,
    };
    int r = identities_new(&s->identities, &s->loop, s->workers, s->n_workers);

    if (r == 0)
        r = http_new(&s->http, &s->loop, &config);
    if (r != 0)
        return start_fail_step(s, "http", r);
    http_set_door(s->http, s->door);
    s->door = NULL;
    return 0;
}

static int start_self(struct server *s)
{
    const struct self_config config = {
        .log = s->log,
        .version = BACOWR_VERSION,
        .engine = s->engine,
        .workers = s->workers,
        .n_workers = s->n_workers,
        .sockets = s->sockets,
        .n_sockets = s->n_sockets,
        .unixgram = s->unixgram,
        .tcp = s->tcp,
        .http = s->http,
        .admin = s->admin,
        .drained = &s->drained,
        .reloads = reload_stats(s->reload),
        .web_reloads = reload_web_stats(s->reload),
        .relay = s->relay,
        .state = statefile_stats(s->state),
        .handovers = &s->handovers,
        .tap = s->tap,
        .no_port = &s->no_port,
    };
    int r = self_new(&s->self, &config);

    return r == 0 ? 0 : start_fail_step(s, "self metrics", r);
}

/* A state that was taken up is this process's once the threads run, so it is the last thing that
 * happens before. */
static int start_threads(struct server *s)
{
    int r = 0;

    if (s->replaced_fd < 0)
        statefile_load(s->state); /* else all of it came from who is replaced */
    control_begin(s);
    for (unsigned i = 0; i < s->n_workers && r == 0; i++)
        r = worker_start(s->workers[i]);
    if (r == 0)
        r = tcp_start(s->tcp);
    if (r == 0)
        r = statefile_begin(s->state);
    if (r != 0)
        return start_fail_step(s, "threads", r);
    s->ready = true;
    admin_start(s->admin);
    control_tell_ready(s);
    journal_ready(s);
    return 0;
}

int server_start(struct server *s)
{
    static int (*const steps[])(struct server *) = {
        start_addresses, start_hosts,     start_loop,    start_engine,  start_state,
        start_watch,     start_web_watch, start_mapping, start_workers, start_relay,
        start_inherited, listen_instead,  listen_udp,    listen_tcp,    listen_unix,
        start_history,   start_http,      listen_admin,  start_self,    listen_http,
        listen_control,  listen_rest,     replace_take,  listen_gro,    start_threads,
        replace_tell,
    };
    int r = 0;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && r == 0; i++)
        r = steps[i](s);
    return r;
}
