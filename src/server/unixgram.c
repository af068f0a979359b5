/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unixgram: see unixgram.h
 *
 * The kernel drops nothing: who sends to a full socket waits, or is told. Full is a number of
 * datagrams (net.unix.max_dgram_qlen), not of bytes, and it is small, sometimes ten. So it is this
 * number that limits the worker's pause; the receive buffer is asked for all the same, because an
 * operator who names one wants to know when it is refused.
 */
#include "server/unixgram.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_LEN_FILE   "/proc/sys/net/unix/max_dgram_qlen"
#define MIN_QUEUE_LEN    10 /* the kernel's own, where it does not tell */
#define MAX_QUEUE_LEN    (1 << 16)

/* What worker_limit_pause() reckons for a datagram. */
#define BYTES_A_DATAGRAM (2 << 10)

static int set_buffer(int fd, uint64_t asked, struct err *e)
{
    int size = asked != 0 ? (int)asked : INT_MAX; /* as much as the system allows */

    if (asked <= INT_MAX && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0)
        return 0;
    if (asked == 0)
        return 0;
    err_set(e, NULL, 0, 0, "the system refuses a receive buffer of %llu bytes on unixgram",
            (unsigned long long)asked);
    return -EINVAL;
}

static int refused(struct err *e, int r)
{
    err_set(e, NULL, 0, 0, "cannot listen on unixgram: %s", uv_strerror(r));
    return r;
}

/* How many datagrams wait in a socket before it is full. */
static int queue_len(void)
{
    FILE *file = fopen(QUEUE_LEN_FILE, "re");
    int n = MIN_QUEUE_LEN;

    if (file == NULL)
        return n;
    if (fscanf(file, "%d", &n) != 1 || n < 0)
        n = MIN_QUEUE_LEN;
    fclose(file);
    return n < MAX_QUEUE_LEN ? n : MAX_QUEUE_LEN;
}

int unixgram_open(struct inlet **out, struct worker *w, int fd, uint64_t read_buffer, struct err *e)
{
    struct inlet *in;
    int r = set_buffer(fd, read_buffer, e);

    if (r != 0) {
        close(fd);
        return r;
    }
    in = aligned_alloc(WORKER_CACHE_LINE, sizeof *in);
    if (in == NULL) {
        close(fd);
        return refused(e, -ENOMEM);
    }
    memset(in, 0, sizeof *in);
    r = inlet_begin(in, w, fd);
    if (r != 0)
        return refused(e, r);
    worker_limit_pause(w, queue_len() * BYTES_A_DATAGRAM);
    *out = in;
    return 0;
}
