/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping file: see mapfile.h
 *
 * The whole file is read before the engine sees a byte of it, so that a file that is being written
 * while it is reloaded is either loaded as read or refused as read. What is no ordinary text of a
 * sane size (a device, a directory, gigabytes) is refused with a word instead of read for ever.
 *
 * Law: the caller gets the whole text or a reason, and nothing stays open.
 */
#include "server/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = read_fd(fd, out);
    close(fd);
    return r;
}

int mapfile_load(struct bacowr *b, const char *path, err_fn on_warning, void *ctx, struct err *e)
{
    struct buf text = {0};
    int r = read_file(path, &text);

    if (r != 0) {
        err_set(e, path, 0, 0, "cannot read the mapping file: %s", strerror(-r));
    } else {
        r = bacowr_load_mapping(b, path, buf_slice(&text), on_warning, ctx, e);
        if (r == -ENOMEM)
            err_set(e, path, 0, 0, "no memory for the mapping");
    }
    buf_release(&text);
    return r;
}
