/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replace: see replace.h; what is said in which order stands in handover.c
 *
 * Everything that can fail for an operator's mistake comes before the running server holds: flags,
 * addresses, the mapping, sockets that it does not have. While it holds, what is left is to read a
 * parcel from memory.
 *
 * Each answer is waited for as long as --control.timeout says. Who fails just ends: the other side
 * sees that.
 *
 * Laws: nothing is read from a socket before COMMIT has come.
 *       Counters begin where the other's ended, after the state was taken, so that what taking it
 *       counted is not counted twice.
 */
#include "server/replace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/handover_wire.h"
#include "server/parcel.h"
#include "server/start.h"

/* ---- talking ---- */

static int fail(const struct server *s, int r, const char *text)
{
    log_event(s->log, LOG_LEVEL_ERROR, "replace_failed", log_str("error", text),
              log_str("effect", "the running server continues"));
    return r;
}

static int say(const struct server *s, enum handover_kind kind)
{
    struct handover_message m;
    int r;

    handover_fill(&m, kind, (struct slice){0});
    m.number = HANDOVER_VERSION;
    r = handover_send(s->replaced_fd, &m);
    return r == 0 ? 0 : fail(s, r, uv_strerror(r));
}

/* The next message; a refusal is a failure. */
static int hear(const struct server *s, struct handover_message *m)
{
    int r = handover_wait(s->replaced_fd, m, s->o->control_timeout_ms);
    char text[HANDOVER_MAX_TEXT + 64];

    if (r == -ETIMEDOUT)
        return fail(s, r, "the running server does not respond; see --control.timeout");
    if (r == -EPIPE)
        return fail(s, r, "the running server closed the connection; see its log");
    if (r != 0)
        return fail(s, r, uv_strerror(r));
    if (m->kind != HANDOVER_REFUSE)
        return 0;
    snprintf(text, sizeof text, "the running server refuses: %.*s", (int)m->len, m->text);
    return fail(s, -EPERM, text);
}

static int unexpected(const struct server *s, struct handover_message *m)
{
    handover_close_fds(m);
    return fail(s, -EPROTO, "unexpected message from the running server");
}

/* ---- asking ---- */

/* 0 and s->replaced_fd; it stays -1 when nobody is there. */
static int connect_to(struct server *s, const struct local *name)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return fail(s, -errno, strerror(errno));
    if (connect(fd, (const struct sockaddr *)&name->sa, name->sa_len) != 0) {
        r = -errno;
        close(fd);
        if (r != -ENOENT && r != -ECONNREFUSED)
            return fail(s, r, strerror(-r));
        log_event(s->log, LOG_LEVEL_INFO, "nothing_to_replace", log_str("socket", name->text));
        return 0;
    }
    s->replaced_fd = fd;
    if (!handover_peer_is_ours(fd, &s->replaced_pid))
        return fail(s, -EPERM, "the running server belongs to another user");
    return 0;
}

static int inherit_all(struct server *s, struct handover_message *m)
{
    int r = m->len == m->n_fds ? 0 : -EPROTO;

    for (unsigned i = 0; i < m->n_fds; i++) {
        uint8_t what = (uint8_t)m->text[i];
        unsigned kind = what & ~HANDOVER_INSTEAD;

        if (r == 0 && kind >= INHERIT_N_KINDS)
            r = -EPROTO;
        if (r != 0)
            close(m->fds[i]);
        else
            r = inherit_add(&s->inherit, m->fds[i], (enum inherit_kind)kind,
                            what & HANDOVER_INSTEAD);
    }
    return r == 0 ? 0 : fail(s, r, uv_strerror(r));
}

static void take_manager(struct server *s, const struct handover_message *m)
{
    char path[HANDOVER_MAX_TEXT + 1];

    snprintf(path, sizeof path, "%.*s", (int)m->len, m->text);
    if (m->len > 0)
        notify_init_for(&s->notify, path, (int64_t)m->number);
}

int replace_ask(struct server *s)
{
    struct handover_message m;
    struct local name;
    struct err e;
    int r;

    if (!s->o->replace)
        return 0;
    r = local_resolve(&name, s->o->control_socket, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    r = connect_to(s, &name);
    if (r != 0 || s->replaced_fd < 0)
        return r;
    r = say(s, HANDOVER_HELLO);
    while (r == 0 && (r = hear(s, &m)) == 0 && m.kind == HANDOVER_SOCKETS)
        r = inherit_all(s, &m);
    if (r != 0)
        return r;
    if (m.kind != HANDOVER_OFFER)
        return unexpected(s, &m);
    take_manager(s, &m);
    return 0;
}

/* ---- taking ---- */

struct taking {
    struct server *s;
    int *fds; /* owned; connections */
    size_t n_fds;
    size_t n_taken;
};

static int on_drops(void *ctx, struct slice address, unsigned index, uint32_t drops)
{
    struct taking *t = ctx;

    for (unsigned i = 0; i < t->s->n_sockets; i++) {
        struct ingest *in = t->s->sockets[i];

        if (in->index == index && slice_eq(slice_str(in->address.text), address))
            ingest_go_on(in, drops);
    }
    return 0;
}

static int on_conn(void *ctx, bool framed, struct slice bytes)
{
    struct taking *t = ctx;

    if (t->n_taken == t->n_fds)
        return -EPROTO;
    return tcp_adopt(t->s->tcp, t->fds[t->n_taken++], framed, bytes);
}

static int on_counter(void *ctx, const char *name, const char *labels, double value)
{
    struct taking *t = ctx;

    if (bacowr_count_on(t->s->engine, name, labels, value))
        return 0;
    return self_count_on(t->s->self, name, labels, value);
}

static int keep_conns(struct taking *t, struct handover_message *m)
{
    int *fds = realloc(t->fds, (t->n_fds + m->n_fds) * sizeof *fds);

    if (fds == NULL) {
        handover_close_fds(m);
        return fail(t->s, -ENOMEM, "no memory");
    }
    memcpy(fds + t->n_fds, m->fds, m->n_fds * sizeof *fds);
    t->fds = fds;
    t->n_fds += m->n_fds;
    return 0;
}

static void log_taken(const struct server *s, const struct taking *t,
                      const struct bacowr_state_report *report)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < BACOWR_STATE_N_OUTCOMES; i++)
        lost += i == BACOWR_STATE_RESTORED ? 0 : report->n_series[i];
    log_event(s->log, LOG_LEVEL_INFO, "taken_over", log_int("from", s->replaced_pid),
              log_int("series", (int64_t)report->n_series[BACOWR_STATE_RESTORED]),
              log_int("series_left", (int64_t)lost), log_int("connections", (int64_t)t->n_taken));
}

static int open_parcel(struct taking *t, int fd)
{
    const struct parcel_reader reader = {t, on_drops, on_conn, on_counter};
    struct bacowr_state_report report = {.why = ""};
    struct server *s = t->s;
    int r = parcel_open(fd, s->engine, worker_now_ms(), &reader, &report);

    close(fd);
    if (r == 0 && t->n_taken == t->n_fds) {
        log_taken(s, t, &report);
        return 0;
    }
    return fail(s, r != 0 ? r : -EPROTO, report.why[0] != '\0' ? report.why : uv_strerror(r));
}

static int take_parcel(struct taking *t)
{
    struct handover_message m;
    int r = say(t->s, HANDOVER_PREPARED);

    while (r == 0 && (r = hear(t->s, &m)) == 0 && m.kind == HANDOVER_CONNS)
        r = keep_conns(t, &m);
    if (r != 0)
        return r;
    if (m.kind != HANDOVER_PARCEL || m.n_fds != 1)
        return unexpected(t->s, &m);
    return open_parcel(t, m.fds[0]);
}

int replace_take(struct server *s)
{
    struct taking t = {.s = s};
    struct handover_message m;
    int r;

    if (s->replaced_fd < 0)
        return 0;
    r = take_parcel(&t);
    for (size_t i = t.n_taken; i < t.n_fds; i++)
        close(t.fds[i]);
    free(t.fds);
    if (r == 0)
        r = say(s, HANDOVER_MERGED);
    if (r == 0)
        r = hear(s, &m);
    if (r != 0)
        return r;
    return m.kind == HANDOVER_COMMIT ? 0 : unexpected(s, &m);
}

int replace_tell(struct server *s)
{
    if (s->replaced_fd < 0)
        return 0;
    s->handovers.good++;
    say(s, HANDOVER_RUNNING); /* one that does not hear it is gone: we are the server */
    close(s->replaced_fd);
    s->replaced_fd = -1;
    return 0;
}
