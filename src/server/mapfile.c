/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping files: see mapfile.h
 *
 *      paths --list--> files --read--> texts --bacowr_mapping_new()--> rules
 *
 * All files are read before the loader sees a byte of them, so that a file that is being written
 * while it is reloaded is either loaded as read or refused as read.
 *
 * A server must never wait for its mapping: a FIFO that nobody writes to would hold up the reload
 * for ever, and with it the end of the server. So it is opened without waiting, and is used only if
 * it is a file. `check` and `explain` run in a shell, where waiting for a pipe is what one wants;
 * what is larger than any mapping (a device that never ends) is refused there too. What stands in a
 * directory was not named by anybody, and is not waited for there either.
 *
 * Kubernetes shows a ConfigMap as a directory of links into `..data`, a link that it swaps. Names
 * that begin with a dot are left out, so each file is met once, and by the name that it was given.
 *
 * Law: the caller gets the whole texts or a reason, and nothing stays open.
 */
#include "server/mapfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/slice.h"
#include "server/file.h"

/* ---- faults ---- */

/* What is wrong with a file or directory, and how to mend it. */
static const char *fault(int r)
{
    switch (-r) {
    case ENOENT:
        return "no such file; check the path, which is relative to the working directory unless it "
               "begins with /";
    case EACCES:
        return "permission denied; give this user permission to read it and to enter the "
               "directories above it";
    case ENODATA:
        return "no file in this directory ends in .yml or .yaml; name a file, or put one there";
    case ENOTSUP:
        return "this is not a regular file; a server reads its mapping repeatedly, so write it to "
               "a file";
    case EFBIG:
        return "the mapping is larger than 16 MiB, all its files together; shorten it";
    case E2BIG:
        return "with this one there are more than 256 mapping files; merge some of them";
    default:
        return strerror(-r);
    }
}

/* Gives @r. */
static int refuse(struct err *e, const char *path, int r)
{
    err_set(e, path, 0, 0, "cannot read the mapping file: %s", fault(r));
    return r;
}

/* ---- directories ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static bool is_wanted(const char *path, const char *name)
{
    struct stat st;

    if (name[0] == '.' || (!ends_in(name, ".yml") && !ends_in(name, ".yaml")))
        return false;
    /* What cannot be looked at is for the reader to complain of: a link that leads nowhere. */
    return stat(path, &st) != 0 || !S_ISDIR(st.st_mode);
}

static int add_entry(struct options_list *files, const char *directory, const char *name)
{
    bool slash = ends_in(directory, "/");
    char *path;
    int r = 0;

    if (asprintf(&path, "%s%s%s", directory, slash ? "" : "/", name) < 0)
        return -ENOMEM;
    if (is_wanted(path, name))
        r = files->n < MAPFILE_MAX_FILES ? options_list_add(files, path, strlen(path)) : -E2BIG;
    free(path);
    return r;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 0, or a negative errno; -ENOTDIR when it is none; -ENODATA when nothing is wanted in it. */
static int list_directory(struct options_list *files, const char *path)
{
    size_t before = files->n;
    struct dirent *entry;
    DIR *directory = opendir(path);
    int r = 0;

    if (directory == NULL)
        return -errno;
    while (r == 0) {
        errno = 0;
        entry = readdir(directory);
        if (entry == NULL)
            break;
        r = add_entry(files, path, entry->d_name);
    }
    if (r == 0)
        r = -errno;
    closedir(directory);
    if (r != 0)
        return r;
    if (files->n == before)
        return -ENODATA;
    qsort(files->items + before, files->n - before, sizeof *files->items, by_bytes);
    return 0;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int mapfile_list(struct options_list *files, const char *path, struct err *e)
{
    int r;

    if (is_directory(path))
        r = list_directory(files, path);
    else if (files->n == MAPFILE_MAX_FILES)
        r = -E2BIG;
    else
        r = options_list_add(files, path, strlen(path));
    return r == 0 ? 0 : refuse(e, path, r);
}

/* ---- the whole ---- */

/* What was read. */
struct texts {
    struct options_list files;
    struct buf *v; /* of the file with the same index */
    size_t size;   /* of all */
    bool named[MAPFILE_MAX_FILES];
};

static void texts_release(struct texts *t)
{
    for (size_t i = 0; t->v != NULL && i < t->files.n; i++)
        buf_release(&t->v[i]);
    free(t->v);
    options_list_release(&t->files);
}

static int list_all(struct texts *t, const struct options_list *paths, struct err *e)
{
    for (size_t i = 0; i < paths->n; i++) {
        size_t before = t->files.n;
        int r = mapfile_list(&t->files, paths->items[i], e);

        if (r != 0)
            return r;
        t->named[before] = strcmp(t->files.items[before], paths->items[i]) == 0;
    }
    return 0;
}

static int read_all(struct texts *t, enum mapfile_kind kind, struct err *e)
{
    t->v = calloc(t->files.n + 1, sizeof *t->v);
    if (t->v == NULL)
        return refuse(e, NULL, -ENOMEM);
    for (size_t i = 0; i < t->files.n; i++) {
        bool regular = kind == MAPFILE_REGULAR || !t->named[i];
        int r = file_read(t->files.items[i], regular, MAPFILE_MAX_BYTES - t->size, &t->v[i]);

        if (r != 0)
            return refuse(e, t->files.items[i], r);
        t->size += t->v[i].len;
    }
    return 0;
}

static int load(struct bacowr_mapping **out, const struct texts *t, err_fn on_warning, void *ctx,
                struct err *e)
{
    struct bacowr_text *texts = calloc(t->files.n + 1, sizeof *texts);
    int r = -ENOMEM;

    for (size_t i = 0; texts != NULL && i < t->files.n; i++)
        texts[i] = (struct bacowr_text){t->files.items[i], buf_slice(&t->v[i])};
    if (texts != NULL)
        r = bacowr_mapping_new(out, texts, t->files.n, on_warning, ctx, e);
    if (r == -ENOMEM)
        err_set(e, t->files.items[0], 0, 0, "no memory for the mapping");
    free(texts);
    return r;
}

int mapfile_load(struct bacowr_mapping **out, const struct options_list *paths,
                 enum mapfile_kind kind, err_fn on_warning, void *ctx, struct err *e)
{
    struct texts t = {.size = 0};
    int r = list_all(&t, paths, e);

    if (r == 0)
        r = read_all(&t, kind, e);
    if (r == 0)
        r = load(out, &t, on_warning, ctx, e);
    texts_release(&t);
    return r;
}

void mapfile_label(const struct options_list *paths, char *out, size_t cap)
{
    if (paths->n > 1)
        snprintf(out, cap, "%s and %zu more", paths->items[0], paths->n - 1);
    else
        snprintf(out, cap, "%s", paths->items[0]);
}
