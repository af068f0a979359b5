/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP connection: bytes to requests, answers to bytes, and time
 *
 *      READING --request--> ANSWERING --written, keep-alive--> READING
 *                               `------written, close--------> LINGERING --EOF or 1 s--> ENDED
 *      any of them: an error, a deadline, http_close() -----------------------------> ENDED
 *
 * One request is answered at a time. Nothing is read while an answer is written, so a client that
 * pipelines has at most one read's bytes waiting here and the rest in its own socket; and each
 * answer ends in a write callback, so that a full pipe is served one request a turn of the loop.
 *
 * Linger: closing a socket that holds unread bytes makes the kernel send RST, and RST may overtake
 * the answer. So our side is shut down first and the client's bytes are thrown away for a while.
 *
 * Time: a request must be whole timeout_ms after its first byte (a new connection's first byte
 * must come within that time too); a connection that is kept alive may be silent for two minutes;
 * an answer must make progress (a write done, or bytes acknowledged, which is looked at now and
 * then) within timeout_ms, and a page must be out by its cut_ms. While an answer waits for us no
 * time runs. Deadlines are computed from state when the sweep comes along, so nothing has to be
 * cancelled.
 *
 * Under TLS (http_tls.c) what is read here is text that was decrypted, and what is written is
 * encrypted on its way out; all else is the same.
 *
 * Laws: c->state is ENDED from http_conn_end() to the close callback; whoever calls something that
 *       can end the connection does nothing with it afterwards but look at the state.
 *       The process ignores SIGPIPE: libuv writes with plain write(2).
 */
#include "server/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/password.h"

#define IDLE_MS    (120 * 1000)
#define LOOK_MS    250 /* from one look at the progress of an answer to the next */
#define LINGER_MS  1000
#define SHAKE_MS   10000 /* for the handshake of TLS */
#define LINGER_MAX (256 * 1024)

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    struct http_conn *c = handle->data;
    struct http *h = c->http;

    buf_release(&c->rest);
    buf_release(&c->head);
    buf_release(&c->cipher);
    tls_conn_free(c->tls);
    buf_release(&c->body);
    password_forget(&c->request, sizeof c->request);
    free(c);
    http_handle_closed(h);
}

void http_conn_read_off(struct http_conn *c)
{
    uv_read_stop((uv_stream_t *)&c->tcp);
}

void http_conn_read_on(struct http_conn *c)
{
    if (c->http->held && c->state == HTTP_CONN_READING)
        return; /* http_conn_resume() will */
    if (!c->saying && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
        http_conn_end(c, false);
}

static void enter(struct http_conn *c, enum http_conn_state state)
{
    c->state = state;
    c->since_ms = http_now(c->http);
    http_watch(c->http, http_conn_check(c));
}

/*
 * Slices are whole, there is nothing for Nagle to wait for. And the kernel shall take two slices
 * that it cannot send yet, not the megabytes it would take: so a client that does not read costs
 * little there too, and the page is made as it is read. Both are wishes: refused, we go on.
 */
static void tune(int fd)
{
    int on = 1;
    int unsent_max = 128 * 1024;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
}

/* Ready for a first byte. What a former body took is given back. */
static void expect_request(struct http_conn *c)
{
    request_init(&c->request);
    c->request.max = c->http->config.request_max;
    buf_release(&c->body);
    c->request.body = &c->body;
    c->request.keeps_body = http_api_keeps_body;
}

int http_conn_open(struct http *h, int fd, bool unix_socket)
{
    struct http_conn *c = calloc(1, sizeof *c);
    int r = c ? uv_tcp_init(h->loop, &c->tcp) : -ENOMEM;

    if (r < 0) {
        free(c);
        close(fd);
        return r;
    }
    c->http = h;
    c->tcp.data = c;
    c->write.data = c;
    c->shutdown.data = c;
    c->cut_ms = INT64_MAX;
    c->fresh = true;
    expect_request(c);
    c->next = h->conns;
    c->link = &h->conns;
    if (c->next)
        c->next->link = &c->next;
    h->conns = c;
    h->n_handles++;
    h->stats.connections_open++;

    tune(fd);
    c->local = unix_socket || http_guard_is_local(fd);
    c->from = http_guard_peer(fd);
    c->unix_socket = unix_socket;
    c->generation = h->generation;
    r = uv_tcp_open(&c->tcp, fd);
    if (r < 0)
        close(fd);
    else if (h->door && h->door->tls && !unix_socket)
        r = http_tls_begin(c, h->door->tls);
    if (r < 0) {
        http_conn_end(c, false);
        return r;
    }
    enter(c, HTTP_CONN_READING);
    http_conn_read_on(c);
    return 0;
}

void http_conn_end(struct http_conn *c, bool reset)
{
    struct http *h = c->http;

    if (c->state == HTTP_CONN_ENDED)
        return;
    c->state = HTTP_CONN_ENDED;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    h->stats.connections_open--;
    http_turn_drop(c);
    http_knock_drop(c);
    http_page_end(c);
    http_api_end(c);
    http_tap_end(c);
    if (!reset || uv_tcp_close_reset(&c->tcp, on_closed) < 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
    if (c->quits && !h->closing)
        h->config.quit(h->config.ctx);
}

/* ---- time ---- */

static int64_t due_ms(const struct http_conn *c)
{
    int64_t timeout_ms = c->http->config.timeout_ms;

    switch (c->state) {
    case HTTP_CONN_READING:
        if (c->tls && !tls_conn_is_open(c->tls) && timeout_ms > SHAKE_MS)
            return c->since_ms + SHAKE_MS;
        if (c->http->retired && !request_started(&c->request))
            return c->since_ms + LINGER_MS;
        if (!c->fresh && !request_started(&c->request))
            return c->since_ms + IDLE_MS;
        return c->since_ms + timeout_ms;
    case HTTP_CONN_ANSWERING:
        return c->since_ms + timeout_ms < c->cut_ms ? c->since_ms + timeout_ms : c->cut_ms;
    case HTTP_CONN_LINGERING:
        return c->since_ms + LINGER_MS;
    case HTTP_CONN_ENDED:
        break;
    }
    return INT64_MAX;
}

/* Bytes that the client has not acknowledged: ours and the kernel's. */
static size_t unread_by_client(const struct http_conn *c)
{
    size_t n = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    int in_kernel;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 && ioctl(fd, SIOCOUTQ, &in_kernel) == 0)
        n += (size_t)in_kernel;
    return n;
}

static void note_progress(struct http_conn *c)
{
    size_t n_unread = unread_by_client(c);

    /* Who waits for a reload, for his turn or for bcrypt is not slow: we are. */
    if (n_unread < c->n_unread || c->reload != 0 || c->work != NULL || c->knocks)
        c->since_ms = http_now(c->http);
    c->n_unread = n_unread;
}

/* Out of time: a fault, unless the connection was only waiting for its next request or its end. */
static void expire(struct http_conn *c)
{
    bool silent = c->state == HTTP_CONN_READING && !c->fresh && !request_started(&c->request);

    if (!silent && c->state != HTTP_CONN_LINGERING)
        c->http->stats.timeouts++;
    http_conn_end(c, c->state == HTTP_CONN_ANSWERING);
}

int64_t http_conn_check(struct http_conn *c)
{
    int64_t now = http_now(c->http);
    int64_t look_ms = now + LOOK_MS;
    int64_t due;

    if (c->state == HTTP_CONN_ANSWERING)
        note_progress(c);
    due = due_ms(c);
    if (due <= now) {
        expire(c);
        return INT64_MAX;
    }
    return c->state == HTTP_CONN_ANSWERING && look_ms < due ? look_ms : due;
}

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status)
{
    struct http_conn *c = write->data;

    if (c->state == HTTP_CONN_ENDED)
        return;
    if (status < 0) {
        http_conn_end(c, false);
        return;
    }
    c->since_ms = http_now(c->http);
    c->written(c);
}

void http_conn_write(struct http_conn *c, const uv_buf_t *bufs, unsigned n,
                     void (*written)(struct http_conn *c))
{
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t cipher;

    assert(c->state == HTTP_CONN_ANSWERING);
    c->written = written;
    if (c->tls && !c->head.failed) {
        if (http_tls_encrypt(c, bufs, n, &cipher) < 0) {
            http_conn_end(c, false);
            return;
        }
        bufs = &cipher;
        n = 1;
    }
    if (c->head.failed || uv_write(&c->write, stream, bufs, n, on_written) < 0)
        http_conn_end(c, false);
    else
        c->n_unread = unread_by_client(c);
}

/* ---- between answers ---- */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct http_conn *c = shutdown->data;

    if (status < 0)
        http_conn_end(c, false);
}

void http_conn_linger(struct http_conn *c)
{
    buf_release(&c->rest);
    enter(c, HTTP_CONN_LINGERING);
    if (c->tls) {
        tls_conn_shutdown(c->tls);
        http_tls_say(c, SLICE_LIT(""));
    }
    if (c->state == HTTP_CONN_ENDED)
        return;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
        http_conn_end(c, false);
    else
        http_conn_read_on(c);
}

static size_t take(struct http_conn *c, struct slice in);

/* Go on with what was read behind the last request, then with the socket. */
static void read_rest(struct http_conn *c)
{
    if (c->rest_at < c->rest.len && !c->http->held)
        c->rest_at += take(c, slice_from(buf_slice(&c->rest), c->rest_at));
    if (c->rest_at == c->rest.len) {
        buf_clear(&c->rest);
        c->rest_at = 0;
    }
    if (c->state == HTTP_CONN_READING)
        http_conn_read_on(c);
}

static void read_next(struct http_conn *c)
{
    expect_request(c);
    enter(c, HTTP_CONN_READING);
    read_rest(c);
}

void http_conn_hold(struct http_conn *c)
{
    if (c->state == HTTP_CONN_READING)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void http_conn_resume(struct http_conn *c)
{
    if (c->state == HTTP_CONN_READING)
        read_rest(c);
}

/*
 * Has the client asked, or is it about to? It would take the end for a fault: to end with a request
 * unread resets the connection, and of a new connection no client expects its end.
 */
static bool is_asking(const struct http_conn *c)
{
    int n_unread = 0;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 && ioctl(fd, FIONREAD, &n_unread) < 0)
        n_unread = 0;
    return c->fresh || n_unread > 0 || c->rest_at < c->rest.len || request_started(&c->request);
}

void http_conn_retire(struct http_conn *c)
{
    c->keep_alive = false;
    if (c->state != HTTP_CONN_READING)
        return;
    if (!is_asking(c)) {
        http_conn_end(c, false);
        return;
    }
    if (!request_started(&c->request))
        c->since_ms = http_now(c->http);
    read_rest(c);
    if (c->state == HTTP_CONN_READING)
        http_watch(c->http, http_conn_check(c));
}

void http_conn_done(struct http_conn *c)
{
    struct http *h = c->http;
    bool quits = c->quits;

    c->fresh = false;
    c->quits = false;
    if (c->keep_alive && !http_is_outdated(c) && !quits)
        read_next(c);
    else
        http_conn_linger(c);
    if (quits)
        h->config.quit(h->config.ctx);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct http_conn *c = handle->data;

    *buf = uv_buf_init(c->http->read_buffer, HTTP_READ_SIZE);
}

/* Twenty-five bytes: a socket that does not take them at once belongs to no good client. */
static void send_continue(struct http_conn *c)
{
    char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t buf = uv_buf_init(text, sizeof text - 1);

    c->request.expect_continue = false;
    if (c->tls) {
        http_tls_say(c, slice_of(text, sizeof text - 1));
        return;
    }
    if (uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)buf.len)
        http_conn_end(c, false);
}

static void count_bad(struct http_stats *stats, unsigned status)
{
    stats->bad_requests++;
    stats->body_too_large += status == 413;
    stats->path_too_long += status == 414;
    stats->head_too_large += status == 431;
}

/* Read on in @in; a request that is whole is answered. How many bytes are used up. */
static size_t take(struct http_conn *c, struct slice in)
{
    bool started = request_started(&c->request);
    enum request_outcome outcome;
    size_t used;

    outcome = request_feed(&c->request, in, &used);
    if (outcome == REQUEST_MORE) {
        if (!started)
            enter(c, HTTP_CONN_READING); /* its time runs from now */
        if (request_wants_continue(&c->request))
            send_continue(c);
        return used;
    }
    http_conn_read_off(c);
    enter(c, HTTP_CONN_ANSWERING);
    c->known = false;
    c->keep_alive =
        outcome == REQUEST_DONE && c->request.keep_alive && c->generation == c->http->generation;
    if (outcome == REQUEST_DONE) {
        http_route(c);
    } else {
        count_bad(&c->http->stats, c->request.status);
        http_conn_answer_status(c, c->request.status, NULL);
    }
    return used;
}

void http_conn_eof(struct http_conn *c)
{
    if (c->state == HTTP_CONN_READING && request_started(&c->request))
        c->http->stats.bad_requests++;
    http_conn_end(c, false);
}

void http_conn_take(struct http_conn *c, struct slice text)
{
    size_t used = take(c, text);

    buf_add_slice(&c->rest, slice_from(text, used));
    if (c->rest.failed)
        http_conn_end(c, false);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_conn *c = stream->data;

    if (n < 0) {
        http_conn_eof(c);
    } else if (c->state == HTTP_CONN_LINGERING) {
        c->n_lingered += (size_t)n;
        if (c->n_lingered > LINGER_MAX)
            http_conn_end(c, false);
    } else if (n > 0 && c->tls) {
        http_tls_read(c, slice_of(buf->base, (size_t)n));
    } else if (n > 0) {
        http_conn_take(c, slice_of(buf->base, (size_t)n));
    }
}
