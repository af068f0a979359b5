/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin connection: bytes and time, while admin_command.c knows the words
 *
 *      reading --a line--> answering --all written--> reading ... --quit, fault--> linger --> end
 *         |  `-- bytes without LF, and nothing more for 0.1 s: these are a line
 *         `-- silent for --statsd.admin-timeout: end
 *
 * Etsy's server takes each segment for a command, so its clients may send one without an LF, and
 * most send one with it; both work. An empty line is an error, but not one beside a command:
 * check_statsd_health sends "health\n\n".
 *
 * While an answer is made nothing is read. It is made slice by slice, one a turn of the loop for
 * all connections together, and the next one when the socket has taken it: so a table of a million
 * series costs one slice of memory, and nobody else waits for it. An answer keeps families in
 * memory as a scrape does, so it has a scrape's time, ten seconds; then its connection is reset.
 *
 * Laws: a connection's memory is freed in the close callback of its last handle only. While admin
 *       is held no command is begun.
 */
#include "server/admin_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/control.h"

#define PARTIAL_MS 100
#define ANSWER_MS  HTTP_SCRAPE_MAX_MS
#define LINGER_MS  1000

/* ---- the end ---- */

static void on_conn_closed(uv_handle_t *handle)
{
    struct admin_conn *c = handle->data;
    struct admin *a = c->admin;

    if (--c->n_handles == 0) {
        buf_release(&c->out); /* what was being written is given back by now */
        free(c);
    }
    admin_handle_closed(a);
}

static void drop_turn(struct admin_conn *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    TAILQ_REMOVE(&c->admin->waiting, c, next_turn);
    if (TAILQ_EMPTY(&c->admin->waiting))
        uv_idle_stop(&c->admin->turn);
}

void admin_conn_close(struct admin_conn *c)
{
    if (c->closed)
        return;
    c->closed = true;
    drop_turn(c);
    admin_command_end(c);
    TAILQ_REMOVE(&c->admin->conns, c, link);
    c->admin->stats.open--;
    uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
    uv_close((uv_handle_t *)&c->timer, on_conn_closed);
}

/* ---- lines ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

bool admin_conn_is_busy(const struct admin_conn *c)
{
    return c->writing || c->waiting || c->more != NULL;
}

/* The next line, moved to c->text and trimmed; with an LF, or what there is if no more comes. */
static bool cut_line(struct admin_conn *c, struct slice *line)
{
    size_t n = slice_find(slice_of(c->in, c->n_in), '\n');
    bool has_end = n < c->n_in;

    if (c->n_in == 0 || (!has_end && !c->eof && !c->waited))
        return false;
    memcpy(c->text, c->in, n);
    *line = slice_trim(slice_of(c->text, n));
    c->n_in -= n + has_end;
    memmove(c->in, c->in + n + has_end, c->n_in);
    return true;
}

/* Bytes that may be there without being a line. */
static size_t longest(const struct admin_conn *c)
{
    return (size_t)c->admin->server->o->admin_max_line;
}

static bool next_line(struct admin_conn *c, struct slice *line)
{
    while (cut_line(c, line)) {
        if (line->len > 0 || (!c->answered && c->n_in == 0)) {
            c->answered = true;
            return true;
        }
    }
    return false;
}

/* ---- answering ---- */

static void on_timer(uv_timer_t *timer);

static void on_lingered(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown; /* the peer's end is awaited, or the timer */
    (void)status;
}

static int read_on(struct admin_conn *c)
{
    int r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);

    return r == UV_EALREADY ? 0 : r;
}

/* What was written is to arrive: a close with bytes unread would reset it. */
static void linger(struct admin_conn *c)
{
    c->n_in = 0;
    uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
    if (c->eof || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_lingered) != 0 ||
        read_on(c) != 0)
        admin_conn_close(c);
}

static void ask_turn(struct admin_conn *c);

static void on_written(uv_write_t *write, int status)
{
    struct admin_conn *c = write->data;

    c->writing = false;
    buf_clear(&c->out);
    if (c->closed || status != 0) {
        admin_conn_close(c);
    } else if (c->more != NULL) {
        ask_turn(c);
    } else {
        buf_release(&c->out);
        admin_conn_advance(c);
    }
}

static void send_out(struct admin_conn *c)
{
    uv_buf_t buf = uv_buf_init(c->out.p, (unsigned)c->out.len);

    c->writing = true;
    c->write.data = c;
    if (c->out.failed || uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
        c->writing = false;
        admin_conn_close(c);
    }
}

/* One slice in a turn, whoever asks. */
static void on_turn(uv_idle_t *idle)
{
    struct admin *a = idle->data;
    struct admin_conn *c = TAILQ_FIRST(&a->waiting);

    drop_turn(c);
    if (!c->more(c))
        admin_command_end(c);
    if (c->out.len > 0 || c->out.failed)
        send_out(c);
    else if (c->more != NULL)
        ask_turn(c);
    else
        admin_conn_advance(c);
}

static void ask_turn(struct admin_conn *c)
{
    c->waiting = true;
    TAILQ_INSERT_TAIL(&c->admin->waiting, c, next_turn);
    uv_idle_start(&c->admin->turn, on_turn);
}

static void answer(struct admin_conn *c, struct slice line)
{
    uv_read_stop((uv_stream_t *)&c->tcp);
    uv_timer_start(&c->timer, on_timer, ANSWER_MS, 0);
    admin_command(c, line);
    if (c->more != NULL)
        ask_turn(c);
    else if (c->out.len > 0 || c->out.failed)
        send_out(c);
}

static void wait_for_more(struct admin_conn *c)
{
    int64_t silence_ms = c->admin->server->o->admin_timeout_ms;

    uv_timer_start(&c->timer, on_timer, c->n_in > 0 ? PARTIAL_MS : (uint64_t)silence_ms, 0);
    if (read_on(c) != 0)
        admin_conn_close(c);
}

void admin_conn_advance(struct admin_conn *c)
{
    struct slice line;

    while (!c->closed && !admin_conn_is_busy(c)) {
        if (c->ending) {
            linger(c);
            return;
        }
        if (c->admin->held)
            return;
        if (next_line(c, &line)) {
            answer(c, line);
        } else if (c->n_in == longest(c)) {
            uv_read_stop((uv_stream_t *)&c->tcp); /* there is no room; linger() begins anew */
            c->ending = true;
            c->admin->stats.errors++;
            c->admin->stats.too_long++;
            buf_add_str(&c->out, "ERROR\n");
            send_out(c);
        } else if (c->eof) {
            admin_conn_close(c);
        } else {
            wait_for_more(c);
            return;
        }
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct admin_conn *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->in + c->n_in, (unsigned)(longest(c) - c->n_in));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct admin_conn *c = stream->data;

    (void)buf;
    if (nread == 0)
        return;
    if (c->ending) { /* said too late, but for its end */
        if (nread < 0)
            admin_conn_close(c);
        return;
    }
    c->heard_ms = worker_now_ms();
    c->waited = c->answered = false;
    if (nread > 0) {
        c->n_in += (size_t)nread;
    } else if (nread == UV_EOF) {
        c->eof = true;
        uv_read_stop(stream);
    } else {
        admin_conn_close(c);
        return;
    }
    admin_conn_advance(c);
}

/* Half an answer must not look like a whole one. */
static void reset_with_close(struct admin_conn *c)
{
    struct linger none = {.l_onoff = 1};
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

static void on_timer(uv_timer_t *timer)
{
    struct admin_conn *c = timer->data;

    if (!admin_conn_is_busy(c) && !c->ending && c->n_in > 0) {
        c->waited = true;
        admin_conn_advance(c);
        return;
    }
    if (admin_conn_is_busy(c)) {
        c->admin->stats.cut++;
        reset_with_close(c);
    } else if (!c->ending) {
        c->admin->stats.timeouts++;
    }
    admin_conn_close(c);
}

/* ---- the beginning ---- */

int admin_conn_open(struct admin *a, int fd)
{
    struct admin_conn *c = calloc(1, sizeof *c);
    int r = c != NULL ? uv_tcp_init(&a->server->loop, &c->tcp) : -ENOMEM;

    if (r != 0) {
        free(c);
        close(fd);
        return r;
    }
    uv_timer_init(&a->server->loop, &c->timer);
    c->tcp.data = c->timer.data = c->shutdown.data = c;
    c->admin = a;
    c->n_handles = 2;
    c->heard_ms = worker_now_ms();
    a->n_handles += 2;
    a->stats.open++;
    TAILQ_INSERT_TAIL(&a->conns, c, link);
    r = uv_tcp_open(&c->tcp, fd);
    if (r != 0) {
        close(fd);
        admin_conn_close(c);
        return r;
    }
    admin_conn_advance(c);
    return 0;
}
