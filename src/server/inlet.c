/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inlet: see inlet.h
 *
 * The loop says that something is there, and one recvmmsg() takes up to WORKER_N_CHUNKS datagrams
 * into the worker's chunks, which go to the engine as a batch. libuv's own UDP handle takes 20 a
 * call, and asks once more to learn that the socket is empty; here a call that was not filled tells
 * it. One that was filled may have left something behind: then the other sockets get their turn,
 * the loop finds the rest in its next one, and the worker does not pause before it.
 *
 * The message headers are the worker's and always the same: without names and control messages the
 * kernel writes nothing into them but lengths and flags, anew for each datagram. Where senders
 * matter there is a gate, and they have names.
 *
 * Laws: only what was received is walked, never the room for it. An empty datagram is one empty
 *       line. A receive error is counted and reception goes on.
 */
#include "server/inlet.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/gate.h"

_Static_assert(offsetof(struct inlet, poll) % WORKER_CACHE_LINE == 0 &&
                   sizeof(struct inlet) % WORKER_CACHE_LINE == 0,
               "what control reads shares no line with what the thread uses");

/* ---- the worker's thread ---- */

static void feed(struct inlet *in, const struct mmsghdr *messages, unsigned n)
{
    struct bacowr_datagram batch[WORKER_N_CHUNKS];
    uint64_t bytes = 0, truncated = 0;

    for (unsigned i = 0; i < n; i++) {
        batch[i] = inlet_datagram(&messages[i]);
        bytes += batch[i].len;
        truncated += batch[i].truncated;
    }
    relaxed_add(&in->counters.datagrams, n);
    relaxed_add(&in->counters.bytes, bytes);
    relaxed_add(&in->counters.truncated, truncated);
    worker_feed(in->worker, batch, n);
}

static void take(struct inlet *in, struct mmsghdr *messages, unsigned n)
{
    struct gate *gate = in->worker->gate;

    if (gate != NULL && in->named)
        gate_take(gate, in, messages, n);
    else
        feed(in, messages, n);
    if (gate != NULL)
        gate_arm(gate, messages, n);
}

/* What libuv reports as an error is an error of the socket, which the receive call tells. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct inlet *in = poll->data;
    struct worker *w = in->worker;
    int n = recvmmsg(in->fd, w->messages, WORKER_N_CHUNKS, MSG_DONTWAIT, NULL);

    (void)events;
    if (n > 0) {
        take(in, w->messages, (unsigned)n);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        relaxed_add(&in->counters.errors, 1);
        w->failed = true;
    }
    w->received = true;
    if (n == WORKER_N_CHUNKS)
        w->backlog = true;
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
}

/* ---- control's side ---- */

int inlet_begin(struct inlet *in, struct worker *w, int fd)
{
    int r = uv_poll_init(&w->loop, &in->poll, fd);

    if (r != 0) {
        close(fd);
        free(in);
        return r;
    }
    in->poll.data = in;
    in->worker = w;
    in->fd = fd;
    r = uv_poll_start(&in->poll, UV_READABLE, on_readable);
    if (r != 0)
        inlet_close(in);
    return r;
}

static void on_closed(uv_handle_t *handle)
{
    struct inlet *in = handle->data;

    close(in->fd);
    free(in);
}

void inlet_close(struct inlet *in)
{
    if (in != NULL)
        uv_close((uv_handle_t *)&in->poll, on_closed);
}
