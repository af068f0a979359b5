/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: see conn.h
 *
 * A connection is a handle, a stream and its place in the worker's list: some 300 bytes, and 4 KiB
 * more while a line is unfinished. What is read goes into the worker's buffer, which is free again
 * when the read callback returns, so ten thousand idle connections cost no read buffers.
 *
 *      open --lines--> open --EOF------------------> last line fed, closed
 *                           --error----------------> counted, closed; no last line
 *                           --4096 bytes, no LF----> counted, closed
 *                           --worker stops---------> last line fed, closed
 *
 * We never write. Keep-alive probes find the peers that vanished without a word; a peer that lives
 * and is silent may stay.
 */
#include "server/conn.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "server/stream.h"
#include "server/worker.h"

#define KEEPALIVE_S 60

struct conn {
    uv_tcp_t tcp;
    struct stream stream;
    struct worker *worker; /* owner; outlives its connections */
    struct conn *next;     /* of worker->conns */
    struct conn **link;    /* what points at this one there */
};

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    relaxed_add(&c->worker->counters.tcp_closed, 1);
    free(c);
}

static void conn_close(struct conn *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    stream_release(&c->stream);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
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
    worker_feed(c->worker, batch, n);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    *buf = uv_buf_init(c->worker->chunks, WORKER_CHUNK_SIZE);
}

static void take(struct conn *c, struct slice in)
{
    struct worker_counters *counters = &c->worker->counters;
    int r;

    c->worker->streamed = true;
    relaxed_add(&counters->tcp_bytes, in.len);
    r = stream_take(&c->stream, in, on_lines, c);
    if (r == 0)
        return;
    relaxed_add(r == STREAM_E_TOO_LONG ? &counters->tcp_too_long : &counters->tcp_errors, 1);
    conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (nread == 0)
        return; /* libuv's word for "try again later" */
    if (nread > 0) {
        take(c, slice_of(buf->base, (size_t)nread));
        return;
    }
    if (nread == UV_EOF)
        stream_end(&c->stream, on_lines, c);
    else
        relaxed_add(&c->worker->counters.tcp_errors, 1);
    conn_close(c);
}

static void conn_link(struct conn *c)
{
    struct worker *w = c->worker;

    c->next = w->conns;
    c->link = &w->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    w->conns = c;
}

/* Begin to read from @fd, which is taken. 0 or a negative errno. */
static int conn_start(struct conn *c, int fd)
{
    int r = uv_tcp_open(&c->tcp, fd);

    if (r != 0) {
        close(fd);
        return r;
    }
    uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
    return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* A connection that never became one. */
static void refuse(struct worker *w, int fd)
{
    close(fd);
    relaxed_add(&w->counters.tcp_errors, 1);
    relaxed_add(&w->counters.tcp_closed, 1);
}

void conn_open(struct worker *w, int fd)
{
    struct conn *c = calloc(1, sizeof *c);

    if (c == NULL || uv_tcp_init(&w->loop, &c->tcp) != 0) {
        free(c);
        refuse(w, fd);
        return;
    }
    c->tcp.data = c;
    c->worker = w;
    conn_link(c);
    if (conn_start(c, fd) != 0) {
        relaxed_add(&w->counters.tcp_errors, 1);
        conn_close(c);
    }
}

void conn_end_all(struct worker *w)
{
    while (w->conns != NULL) {
        struct conn *c = w->conns;

        stream_end(&c->stream, on_lines, c);
        conn_close(c);
    }
}
