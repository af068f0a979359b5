/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State file: see statefile.h
 *
 * Counts are taken up from a process that ended in order, and from no other. For whoever reads them
 * a counter may go on or begin anew, but it may never show less than before: the reader would take
 * that for a beginning, and add all of it once more. What a killed process last showed is known to
 * nobody, so after it counters begin at 0 with a new time of creation; gauges and sets, which tell
 * of now and not of a sum, come back as they were last saved.
 *
 *      clean --taken up, marked--> taken     a process ended in order; its file serves once
 *        ^                           |
 *        `------- the end ------- alive      written now and then, while the process goes on
 *
 * If the mark cannot be written, on a disk that is read-only or broken, the counts are not taken
 * up: they might be taken up again. If the start fails after that, the mark is taken back, for
 * nobody has seen a count.
 *
 * Saving. The walk runs on the loop in slices like a page; each slice is written by a thread of
 * libuv's pool, and the next is made when it is done, so neither a slow disk nor a large registry
 * holds up anybody, and memory is a slice. As the walk pins families, one that takes longer than
 * SAVE_MAX_MS is given up. The last saving, when nothing is counted any more, is written by this
 * thread.
 *
 *      tick --> begin --open--> slice --written--> slice --written--> ... --commit--> saved
 *
 * Laws: no failure here costs more than what it says: it is counted, logged, and the server goes
 *       on. A file that is none of ours, or damaged, is renamed and never deleted.
 */
#include "server/statefile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "server/process.h"
#include "server/state_io.h"
#include "server/worker.h"

#define SLICE       (256u * 1024u)
#define SAVE_MAX_MS 60000

/* What the pool's thread does next. */
enum job { JOB_OPEN, JOB_WRITE, JOB_COMMIT };

struct statefile {
    struct statefile_config config;
    struct statefile_stats stats;
    struct state_place place;
    uv_timer_t timer;
    bool has_timer, stopped;
    bool untake; /* a clean file was marked, and this process has not begun */

    /* The saving under way: the pool's thread has writer, slice and result while it works. */
    uv_work_t work;
    bool busy;
    enum job job;
    int result;
    struct bacowr_state_save *save; /* NULL: the walk has ended */
    struct state_writer writer;
    struct buf slice;
    int64_t began_ms;
    uint64_t n_series;
};

static const char *const refusals[STATEFILE_N_REFUSALS] = {
    [STATEFILE_DAMAGED] = "damaged",
    [STATEFILE_FOREIGN] = "foreign",
    [STATEFILE_VERSION] = "version",
    [STATEFILE_UNREADABLE] = "unreadable",
};

const struct statefile_stats *statefile_stats(const struct statefile *f)
{
    return &f->stats;
}

int statefile_new(struct statefile **out, const struct statefile_config *config, struct err *e)
{
    struct statefile *f = calloc(1, sizeof *f);
    int r = 0;

    if (f == NULL)
        return -ENOMEM;
    f->config = *config;
    f->place.dir = -1;
    f->writer.fd = -1;
    f->work.data = f;
    if (config->path != NULL)
        r = state_place_open(&f->place, config->path);
    if (r != 0) {
        err_set(e, NULL, 0, 0,
                "--state.file: '%.200s' cannot be used (%s); give a file in an existing directory",
                config->path, strerror(-r));
        free(f);
        return r;
    }
    *out = f;
    return 0;
}

void statefile_free(struct statefile *f)
{
    struct state_reader reader;
    enum state_word word;

    if (f == NULL)
        return;
    assert(!f->busy);
    if (f->untake && state_reader_open(&reader, &f->place, &word) == 0) {
        if (word == STATE_WORD_TAKEN)
            (void)state_reader_mark(&reader, STATE_WORD_CLEAN);
        state_reader_close(&reader);
    }
    state_place_close(&f->place);
    buf_release(&f->slice);
    free(f);
}

/* ---- loading ---- */

/* Count it, rename it to what it is, tell. */
static void refuse(struct statefile *f, enum statefile_refusal reason, const char *why)
{
    char suffix[16];
    int r = 0;

    f->stats.refused[reason]++;
    snprintf(suffix, sizeof suffix, ".%s", refusals[reason]);
    if (reason != STATEFILE_UNREADABLE)
        r = state_set_aside(&f->place, suffix);
    log_event(f->config.log, LOG_LEVEL_ERROR, "state_refused", log_str("file", f->config.path),
              log_str("reason", refusals[reason]), log_str("error", why),
              log_str("set_aside_as", reason != STATEFILE_UNREADABLE && r == 0 ? suffix : ""),
              log_str("effect", "counters start at 0, gauges and sets are absent until set"));
}

static enum statefile_refusal refusal_of(enum bacowr_state_fault fault)
{
    return fault == BACOWR_STATE_FOREIGN   ? STATEFILE_FOREIGN
           : fault == BACOWR_STATE_VERSION ? STATEFILE_VERSION
                                           : STATEFILE_DAMAGED;
}

/* All of the file through a loader. 0; -EINVAL: @report says why; another negative errno. */
static int pass(struct statefile *f, const struct state_reader *reader,
                const struct bacowr_state_load_config *config, struct bacowr_state_report *report)
{
    struct bacowr_state_load *load;
    char *room = malloc(SLICE);
    int64_t at = 0, n = 1;
    int r = room != NULL ? bacowr_state_load_new(&load, f->config.engine, config, worker_now_ms())
                         : -ENOMEM;

    if (r != 0) {
        free(room);
        return r;
    }
    for (r = 1; n > 0 && r >= 0; at += n) {
        n = state_reader_next(reader, at, room, SLICE);
        if (n != 0)
            r = n < 0 ? (int)n : bacowr_state_load_next(load, room, (size_t)n);
    }
    bacowr_state_load_report(load, report);
    if (r == 1) {
        report->why = "it is truncated";
        r = -EINVAL;
    }
    bacowr_state_load_free(load);
    free(room);
    return r;
}

/* Nothing of a file is taken before all of it was judged. */
static int judge(struct statefile *f, const struct state_reader *reader)
{
    const struct bacowr_state_load_config check = {.check_only = true, .counts = true};
    struct bacowr_state_report report = {.why = ""};
    int r = pass(f, reader, &check, &report);

    if (r == -EINVAL)
        refuse(f, refusal_of(report.fault), report.why);
    else if (r != 0)
        refuse(f, STATEFILE_UNREADABLE, strerror(-r));
    return r;
}

/* May its counts be taken up? Then nobody else may. */
static bool take_counts(struct statefile *f, const struct state_reader *reader,
                        enum state_word word)
{
    int r;

    if (word != STATE_WORD_CLEAN) {
        log_event(f->config.log, LOG_LEVEL_WARN, "state_not_clean", log_str("file", f->config.path),
                  log_str("reason", "the previous process did not shut down cleanly"),
                  log_str("effect", "counters start at 0"));
        return false;
    }
    r = state_reader_mark(reader, STATE_WORD_TAKEN);
    if (r == 0)
        return f->untake = true;
    log_event(
        f->config.log, LOG_LEVEL_ERROR, "state_not_taken", log_str("file", f->config.path),
        log_str("error", strerror(-r)),
        log_str(
            "effect",
            "counters start at 0: the file cannot be marked as loaded, and might be loaded again"));
    return false;
}

static void take(struct statefile *f, const struct state_reader *reader, enum state_word word)
{
    const struct bacowr_state_load_config config = {
        .counts = take_counts(f, reader, word),
        .max_age_ms = f->config.max_age_ms > 0 ? f->config.max_age_ms : -1,
    };
    struct bacowr_state_report report = {.why = ""};
    uint64_t left = 0;
    int r = pass(f, reader, &config, &report);

    memcpy(f->stats.loaded, report.n_series, sizeof f->stats.loaded);
    for (unsigned i = BACOWR_STATE_RESTORED + 1; i < BACOWR_STATE_N_OUTCOMES; i++)
        left += report.n_series[i];
    /* It was judged, so what fails now is memory or the disk. */
    if (r != 0)
        f->stats.refused[STATEFILE_UNREADABLE]++;
    log_event(f->config.log, r == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "state_loaded",
              log_str("file", f->config.path),
              log_int("series", (int64_t)report.n_series[BACOWR_STATE_RESTORED]),
              log_int("left_out", (int64_t)left), log_str("counts", config.counts ? "yes" : "no"),
              log_double("age_seconds", (double)report.age_ms / 1000),
              log_str("error", r == 0 ? "" : strerror(-r)));
}

void statefile_load(struct statefile *f)
{
    struct state_reader reader;
    enum state_word word;
    int r;

    if (f->config.path == NULL)
        return;
    r = state_reader_open(&reader, &f->place, &word);
    if (r == -ENOENT) {
        log_event(f->config.log, LOG_LEVEL_INFO, "state_absent", log_str("file", f->config.path));
        return;
    }
    if (r != 0) {
        refuse(f, STATEFILE_UNREADABLE, strerror(-r));
        return;
    }
    if (word == STATE_WORD_NONE)
        refuse(f, STATEFILE_FOREIGN, "it is not a state file");
    else if (judge(f, &reader) == 0)
        take(f, &reader, word);
    state_reader_close(&reader);
}

/* ---- saving, now and then ---- */

static void saved(struct statefile *f, int r, const char *what)
{
    if (r == 0) {
        f->stats.saved++;
        f->stats.last_saved_seconds = process_now_seconds();
        f->stats.last_size = f->writer.size;
        f->stats.last_series = f->n_series;
        log_event(f->config.log, strcmp(what, "clean") == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
                  "state_saved", log_str("file", f->config.path), log_str("as", what),
                  log_int("series", (int64_t)f->n_series),
                  log_int("bytes", (int64_t)f->writer.size));
        return;
    }
    f->stats.failed++;
    log_event(f->config.log, LOG_LEVEL_ERROR, "state_save_failed", log_str("file", f->config.path),
              log_str("error", strerror(-r)), log_str("effect", "the previous file is kept"));
}

/* On a thread of the pool. */
static void on_work(uv_work_t *work)
{
    struct statefile *f = work->data;

    switch (f->job) {
    case JOB_OPEN:
        f->result = state_writer_open(&f->writer, &f->place, false);
        break;
    case JOB_WRITE:
        f->result = state_writer_add(&f->writer, f->slice.p, f->slice.len);
        break;
    case JOB_COMMIT:
        f->result = state_writer_commit(&f->writer);
        break;
    }
    if (f->result != 0)
        state_writer_drop(&f->writer);
}

static void on_worked(uv_work_t *work, int status);

static void queue(struct statefile *f, enum job job)
{
    f->job = job;
    uv_queue_work(f->config.loop, &f->work, on_work, on_worked); /* cannot fail with a callback */
}

static void end_walk(struct statefile *f)
{
    bacowr_state_save_free(f->save);
    f->save = NULL;
}

/* The next slice. 0 or a negative errno. */
static int make_slice(struct statefile *f)
{
    int r;

    if (worker_now_ms() - f->began_ms > SAVE_MAX_MS)
        return -ETIMEDOUT;
    buf_clear(&f->slice);
    r = bacowr_state_save_next(f->save, &f->slice, SLICE);
    if (r < 0) {
        buf_release(&f->slice); /* its failure would stay */
        return r;
    }
    if (r == 0) {
        f->n_series = bacowr_state_save_n_series(f->save);
        end_walk(f);
    }
    return 0;
}

/* What comes after a step that went well: 0 when it was begun, 1 when there is none, or a negative
 * errno. */
static int next_step(struct statefile *f)
{
    int r;

    if (f->job == JOB_COMMIT)
        return 1;
    if (f->stopped)
        return -ECANCELED;
    if (f->save == NULL) {
        queue(f, JOB_COMMIT);
        return 0;
    }
    r = make_slice(f);
    if (r == 0)
        queue(f, JOB_WRITE);
    return r;
}

/* On the loop. */
static void on_worked(uv_work_t *work, int status)
{
    struct statefile *f = work->data;
    int r = f->result == 0 ? next_step(f) : f->result;

    (void)status; /* nobody cancels it */
    if (r == 0)
        return;
    f->busy = false;
    end_walk(f);
    state_writer_drop(&f->writer);
    if (r != -ECANCELED)
        saved(f, r == 1 ? 0 : r, "alive");
}

static void on_timer(uv_timer_t *timer)
{
    struct statefile *f = timer->data;
    int r;

    if (f->busy)
        return;
    f->began_ms = worker_now_ms();
    r = bacowr_state_save_new(&f->save, f->config.engine, false, f->began_ms);
    if (r != 0) {
        saved(f, r, "alive");
        return;
    }
    f->busy = true;
    queue(f, JOB_OPEN);
}

/* Else the first to hear of it would be the saving at the end, when the counts are lost. */
static void check_place(const struct statefile *f)
{
    int r = state_place_check(&f->place);

    if (r != 0)
        log_event(
            f->config.log, LOG_LEVEL_WARN, "state_not_writable", log_str("file", f->config.path),
            log_str("error", strerror(-r)), log_str("effect", "nothing is saved"),
            log_str("remedy", "give the server's user write permission in the file's directory"));
}

int statefile_begin(struct statefile *f)
{
    int64_t ms = f->config.interval_ms;
    int r = 0;

    f->untake = false;
    if (f->config.path != NULL)
        check_place(f);
    if (f->config.path == NULL || ms == 0)
        return 0;
    uv_timer_init(f->config.loop, &f->timer);
    f->timer.data = f;
    f->has_timer = true;
    r = uv_timer_start(&f->timer, on_timer, (uint64_t)ms, (uint64_t)ms);
    return r;
}

/* ---- the end ---- */

void statefile_give_up(struct statefile *f)
{
    f->stopped = true;
    if (f->has_timer)
        uv_timer_stop(&f->timer);
    while (f->busy)
        uv_run(f->config.loop, UV_RUN_ONCE);
}

static int save_all(struct statefile *f)
{
    int r = bacowr_state_save_new(&f->save, f->config.engine, true, worker_now_ms());

    f->began_ms = worker_now_ms();
    if (r == 0)
        r = state_writer_open(&f->writer, &f->place, true);
    while (r == 0 && f->save != NULL) {
        r = make_slice(f);
        if (r == 0)
            r = state_writer_add(&f->writer, f->slice.p, f->slice.len);
    }
    if (r == 0)
        r = state_writer_commit(&f->writer);
    end_walk(f);
    state_writer_drop(&f->writer);
    return r;
}

void statefile_end(struct statefile *f)
{
    if (f->config.path == NULL || f->stopped)
        return;
    statefile_give_up(f);
    saved(f, save_all(f), "clean");
}

void statefile_close(struct statefile *f)
{
    if (f == NULL)
        return;
    f->stopped = true;
    if (f->has_timer)
        uv_close((uv_handle_t *)&f->timer, NULL);
    f->has_timer = false;
}
