/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping file: see mapfile.h
 *
 * The whole file is read before the loader sees a byte of it, so that a file that is being written
 * while it is reloaded is either loaded as read or refused as read.
 *
 * A server must never wait for its mapping file: a FIFO that nobody writes to would hold up the
 * reload for ever, and with it the end of the server. So it is opened without waiting, and is used
 * only if it is a file. `check` and `explain` run in a shell, where waiting for a pipe is what one
 * wants; what is larger than any mapping (a device that never ends) is refused there too.
 *
 * Law: the caller gets the whole text or a reason, and nothing stays open.
 */
#include "server/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define MAX_FILE_SIZE (16u << 20) /* the YAML reader's own bound */
#define READ_SIZE     65536

/* 0, or a negative errno; -EFBIG past the limit. */
static int read_fd(int fd, struct buf *out)
{
    for (;;) {
        ssize_t n;
        int r = buf_reserve(out, READ_SIZE);

        if (r != 0)
            return r;
        n = read(fd, out->p + out->len, READ_SIZE);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        out->len += (size_t)n;
        if (out->len > MAX_FILE_SIZE)
            return -EFBIG;
    }
}

static int check_kind(int fd, enum mapfile_kind kind)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return kind == MAPFILE_ANY || S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

static int read_file(const char *path, enum mapfile_kind kind, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == MAPFILE_ANY ? 0 : O_NONBLOCK));
    int r;

    if (fd < 0)
        return -errno;
    r = check_kind(fd, kind);
    if (r == 0)
        r = read_fd(fd, out);
    close(fd);
    return r;
}

/* What is wrong with the file, and how to mend it. */
static const char *fault(int r)
{
    switch (-r) {
    case ENOENT:
        return "there is no such file; check the path, which begins at the working directory "
               "unless it begins with /";
    case EACCES:
        return "the file may not be read; give this user the right to read it and to enter the "
               "directories above it";
    case EISDIR:
        return "this is a directory; name a file in it";
    case ENOTSUP:
        return "this is no ordinary file; a server reads its mapping again and again, so write it "
               "to a file";
    case EFBIG:
        return "the file is larger than 16 MiB; split it";
    default:
        return strerror(-r);
    }
}

int mapfile_load(struct bacowr_mapping **out, const char *path, enum mapfile_kind kind,
                 err_fn on_warning, void *ctx, struct err *e)
{
    struct buf text = {0};
    int r = read_file(path, kind, &text);

    if (r != 0) {
        err_set(e, path, 0, 0, "cannot read the mapping file: %s", fault(r));
    } else {
        r = bacowr_mapping_new(out, path, buf_slice(&text), on_warning, ctx, e);
        if (r == -ENOMEM)
            err_set(e, path, 0, 0, "no memory for the mapping");
    }
    buf_release(&text);
    return r;
}
