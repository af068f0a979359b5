/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP: listeners, limits, one clock, the end
 *
 * Accepting is ours, on a polled descriptor, not libuv's: uv_listen() accepts in a loop until the
 * backlog is empty, and when the process is out of descriptors and another thread takes the spare
 * one that libuv keeps, that loop does not end. Here a failed accept means: end a connection that
 * makes no progress and go on; if there is none, stop polling and come back in a tenth of a second.
 * Those who wait stay in the kernel's backlog meanwhile.
 *
 *      POLLIN --accept, at most 64 a turn--> room?    --> http_conn_open()
 *                                            no room: one without progress for a second makes room;
 *                                            is there none: 503 and closed, counted
 *
 * An idle connection goes first, then half a request, then an answer that its client does not take,
 * among equals the oldest. If all make progress, but most of those that have not asked for anything
 * yet are of one address, the newest of these makes room for another address. So no connections
 * that are opened and left standing, in whatever state, can lock out a scraper; those that keep
 * busy are bounded by their own deadlines.
 *
 * Deadlines: connections know theirs; one timer rings at the earliest that anybody announced, looks
 * at all and is set to the earliest of what is left. With nobody connected nothing ticks.
 *
 * Laws: a handle's memory is freed in its close callback only; n_handles counts those to come, and
 *       the last one frees struct http itself.
 */
#include "server/http.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http_conn.h"

#define ACCEPTS_PER_TURN 64
#define RETRY_MS         100
#define SILENT_MS        1000

struct http_listener {
    uv_poll_t poll;
    int fd; /* owned */
    bool unix_socket;
    struct http *http; /* owner; outlives its listeners */
};

/* ---- the end ---- */

void http_handle_closed(struct http *h)
{
    assert(h->n_handles > 0);
    if (--h->n_handles > 0)
        return;
    assert(!h->conns);
    door_free(h->door);
    free(h->listeners);
    free(h);
}

static void on_own_closed(uv_handle_t *handle)
{
    http_handle_closed(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_listener *l = handle->data;
    struct http *h = l->http;

    close(l->fd);
    free(l);
    http_handle_closed(h);
}

void http_close(struct http *h)
{
    if (!h || h->closing)
        return;
    h->closing = true;
    for (unsigned i = 0; i < h->n_listeners; i++)
        uv_close((uv_handle_t *)&h->listeners[i]->poll, on_listener_closed);
    h->n_listeners = 0;
    while (h->conns)
        http_conn_end(h->conns, false);
    uv_close((uv_handle_t *)&h->sweep, on_own_closed);
    uv_close((uv_handle_t *)&h->retry, on_own_closed);
    uv_close((uv_handle_t *)&h->turn, on_own_closed);
    login_close(h->login);
}

/* The answer that it is at is its last; a tap's ends too. */
static void end_with_answer(struct http_conn *c)
{
    c->keep_alive = false;
    http_tap_finish(c);
}

/* What is idle has no answer to end with, and a tap's has no end. */
static void show_door(struct http_conn *c)
{
    if (c->state == HTTP_CONN_READING && !request_started(&c->request) && http_is_outdated(c))
        http_conn_end(c, false);
    else if (c->tap && !http_may_stay(c))
        end_with_answer(c);
}

void http_set_door(struct http *h, struct door *d)
{
    struct http_conn *next;

    door_free(h->door);
    h->door = d;
    h->generation++;
    h->tokens = d != NULL ? d->config->rate_burst : 0;
    h->tokens_ns = uv_hrtime();
    for (struct http_conn *c = h->conns; c; c = next) {
        next = c->next;
        show_door(c);
    }
}

/* ---- deadlines ---- */

static void on_sweep(uv_timer_t *timer)
{
    struct http *h = timer->data;
    int64_t next_ms = INT64_MAX;
    struct http_conn *next;

    h->sweep_at = INT64_MAX;
    for (struct http_conn *c = h->conns; c; c = next) {
        int64_t at_ms;

        next = c->next;
        at_ms = http_conn_check(c);
        if (at_ms < next_ms)
            next_ms = at_ms;
    }
    http_watch(h, next_ms);
}

void http_watch(struct http *h, int64_t at_ms)
{
    int64_t now = http_now(h);

    if (h->closing || at_ms >= h->sweep_at)
        return;
    h->sweep_at = at_ms;
    uv_timer_start(&h->sweep, on_sweep, at_ms > now ? (uint64_t)(at_ms - now) : 0, 0);
}

/* ---- accepting ---- */

static void on_connection(uv_poll_t *handle, int status, int events);

static void listeners_resume(uv_timer_t *timer)
{
    struct http *h = timer->data;

    for (unsigned i = 0; i < h->n_listeners; i++)
        uv_poll_start(&h->listeners[i]->poll, UV_READABLE, on_connection);
}

static void listeners_pause(struct http *h)
{
    h->stats.accept_pauses++;
    for (unsigned i = 0; i < h->n_listeners; i++)
        uv_poll_stop(&h->listeners[i]->poll);
    uv_timer_start(&h->retry, listeners_resume, RETRY_MS, 0);
}

/* How much @c is worth keeping: idle, then half a request, then an answer that is stuck. */
static int rank(const struct http_conn *c)
{
    if (c->state == HTTP_CONN_ANSWERING)
        return 2;
    return c->state == HTTP_CONN_READING && request_started(&c->request) ? 1 : 0;
}

static void evict(struct http *h, struct http_conn *c)
{
    h->stats.evicted++;
    http_conn_end(c, c->state == HTTP_CONN_ANSWERING);
}

/* End a connection that has made no progress for a while. False: there is none. */
static bool make_room(struct http *h)
{
    int64_t before_ms = http_now(h) - SILENT_MS;
    struct http_conn *worst = NULL;

    for (struct http_conn *c = h->conns; c; c = c->next) {
        if (c->since_ms > before_ms)
            continue;
        if (!worst || rank(c) < rank(worst) ||
            (rank(c) == rank(worst) && c->since_ms < worst->since_ms))
            worst = c;
    }
    if (!worst)
        return false;
    evict(h, worst);
    return true;
}

/* It has not asked for anything yet, or is still at its handshake. */
static bool is_new(const struct http_conn *c)
{
    return c->state == HTTP_CONN_READING && c->fresh;
}

/* The only address that more than half of those may have that are new: it stays when each is paired
 * off with one of another address. */
static struct ip crowd_of(const struct http *h)
{
    struct ip crowd = {0};
    unsigned n = 0;

    for (const struct http_conn *c = h->conns; c; c = c->next) {
        if (!is_new(c))
            continue;
        if (n == 0)
            crowd = c->from;
        n = n == 0 || ip_eq(c->from, crowd) ? n + 1 : n - 1;
    }
    return crowd;
}

/* End the newest of an address that has most of those that are new, for one of another. False:
 * there is none. */
static bool make_way(struct http *h, struct ip from)
{
    struct ip crowd = crowd_of(h);
    unsigned n = 0, n_crowd = 0;
    struct http_conn *newest = NULL;

    for (struct http_conn *c = h->conns; c; c = c->next) {
        if (!is_new(c))
            continue;
        n++;
        if (!ip_eq(c->from, crowd))
            continue;
        n_crowd++;
        if (!newest)
            newest = c;
    }
    if (n_crowd < 2 || n_crowd <= n / 2 || ip_eq(crowd, from))
        return false;
    evict(h, newest);
    return true;
}

static void turn_away(struct http *h, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 21\r\n"
                               "Connection: close\r\n"
                               "\r\n"
                               "too many connections\n";

    h->stats.connections_refused++;
    /* A courtesy: that it fails, or is lost to a reset, changes nothing. Not to be had by TLS. */
    if ((!h->door || !h->door->tls) &&
        send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

static void admit(struct http_listener *l, int fd)
{
    struct http *h = l->http;

    if (h->stats.connections_open >= h->config.max_connections && !make_room(h) &&
        !make_way(h, http_guard_peer(fd))) {
        turn_away(h, fd);
        return;
    }
    if (http_conn_open(h, fd, l->unix_socket) < 0)
        h->stats.connections_refused++;
    else
        h->stats.connections++;
}

/* Without descriptors accept() fails before it looks whether there is anybody. */
static bool is_waiting(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) != 0;
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
    struct http_listener *l = handle->data;
    struct http *h = l->http;

    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(l, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || !is_waiting(l->fd)) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED && !make_room(h)) {
            listeners_pause(h);
            return;
        }
    }
}

/* ---- listening ---- */

static int listener_new(struct http_listener **out, struct http *h, int fd)
{
    struct http_listener *l = calloc(1, sizeof *l);
    int r = l ? uv_poll_init(h->loop, &l->poll, fd) : -ENOMEM;

    if (r < 0) {
        free(l);
        return r;
    }
    l->poll.data = l;
    l->fd = fd;
    l->http = h;
    *out = l;
    return 0;
}

static bool is_unix_socket(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    return getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family == AF_UNIX;
}

int http_listen_on(struct http *h, int fd)
{
    struct http_listener **grown;
    struct http_listener *l;
    int r;

    assert(!h->closing);
    grown = realloc(h->listeners, (h->n_listeners + 1) * sizeof(struct http_listener *));
    if (!grown) {
        close(fd);
        return -ENOMEM;
    }
    h->listeners = grown;
    r = listener_new(&l, h, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    l->unix_socket = is_unix_socket(fd);
    h->n_handles++;
    r = uv_poll_start(&l->poll, UV_READABLE, on_connection);
    if (r < 0) {
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
        return r;
    }
    h->listeners[h->n_listeners++] = l;
    return 0;
}

/* ---- to another process ---- */

int http_listener_fd(const struct http *h, unsigned i)
{
    return i < h->n_listeners ? h->listeners[i]->fd : -1;
}

void http_hold(struct http *h)
{
    h->held = true;
    uv_timer_stop(&h->retry);
    for (unsigned i = 0; i < h->n_listeners; i++)
        uv_poll_stop(&h->listeners[i]->poll);
    for (struct http_conn *c = h->conns; c; c = c->next)
        http_conn_hold(c);
}

void http_resume(struct http *h)
{
    struct http_conn *next;

    h->held = false;
    listeners_resume(&h->retry);
    for (struct http_conn *c = h->conns; c; c = next) {
        next = c->next;
        http_conn_resume(c);
    }
    http_turns_go_on(h);
}

void http_retire(struct http *h)
{
    struct http_conn *next;

    assert(h->held);
    h->held = false;
    h->retired = true;
    h->generation++; /* each answer is the last of its connection */
    for (unsigned i = 0; i < h->n_listeners; i++)
        uv_close((uv_handle_t *)&h->listeners[i]->poll, on_listener_closed);
    h->n_listeners = 0;
    for (struct http_conn *c = h->conns; c; c = next) {
        next = c->next;
        end_with_answer(c);
        http_api_retire(c);
        http_conn_retire(c);
    }
    http_turns_go_on(h);
}

bool http_is_idle(const struct http *h)
{
    return h->conns == NULL;
}

/* ---- the whole ---- */

static void on_login_gone(void *ctx)
{
    http_handle_closed(ctx);
}

int http_new(struct http **out, uv_loop_t *loop, const struct http_config *config)
{
    struct http *h = calloc(1, sizeof *h);
    struct login_config login = {.loop = loop,
                                 .n_checks = h ? &h->stats.password_checks : NULL,
                                 .ctx = h,
                                 .done = http_on_password,
                                 .idle = on_login_gone};
    int r = h ? login_new(&h->login, &login) : -ENOMEM;

    if (r < 0) {
        free(h);
        return r;
    }
    assert(config->timeout_ms > 0);
    h->config = *config;
    h->loop = loop;
    h->sweep_at = INT64_MAX;
    uv_timer_init(loop, &h->sweep);
    uv_timer_init(loop, &h->retry);
    uv_idle_init(loop, &h->turn);
    TAILQ_INIT(&h->waiting);
    TAILQ_INIT(&h->shaking);
    h->sweep.data = h;
    h->retry.data = h;
    h->turn.data = h;
    TAILQ_INIT(&h->knocking);
    h->n_handles = 4; /* these three, and login, which goes like one */
    *out = h;
    return 0;
}

const struct http_stats *http_stats(const struct http *h)
{
    return &h->stats;
}
