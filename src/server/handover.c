/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over: see handover.h
 *
 *      successor   says                         this server
 *      ---------   ----                         -----------
 *      connects    HELLO      -->               is it of our user, of our version? nobody else?
 *                  <-- SOCKETS, OFFER           goes on as before
 *      opens the mapping, all that is its own
 *                  PREPARED   -->               holds: nothing is read, accepted or answered
 *                  <-- CONNS, PARCEL
 *      merges      MERGED     -->
 *                  <-- COMMIT                   from here on only the successor's death or a
 *      reads       RUNNING    -->               kill gives the sockets back
 *                                               finishes answers, ends with status 0
 *
 * The sockets are the same ones in both processes, so what arrives while nobody reads waits in
 * them, and what finds no room is in the kernel's count, which the successor goes on with.
 *
 * To hold is to let the threads end and to keep their loops as they are; to go on is to start
 * threads on them again. So a hand-over that fails leaves no trace but a line in the log, a count,
 * and the milliseconds in which nobody read.
 *
 * Laws: at no moment do two processes read from a socket. Up to COMMIT the successor may not; after
 *       it we may not, unless it is known to be dead: its end of the connection is closed, or it
 *       was killed.
 *       While we hold, no page begins: none shows what the successor does not know.
 */
#include "server/handover.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/control.h"
#include "server/handover_give.h"
#include "server/handover_wire.h"

#define DEATH_MS  2000 /* a killed process is gone after this long */
#define FINISH_MS HTTP_SCRAPE_MAX_MS

enum stage { STAGE_HELLO, STAGE_OFFERED, STAGE_HELD, STAGE_COMMITTED };

static const char *const stage_names[] = {"hello", "offered", "held", "committed"};

struct peer {
    uv_poll_t poll;
    int fd;    /* owned */
    int pid;   /* by SO_PEERCRED */
    int pidfd; /* owned; -1: it cannot be had */
    enum stage stage;
    uint64_t held_ns;
};

struct handover {
    struct server *s; /* owner */
    uv_poll_t listener;
    int fd; /* owned; the listener's */
    uv_timer_t timer;
    struct peer *peer; /* owned; NULL: nobody asks */
    bool quits;        /* the end was asked for while it could not be */
    bool done;
    int64_t finish_ms; /* done: the end, at the latest */
    unsigned n_open;   /* handles that are not closed yet */
};

/* ---- handles ---- */

static void release(struct handover *h)
{
    if (--h->n_open == 0) {
        close(h->fd);
        free(h);
    }
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_peer_closed(uv_handle_t *handle)
{
    struct peer *p = (struct peer *)handle;

    close(p->fd);
    if (p->pidfd >= 0)
        close(p->pidfd);
    free(p);
}

static void drop_peer(struct handover *h)
{
    uv_timer_stop(&h->timer);
    if (h->peer != NULL)
        uv_close((uv_handle_t *)&h->peer->poll, on_peer_closed);
    h->peer = NULL;
}

/* ---- holding and going on ---- */

static void hold(struct server *s)
{
    tcp_hold(s->tcp);
    admin_hold(s->admin);
    http_hold(s->http);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_hold(s->workers[i]);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_join(s->workers[i]);
    s->held = true;
    control_sample(s);
}

/* A thread that cannot be started now is tried again with the next tick. */
static void go_on(struct server *s)
{
    int r = 0;

    for (unsigned i = 0; i < s->n_workers && r == 0; i++)
        if (!s->workers[i]->running)
            r = worker_start(s->workers[i]);
    if (r != 0)
        return;
    s->held = false;
    http_resume(s->http);
    admin_start(s->admin);
    tcp_start(s->tcp); /* what fails is tried again by tcp_resume() */
}

/* ---- failure ---- */

/* After COMMIT, who says nothing may be reading: it must not live. */
static bool kill_peer(const struct peer *p)
{
    struct pollfd gone = {.fd = p->pidfd, .events = POLLIN};

    if (p->pidfd < 0 || syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0) != 0)
        return errno == ESRCH;
    return poll(&gone, 1, DEATH_MS) == 1;
}

static void finish(struct handover *h);

static void fail(struct handover *h, const char *reason)
{
    struct server *s = h->s;
    enum stage stage = h->peer->stage;

    drop_peer(h);
    if (stage == STAGE_HELLO)
        return; /* who says nothing is nobody */
    s->handovers.failed++;
    if (stage >= STAGE_HELD)
        go_on(s);
    log_event(s->log, LOG_LEVEL_WARN, "handover_failed", log_str("stage", stage_names[stage]),
              log_str("reason", reason), log_str("effect", "this server continues"));
    if (h->quits)
        control_quit(s, "requested during a hand-over");
}

static void refuse(struct handover *h, const char *reason)
{
    struct handover_message m;

    handover_fill(&m, HANDOVER_REFUSE, slice_str(reason));
    handover_send(h->peer->fd, &m); /* who does not hear it sees the end */
    fail(h, reason);
}

static void on_timeout(uv_timer_t *timer)
{
    struct handover *h = timer->data;

    if (h->peer->stage == STAGE_COMMITTED && !kill_peer(h->peer)) {
        /* Neither dead nor alive: it has the sockets, and to read beside it would be worse. */
        finish(h);
        return;
    }
    fail(h, "the successor does not respond");
}

/* ---- the steps ---- */

static void enter(struct handover *h, enum stage stage)
{
    h->peer->stage = stage;
    uv_timer_start(&h->timer, on_timeout, (uint64_t)h->s->o->control_timeout_ms, 0);
}

static void on_hello(struct handover *h, const struct handover_message *m)
{
    int r;

    h->peer->stage = STAGE_OFFERED;
    if (m->number != HANDOVER_VERSION) {
        refuse(h, "the two versions are incompatible; stop the old one, then start the new one");
        return;
    }
    if (h->peer->pidfd < 0) {
        refuse(h, "the successor's process is not visible from here, as in another container");
        return;
    }
    r = handover_give_sockets(h->s, h->fd, h->peer->fd);
    if (r != 0)
        refuse(h, uv_strerror(r));
    else
        enter(h, STAGE_OFFERED);
}

static void on_prepared(struct handover *h, const struct handover_message *m)
{
    int r;

    (void)m;
    h->peer->held_ns = uv_hrtime();
    hold(h->s);
    h->peer->stage = STAGE_HELD;
    r = handover_give_all(h->s, h->peer->fd);
    if (r != 0)
        refuse(h, uv_strerror(r));
    else
        enter(h, STAGE_HELD);
}

static void on_merged(struct handover *h, const struct handover_message *m)
{
    struct handover_message commit;
    int r;

    (void)m;
    handover_fill(&commit, HANDOVER_COMMIT, (struct slice){0});
    r = handover_send(h->peer->fd, &commit);
    if (r != 0)
        refuse(h, uv_strerror(r));
    else
        enter(h, STAGE_COMMITTED);
}

static void on_running(struct handover *h, const struct handover_message *m)
{
    (void)m;
    finish(h);
}

/* Somebody else is the server: what is left is to answer who was promised an answer. */
static void finish(struct handover *h)
{
    struct server *s = h->s;

    h->done = true;
    h->finish_ms = worker_now_ms() + FINISH_MS;
    log_event(s->log, LOG_LEVEL_INFO, "handed_over", log_int("to", h->peer->pid),
              log_double("seconds_held", (double)(uv_hrtime() - h->peer->held_ns) / 1e9));
    notify_main_pid(&s->notify, h->peer->pid);
    drop_peer(h);
    uv_poll_stop(&h->listener);
    http_retire(s->http);
}

/* ---- what the successor says ---- */

static void on_message(struct handover *h, struct handover_message *m)
{
    static const struct {
        enum handover_kind kind;
        void (*take)(struct handover *h, const struct handover_message *m);
    } expected[] = {
        [STAGE_HELLO] = {HANDOVER_HELLO, on_hello},
        [STAGE_OFFERED] = {HANDOVER_PREPARED, on_prepared},
        [STAGE_HELD] = {HANDOVER_MERGED, on_merged},
        [STAGE_COMMITTED] = {HANDOVER_RUNNING, on_running},
    };
    enum stage stage = h->peer->stage;
    char reason[HANDOVER_MAX_TEXT + 1];

    handover_close_fds(m); /* none is expected */
    if (m->kind == expected[stage].kind) {
        expected[stage].take(h, m);
    } else if (m->kind == HANDOVER_REFUSE) {
        snprintf(reason, sizeof reason, "%.*s", (int)m->len, m->text);
        fail(h, reason);
    } else {
        refuse(h, "unexpected message from the successor");
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct handover *h = poll->data;
    struct handover_message m;
    int r = status != 0 ? status : handover_recv(h->peer->fd, &m);

    (void)events;
    if (r == 0)
        on_message(h, &m);
    else if (r == -EPIPE)
        fail(h, "the successor closed the connection");
    else if (r != -EAGAIN && r != -EINTR)
        fail(h, uv_strerror(r));
}

/* ---- who asks ---- */

static void turn_away(int fd, const char *reason)
{
    struct handover_message m;

    handover_fill(&m, HANDOVER_REFUSE, slice_str(reason));
    handover_send(fd, &m);
    close(fd);
}

static void admit(struct handover *h, int fd, int pid)
{
    struct peer *p = calloc(1, sizeof *p);

    if (p == NULL || uv_poll_init(&h->s->loop, &p->poll, fd) != 0) {
        free(p);
        turn_away(fd, "no memory");
        return;
    }
    p->poll.data = h;
    p->fd = fd;
    p->pid = pid;
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    h->peer = p;
    control_end_rest(h->s);
    enter(h, STAGE_HELLO);
    uv_poll_start(&p->poll, UV_READABLE, on_readable);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct handover *h = poll->data;
    int fd = accept4(h->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int pid;

    (void)status;
    (void)events;
    if (fd < 0)
        return;
    if (!handover_peer_is_ours(fd, &pid))
        turn_away(fd, "the process belongs to another user");
    else if (h->peer != NULL)
        turn_away(fd, "another hand-over is under way");
    else
        admit(h, fd, pid);
}

/* ---- life ---- */

int handover_listen(struct server *s, int fd)
{
    struct handover *h = calloc(1, sizeof *h);
    int r = h == NULL ? -ENOMEM : uv_poll_init(&s->loop, &h->listener, fd);

    if (r != 0) {
        free(h);
        close(fd);
        return r;
    }
    h->s = s;
    h->fd = fd;
    h->listener.data = h;
    uv_timer_init(&s->loop, &h->timer);
    h->timer.data = h;
    h->n_open = 2;
    s->handover = h;
    return uv_poll_start(&h->listener, UV_READABLE, on_connection);
}

void handover_tick(struct server *s, int64_t now_ms)
{
    const struct handover *h = s->handover;

    if (h == NULL)
        return;
    if (s->held && h->peer == NULL && !h->done)
        go_on(s);
    if (h->done && (http_is_idle(s->http) || now_ms >= h->finish_ms))
        uv_stop(&s->loop);
}

bool handover_allows_quit(struct server *s)
{
    struct handover *h = s->handover;

    if (h == NULL || h->peer == NULL)
        return true;
    if (h->peer->stage == STAGE_COMMITTED) {
        h->quits = true;
        return false;
    }
    refuse(h, "the server is stopping");
    return true;
}

bool handover_is_on(const struct server *s)
{
    return s->handover != NULL && (s->handover->peer != NULL || s->handover->done);
}

bool handover_is_done(const struct server *s)
{
    return s->handover != NULL && s->handover->done;
}

void handover_close(struct server *s)
{
    struct handover *h = s->handover;

    if (h == NULL)
        return;
    drop_peer(h);
    uv_close((uv_handle_t *)&h->listener, on_closed);
    uv_close((uv_handle_t *)&h->timer, on_closed);
    s->handover = NULL;
}
