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
 * matter there is a gate, and they have names; so they have for a while after something was refused
 * (names.c). A socket whose datagrams the kernel joins has
 * messages of its own, with control data; other sockets never have any, since it is there that a
 * sender on a Unix socket could leave us descriptors.
 *
 * Laws: only what was received is walked, never the room for it. Whoever comes behind this file
 *       sees single datagrams. An empty datagram is one empty line. A receive error is counted and
 *       reception goes on.
 */
#include "server/inlet.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/gate.h"
#include "server/joined.h"

_Static_assert(offsetof(struct inlet, poll) % WORKER_CACHE_LINE == 0 &&
                   sizeof(struct inlet) % WORKER_CACHE_LINE == 0,
               "what control reads shares no line with what the thread uses");

/* ---- the worker's thread ---- */

/* For struct bacowr_senders. */
struct named_batch {
    const struct names *names;
    const struct joined_batch *batch;
};

static bool sender_of(const void *ctx, unsigned i, struct ip *out)
{
    const struct named_batch *b = ctx;

    return names_ip(b->names, b->batch->messages[i], out);
}

static void feed(struct inlet *in, struct joined_batch *batch)
{
    struct names *names = &in->worker->names;
    const struct named_batch named = {names, batch};
    const struct bacowr_senders senders = {sender_of, &named};

    if (in->worker->gate != NULL && in->named) {
        gate_take(in->worker->gate, in, batch);
        return;
    }
    relaxed_add(&in->counters.datagrams, batch->n);
    relaxed_add(&in->counters.bytes, batch->bytes);
    relaxed_add(&in->counters.truncated, batch->n_truncated);
    worker_feed(in->worker, batch->datagrams, batch->n, in->named && names->on ? &senders : NULL);
}

static void take(struct inlet *in, struct mmsghdr *messages, unsigned n)
{
    struct joined_walk walk = {.messages = messages, .n = n};
    struct joined_batch batch;

    relaxed_add(&in->counters.groups, n);
    if (in->joined) {
        while (joined_next(&walk, &batch))
            feed(in, &batch);
    } else {
        joined_singles(messages, n, &batch);
        feed(in, &batch);
    }
}

/* Make @n messages ready for the next call: the kernel wrote into them how much it wrote. */
static void arm(struct inlet *in, struct mmsghdr *messages, unsigned n)
{
    if (in->worker->names.on)
        names_arm(&in->worker->names, messages, n);
    if (in->joined)
        joined_arm(in->worker->joined, n);
}

/* What libuv reports as an error is an error of the socket, which the receive call tells. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct inlet *in = poll->data;
    struct worker *w = in->worker;
    struct mmsghdr *messages = in->joined ? w->joined->messages : w->messages;
    int most = in->joined ? JOINED_N_MESSAGES : WORKER_N_CHUNKS;
    int n = recvmmsg(in->fd, messages, (unsigned)most, MSG_DONTWAIT, NULL);

    (void)events;
    if (n > 0) {
        take(in, messages, (unsigned)n);
        arm(in, messages, (unsigned)n);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        relaxed_add(&in->counters.errors, 1);
        w->failed = true;
    }
    w->received = true;
    if (n == most)
        w->backlog = true;
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
}

/* ---- control's side ---- */

int inlet_join(struct inlet *in)
{
    struct worker *w = in->worker;

    if (w->joined == NULL && joined_new(&w->joined, w->rooms) != 0)
        return -ENOMEM;
    names_arm(&w->names, w->joined->messages, JOINED_N_MESSAGES);
    in->joined = true;
    return 0;
}

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
