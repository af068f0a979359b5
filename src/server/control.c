/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: see control.h
 *
 * What the control thread does once everything runs: ten times a second the engine's step, the
 * kernel's drop counts and listeners that wait for descriptors; signals; and what HTTP asks for.
 *
 * When all workers are quiet and the engine has nothing to do, it ticks once a second. The first
 * line ends that at once: a worker that is quiet no more wakes control. So nothing expires later
 * than with ten ticks, and an idle server costs next to nothing.
 *
 * A scrape borrows the server's own families until http gives it back, which may be much later than
 * it began, and scrapes may overlap. So each has its own page of them, in a list; there are seldom
 * more than two.
 */
#include "server/control.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/api.h"
#include "server/journal.h"
#include "server/mapfile.h"

#define TICK_MS         100
#define MAX_REST_MS     900
#define WATCHDOG_FAR_MS 4000

/* What telling of a line that came in may cost, as bacowr_explain_within() counts. */
#define TOLD_WORK       2000

/* A scrape under way, and what it borrows. */
struct live_page {
    struct bacowr_scrape *scrape;
    struct self_page *own;
    struct live_page *next; /* of server->pages */
};

/* ---- timer and signals ---- */

void control_quit(struct server *s, const char *reason)
{
    if (!handover_allows_quit(s))
        return;
    if (!handover_is_done(s))
        notify_stopping(&s->notify, "Stopping.");
    log_event(s->log, LOG_LEVEL_INFO, "stopping", log_str("reason", reason));
    s->ready = false;
    uv_stop(&s->loop);
}

void control_on_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;

    if (signum == SIGHUP)
        reload_ask(s->reload, RELOAD_ALL);
    else
        control_quit(s, signum == SIGTERM ? "SIGTERM" : "SIGINT");
}

void control_sample(struct server *s)
{
    int64_t now_ms = worker_now_ms();

    for (unsigned i = 0; i < s->n_sockets; i++)
        ingest_sample(s->sockets[i], now_ms);
}

/* Has every ingest thread turned since its last look? */
static bool all_alive(struct server *s)
{
    bool alive = true;

    for (unsigned i = 0; i < s->n_workers; i++)
        alive &= relaxed_load(&s->workers[i]->counters.beats) != s->beats[i];
    return alive;
}

/* The manager's watchdog hears of us while all threads live; a look is as long as its period. */
static void tell_alive(struct server *s, int64_t now_ms)
{
    if (s->notify.watchdog_ms == 0 || now_ms < s->notify.next_ms || !all_alive(s))
        return;
    for (unsigned i = 0; i < s->n_workers; i++)
        s->beats[i] = relaxed_load(&s->workers[i]->counters.beats);
    notify_alive(&s->notify, now_ms);
}

void control_tell_ready(const struct server *s)
{
    char status[96];

    snprintf(status, sizeof status, "Receiving: %u ingest threads, %llu rules.", s->n_workers,
             (unsigned long long)bacowr_n_rules(s->engine));
    notify_ready(&s->notify, status);
}

/* A watchdog with so little time hears of us, and control of the workers, at every tick: no worker
 * is ever quiet. */
static bool is_watched_closely(const struct server *s)
{
    return s->notify.watchdog_ms != 0 && s->notify.watchdog_ms < WATCHDOG_FAR_MS;
}

/* Relaxed: who is quiet no more has sent `busy`, which is seen after this tick. */
static bool all_quiet(const struct server *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (relaxed_load(&s->workers[i]->counters.quiet) == 0)
            return false;
    }
    return true;
}

/* How much later than in a tenth of a second the next tick may come. */
static int64_t rest_ms(struct server *s, int64_t now_ms)
{
    if (!all_quiet(s) || tcp_is_asleep(s->tcp))
        return 0;
    if (s->held || handover_is_on(s) || tap_n_readers(s->tap) > 0)
        return 0; /* their steps count on the tenth of a second */
    return bacowr_rest_ms(s->engine, now_ms, MAX_REST_MS);
}

static void tick_in(struct server *s, int64_t ms)
{
    uv_timer_start(&s->tick, control_on_tick, (uint64_t)ms, 0); /* cannot fail with a callback */
}

static void note_history(struct server *s, int64_t now_ms)
{
    if (!history_is_due(s->history, now_ms))
        return;
    api_read_counts(s, s->counts);
    history_note(s->history, s->counts, now_ms);
}

void control_on_tick(uv_timer_t *tick)
{
    struct server *s = tick->data;
    int64_t now_ms = worker_now_ms();

    if (!s->held)
        bacowr_tick(s->engine, now_ms); /* what was given away stays as it is */
    control_sample(s);
    journal_tick(s, now_ms);
    note_history(s, now_ms);
    tcp_resume(s->tcp);
    admin_tick(s->admin, now_ms);
    relay_tick(s->relay, now_ms);
    tell_alive(s, now_ms);
    handover_tick(s, now_ms);
    http_tap_tick(s->http);
    tick_in(s, TICK_MS + rest_ms(s, now_ms));
}

void control_end_rest(struct server *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->tick) && uv_timer_get_due_in(&s->tick) > TICK_MS)
        tick_in(s, TICK_MS);
}

void control_on_busy(uv_async_t *busy)
{
    control_end_rest(busy->data);
}

static void on_worker_busy(void *ctx)
{
    uv_async_send(ctx);
}

void control_begin(struct server *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->workers[i]->on_busy = on_worker_busy;
        s->workers[i]->busy_ctx = &s->busy;
        s->workers[i]->restless = is_watched_closely(s);
    }
    tick_in(s, TICK_MS);
}

void control_on_mapping_changed(void *ctx)
{
    struct server *s = ctx;
    char label[512];

    mapfile_label(&s->o->mapping_config, label, sizeof label);
    log_event(s->log, LOG_LEVEL_INFO, "mapping_changed", log_str("file", label));
    reload_ask(s->reload, RELOAD_MAPPING);
}

void control_on_web_changed(void *ctx)
{
    struct server *s = ctx;

    log_event(s->log, LOG_LEVEL_INFO, "web_config_changed", log_str("file", s->o->web_config));
    reload_ask(s->reload, RELOAD_WEB);
}

/* ---- HTTP ---- */

uint64_t control_on_reload(void *ctx)
{
    struct server *s = ctx;

    return reload_ask(s->reload, RELOAD_ALL);
}

void control_on_reload_began(void *ctx)
{
    struct server *s = ctx;

    notify_reloading(&s->notify);
}

void control_on_reload_done(void *ctx, uint64_t run, int r, struct slice message)
{
    struct server *s = ctx;

    control_tell_ready(s);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_rouse(s->workers[i]);
    control_end_rest(s);
    http_reload_done(s->http, run, r, message);
}

/* Files that cannot be watched for want of memory are read again when somebody asks. */
void control_on_door(void *ctx, struct door *d, const struct options_list *files)
{
    struct server *s = ctx;

    if (s->web_watch != NULL)
        watch_set(s->web_watch, files);
    if (d != NULL && s->http != NULL)
        http_set_door(s->http, d);
    else if (d != NULL)
        s->door = d;
}

void control_on_quit(void *ctx)
{
    control_quit(ctx, "/-/quit");
}

bool control_on_ready(void *ctx)
{
    const struct server *s = ctx;

    return s->ready && !s->drained;
}

int control_on_explain(void *ctx, struct slice line, enum bacowr_explain_form form, struct buf *out)
{
    const struct server *s = ctx;

    return bacowr_explain_within(s->engine, line, form, TOLD_WORK, out);
}

static int begin_scrape(struct server *s, const struct bacowr_format *format,
                        struct live_page *page)
{
    const struct bacowr_own_family *families;
    unsigned n;
    int r;

    control_sample(s);
    r = self_page_new(&page->own, s->self);
    if (r != 0)
        return r;
    families = self_page_families(page->own, &n);
    r = bacowr_scrape_new(&page->scrape, s->engine, format, families, n, worker_now_ms());
    if (r != 0)
        self_page_free(page->own);
    return r;
}

int control_on_scrape(void *ctx, struct slice accept, const struct bacowr_format **format,
                      struct bacowr_scrape **out)
{
    struct server *s = ctx;
    struct live_page *page = calloc(1, sizeof *page);
    const struct bacowr_format *chosen = bacowr_format_for(s->engine, accept);
    int r;

    if (page == NULL)
        return -ENOMEM;
    r = begin_scrape(s, chosen, page);
    if (r != 0) {
        free(page);
        return r;
    }
    page->next = s->pages;
    s->pages = page;
    *format = chosen;
    *out = page->scrape;
    return 0;
}

void control_on_scrape_done(void *ctx, struct bacowr_scrape *scrape)
{
    struct server *s = ctx;
    struct live_page **at = &s->pages;
    struct live_page *page;

    while (*at != NULL && (*at)->scrape != scrape)
        at = &(*at)->next;
    assert(*at != NULL);
    page = *at;
    *at = page->next;
    bacowr_scrape_free(page->scrape);
    self_page_free(page->own);
    free(page);
}
