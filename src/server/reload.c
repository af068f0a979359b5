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
 * A reload that fails changes nothing but a counter and the log: the old rules go on. Of thousands
 * of warnings the first few are logged, for a log that is read slowly holds up the loop.
 *
 * Law: the job belongs to the pool's thread from uv_queue_work() to its end, then to the loop.
 */
#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/mapfile.h"
#include "server/process.h"

#define MAX_WARNINGS 20

/* Room for an error as a line. */
#define ERR_TEXT_MAX (sizeof(struct err) + 64)

struct job {
    const struct options_list *paths; /* borrowed */
    const struct bacowr *engine;      /* borrowed */
    struct bacowr_mapping *mapping;   /* owned, when r is 0 */
    int r;
    struct err e;
    uint64_t n_warnings;
    struct err warnings[MAX_WARNINGS]; /* the first of them */
};

struct reload {
    struct reload_config config;
    struct reload_stats stats;
    char label[512]; /* of the paths, for the log */
    uv_work_t work;
    uint64_t run; /* of the one that goes on, or of the last one */
    bool running;
    bool again; /* asked for since it began */
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
    r->job.engine = config->engine;
    if (config->paths->n > 0)
        mapfile_label(config->paths, r->label, sizeof r->label);
    *out = r;
    return 0;
}

/* ---- the job, on any thread ---- */

static void on_warning(void *ctx, const struct err *e)
{
    struct job *job = ctx;

    if (job->n_warnings < MAX_WARNINGS)
        job->warnings[job->n_warnings] = *e;
    job->n_warnings++;
}

static void load(struct job *job)
{
    job->n_warnings = 0;
    job->r = mapfile_load(&job->mapping, job->paths, MAPFILE_REGULAR, on_warning, job, &job->e);
    if (job->r == 0)
        bacowr_check_mapping(job->engine, job->mapping, on_warning, job);
}

static void on_work(uv_work_t *work)
{
    struct reload *r = work->data;

    load(&r->job);
}

/* ---- its end, on the loop ---- */

static void log_warnings(const struct log *log, const struct job *job)
{
    char text[ERR_TEXT_MAX];

    for (uint64_t i = 0; i < job->n_warnings && i < MAX_WARNINGS; i++) {
        err_format(&job->warnings[i], text, sizeof text);
        log_event(log, LOG_LEVEL_WARN, "mapping_warning", log_str("warning", text));
    }
    if (job->n_warnings > MAX_WARNINGS)
        log_event(log, LOG_LEVEL_WARN, "mapping_warnings_left_out",
                  log_int("n", (int64_t)(job->n_warnings - MAX_WARNINGS)),
                  log_str("remedy", "bacowr-statsd check FILE tells all"));
}

/* What came of the job: into force and into the log. Its result. */
static int settle(struct reload *r, const char *event)
{
    log_warnings(r->config.log, &r->job);
    r->stats.last_failed = r->job.r != 0;
    if (r->job.r != 0)
        return r->job.r;
    bacowr_publish_mapping(r->config.engine, r->job.mapping);
    r->stats.last_good_seconds = process_now_seconds();
    log_event(r->config.log, LOG_LEVEL_INFO, event, log_str("file", r->label),
              log_int("rules", (int64_t)bacowr_n_rules(r->config.engine)));
    return 0;
}

int reload_first(struct reload *r, struct err *e)
{
    assert(r->config.paths->n > 0 && !r->running);
    load(&r->job);
    if (r->job.r != 0)
        *e = r->job.e;
    return settle(r, "mapping_loaded");
}

static void begin(struct reload *r);

static void finish(struct reload *r)
{
    char text[ERR_TEXT_MAX] = "";

    if (settle(r, "reload_done") == 0) {
        r->stats.good++;
    } else {
        r->stats.failed++;
        err_format(&r->job.e, text, sizeof text);
        log_event(r->config.log, LOG_LEVEL_ERROR, "reload_failed", log_str("error", text),
                  log_str("effect", "the rules from before go on"));
    }
    r->config.done(r->config.ctx, r->run, r->job.r, slice_str(text));
}

static void on_done(uv_work_t *work, int status)
{
    struct reload *r = work->data;

    (void)status; /* nobody cancels it */
    r->running = false;
    if (r->stopped) {
        if (r->job.r == 0)
            bacowr_mapping_free(r->job.mapping);
        return;
    }
    finish(r);
    if (r->again)
        begin(r);
}

/* ---- asking ---- */

static void begin(struct reload *r)
{
    log_event(r->config.log, LOG_LEVEL_INFO, "reload_started", log_str("file", r->label));
    r->config.began(r->config.ctx);
    r->running = true;
    r->again = false;
    r->run++;
    uv_queue_work(r->config.loop, &r->work, on_work, on_done); /* cannot fail with a callback */
}

uint64_t reload_ask(struct reload *r)
{
    if (r->config.paths->n == 0) {
        log_event(r->config.log, LOG_LEVEL_WARN, "reload_ignored",
                  log_str("reason", "no file was given with --statsd.mapping-config"));
        return 0;
    }
    assert(!r->stopped);
    if (r->running)
        r->again = true;
    else
        begin(r);
    return r->run + (r->again ? 1 : 0);
}

const struct reload_stats *reload_stats(const struct reload *r)
{
    return &r->stats;
}

void reload_stop(struct reload *r)
{
    if (r != NULL)
        r->stopped = true;
}

void reload_free(struct reload *r)
{
    assert(r == NULL || !r->running);
    free(r);
}
