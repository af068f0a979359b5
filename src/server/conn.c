/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: see conn.h
 *
 * A connection is a handle, a stream and its place in the worker's list: some 300 bytes, and 4 KiB
 * more while a line is unfinished. What is read goes into the worker's buffer, which is free again
 * when the read callback returns, so ten thousand idle connections cost no read buffers.
 *
 *      open --lines--> open --EOF------------------> last line fed, closed
 *       |  ^                --error----------------> counted, closed; no last line
 *       |  |                --4096 bytes, no LF----> counted, closed
 *       |  |                --worker stops---------> last line fed, closed
 *       |  |                --its place is needed--> last line fed, counted, closed
 *       |  `-- its turn
 *       `--16 KiB read--> full
 *
 * One of the Unix stream socket is the same with frames in the place of lines: each is fed as the
 * datagram that it would be, the longest is 64 KiB, and what is there of a last one at the end is
 * counted and not fed. To libuv all are TCP: it reads from both alike.
 *
 * Turns. libuv would read two megabytes of a connection before it looks at the next socket, and the
 * datagrams that come meanwhile are lost, while a stream just waits. So a connection that filled
 * the buffer once has had its share, and is not read until its next turn; in a turn of the loop
 * only a few of them have theirs, in the order in which they filled up.
 *
 * Rates. A sender with lines above its limit is not read until they are paid for: what it sends
 * waits in its own kernel, and nothing is lost. At the end of the worker this does not hold.
 *
 * We never write. Keep-alive probes find the peers that vanished without a word; a peer that lives
 * and is silent may stay, unless there are too many: then a new one takes the place of the one that
 * was silent the longest. For this the list is kept in the order of last words.
 *
 * Law: counters.tcp_silent_since tells of the first one of the list.
 */
#include "server/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "server/frame.h"
#include "server/gate.h"
#include "server/stream.h"
#include "server/worker.h"

#define KEEPALIVE_S 60
#define TURN_BYTES  (16 * 1024) /* of a connection */
#define TURN_CONNS  16          /* full ones that are read again; a millisecond of work at most */

_Static_assert(TURN_BYTES <= WORKER_N_CHUNKS * WORKER_CHUNK_SIZE, "it is read into the chunks");

struct conn {
    uv_tcp_t tcp;
    bool framed; /* frames, else lines */
    union {
        struct stream lines;
        struct frame frames;
    };
    struct worker *worker;        /* owner; outlives its connections */
    TAILQ_ENTRY(conn) by_silence; /* of worker->conns */
    TAILQ_ENTRY(conn) next_turn;  /* of worker->full, if it is full */
    bool full;                    /* had its share of this turn */
    struct ip source;             /* lines are its */
    TAILQ_ENTRY(conn) next_paid;  /* of worker->owing, if it owes */
    bool owes;                    /* sent more lines than it may: not read until paid_ms */
    int64_t paid_ms;
    uint64_t heard_ms; /* when it last said something, or came */
};

/* ---- the lists ---- */

void conn_init_all(struct worker *w)
{
    TAILQ_INIT(&w->conns);
    TAILQ_INIT(&w->full);
    TAILQ_INIT(&w->owing);
    relaxed_store(&w->counters.tcp_silent_since, UINT64_MAX);
}

static void tell_silence(struct worker *w)
{
    const struct conn *first = TAILQ_FIRST(&w->conns);

    relaxed_store(&w->counters.tcp_silent_since, first != NULL ? first->heard_ms : UINT64_MAX);
}

static void conn_link(struct conn *c)
{
    c->heard_ms = uv_now(&c->worker->loop);
    TAILQ_INSERT_TAIL(&c->worker->conns, c, by_silence);
    tell_silence(c->worker);
}

static void conn_heard(struct conn *c)
{
    c->worker->streamed = true;
    TAILQ_REMOVE(&c->worker->conns, c, by_silence);
    conn_link(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    relaxed_add(&c->worker->counters.tcp_closed, 1);
    free(c);
}

static void conn_close(struct conn *c)
{
    struct worker *w = c->worker;

    TAILQ_REMOVE(&w->conns, c, by_silence);
    if (c->full)
        TAILQ_REMOVE(&w->full, c, next_turn);
    if (c->owes)
        TAILQ_REMOVE(&w->owing, c, next_paid);
    tell_silence(w);
    if (c->framed)
        frame_release(&c->frames);
    else
        stream_release(&c->lines);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- reading ---- */

/* For struct bacowr_senders. */
static bool peer_of(const void *ctx, unsigned i, struct ip *out)
{
    const struct conn *c = ctx;

    *out = c->source;
    return c->source.high != 0 || c->source.low != 0;
}

/* Whole lines to the engine. */
static void on_lines(void *ctx, struct slice head, struct slice body)
{
    struct conn *c = ctx;
    struct bacowr_datagram batch[2];
    unsigned n = 0;

    if (head.len > 0)
        batch[n++] = (struct bacowr_datagram){.p = head.p, .len = head.len, .stream = true};
    if (body.len > 0)
        batch[n++] = (struct bacowr_datagram){.p = body.p, .len = body.len, .stream = true};
    if (c->worker->gate == NULL)
        worker_feed(c->worker, batch, n, &(struct bacowr_senders){peer_of, c});
    else
        c->paid_ms = worker_now_ms() + gate_take_stream(c->worker->gate, c->source, batch, n);
}

/* Payloads to the engine, each as a datagram. */
static void on_frames(void *ctx, const struct slice *payloads, unsigned n)
{
    struct conn *c = ctx;
    struct bacowr_datagram batch[FRAME_BATCH];

    for (unsigned i = 0; i < n; i++)
        batch[i] = (struct bacowr_datagram){.p = payloads[i].p, .len = payloads[i].len};
    worker_feed(c->worker, batch, n, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    *buf = uv_buf_init(c->worker->chunks, TURN_BYTES);
}

static void wait_turn(struct conn *c)
{
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->full = true;
    TAILQ_INSERT_TAIL(&c->worker->full, c, next_turn);
}

static bool wait_payment(struct conn *c)
{
    if (c->worker->draining || c->paid_ms <= worker_now_ms())
        return false;
    uv_read_stop((uv_stream_t *)&c->tcp);
    c->owes = true;
    TAILQ_INSERT_TAIL(&c->worker->owing, c, next_paid);
    return true;
}

/* Where @r is counted: what the peer sent wrong is positive. */
static relaxed_u64 *fault_counter(const struct conn *c, int r)
{
    struct worker_counters *counters = &c->worker->counters;

    if (c->framed)
        return r > 0 ? &counters->unix_frame_errors : &counters->unix_errors;
    return r > 0 ? &counters->tcp_too_long : &counters->tcp_errors;
}

static void conn_fail(struct conn *c, int r)
{
    relaxed_add(fault_counter(c, r), 1);
    conn_close(c);
}

static void take(struct conn *c, struct slice in)
{
    struct worker_counters *counters = &c->worker->counters;
    int r;

    conn_heard(c);
    relaxed_add(c->framed ? &counters->unix_bytes : &counters->tcp_bytes, in.len);
    r = c->framed ? frame_take(&c->frames, in, on_frames, c)
                  : stream_take(&c->lines, in, on_lines, c);
    if (r != 0) {
        conn_fail(c, r);
    } else if (!wait_payment(c) && in.len == TURN_BYTES) {
        wait_turn(c);
    }
}

/* As the peer would: a last line without LF is one nevertheless; half a frame is none. */
static void conn_end(struct conn *c)
{
    if (!c->framed)
        stream_end(&c->lines, on_lines, c);
    else if (frame_end(&c->frames) != 0)
        relaxed_add(&c->worker->counters.unix_frame_errors, 1);
    conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (nread == 0)
        return; /* libuv's word for "try again later" */
    if (nread > 0) {
        take(c, slice_of(buf->base, (size_t)nread));
    } else if (nread == UV_EOF) {
        conn_end(c);
    } else {
        conn_fail(c, (int)nread);
    }
}

static void on_spin(uv_idle_t *idle)
{
    (void)idle; /* that it is there keeps the loop from waiting */
}

void conn_next_turn(struct worker *w)
{
    struct conn *c;
    int r;

    for (unsigned i = 0; i < TURN_CONNS && (c = TAILQ_FIRST(&w->full)) != NULL; i++) {
        TAILQ_REMOVE(&w->full, c, next_turn);
        c->full = false;
        w->streamed = true; /* who had much to say has perhaps more */
        r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
        if (r != 0)
            conn_fail(c, r);
    }
    if (TAILQ_EMPTY(&w->full))
        uv_idle_stop(&w->spin);
    else
        uv_idle_start(&w->spin, on_spin);
}

void conn_next_payment(struct worker *w)
{
    int64_t now_ms = worker_now_ms();
    struct conn *next;
    int r;

    for (struct conn *c = TAILQ_FIRST(&w->owing); c != NULL; c = next) {
        next = TAILQ_NEXT(c, next_paid);
        if (c->paid_ms > now_ms && !w->draining)
            continue;
        TAILQ_REMOVE(&w->owing, c, next_paid);
        c->owes = false;
        r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
        if (r != 0)
            conn_fail(c, r);
    }
}

/* ---- beginning and end ---- */

/* Begin to read from @fd, which is taken. 0 or a negative errno. */
static int conn_start(struct conn *c, int fd)
{
    int r = uv_tcp_open(&c->tcp, fd);

    if (r != 0) {
        close(fd);
        return r;
    }
    if (!c->framed)
        uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
    return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* A connection that never became one. */
static void refuse(struct worker *w, int fd, relaxed_u64 *reason)
{
    close(fd);
    relaxed_add(reason, 1);
    relaxed_add(&w->counters.tcp_closed, 1);
}

/* End the connection that has been silent the longest. False: it was heard of lately. */
static bool make_room(struct worker *w, const struct worker_arrival *arrival)
{
    struct conn *c = TAILQ_FIRST(&w->conns);

    if (c == NULL || uv_now(&w->loop) - c->heard_ms < (uint64_t)arrival->evict_ms)
        return false;
    relaxed_add(arrival->framed ? &w->counters.unix_evicted : &w->counters.tcp_evicted, 1);
    conn_end(c);
    return true;
}

void conn_open(struct worker *w, struct worker_arrival arrival)
{
    struct conn *c;
    int r;

    if (arrival.evict_ms > 0 && !make_room(w, &arrival)) {
        refuse(w, arrival.fd, &w->counters.tcp_refused);
        return;
    }
    c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(&w->loop, &c->tcp) != 0) {
        free(c);
        refuse(w, arrival.fd, arrival.framed ? &w->counters.unix_errors : &w->counters.tcp_errors);
        return;
    }
    c->tcp.data = c;
    c->worker = w;
    c->framed = arrival.framed;
    c->source = arrival.source;
    if (!c->framed)
        c->lines.max = w->max_line;
    conn_link(c);
    r = conn_start(c, arrival.fd);
    if (r != 0)
        conn_fail(c, r);
}

void conn_each(struct worker *w, conn_fn fn, void *ctx)
{
    struct conn *c;

    TAILQ_FOREACH(c, &w->conns, by_silence)
    {
        struct slice first = c->framed ? slice_of((char *)c->frames.header, c->frames.n_header)
                                       : slice_of(c->lines.partial, c->lines.len);
        struct slice second =
            c->framed ? slice_of(c->frames.payload, c->frames.len) : (struct slice){0};
        uv_os_fd_t fd;

        if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
            fn(ctx, fd, c->framed, first, second);
    }
}

/* What is unfinished ends nothing, so nothing is emitted: its bytes are taken once more. */
static int take_again(struct conn *c, struct slice bytes)
{
    return c->framed ? frame_take(&c->frames, bytes, on_frames, c)
                     : stream_take(&c->lines, bytes, on_lines, c);
}

int conn_adopt(struct worker *w, struct worker_arrival arrival, struct slice bytes)
{
    struct conn *c = calloc(1, sizeof *c);
    int r = c == NULL ? -ENOMEM : uv_tcp_init(&w->loop, &c->tcp);

    if (r != 0) {
        free(c);
        close(arrival.fd);
        return r;
    }
    c->tcp.data = c;
    c->worker = w;
    c->framed = arrival.framed;
    c->source = arrival.source;
    conn_link(c);
    r = take_again(c, bytes);
    if (r == 0)
        return conn_start(c, arrival.fd); /* one that fails is closed with the others */
    close(arrival.fd);
    return r < 0 ? r : -EINVAL;
}

void conn_forget_all(struct worker *w)
{
    while (!TAILQ_EMPTY(&w->conns))
        conn_close(TAILQ_FIRST(&w->conns));
}

void conn_end_all(struct worker *w)
{
    while (!TAILQ_EMPTY(&w->conns))
        conn_end(TAILQ_FIRST(&w->conns));
}
