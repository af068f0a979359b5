/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin: see admin.h; bytes and time, while admin_command.c knows the words
 *
 *      reading --a line--> answering --all written--> reading ... --quit, fault--> linger --> end
 *         |  `-- bytes without LF, and nothing more for 0.1 s: these are a line
 *         `-- silent for 5 minutes: end; at the limit one silent for a second makes room
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
 * Accepting is as in http.c: a failed accept() for want of descriptors puts the listeners to sleep
 * until the next tick.
 *
 * Laws: a handle's memory is freed in its close callback only; n_handles counts those to come.
 *       Between hold and start no command is begun.
 */
#include "server/admin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bacowr/insight.h"
#include "server/admin_conn.h"
#include "server/control.h"

#define BACKLOG     64
#define MAX_ACCEPTS 64
#define PARTIAL_MS  100
#define IDLE_MS     300000
#define ANSWER_MS   HTTP_SCRAPE_MAX_MS
#define LINGER_MS   1000
#define EVICT_MS    1000

struct admin_listener {
    uv_poll_t poll;
    int fd; /* owned */
    bool asleep;
    struct admin *admin; /* owner */
    struct admin_listener *next;
};

/* ---- the end ---- */

static void handle_closed(struct admin *a)
{
    assert(a->n_handles > 0);
    if (--a->n_handles > 0)
        return;
    assert(TAILQ_EMPTY(&a->conns));
    free(a);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct admin_conn *c = handle->data;
    struct admin *a = c->admin;

    if (--c->n_handles == 0) {
        buf_release(&c->out); /* what was being written is given back by now */
        free(c);
    }
    handle_closed(a);
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

static void conn_close(struct admin_conn *c)
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

static void on_own_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct admin_listener *l = handle->data;
    struct admin *a = l->admin;

    close(l->fd);
    free(l);
    handle_closed(a);
}

void admin_close(struct admin *a)
{
    struct admin_listener *next;

    if (a == NULL || a->closing)
        return;
    a->closing = true;
    for (struct admin_listener *l = a->listeners; l != NULL; l = next) {
        next = l->next;
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    }
    a->listeners = NULL;
    while (!TAILQ_EMPTY(&a->conns))
        conn_close(TAILQ_FIRST(&a->conns));
    uv_close((uv_handle_t *)&a->turn, on_own_closed);
}

/* ---- lines ---- */

static void advance(struct admin_conn *c);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

static bool is_busy(const struct admin_conn *c)
{
    return c->writing || c->waiting || c->more != NULL;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (unsigned char)s.p[0] <= ' ')
        s = slice_from(s, 1);
    while (s.len > 0 && (unsigned char)s.p[s.len - 1] <= ' ')
        s.len--;
    return s;
}

/* The next line, moved to c->text and trimmed; with an LF, or what there is if no more comes. */
static bool cut_line(struct admin_conn *c, struct slice *line)
{
    size_t n = slice_find(slice_of(c->in, c->n_in), '\n');
    bool has_end = n < c->n_in;

    if (c->n_in == 0 || (!has_end && !c->eof && !c->waited))
        return false;
    memcpy(c->text, c->in, n);
    *line = trim(slice_of(c->text, n));
    c->n_in -= n + has_end;
    memmove(c->in, c->in + n + has_end, c->n_in);
    return true;
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
        conn_close(c);
}

static void ask_turn(struct admin_conn *c);

static void on_written(uv_write_t *write, int status)
{
    struct admin_conn *c = write->data;

    c->writing = false;
    buf_clear(&c->out);
    if (c->closed || status != 0) {
        conn_close(c);
    } else if (c->more != NULL) {
        ask_turn(c);
    } else {
        buf_release(&c->out);
        advance(c);
    }
}

static void send_out(struct admin_conn *c)
{
    uv_buf_t buf = uv_buf_init(c->out.p, (unsigned)c->out.len);

    c->writing = true;
    c->write.data = c;
    if (c->out.failed || uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
        c->writing = false;
        conn_close(c);
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
        advance(c);
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
    uv_timer_start(&c->timer, on_timer, c->n_in > 0 ? PARTIAL_MS : IDLE_MS, 0);
    if (read_on(c) != 0)
        conn_close(c);
}

/* Whatever can be done now. */
static void advance(struct admin_conn *c)
{
    struct slice line;

    while (!c->closed && !is_busy(c)) {
        if (c->ending) {
            linger(c);
            return;
        }
        if (c->admin->held)
            return;
        if (next_line(c, &line)) {
            answer(c, line);
        } else if (c->n_in == sizeof c->in) {
            uv_read_stop((uv_stream_t *)&c->tcp); /* there is no room; linger() begins anew */
            c->ending = true;
            c->admin->stats.errors++;
            buf_add_str(&c->out, "ERROR\n");
            send_out(c);
        } else if (c->eof) {
            conn_close(c);
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
    *buf = uv_buf_init(c->in + c->n_in, (unsigned)(sizeof c->in - c->n_in));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct admin_conn *c = stream->data;

    (void)buf;
    if (nread == 0)
        return;
    if (c->ending) { /* said too late, but for its end */
        if (nread < 0)
            conn_close(c);
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
        conn_close(c);
        return;
    }
    advance(c);
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

    if (!is_busy(c) && !c->ending && c->n_in > 0) {
        c->waited = true;
        advance(c);
        return;
    }
    c->admin->stats.timeouts += !c->ending;
    if (is_busy(c))
        reset_with_close(c);
    conn_close(c);
}

/* ---- accepting ---- */

/* The one that has been silent the longest, if that is a while. */
static bool make_room(struct admin *a)
{
    int64_t before_ms = worker_now_ms() - EVICT_MS;
    struct admin_conn *c, *worst = NULL;

    TAILQ_FOREACH(c, &a->conns, link)
    {
        if (!is_busy(c) && c->heard_ms <= before_ms &&
            (worst == NULL || c->heard_ms < worst->heard_ms))
            worst = c;
    }
    if (worst == NULL)
        return false;
    a->stats.evicted++;
    conn_close(worst);
    return true;
}

/* Takes @fd. */
static int conn_open(struct admin *a, int fd)
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
        conn_close(c);
        return r;
    }
    advance(c);
    return 0;
}

/* Takes @fd. */
static void admit(struct admin *a, int fd)
{
    if (a->stats.open >= ADMIN_MAX_CONNS && !make_room(a)) {
        a->stats.refused++;
        close(fd);
    } else if (conn_open(a, fd) != 0) {
        a->stats.refused++;
    } else {
        a->stats.connections++;
    }
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct admin_listener *l = poll->data;

    for (unsigned i = 0; i < MAX_ACCEPTS; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(l->admin, fd);
        } else if (is_shortage(errno)) {
            l->asleep = true;
            uv_poll_stop(poll);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void wake_up(struct admin_listener *l)
{
    l->asleep = uv_poll_start(&l->poll, UV_READABLE, on_connection) != 0;
}

void admin_start(struct admin *a)
{
    struct admin_conn *next;

    if (a == NULL)
        return;
    a->held = false;
    for (struct admin_listener *l = a->listeners; l != NULL; l = l->next)
        wake_up(l);
    for (struct admin_conn *c = TAILQ_FIRST(&a->conns); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        advance(c);
    }
}

void admin_hold(struct admin *a)
{
    if (a == NULL)
        return;
    a->held = true;
    for (struct admin_listener *l = a->listeners; l != NULL; l = l->next)
        uv_poll_stop(&l->poll);
}

void admin_tick(struct admin *a, int64_t now_ms)
{
    uint64_t n_lines;

    if (a == NULL)
        return;
    bacowr_read_totals(a->server->engine, a->server->counts);
    n_lines = a->server->counts[BACOWR_TOTAL_LINES];
    if (n_lines != a->n_lines)
        a->last_line_ms = now_ms;
    a->n_lines = n_lines;
    for (struct admin_listener *l = a->listeners; l != NULL; l = l->next)
        if (l->asleep && !a->held)
            wake_up(l);
}

/* ---- listening ---- */

int admin_listen_on(struct admin *a, int fd)
{
    struct admin_listener *l = calloc(1, sizeof *l);
    struct admin_listener **at = &a->listeners;
    int r = l != NULL ? uv_poll_init(&a->server->loop, &l->poll, fd) : -ENOMEM;

    if (r != 0) {
        free(l);
        close(fd);
        return r;
    }
    l->poll.data = l;
    l->fd = fd;
    l->admin = a;
    while (*at != NULL)
        at = &(*at)->next;
    *at = l;
    a->n_handles++;
    return 0;
}

int admin_listen(struct admin *a, struct address *address, struct err *e)
{
    int fd;
    int r = address_listen(&fd, address, BACKLOG);

    if (r == 0)
        r = admin_listen_on(a, fd);
    return r == 0 ? 0 : address_refused(e, "admin", address, r);
}

int admin_listener_fd(const struct admin *a, unsigned i)
{
    const struct admin_listener *l = a != NULL ? a->listeners : NULL;

    for (; l != NULL && i > 0; i--)
        l = l->next;
    return l != NULL ? l->fd : -1;
}

struct admin_stats admin_read_stats(const struct admin *a)
{
    return a != NULL ? a->stats : (struct admin_stats){0};
}

int admin_new(struct admin **out, struct server *s)
{
    struct admin *a = calloc(1, sizeof *a);

    if (a == NULL)
        return -ENOMEM;
    a->server = s;
    a->last_line_ms = worker_now_ms();
    TAILQ_INIT(&a->conns);
    TAILQ_INIT(&a->waiting);
    uv_idle_init(&s->loop, &a->turn);
    a->turn.data = a;
    a->n_handles = 1;
    *out = a;
    return 0;
}
