/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch: see watch.h
 *
 * Once a second the files are listed and each is asked for its device, inode, size and times; all
 * of it makes one number. Links are followed, so the file that is read is the one that is asked.
 * That sees an edit in place, a file replaced by a rename, one deleted and made again, a name that
 * is new in a directory, and the links of a Kubernetes ConfigMap, where the file is a link through
 * `..data` and only `..data` is swapped: nothing happens to the file or beside it.
 *
 * Asking is preferred to being told (inotify): what is told of is a directory's entries or an
 * inode, neither of which is touched when a link farther up is swapped, and on network file systems
 * the change of another machine is not told at all. And there is one look for all files, on a
 * thread of libuv's pool, instead of a handle for each (uv_fs_poll_t): a directory's files come and
 * go, and a file system that does not answer then holds up one thread of the pool, not all of them.
 *
 *      number:   A   A   B   C   C   C   C
 *                        |       `-- the same as a second ago, and not A: changed() once
 *                        `-- being written?
 *
 * A file that is being written changes from look to look, so it is seldom loaded half written; one
 * that pauses for a second may be, is refused, and is loaded at its next change.
 *
 * Laws: a change is told once, whatever becomes of the load. The look that is told of came before
 *       the load that it causes, so what changes in between is seen as the next change.
 */
#include "server/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "server/mapfile.h"

#define LOOK_MS 1000

struct watch {
    struct watch_config config;
    struct options_list paths; /* the pool's while it looks */
    struct options_list next;  /* to be looked at from the next look on, if has_next */
    bool has_next;
    uv_timer_t timer;
    uv_work_t work;
    bool looking; /* the work is the pool's */
    bool stopped;
    uint64_t seen;   /* by the look under way: the pool's while it is */
    uint64_t before; /* by the look before */
    uint64_t told;   /* of what was loaded last, good or bad */
};

/* ---- a look, on any thread ---- */

/* No holes, for its bytes are hashed. */
struct trace {
    uint64_t error, device, inode, mode, size;
    int64_t modified_s, modified_ns, changed_s, changed_ns;
};

static uint64_t add_file(uint64_t sum, const char *path)
{
    struct trace t = {0};
    struct stat st;

    if (stat(path, &st) != 0)
        t.error = (uint64_t)errno;
    else
        t = (struct trace){
            .device = st.st_dev,
            .inode = st.st_ino,
            .mode = st.st_mode,
            .size = (uint64_t)st.st_size,
            .modified_s = st.st_mtim.tv_sec,
            .modified_ns = st.st_mtim.tv_nsec,
            .changed_s = st.st_ctim.tv_sec,
            .changed_ns = st.st_ctim.tv_nsec,
        };
    sum = hash_bytes(slice_str(path), sum);
    return hash_bytes(slice_of((const char *)&t, sizeof t), sum);
}

/* What cannot be listed is a state like any other: the load will say what is wrong. */
static uint64_t add_path(uint64_t sum, const char *path)
{
    struct options_list files = {0};
    struct err e;
    int r = mapfile_list(&files, path, &e);

    sum = hash_bytes(slice_of((const char *)&r, sizeof r), sum);
    for (size_t i = 0; i < files.n; i++)
        sum = add_file(sum, files.items[i]);
    options_list_release(&files);
    return sum;
}

static uint64_t look(const struct options_list *paths)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < paths->n; i++)
        sum = add_path(sum, paths->items[i]);
    return sum;
}

static void on_work(uv_work_t *work)
{
    struct watch *w = work->data;

    w->seen = look(&w->paths);
}

/* ---- what came of it, on the loop ---- */

static void on_done(uv_work_t *work, int status)
{
    struct watch *w = work->data;
    bool still = w->seen == w->before;

    w->looking = false;
    if (w->stopped || status != 0)
        return;
    w->before = w->seen;
    if (!still || w->seen == w->told)
        return;
    w->told = w->seen;
    w->config.changed(w->config.ctx);
}

static void on_timer(uv_timer_t *timer)
{
    struct watch *w = timer->data;

    if (w->looking)
        return;
    if (w->has_next) {
        options_list_release(&w->paths);
        w->paths = w->next;
        w->next = (struct options_list){0};
        w->has_next = false;
    }
    w->looking = true;
    uv_queue_work(w->config.loop, &w->work, on_work, on_done); /* cannot fail with a callback */
}

static int copy_list(struct options_list *out, const struct options_list *from)
{
    int r = 0;

    *out = (struct options_list){0};
    for (size_t i = 0; i < from->n && r == 0; i++)
        r = options_list_add(out, from->items[i], strlen(from->items[i]));
    if (r < 0)
        options_list_release(out);
    return r;
}

static bool same_list(const struct options_list *a, const struct options_list *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return a->n == b->n;
}

int watch_set(struct watch *w, const struct options_list *paths)
{
    struct options_list copy;
    int r;

    if (same_list(paths, w->has_next ? &w->next : &w->paths))
        return 0;
    r = copy_list(&copy, paths);
    if (r < 0)
        return r;
    options_list_release(&w->next);
    w->next = copy;
    w->has_next = true;
    return 0;
}

int watch_new(struct watch **out, const struct watch_config *config)
{
    struct watch *w = calloc(1, sizeof *w);

    if (w == NULL || copy_list(&w->paths, config->paths) < 0) {
        free(w);
        return -ENOMEM;
    }
    w->config = *config;
    w->config.paths = NULL;
    w->timer.data = w;
    w->work.data = w;
    w->before = w->told = look(config->paths);
    uv_timer_init(config->loop, &w->timer);
    uv_timer_start(&w->timer, on_timer, LOOK_MS, LOOK_MS); /* cannot fail with a callback */
    *out = w;
    return 0;
}

void watch_stop(struct watch *w)
{
    if (w == NULL)
        return;
    w->stopped = true;
    uv_close((uv_handle_t *)&w->timer, NULL);
    if (w->looking)
        uv_cancel((uv_req_t *)&w->work); /* one that has begun goes on to its end */
}

void watch_free(struct watch *w)
{
    if (w != NULL) {
        options_list_release(&w->paths);
        options_list_release(&w->next);
    }
    free(w);
}
