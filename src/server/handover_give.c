/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a successor is given: see handover_give.h
 *
 *      SOCKETS ... OFFER     while this server goes on: every socket that it listens on, and where
 *                            the service manager wants to hear
 *      CONNS ... PARCEL      while nobody reads: the connections with what of a line they have
 *                            brought, the state, every counter, the kernel's counts of drops
 *
 * Descriptors go in batches, as many as a message may have. Nothing of ours is closed or changed:
 * if it comes to nothing, we have lost nothing.
 */
#include "server/handover_give.h"

#include <unistd.h>

#include "server/conn.h"
#include "server/control.h"
#include "server/handover_wire.h"
#include "server/parcel.h"
#include "server/self.h"

/* What is sent in several messages. */
struct batch {
    int to;
    int r; /* the first failure */
    struct handover_message m;
};

static void batch_flush(struct batch *b)
{
    if (b->r == 0 && b->m.n_fds > 0)
        b->r = handover_send(b->to, &b->m);
    b->m.n_fds = b->m.len = 0;
}

static void batch_add(struct batch *b, int fd, uint8_t what)
{
    if (b->m.n_fds == HANDOVER_MAX_FDS)
        batch_flush(b);
    b->m.fds[b->m.n_fds++] = fd;
    b->m.text[b->m.len++] = (char)what;
}

struct offer {
    struct batch batch;
    const struct server *s;
};

static void offer_one(struct offer *o, int fd, enum inherit_kind kind)
{
    batch_add(&o->batch, fd, (uint8_t)(kind | (o->s->instead[kind] ? HANDOVER_INSTEAD : 0)));
}

static void offer_listener(void *ctx, int fd, bool framed)
{
    offer_one(ctx, fd, framed ? INHERIT_UNIX : INHERIT_TCP);
}

/* Each a message of many, a byte with each that says what it is. */
static int give_listeners(const struct server *s, int control, int to)
{
    struct offer o = {.batch = {.to = to}, .s = s};
    int fd;

    handover_fill(&o.batch.m, HANDOVER_SOCKETS, (struct slice){0});
    for (unsigned i = 0; i < s->n_sockets; i++)
        offer_one(&o, s->sockets[i]->inlet.fd, INHERIT_UDP);
    if (s->unixgram != NULL)
        offer_one(&o, s->unixgram->fd, INHERIT_UNIXGRAM);
    tcp_each(s->tcp, offer_listener, &o);
    for (unsigned i = 0; (fd = http_listener_fd(s->http, i)) >= 0; i++)
        offer_one(&o, fd, INHERIT_HTTP);
    for (unsigned i = 0; (fd = admin_listener_fd(s->admin, i)) >= 0; i++)
        offer_one(&o, fd, INHERIT_ADMIN);
    offer_one(&o, control, INHERIT_CONTROL);
    batch_flush(&o.batch);
    return o.batch.r;
}

int handover_give_sockets(const struct server *s, int control, int to)
{
    struct handover_message offer;
    char path[sizeof s->notify.sa.sun_path + 1] = "";
    int r = give_listeners(s, control, to);

    if (r != 0)
        return r;
    notify_path(&s->notify, path);
    handover_fill(&offer, HANDOVER_OFFER, slice_str(path));
    offer.number = (uint64_t)s->notify.watchdog_ms;
    return handover_send(to, &offer);
}

struct packing {
    struct parcel parcel;
    struct batch batch;
};

static void pack_conn(void *ctx, int fd, bool framed, struct slice first, struct slice second)
{
    struct packing *p = ctx;

    parcel_add_conn(&p->parcel, framed, first, second);
    batch_add(&p->batch, fd, 0);
}

static void pack_counter(void *ctx, const char *name, const char *labels, double value)
{
    struct packing *p = ctx;

    parcel_add_counter(&p->parcel, name, labels, value);
}

static int pack_counters(struct server *s, struct packing *p)
{
    const struct bacowr_own_family *families;
    struct self_page *page;
    unsigned n;
    int r = self_page_new(&page, s->self);

    if (r != 0)
        return r;
    families = self_page_families(page, &n);
    r = bacowr_each_counter(s->engine, families, n, pack_counter, p);
    self_page_free(page);
    return r;
}

int handover_give_all(struct server *s, int to)
{
    struct packing p = {.batch = {.to = to}};
    struct handover_message m;
    int r;

    handover_fill(&p.batch.m, HANDOVER_CONNS, (struct slice){0});
    for (unsigned i = 0; i < s->n_sockets; i++)
        parcel_add_drops(&p.parcel, slice_str(s->sockets[i]->address.text), s->sockets[i]->index,
                         s->sockets[i]->last_drops);
    for (unsigned i = 0; i < s->n_workers; i++)
        conn_each(s->workers[i], pack_conn, &p);
    batch_flush(&p.batch);
    handover_fill(&m, HANDOVER_PARCEL, (struct slice){0});
    r = pack_counters(s, &p);
    r = r != 0 ? r : p.batch.r;
    r = r != 0 ? r : parcel_close(&p.parcel, s->engine, worker_now_ms(), &m.fds[0]);
    buf_release(&p.parcel.records);
    if (r != 0)
        return r;
    m.n_fds = 1;
    r = handover_send(to, &m);
    close(m.fds[0]);
    return r;
}
