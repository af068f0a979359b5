/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: see control.h
 *
 * What the control thread does once everything runs: ten times a second the engine's step, the
 * kernel's drop counts and listeners that wait for descriptors; signals; and what HTTP asks for.
 *
 * A reload that fails changes nothing but a counter and the log: the old rules go on.
 *
 * A scrape borrows the server's own families until http gives it back, which may be much later than
 * it began, and scrapes may overlap. So each has its own page of them, in a list; there are seldom
 * more than two.
 */
#include "server/control.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "server/mapfile.h"

/* A scrape under way, and what it borrows. */
struct live_page {
    struct bacowr_scrape *scrape;
    struct self_page *own;
    struct live_page *next; /* of server->pages */
};

/* ---- the mapping ---- */

static void on_warning(void *ctx, const struct err *e)
{
    const struct server *s = ctx;
    char text[sizeof *e + 64];

    err_format(e, text, sizeof text);
    log_event(s->log, LOG_LEVEL_WARN, "mapping_warning", log_str("warning", text));
}

int control_load_mapping(struct server *s, const char *event, struct err *e)
{
    int r = mapfile_load(s->engine, s->o->mapping_config, on_warning, s, e);

    if (r == 0)
        log_event(s->log, LOG_LEVEL_INFO, event, log_str("file", s->o->mapping_config),
                  log_int("rules", (int64_t)bacowr_n_rules(s->engine)));
    return r;
}

/* @message may be NULL. */
static int fail_reload(struct server *s, int r, const struct err *e, struct buf *message)
{
    char text[sizeof *e + 64];

    s->failed_reloads++;
    err_format(e, text, sizeof text);
    log_event(s->log, LOG_LEVEL_ERROR, "reload_failed", log_str("error", text),
              log_str("effect", "the rules from before go on"));
    if (message != NULL)
        buf_add_str(message, text);
    return r;
}

static int reload(struct server *s, struct buf *message)
{
    struct err e;
    int r;

    if (s->o->mapping_config == NULL) {
        log_event(s->log, LOG_LEVEL_WARN, "reload_ignored",
                  log_str("reason", "no file was given with --statsd.mapping-config"));
        if (message != NULL)
            buf_add_str(message, "nothing to reload: no --statsd.mapping-config");
        return 0;
    }
    log_event(s->log, LOG_LEVEL_INFO, "reload_started", log_str("file", s->o->mapping_config));
    r = control_load_mapping(s, "reload_done", &e);
    if (r != 0)
        return fail_reload(s, r, &e, message);
    s->reloads++;
    return 0;
}

/* ---- timer and signals ---- */

static void quit(struct server *s, const char *reason)
{
    log_event(s->log, LOG_LEVEL_INFO, "stopping", log_str("reason", reason));
    s->ready = false;
    uv_stop(&s->loop);
}

void control_on_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;

    if (signum == SIGHUP)
        reload(s, NULL);
    else
        quit(s, signum == SIGTERM ? "SIGTERM" : "SIGINT");
}

void control_sample(struct server *s)
{
    for (unsigned i = 0; i < s->n_sockets; i++)
        ingest_sample(s->sockets[i]);
}

void control_on_tick(uv_timer_t *tick)
{
    struct server *s = tick->data;

    bacowr_tick(s->engine, worker_now_ms());
    control_sample(s);
    tcp_resume(s->tcp);
}

/* ---- HTTP ---- */

int control_on_reload(void *ctx, struct buf *message)
{
    return reload(ctx, message);
}

void control_on_quit(void *ctx)
{
    quit(ctx, "/-/quit");
}

bool control_on_ready(void *ctx)
{
    const struct server *s = ctx;

    return s->ready;
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

int control_on_scrape(void *ctx, const struct bacowr_format *format, struct bacowr_scrape **out)
{
    struct server *s = ctx;
    struct live_page *page = calloc(1, sizeof *page);
    int r;

    if (page == NULL)
        return -ENOMEM;
    r = begin_scrape(s, format, page);
    if (r != 0) {
        free(page);
        return r;
    }
    page->next = s->pages;
    s->pages = page;
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
