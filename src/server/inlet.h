/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inlet: a datagram socket in a worker's loop
 *
 * Contract: begun and closed by control while the worker does not run; received from by the
 * worker's thread. It is the first member of what it is part of, and is freed together with that.
 */
#ifndef SERVER_INLET_H
#define SERVER_INLET_H

#include <stdalign.h>
#include <uv.h>

#include "base/relaxed.h"
#include "server/worker.h"

/* Written by the worker alone, read by control. */
struct inlet_counters {
    relaxed_u64 groups; /* messages: one datagram each, but where they are joined */
    relaxed_u64 datagrams;
    relaxed_u64 bytes;
    relaxed_u64 truncated;
    relaxed_u64 errors; /* receive calls that failed */

    /* Refused by policy: not among the datagrams above. See server/gate.h. */
    relaxed_u64 not_allowed; /* the sender is not on the list */
    relaxed_u64 limited;     /* the sender is above its rate */
};

struct inlet {
    alignas(WORKER_CACHE_LINE) struct inlet_counters counters;

    /* The worker's. */
    alignas(WORKER_CACHE_LINE) uv_poll_t poll;
    int fd;                /* owned */
    struct worker *worker; /* owner of the loop; outlives the socket */
    bool named;            /* senders have addresses: set before the begin */
    bool joined;           /* a message may be several datagrams: see server/joined.h */
};

/*
 * Receive from @fd, a bound socket, on @w's loop. @in, zeroed and on the heap, and @fd are taken,
 * also on failure. 0 or a negative errno.
 */
int inlet_begin(struct inlet *in, struct worker *w, int fd);

/* The worker does not run yet: a message of the socket may be several datagrams. 0 or -ENOMEM. */
int inlet_join(struct inlet *in);

/* Close the socket; freed from the worker's loop. Accepts NULL. */
void inlet_close(struct inlet *in);

#endif
