/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP: listeners on the control loop, connections dealt out to the workers
 *
 * A Unix stream socket is one listener more: its connections share the limit and the rules.
 *
 * Contract: all of it runs on the control thread. The workers are borrowed and outlive it.
 */
#ifndef SERVER_TCP_H
#define SERVER_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/slice.h"
#include "server/address.h"
#include "server/worker.h"

struct tcp;

struct tcp_config {
    struct worker *const *workers; /* borrowed */
    unsigned n_workers;
    uint64_t max_connections; /* open at a time */
    int64_t evict_ms;         /* above 0; a connection that was silent so long makes room for one
                               * beyond the limit; is there none, that one is closed at once */
    const struct cidr_set *allow; /* borrowed: who may connect over TCP; NULL: everybody */
};

struct tcp_stats {
    uint64_t connections;      /* served */
    uint64_t unix_connections; /* served, of the Unix stream socket */
    uint64_t refused;          /* at the limit */
    uint64_t not_allowed;      /* closed at once: the sender is not on the list */
    uint64_t evicted;          /* silent ones that made room for others */
    uint64_t errors;           /* accept() calls that failed, connections lost for want of memory */
    uint64_t open;
};

/* 0 or -ENOMEM. @loop is borrowed and outlives @out. */
int tcp_new(struct tcp **out, uv_loop_t *loop, const struct tcp_config *config);

/*
 * Bind and listen on @a, which learns its port; connections wait until tcp_start(). 0, or a
 * negative errno with @e filled.
 */
int tcp_listen(struct tcp *t, struct address *a, struct err *e);

/* As tcp_listen() on @fd, a TCP socket that listens. @fd is taken, also on failure. */
int tcp_listen_on(struct tcp *t, int fd);

/*
 * As tcp_listen() on @fd, a Unix socket that listens; its connections carry frames. @fd is taken,
 * also on failure.
 */
int tcp_listen_frames(struct tcp *t, int fd);

/* Begin to accept on every listener. 0 or a negative errno. */
int tcp_start(struct tcp *t);

/* Now and then: listeners that stopped because descriptors or memory ran out try again. */
void tcp_resume(struct tcp *t);

/* Is there such a listener? */
bool tcp_is_asleep(const struct tcp *t);

/* Accept nothing until tcp_start(); who connects meanwhile waits. */
void tcp_hold(struct tcp *t);

/* The listener's sockets, borrowed. */
void tcp_each(const struct tcp *t, void (*fn)(void *ctx, int fd, bool framed), void *ctx);

/*
 * Before the workers run: deal out a connection of somebody before us, of which @bytes (borrowed)
 * were read. @fd is taken, also on failure. 0 or a negative errno.
 */
int tcp_adopt(struct tcp *t, int fd, bool framed, struct slice bytes);

/* Close the listeners, which live on elsewhere, without a look at who waits. */
void tcp_forget(struct tcp *t);

void tcp_read_stats(const struct tcp *t, struct tcp_stats *out);

/* Accept what waits already, then close the listeners. Accepts NULL. */
void tcp_close(struct tcp *t);
void tcp_free(struct tcp *t); /* after tcp_close(); accepts NULL */

#endif
