/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP: see tcp.h
 *
 * One listener for each address, whatever the number of workers: so a connection goes to the worker
 * that has the fewest, and no other program can share the port. Control counts what it dealt to
 * each worker, the worker counts what it closed; the difference is open, and no word is written by
 * two threads.
 *
 * At the limit a new connection goes to the worker with the connection that was silent the longest,
 * to take its place; the worker has the last word, for it may have been heard of meanwhile. So
 * clients that connect and never come back cannot lock out the others.
 *
 * accept() fails for three kinds of reasons:
 *
 *      nothing waits                    until the next poll
 *      that one connection is broken    go on with the next
 *      descriptors or memory ran out    the listener sleeps until tcp_resume(): polling would spin,
 *                                       since the connection goes on waiting
 */
#include "server/tcp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/policy.h"

#define BACKLOG     511

/* Connections taken in one turn, so that HTTP and the timer get theirs. */
#define MAX_ACCEPTS 64

struct listener {
    uv_poll_t poll;
    int fd; /* owned */
    bool asleep;
    bool framed;           /* a Unix stream socket */
    struct tcp *tcp;       /* owner */
    struct listener *next; /* of tcp->listeners */
};

struct tcp {
    uv_loop_t *loop; /* borrowed */
    struct tcp_config config;
    struct listener *listeners;
    bool held;
    struct tcp_stats stats; /* what is counted here, not by the workers */
    uint64_t dealt[BACOWR_MAX_WORKERS];
};

int tcp_new(struct tcp **out, uv_loop_t *loop, const struct tcp_config *config)
{
    struct tcp *t = calloc(1, sizeof *t);

    assert(config->n_workers > 0 && config->n_workers <= BACOWR_MAX_WORKERS);
    if (t == NULL)
        return -ENOMEM;
    t->loop = loop;
    t->config = *config;
    *out = t;
    return 0;
}

/* ---- dealing ---- */

static uint64_t n_open(const struct tcp *t, unsigned worker)
{
    return t->dealt[worker] - relaxed_load(&t->config.workers[worker]->counters.tcp_closed);
}

static unsigned least_loaded(const struct tcp *t, uint64_t *total)
{
    unsigned best = 0;

    *total = 0;
    for (unsigned i = 0; i < t->config.n_workers; i++) {
        *total += n_open(t, i);
        if (n_open(t, i) < n_open(t, best))
            best = i;
    }
    return best;
}

static uint64_t silent_since(const struct tcp *t, unsigned worker)
{
    return relaxed_load(&t->config.workers[worker]->counters.tcp_silent_since);
}

/* Who has the connection that was silent the longest? False: none was silent for evict_ms. */
static bool find_silent(const struct tcp *t, unsigned *worker)
{
    int64_t now_ms = worker_now_ms();
    unsigned best = 0;

    for (unsigned i = 1; i < t->config.n_workers; i++) {
        if (silent_since(t, i) < silent_since(t, best))
            best = i;
    }
    *worker = best;
    if (silent_since(t, best) == UINT64_MAX)
        return false;
    return now_ms - (int64_t)silent_since(t, best) >= t->config.evict_ms;
}

/* Takes @fd. */
static void deal(struct tcp *t, int fd, bool framed, struct ip source)
{
    struct worker_arrival arrival = {.fd = fd, .framed = framed, .source = source};
    uint64_t *served = framed ? &t->stats.unix_connections : &t->stats.connections;
    uint64_t total;
    unsigned to = least_loaded(t, &total);

    if (total >= t->config.max_connections) {
        arrival.evict_ms = t->config.evict_ms;
        if (!find_silent(t, &to)) {
            t->stats.refused++;
            close(fd);
            return;
        }
    }
    if (worker_hand_over(t->config.workers[to], arrival) != 0) {
        t->stats.errors++;
        close(fd);
        return;
    }
    *served += arrival.evict_ms == 0;
    t->dealt[to]++;
}

/* ---- accepting ---- */

static bool is_broken_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: /* a firewall's word */
        return true;
    default:
        return false;
    }
}

static void put_to_sleep(struct listener *l)
{
    uv_poll_stop(&l->poll);
    l->asleep = true;
}

/* Takes @fd, a connection of @sa. */
static void admit(struct listener *l, int fd, const struct sockaddr *sa)
{
    const struct cidr_set *allow = l->tcp->config.allow;
    struct ip source = {0};

    if (!l->framed && ip_of(&source, sa) && allow != NULL && !policy_allows(allow, source)) {
        l->tcp->stats.not_allowed++;
        close(fd);
        return;
    }
    deal(l->tcp, fd, l->framed, source);
}

static void accept_some(struct listener *l, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t len = sizeof sa;
        int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(l, fd, (const struct sockaddr *)&sa);
            continue;
        }
        if (errno == EAGAIN)
            return;
        l->tcp->stats.errors++;
        if (!is_broken_connection(errno)) {
            put_to_sleep(l);
            return;
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    if (status == 0) {
        accept_some(l, MAX_ACCEPTS);
        return;
    }
    l->tcp->stats.errors++;
    put_to_sleep(l);
}

static int wake_up(struct listener *l)
{
    l->asleep = false;
    return uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

int tcp_start(struct tcp *t)
{
    int r = 0;

    t->held = false;
    for (struct listener *l = t->listeners; l != NULL && r == 0; l = l->next)
        r = wake_up(l);
    return r;
}

void tcp_hold(struct tcp *t)
{
    t->held = true;
    for (struct listener *l = t->listeners; l != NULL; l = l->next)
        uv_poll_stop(&l->poll);
}

void tcp_resume(struct tcp *t)
{
    if (t->held)
        return;
    for (struct listener *l = t->listeners; l != NULL; l = l->next) {
        if (l->asleep && wake_up(l) != 0)
            put_to_sleep(l);
    }
}

bool tcp_is_asleep(const struct tcp *t)
{
    for (const struct listener *l = t->listeners; l != NULL; l = l->next) {
        if (l->asleep)
            return true;
    }
    return false;
}

/* ---- opening and closing ---- */

/* Takes @fd, also on failure. */
static int add_listener(struct tcp *t, int fd, bool framed)
{
    struct listener *l = calloc(1, sizeof *l);
    int r = -ENOMEM;

    if (l == NULL)
        goto fail;
    r = uv_poll_init(t->loop, &l->poll, fd);
    if (r != 0)
        goto fail;
    l->fd = fd;
    l->framed = framed;
    l->poll.data = l;
    l->tcp = t;
    l->next = t->listeners;
    t->listeners = l;
    return 0;

fail:
    close(fd);
    free(l);
    return r;
}

int tcp_listen(struct tcp *t, struct address *a, struct err *e)
{
    int fd;
    int r = address_listen(&fd, a, BACKLOG);

    if (r == 0)
        r = add_listener(t, fd, false);
    return r == 0 ? 0 : address_refused(e, "tcp", a, r);
}

int tcp_listen_on(struct tcp *t, int fd)
{
    return add_listener(t, fd, false);
}

int tcp_listen_frames(struct tcp *t, int fd)
{
    return add_listener(t, fd, true);
}

void tcp_each(const struct tcp *t, void (*fn)(void *ctx, int fd, bool framed), void *ctx)
{
    for (const struct listener *l = t->listeners; l != NULL; l = l->next)
        fn(ctx, l->fd, l->framed);
}

int tcp_adopt(struct tcp *t, int fd, bool framed, struct slice bytes)
{
    struct worker_arrival arrival = {.fd = fd, .framed = framed};
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    uint64_t total;
    unsigned to = least_loaded(t, &total);

    if (!framed && getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        ip_of(&arrival.source, (const struct sockaddr *)&sa);
    t->dealt[to]++; /* who had it before has counted it as served */
    return conn_adopt(t->config.workers[to], arrival, bytes);
}

void tcp_read_stats(const struct tcp *t, struct tcp_stats *out)
{
    *out = t->stats;
    least_loaded(t, &out->open);
    for (unsigned i = 0; i < t->config.n_workers; i++) {
        const struct worker_counters *c = &t->config.workers[i]->counters;
        uint64_t for_tcp = relaxed_load(&c->tcp_evicted);
        uint64_t for_unix = relaxed_load(&c->unix_evicted);

        out->evicted += for_tcp + for_unix;
        out->connections += for_tcp; /* each made room for one */
        out->unix_connections += for_unix;
        out->refused += relaxed_load(&c->tcp_refused);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    close(l->fd);
    free(l);
}

void tcp_close(struct tcp *t)
{
    struct listener *next;

    if (t == NULL)
        return;
    for (struct listener *l = t->listeners; l != NULL; l = next) {
        next = l->next;
        if (uv_is_active((uv_handle_t *)&l->poll))
            accept_some(l, BACKLOG);
        uv_close((uv_handle_t *)&l->poll, on_closed);
    }
    t->listeners = NULL;
}

void tcp_forget(struct tcp *t)
{
    tcp_hold(t); /* so that tcp_close() accepts nothing */
    tcp_close(t);
}

void tcp_free(struct tcp *t)
{
    assert(t == NULL || t->listeners == NULL);
    free(t);
}
