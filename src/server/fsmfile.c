/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FSM file: see fsmfile.h
 *
 * The graph is drawn in memory and then written, so a mapping too large to draw leaves the old file
 * as it is. The file is for a person: it is neither synced nor put in place in one step.
 *
 * Law: the file is opened without waiting, so that a FIFO without a reader does not keep a server
 *      from its start.
 */
#include "server/fsmfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

/* 0 or a negative errno. */
static int write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text = slice_from(text, (size_t)n);
    }
    return 0;
}

static int write_file(const char *path, struct slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    int r;

    if (fd < 0)
        return -errno;
    r = write_all(fd, text);
    if (close(fd) != 0 && r == 0)
        r = -errno;
    return r;
}

int fsmfile_write(struct bacowr *b, const char *path, struct err *e)
{
    struct buf text = {0};
    int r = bacowr_dump_fsm(b, &text);

    if (r == 0)
        r = write_file(path, buf_slice(&text));
    if (r != 0)
        err_set(e, NULL, 0, 0, "cannot write the picture of the globs to %.200s: %s", path,
                strerror(-r));
    buf_release(&text);
    return r;
}
