/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: see reload.h
 *
 * Ten thousand expressions take half a second to compile. The loop that answers scrapes and health
 * checks cannot spare that, so a reload is cut in two:
 *
 *      ask --> run, on a thread of the pool: read, load, check --> done, on the loop: publish, log
 *               `-- asked again meanwhile: once more after it, however often it was asked
 *
 * Whoever asks while one runs wants the files as they are now, which that one may have read before:
 * so runs are numbered, and the asker is given the number of the run that serves him.
 *
 * There are two parts, the mapping and the web configuration, and a run may be of one or both. Each
 * stands or falls alone: a mistake in the rules must not keep a new certificate out, nor a user in.
 *
 * A part that fails changes nothing but a counter and the log: the old one goes on. Of thousands
 * of warnings the first few are logged, for a log that is read slowly holds up the loop.
 *
 * Law: the job belongs to the pool's thread from uv_queue_work() to its end, then to the loop.
 */
#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "server/door.h"
#include "server/mapfile.h"
#include "server/process.h"

#define MAX_WARNINGS 20

/* Room for an error as a line. */
#define ERR_TEXT_MAX (sizeof(struct err) + 64)

/* What came of a part. */
struct outcome {
    int r;
    struct err e;
    uint64_t n_warnings;
    struct err warnings[MAX_WARNINGS]; /* the first of them */
};

struct job {
    const struct options_list *paths; /* borrowed, like the next two */
    const char *web_config;
    const struct bacowr *engine;
    unsigned parts;
    struct outcome rules;
    struct bacowr_mapping *mapping; /* owned, when rules.r is 0 */
    struct outcome web;
    struct door *door; /* owned, when web.r is 0 */
    struct options_list web_files;
};

struct reload {
    struct reload_config config;
    struct reload_stats stats, web_stats;
    char label[512]; /* of the paths, for the log */
    uv_work_t work;
    uint64_t run;      /* of the one that goes on, or of the last one */
    uint64_t began_ms; /* that one */
    bool running;
    unsigned again; /* parts that were asked for since it began */
    bool stopped;
    struct job job;
};

int reload_new(struct reload **out, const struct reload_config *config)
{
    struct reload *r = calloc(1, sizeof *r);

    if (r == NULL)
        return -ENOMEM;
    r->config = *config;
    r->work.data = r;
    r->job.paths = config->paths;
    r->job.web_config = config->web_config;
    r->job.engine = config->engine;
    if (config->paths->n > 0)
        mapfile_label(config->paths, r->label, sizeof r->label);
    *out = r;
    return 0;
}

/* ---- the job, on any thread ---- */

static void on_warning(void *ctx, const struct err *e)
{
    struct outcome *o = ctx;

    if (o->n_warnings < MAX_WARNINGS)
        o->warnings[o->n_warnings] = *e;
    o->n_warnings++;
}

static void load_rules(struct job *job)
{
    struct outcome *o = &job->rules;

    o->n_warnings = 0;
    o->r = mapfile_load(&job->mapping, job->paths, MAPFILE_REGULAR, on_warning, o, &o->e);
    if (o->r == 0)
        bacowr_check_mapping(job->engine, job->mapping, on_warning, o);
}

static void load_web(struct job *job)
{
    struct outcome *o = &job->web;

    o->n_warnings = 0;
    options_list_release(&job->web_files);
    o->r = door_load(&job->door, &job->web_files, job->web_config, on_warning, o, &o->e);
}

static void load(struct job *job)
{
    if (job->parts & RELOAD_MAPPING)
        load_rules(job);
    if (job->parts & RELOAD_WEB)
        load_web(job);
}

static void on_work(uv_work_t *work)
{
    struct reload *r = work->data;

    load(&r->job);
}

/* ---- its end, on the loop ---- */

static void log_warnings(const struct log *log, const char *event, const struct outcome *o)
{
    char text[ERR_TEXT_MAX];

    for (uint64_t i = 0; i < o->n_warnings && i < MAX_WARNINGS; i++) {
        err_format(&o->warnings[i], text, sizeof text);
        log_event(log, LOG_LEVEL_WARN, event, log_str("warning", text));
    }
    if (o->n_warnings > MAX_WARNINGS)
        log_event(log, LOG_LEVEL_WARN, "mapping_warnings_left_out",
                  log_int("n", (int64_t)(o->n_warnings - MAX_WARNINGS)),
                  log_str("remedy", "bacowr-statsd check FILE shows all"));
}

static int note(struct reload_stats *stats, const struct outcome *o)
{
    stats->last_failed = o->r != 0;
    stats->n_warnings = o->n_warnings;
    if (o->r != 0)
        err_format(&o->e, stats->error, sizeof stats->error);
    if (o->r == 0)
        stats->last_good_seconds = process_now_seconds();
    return o->r;
}

/* What came of the rules: into force and into the log. */
static int settle_rules(struct reload *r, const char *event)
{
    uint64_t before;

    log_warnings(r->config.log, "mapping_warning", &r->job.rules);
    if (note(&r->stats, &r->job.rules) != 0)
        return r->job.rules.r;
    before = bacowr_n_rules(r->config.engine);
    bacowr_publish_mapping(r->config.engine, r->job.mapping);
    log_event(r->config.log, LOG_LEVEL_INFO, event, log_str("file", r->label),
              log_int("rules", (int64_t)bacowr_n_rules(r->config.engine)),
              log_int("rules_before", (int64_t)before),
              log_double("seconds", (double)(uv_hrtime() / 1000000 - r->began_ms) / 1e3));
    return 0;
}

/* What came of the web configuration, likewise. */
static int settle_web(struct reload *r)
{
    const struct job *job = &r->job;
    int result = note(&r->web_stats, &job->web);

    log_warnings(r->config.log, "web_config_warning", &job->web);
    if (result == 0)
        log_event(r->config.log, LOG_LEVEL_INFO, "web_config_loaded",
                  log_str("file", job->web_config), log_str("tls", job->door->tls ? "on" : "off"),
                  log_int("users", (int64_t)job->door->config->n_users));
    r->config.door(r->config.ctx, result == 0 ? job->door : NULL, &job->web_files);
    return result;
}

static unsigned parts_there(const struct reload *r)
{
    return (r->config.paths->n > 0 ? RELOAD_MAPPING : 0) |
           (r->config.web_config != NULL ? RELOAD_WEB : 0);
}

int reload_first(struct reload *r, struct err *e)
{
    struct job *job = &r->job;
    int result = 0;

    assert(!r->running);
    job->parts = parts_there(r);
    r->began_ms = uv_hrtime() / 1000000;
    load(job);
    malloc_trim(0); /* nobody else runs yet: what reading took goes back */
    if (job->parts & RELOAD_MAPPING)
        result = settle_rules(r, "mapping_loaded");
    if (result != 0)
        *e = job->rules.e;
    if ((job->parts & RELOAD_WEB) && settle_web(r) != 0 && result == 0) {
        *e = job->web.e;
        result = job->web.r;
    }
    return result;
}

static void begin(struct reload *r, unsigned parts);

/* Count a part and tell the log if it failed; its text goes behind what is in @all. */
static void tell(struct reload *r, struct reload_stats *stats, const struct outcome *o,
                 const char *event, const char *effect, struct buf *all)
{
    char text[ERR_TEXT_MAX];

    if (o->r == 0) {
        stats->good++;
        return;
    }
    stats->failed++;
    err_format(&o->e, text, sizeof text);
    log_event(r->config.log, LOG_LEVEL_ERROR, event, log_str("error", text),
              log_str("effect", effect));
    if (all->len > 0)
        buf_add_byte(all, '\n');
    buf_add_str(all, text);
}

static void finish(struct reload *r)
{
    struct buf all = {0};
    int result = 0;

    if (r->job.parts & RELOAD_MAPPING) {
        result = settle_rules(r, "reload_done");
        tell(r, &r->stats, &r->job.rules, "reload_failed", "the previous rules stay active", &all);
    }
    if (r->job.parts & RELOAD_WEB) {
        int web = settle_web(r);

        tell(r, &r->web_stats, &r->job.web, "web_config_failed",
             "the previous web configuration stays active", &all);
        result = result == 0 ? web : result;
    }
    r->config.done(r->config.ctx, r->run, result, buf_slice(&all));
    buf_release(&all);
}

static void throw_away(struct job *job)
{
    if ((job->parts & RELOAD_MAPPING) && job->rules.r == 0)
        bacowr_mapping_free(job->mapping);
    if ((job->parts & RELOAD_WEB) && job->web.r == 0)
        door_free(job->door);
}

static void on_done(uv_work_t *work, int status)
{
    struct reload *r = work->data;

    (void)status; /* nobody cancels it */
    r->running = false;
    if (r->stopped) {
        throw_away(&r->job);
        return;
    }
    finish(r);
    if (r->again != 0)
        begin(r, r->again);
}

/* ---- asking ---- */

static void begin(struct reload *r, unsigned parts)
{
    if (parts & RELOAD_MAPPING)
        log_event(r->config.log, LOG_LEVEL_INFO, "reload_started", log_str("file", r->label));
    r->config.began(r->config.ctx);
    r->running = true;
    r->began_ms = uv_hrtime() / 1000000;
    r->again = 0;
    r->job.parts = parts;
    r->run++;
    uv_queue_work(r->config.loop, &r->work, on_work, on_done); /* cannot fail with a callback */
}

uint64_t reload_ask(struct reload *r, unsigned parts)
{
    parts &= parts_there(r);
    if (parts == 0) {
        log_event(r->config.log, LOG_LEVEL_WARN, "reload_ignored",
                  log_str("reason", "no file was given with --statsd.mapping-config"));
        return 0;
    }
    assert(!r->stopped);
    if (r->running)
        r->again |= parts;
    else
        begin(r, parts);
    return r->run + (r->again != 0 ? 1 : 0);
}

const struct reload_stats *reload_stats(const struct reload *r)
{
    return &r->stats;
}

const struct reload_stats *reload_web_stats(const struct reload *r)
{
    return &r->web_stats;
}

void reload_stop(struct reload *r)
{
    if (r != NULL)
        r->stopped = true;
}

void reload_free(struct reload *r)
{
    assert(r == NULL || !r->running);
    if (r != NULL)
        options_list_release(&r->job.web_files);
    free(r);
}
