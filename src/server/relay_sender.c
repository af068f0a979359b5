/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay sender: see relay_sender.h
 *
 *      batch --lines--> packet of target 0 --full, or 100 ms--> socket of target 0 --> network
 *                  `--> packet of target 1 --full, or 100 ms--> socket of target 1 --> network
 *
 * Lines go out as they came, byte for byte, before anything judges them: the one behind us is to
 * see what we saw. They are cut by the parser's own cursor, so that a line here is a line there.
 *
 * The queue of a target is the send buffer of its socket, which no other target and no other worker
 * uses: the kernel bounds it, and one that backs up takes no room from the others. Sending never
 * waits; what is refused is dropped and counted, and the next packet is tried as if nothing had
 * been. The sockets are connected, since only then does the kernel tell that nobody listens. It
 * tells with the next call, which sends nothing: so ECONNREFUSED is about the packet before, whose
 * lines are counted as dropped, and this one is tried once more.
 *
 * After any other error the socket is closed, and the next packet opens one anew: routes and the
 * machine's own addresses may have changed.
 *
 * Laws: nothing blocks, nothing is allocated after relay_sender_new().
 *       Every line put into a packet is sent or counted as dropped.
 */
#include "server/relay_sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bacowr/statsd.h"
#include "server/address.h"
#include "server/relay_packet.h"

/* Asked for each target; the system grants what net.core.wmem_max allows. */
#define SEND_BUFFER (1 << 20)

/* One target as this worker sees it. */
struct link {
    struct relay_route *route; /* borrowed */
    struct relay_packet packet;
    struct relay_counters counters;
    int fd;                /* -1: none */
    uint32_t generation;   /* of the route that fd goes to */
    unsigned n_lines_sent; /* in the last packet sent, of which nothing bad is known */
};

struct relay_sender {
    unsigned n;
    struct link links[];
};

/* ---- life ---- */

int relay_sender_new(struct relay_sender **out, struct relay_route *routes, unsigned n,
                     size_t packet_length)
{
    struct relay_sender *s = calloc(1, sizeof *s + n * sizeof s->links[0]);

    if (s == NULL)
        return -ENOMEM;
    for (; s->n < n; s->n++) {
        struct link *l = &s->links[s->n];

        l->route = &routes[s->n];
        l->fd = -1;
        if (relay_packet_init(&l->packet, packet_length) != 0) {
            relay_sender_free(s);
            return -ENOMEM;
        }
    }
    *out = s;
    return 0;
}

static void close_link(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->n_lines_sent = 0;
}

void relay_sender_free(struct relay_sender *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        close_link(&s->links[i]);
        relay_packet_release(&s->links[i].packet);
    }
    free(s);
}

/* ---- sending ---- */

static enum relay_reason reason_of(int error)
{
    switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return RELAY_QUEUE_FULL;
    case ECONNREFUSED:
        return RELAY_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
        return RELAY_UNREACHABLE;
    default:
        return RELAY_SEND_ERROR;
    }
}

static void drop(struct link *l, int error, unsigned n_lines)
{
    relaxed_add(&l->counters.dropped[reason_of(error)], n_lines);
    if (reason_of(error) != RELAY_QUEUE_FULL)
        relaxed_store(&l->route->failed, 1);
}

/* A socket to where the target is now. 0 or an errno. */
static int open_link(struct link *l)
{
    struct sockaddr_storage sa;
    int size = SEND_BUFFER;
    int error;

    uv_mutex_lock(&l->route->lock);
    sa = l->route->sa;
    l->generation = relaxed_load(&l->route->generation);
    uv_mutex_unlock(&l->route->lock);

    l->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return errno;
    setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* less will do */
    if (connect(l->fd, (struct sockaddr *)&sa, address_len((struct sockaddr *)&sa)) == 0)
        return 0;
    error = errno;
    close_link(l);
    return error;
}

/* 0 or an errno. */
static int send_once(const struct link *l)
{
    return send(l->fd, l->packet.p, l->packet.len, MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

/* 0 or an errno: that of this packet. */
static int send_packet(struct link *l)
{
    int error = 0;

    if (l->fd >= 0 && l->generation != relaxed_load(&l->route->generation))
        close_link(l);
    if (l->fd < 0)
        error = open_link(l);
    if (error == 0)
        error = send_once(l);
    if (error == ECONNREFUSED && l->n_lines_sent > 0) {
        drop(l, error, l->n_lines_sent);
        l->n_lines_sent = 0;
        error = send_once(l);
    }
    return error;
}

static void flush(struct link *l)
{
    int error;

    if (l->packet.len == 0)
        return;
    relaxed_add(&l->counters.packets, 1);
    error = send_packet(l);
    if (error == 0) {
        l->n_lines_sent = l->packet.n_lines;
    } else {
        drop(l, error, l->packet.n_lines);
        if (reason_of(error) != RELAY_QUEUE_FULL && error != ECONNREFUSED)
            close_link(l);
    }
    relay_packet_clear(&l->packet);
}

void relay_sender_flush(struct relay_sender *s)
{
    for (unsigned i = 0; i < s->n; i++)
        flush(&s->links[i]);
}

/* ---- taking ---- */

static void add(struct link *l, struct slice line)
{
    int r = relay_packet_add(&l->packet, line);

    if (r == RELAY_PACKET_E_FULL) {
        flush(l);
        r = relay_packet_add(&l->packet, line);
    }
    if (r == RELAY_PACKET_E_LONG)
        relaxed_add(&l->counters.long_lines, 1);
    else
        relaxed_add(&l->counters.lines, 1);
}

/* What follows the last LF of a datagram that the kernel cut is no line. */
static struct statsd_cursor lines_of(const struct bacowr_datagram *d)
{
    const char *lf;

    if (!d->truncated)
        return statsd_cursor((struct slice){d->p, d->len}, d->stream);
    lf = d->len > 0 ? memrchr(d->p, '\n', d->len) : NULL;
    return statsd_cursor((struct slice){d->p, lf != NULL ? (size_t)(lf - d->p) + 1 : 0}, true);
}

void relay_sender_take(struct relay_sender *s, const struct bacowr_datagram *batch, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct statsd_cursor cursor = lines_of(&batch[i]);
        struct slice line;

        while (statsd_next_line(&cursor, &line)) {
            for (unsigned k = 0; k < s->n && line.len > 0; k++)
                add(&s->links[k], line);
        }
    }
}

const struct relay_counters *relay_sender_counters(const struct relay_sender *s, unsigned i)
{
    return &s->links[i].counters;
}
