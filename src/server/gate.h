/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gate: between a worker's network sockets and the engine, where senders matter
 *
 * Contract: made and freed by control while the worker does not run; there is none where the flags
 * ask for nothing, and then receiving costs what it would cost without this file. Passed by the
 * worker's thread; the counters and tables are read by control.
 */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include <sys/socket.h>

#include "base/relaxed.h"
#include "server/inlet.h"
#include "server/joined.h"
#include "server/limiter.h"
#include "server/policy.h"
#include "server/source.h"
#include "server/worker.h"

/* Sources that were not allowed are kept in a table of their own, of this size. */
#define GATE_N_REFUSED 64

/* Written by the worker, read by control. */
struct gate_counters {
    relaxed_u64 bad; /* refused lines and samples whose sender is not known: see gate.c */
    relaxed_u64 series;
};

struct gate {
    alignas(WORKER_CACHE_LINE) struct gate_counters unknown;

    alignas(WORKER_CACHE_LINE) struct worker *worker; /* outlives the gate */
    const struct policy *policy;                      /* borrowed; outlives the gate */
    struct sources *sources;                          /* owned; NULL: not counted */
    struct sources *refused;                          /* owned; NULL likewise */
    struct limiter *datagrams;                        /* owned; NULL: no limit */
    struct limiter *lines;                            /* owned; NULL: no limit */
    int64_t split_until_ms;
};

/* A gate for @w, which owns it. 0 or -ENOMEM; there is none if @policy looks at nobody. */
int gate_open(struct worker *w, const struct policy *policy);
void gate_free(struct gate *g); /* accepts NULL */

/* Count what @in received, and feed what may pass, which is left in @batch. The names are still
 * those of its messages. */
void gate_take(struct gate *g, struct inlet *in, struct joined_batch *batch);

/*
 * Feed lines of a stream that @ip sent. What they owe of its limit: how many milliseconds nothing
 * more should be read of it; 0: go on.
 */
int64_t gate_take_stream(struct gate *g, struct ip ip, const struct bacowr_datagram *batch,
                         unsigned n);

#endif
