/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State file, its bytes: see state_io.h
 *
 * A file is written under another name, brought to the disk, and renamed: whoever opens the path
 * finds the old one or the new one, whole, whatever happens when. The directory is brought to the
 * disk too, or the name might come back to the old one.
 *
 * Taking a clean file up must end its being clean before anything is counted: otherwise a process
 * that is killed would be followed by one that begins with counts which others were shown greater
 * values of. So five bytes at its beginning are overwritten, which needs no room on the disk and
 * cannot be done by halves.
 *
 * Laws: the path is looked up in a directory that stays open, so no change of the working directory
 *       matters. No file that was not written here is ever deleted.
 */
#include "server/state_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD     "bacowr-statsd state "
#define HEAD_LEN (sizeof HEAD - 1)
#define WORD_LEN 5u
#define LINE_LEN (HEAD_LEN + WORD_LEN + 1)

/* Room for names made of the file's. */
#define MADE_MAX (NAME_MAX + 1)
#define SUFFIXES 32

static const char *const words[] = {
    [STATE_WORD_CLEAN] = "clean",
    [STATE_WORD_ALIVE] = "alive",
    [STATE_WORD_TAKEN] = "taken",
};

int state_place_open(struct state_place *p, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    char dir[PATH_MAX];
    struct stat st;

    p->dir = -1;
    if (strlen(path) >= sizeof dir || strlen(name) + SUFFIXES > NAME_MAX)
        return -ENAMETOOLONG;
    if (name[0] == '\0')
        return -EISDIR;
    snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    memcpy(p->name, name, strlen(name) + 1);
    p->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dir < 0)
        return -errno;
    if (fstatat(p->dir, name, &st, 0) == 0 && !S_ISREG(st.st_mode)) {
        state_place_close(p);
        return -EISDIR;
    }
    return 0;
}

void state_place_close(struct state_place *p)
{
    if (p->dir >= 0)
        close(p->dir);
    p->dir = -1;
}

int state_place_check(const struct state_place *p)
{
    return faccessat(p->dir, ".", W_OK | X_OK, 0) == 0 ? 0 : -errno;
}

static void made_name(char out[MADE_MAX], const struct state_place *p, const char *suffix)
{
    snprintf(out, MADE_MAX, "%.*s%s", NAME_MAX - SUFFIXES, p->name, suffix);
}

/* ---- writing ---- */

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int state_writer_open(struct state_writer *w, const struct state_place *place, bool clean)
{
    char name[MADE_MAX];
    char line[LINE_LEN + 1];

    made_name(name, place, ".tmp");
    *w = (struct state_writer){
        .place = place,
        .fd = openat(place->dir, name,
                     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640),
    };
    if (w->fd < 0)
        return -errno;
    snprintf(line, sizeof line, HEAD "%s\n", words[clean ? STATE_WORD_CLEAN : STATE_WORD_ALIVE]);
    return state_writer_add(w, line, LINE_LEN);
}

int state_writer_add(struct state_writer *w, const void *p, size_t n)
{
    int r = write_all(w->fd, p, n);

    if (r == 0)
        w->size += n;
    return r;
}

int state_writer_commit(struct state_writer *w)
{
    char name[MADE_MAX];
    int r = fsync(w->fd) == 0 ? 0 : -errno;

    if (r != 0)
        return r;
    made_name(name, w->place, ".tmp");
    if (renameat(w->place->dir, name, w->place->dir, w->place->name) != 0)
        return -errno;
    close(w->fd);
    w->fd = -1;
    return fsync(w->place->dir) == 0 ? 0 : -errno;
}

void state_writer_drop(struct state_writer *w)
{
    char name[MADE_MAX];

    if (w->fd < 0 || w->place == NULL)
        return;
    close(w->fd);
    w->fd = -1;
    made_name(name, w->place, ".tmp");
    unlinkat(w->place->dir, name, 0);
}

/* ---- reading ---- */

static int open_to_read(struct state_reader *r, const struct state_place *place)
{
    int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct stat st;

    r->fd = openat(place->dir, place->name, O_RDWR | flags);
    r->can_mark = r->fd >= 0;
    if (r->fd < 0 && errno != ENOENT)
        r->fd = openat(place->dir, place->name, O_RDONLY | flags);
    if (r->fd < 0)
        return -errno;
    if (fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    state_reader_close(r);
    return -EISDIR;
}

static enum state_word word_of(const char *line)
{
    if (memcmp(line, HEAD, HEAD_LEN) != 0 || line[LINE_LEN - 1] != '\n')
        return STATE_WORD_NONE;
    for (unsigned i = 0; i < STATE_WORD_NONE; i++)
        if (memcmp(line + HEAD_LEN, words[i], WORD_LEN) == 0)
            return (enum state_word)i;
    return STATE_WORD_NONE;
}

int state_reader_open(struct state_reader *r, const struct state_place *place,
                      enum state_word *word)
{
    char line[LINE_LEN] = "";
    int64_t n;
    int rc = open_to_read(r, place);

    if (rc != 0)
        return rc;
    r->stream_at = 0;
    n = state_reader_next(r, 0, line, sizeof line);
    if (n < 0) {
        state_reader_close(r);
        return (int)n;
    }
    r->stream_at = LINE_LEN;
    *word = n == LINE_LEN ? word_of(line) : STATE_WORD_NONE;
    return 0;
}

int64_t state_reader_next(const struct state_reader *r, int64_t at, void *p, size_t n)
{
    ssize_t done;

    do
        done = pread(r->fd, p, n, r->stream_at + at);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

int state_reader_mark(const struct state_reader *r, enum state_word word)
{
    if (!r->can_mark)
        return -EACCES;
    if (pwrite(r->fd, words[word], WORD_LEN, HEAD_LEN) != (ssize_t)WORD_LEN)
        return errno != 0 ? -errno : -EIO;
    return fsync(r->fd) == 0 ? 0 : -errno;
}

void state_reader_close(struct state_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

int state_set_aside(const struct state_place *place, const char *suffix)
{
    char name[MADE_MAX];

    made_name(name, place, suffix);
    return renameat(place->dir, place->name, place->dir, name) == 0 ? 0 : -errno;
}
