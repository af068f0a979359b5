/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File: see file.h
 *
 * For what an operator wrote and a server reads again and again: mappings, certificates, the web
 * configuration. Whoever asks says how much he takes.
 *
 * Laws: the caller gets all of it or a reason, and nothing stays open. What is not regular is not
 *       waited for unless that is asked for: a server never hangs on a FIFO that nobody writes to.
 */
#include "server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE 65536

static int read_fd(int fd, size_t max, struct buf *out)
{
    size_t before = out->len;

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
        if (out->len - before > max)
            return -EFBIG;
    }
}

static int check_kind(int fd, bool regular)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    return !regular || S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

int file_read(const char *path, bool regular, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular ? O_NONBLOCK : 0));
    int r;

    if (fd < 0)
        return -errno;
    r = check_kind(fd, regular);
    if (r == 0)
        r = read_fd(fd, max, out);
    close(fd);
    return r;
}
