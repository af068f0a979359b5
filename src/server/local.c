/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local: see local.h
 *
 * A Unix socket's file outlives the process that crashed, and then stands in the way of the next.
 * Only the kernel knows whether somebody still has the socket, and it tells who connects:
 *
 *      nothing there            bind
 *      no socket (or a link)    refuse: it is somebody's file
 *      connection refused       nobody has it: remove it, then bind
 *      anything else            somebody has it, or we may not know: refuse
 *
 * Two servers that start at once may both find the file stale; the one that comes second looks
 * again before it removes anything, and leaves a file that is not the one it asked about.
 *
 * The mode is given to the socket before it is bound, so that the file never has a wider one than
 * was asked for, and to the file afterwards, since the umask takes from the first.
 *
 * Law: a file is removed only if it is a socket that nobody has, or ours.
 */
#include "server/local.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG  511
#define MAX_MODE 07777

bool local_parse_mode(const char *text, int *mode)
{
    int v = 0;

    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '7')
            return false;
        v = v * 8 + (*text - '0');
        if (v > MAX_MODE)
            return false;
    }
    *mode = v;
    return true;
}

static bool is_abstract(const struct local *l)
{
    return l->text[0] == '@';
}

int local_resolve(struct local *out, const char *text, struct err *e)
{
    size_t len = strlen(text);
    struct local l = {.sa.sun_family = AF_UNIX};

    if (len >= sizeof l.sa.sun_path) {
        err_set(e, NULL, 0, 0,
                "the path of a Unix socket is too long, the system allows %zu bytes: '%.200s'",
                sizeof l.sa.sun_path - 1, text);
        return -EINVAL;
    }
    memcpy(l.text, text, len + 1);
    memcpy(l.sa.sun_path, text, len);
    l.sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (is_abstract(&l))
        l.sa.sun_path[0] = '\0';
    else
        l.sa_len++; /* the NUL */
    *out = l;
    return 0;
}

/* ---- who has the name ---- */

static int refuse(struct err *e, const struct local *l, int r, const char *why)
{
    err_set(e, NULL, 0, 0, "cannot listen on unix socket %s: %s", l->text, why);
    return r;
}

static int refuse_taken(struct err *e, const struct local *l)
{
    return refuse(e, l, -EADDRINUSE,
                  "address in use by another process; stop that one, or give another path");
}

/* 0: nobody answers; else the negative errno of a connect(), or -EADDRINUSE: somebody does. */
static int probe(const struct local *l, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = connect(fd, (const struct sockaddr *)&l->sa, l->sa_len) == 0 ? -EADDRINUSE : -errno;
    close(fd);
    return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
}

/* Make way for a file at the path of @l. 0, or a negative errno with @e filled. */
static int clear_stale(const struct local *l, int type, struct err *e)
{
    struct stat first, again;
    int r;

    if (lstat(l->sa.sun_path, &first) != 0)
        return 0; /* bind() will tell what else is wrong */
    if (!S_ISSOCK(first.st_mode))
        return refuse(e, l, -EEXIST,
                      "a file that is not a socket is in the way; remove it, or give another path");
    r = probe(l, type);
    if (r == -EACCES)
        return refuse(e, l, r, "no permission to check whether another process uses it");
    if (r != 0)
        return refuse_taken(e, l);
    if (lstat(l->sa.sun_path, &again) != 0)
        return 0;
    if (again.st_ino != first.st_ino || again.st_dev != first.st_dev)
        return refuse_taken(e, l);
    if (unlink(l->sa.sun_path) != 0 && errno != ENOENT)
        return refuse(e, l, -errno, strerror(errno));
    return 0;
}

/* ---- opening and removing ---- */

/* Know the file again, and give it its mode. */
static void own_file(struct local *l, int mode)
{
    struct stat made;

    if (lstat(l->sa.sun_path, &made) != 0)
        return; /* gone already: it is not ours to remove */
    l->has_file = true;
    l->dev = made.st_dev;
    l->ino = made.st_ino;
    if (mode != LOCAL_MODE_UMASK && chmod(l->sa.sun_path, (mode_t)mode) != 0)
        l->mode_error = -errno;
}

static int bind_socket(int fd, const struct local *l, int mode)
{
    if (!is_abstract(l) && mode != LOCAL_MODE_UMASK && fchmod(fd, (mode_t)mode) != 0)
        return -errno;
    return bind(fd, (const struct sockaddr *)&l->sa, l->sa_len) == 0 ? 0 : -errno;
}

int local_open(int *out, struct local *l, int type, int mode, struct err *e)
{
    int r = is_abstract(l) ? 0 : clear_stale(l, type, e);
    int fd;

    if (r != 0)
        return r;
    fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(e, l, -errno, strerror(errno));
    r = bind_socket(fd, l, mode);
    if (r == 0 && !is_abstract(l))
        own_file(l, mode);
    if (r == 0 && type != SOCK_DGRAM && listen(fd, BACKLOG) != 0)
        r = -errno;
    if (r != 0) {
        local_remove(l);
        close(fd);
        return r == -EADDRINUSE ? refuse_taken(e, l) : refuse(e, l, r, strerror(-r));
    }
    *out = fd;
    return 0;
}

bool local_from_socket(struct local *out, const struct sockaddr *sa, socklen_t len)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    struct local l = {.sa_len = len};

    if (sa->sa_family != AF_UNIX || len <= head || len > sizeof l.sa)
        return false;
    memcpy(&l.sa, sa, len);
    memcpy(l.text, l.sa.sun_path, len - head);
    if (l.text[0] == '\0')
        l.text[0] = '@';
    *out = l;
    return true;
}

void local_adopt(struct local *l)
{
    if (!is_abstract(l))
        own_file(l, LOCAL_MODE_UMASK);
}

void local_remove(struct local *l)
{
    struct stat now;

    if (l->has_file && lstat(l->sa.sun_path, &now) == 0 && now.st_ino == l->ino &&
        now.st_dev == l->dev)
        unlink(l->sa.sun_path);
    l->has_file = false;
}
