/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unixgram: see unixgram.h
 *
 * As UDP in ingest.c, but libuv does not receive here: its loop says that something is there, and
 * recvmmsg() takes up to WORKER_N_CHUNKS datagrams into the worker's chunks. A socket that is never
 * empty is left after two such calls, as libuv leaves one of UDP, so that the others get their
 * turn; then the worker does not pause.
 *
 * The kernel drops nothing: who sends to a full socket waits, or is told. Full is a number of
 * datagrams (net.unix.max_dgram_qlen), not of bytes, and it is small, sometimes ten. So it is this
 * number that limits the worker's pause; the receive buffer is asked for all the same, because an
 * operator who names one wants to know when it is refused.
 *
 * Laws: an empty datagram is one empty line. A receive error is counted and reception goes on.
 */
#include "server/unixgram.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ingest.h"

#define MAX_CALLS        2 /* of recvmmsg() in a turn */
#define QUEUE_LEN_FILE   "/proc/sys/net/unix/max_dgram_qlen"
#define MIN_QUEUE_LEN    10 /* the kernel's own, where it does not tell */
#define MAX_QUEUE_LEN    (1 << 16)

/* What worker_limit_pause() reckons for a datagram. */
#define BYTES_A_DATAGRAM (2 << 10)

_Static_assert(offsetof(struct unixgram, poll) % WORKER_CACHE_LINE == 0,
               "what control reads shares no line with what the thread uses");

/* ---- the worker's thread ---- */

static void set_backlog(struct unixgram *u, bool backlog)
{
    if (u->backlog == backlog)
        return;
    u->backlog = backlog;
    if (backlog)
        u->worker->n_backlog++;
    else
        u->worker->n_backlog--;
}

static void feed(struct unixgram *u, const struct mmsghdr *messages, unsigned n)
{
    struct bacowr_datagram batch[WORKER_N_CHUNKS];

    for (unsigned i = 0; i < n; i++) {
        batch[i] = (struct bacowr_datagram){
            .p = messages[i].msg_hdr.msg_iov->iov_base,
            .len = messages[i].msg_len,
            .truncated = messages[i].msg_hdr.msg_flags & MSG_TRUNC,
        };
        relaxed_add(&u->counters.bytes, batch[i].len);
        if (batch[i].truncated)
            relaxed_add(&u->counters.truncated, 1);
    }
    relaxed_add(&u->counters.datagrams, n);
    worker_feed(u->worker, batch, n);
}

/* One call. How many datagrams came; an error is counted, and none. */
static unsigned receive(struct unixgram *u)
{
    struct mmsghdr messages[WORKER_N_CHUNKS] = {0};
    struct iovec chunks[WORKER_N_CHUNKS];
    int n;

    for (size_t i = 0; i < WORKER_N_CHUNKS; i++) {
        chunks[i].iov_base = u->worker->chunks + i * WORKER_CHUNK_SIZE;
        chunks[i].iov_len = WORKER_CHUNK_SIZE;
        messages[i].msg_hdr.msg_iov = &chunks[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    n = recvmmsg(u->fd, messages, WORKER_N_CHUNKS, MSG_DONTWAIT, NULL);
    if (n > 0)
        feed(u, messages, (unsigned)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        relaxed_add(&u->counters.errors, 1);
    return n > 0 ? (unsigned)n : 0;
}

/* What libuv reports as an error is an error of the socket, which the next receive call tells. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct unixgram *u = poll->data;
    unsigned n = WORKER_N_CHUNKS;

    (void)events;
    for (int i = 0; i < MAX_CALLS && n == WORKER_N_CHUNKS; i++)
        n = receive(u);
    u->worker->received = true; /* also for an error: one that stays must not spin */
    set_backlog(u, n == WORKER_N_CHUNKS);
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
}

/* ---- opening ---- */

static int set_buffer(int fd, uint64_t asked, struct err *e)
{
    int size = asked != 0 ? (int)asked : INGEST_DEFAULT_BUFFER;

    if (asked <= INT_MAX && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0)
        return 0;
    if (asked == 0)
        return 0;
    err_set(e, NULL, 0, 0, "the system refuses a receive buffer of %llu bytes on unixgram",
            (unsigned long long)asked);
    return -EINVAL;
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

/* A poll handle that polls; nothing is left of one that cannot. */
static int start(struct unixgram *u)
{
    int r = uv_poll_init(&u->worker->loop, &u->poll, u->fd);

    if (r != 0) {
        close(u->fd);
        free(u);
        return r;
    }
    u->poll.data = u;
    r = uv_poll_start(&u->poll, UV_READABLE, on_readable);
    if (r != 0)
        unixgram_close(u);
    return r;
}

int unixgram_open(struct unixgram **out, struct worker *w, int fd, uint64_t read_buffer,
                  struct err *e)
{
    struct unixgram *u = NULL;
    int r = set_buffer(fd, read_buffer, e);

    if (r == 0) {
        u = aligned_alloc(WORKER_CACHE_LINE, sizeof *u);
        if (u == NULL)
            r = -ENOMEM;
    }
    if (r != 0) {
        close(fd);
        if (r == -ENOMEM)
            err_set(e, NULL, 0, 0, "cannot listen on unixgram: %s", uv_strerror(r));
        return r;
    }
    memset(u, 0, sizeof *u);
    u->fd = fd;
    u->worker = w;
    r = start(u);
    if (r != 0) {
        err_set(e, NULL, 0, 0, "cannot listen on unixgram: %s", uv_strerror(r));
        return r;
    }
    worker_limit_pause(w, queue_len() * BYTES_A_DATAGRAM);
    *out = u;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct unixgram *u = handle->data;

    close(u->fd);
    free(u);
}

void unixgram_close(struct unixgram *u)
{
    if (u != NULL)
        uv_close((uv_handle_t *)&u->poll, on_closed);
}
