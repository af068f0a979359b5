/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin: see admin.h; who comes in, while admin_conn.c talks with them
 *
 * Accepting is as in http.c: a failed accept() for want of descriptors puts the listeners to sleep
 * until the next tick. At the limit one that has been silent for a second makes room.
 *
 * Laws: a handle's memory is freed in its close callback only; n_handles counts those to come.
 *       Between hold and start no command is begun.
 */
#include "server/admin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bacowr/insight.h"
#include "server/admin_conn.h"
#include "server/control.h"

#define BACKLOG     64
#define MAX_ACCEPTS 64
#define EVICT_MS    1000

struct admin_listener {
    uv_poll_t poll;
    int fd; /* owned */
    bool asleep;
    struct admin *admin; /* owner */
    struct admin_listener *next;
};

/* ---- the end ---- */

void admin_handle_closed(struct admin *a)
{
    assert(a->n_handles > 0);
    if (--a->n_handles > 0)
        return;
    assert(TAILQ_EMPTY(&a->conns));
    free(a);
}

static void on_own_closed(uv_handle_t *handle)
{
    admin_handle_closed(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct admin_listener *l = handle->data;
    struct admin *a = l->admin;

    close(l->fd);
    free(l);
    admin_handle_closed(a);
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
        admin_conn_close(TAILQ_FIRST(&a->conns));
    uv_close((uv_handle_t *)&a->turn, on_own_closed);
}

/* ---- accepting ---- */

/* The one that has been silent the longest, if that is a while. */
static bool make_room(struct admin *a)
{
    int64_t before_ms = worker_now_ms() - EVICT_MS;
    struct admin_conn *c, *worst = NULL;

    TAILQ_FOREACH(c, &a->conns, link)
    {
        if (!admin_conn_is_busy(c) && c->heard_ms <= before_ms &&
            (worst == NULL || c->heard_ms < worst->heard_ms))
            worst = c;
    }
    if (worst == NULL)
        return false;
    a->stats.evicted++;
    admin_conn_close(worst);
    return true;
}

/* Takes @fd. */
static void admit(struct admin *a, int fd)
{
    if (a->stats.open >= a->server->o->admin_max_connections && !make_room(a)) {
        a->stats.refused++;
        close(fd);
    } else if (admin_conn_open(a, fd) != 0) {
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
        admin_conn_advance(c);
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
