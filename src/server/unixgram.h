/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unixgram: the Unix datagram socket of one worker
 *
 * Contract: opened and closed by control; received from by the worker's thread.
 */
#ifndef SERVER_UNIXGRAM_H
#define SERVER_UNIXGRAM_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/relaxed.h"
#include "server/worker.h"

/* Written by the worker alone, read by control. */
struct unixgram_counters {
    relaxed_u64 datagrams;
    relaxed_u64 bytes;
    relaxed_u64 truncated;
    relaxed_u64 errors; /* receive calls that failed */
};

struct unixgram {
    alignas(WORKER_CACHE_LINE) struct unixgram_counters counters;

    /* The worker's. */
    alignas(WORKER_CACHE_LINE) uv_poll_t poll;
    int fd;                /* owned */
    struct worker *worker; /* owner of the loop; outlives the socket */
    bool backlog;          /* was full at the last look */
};

/*
 * Receive from @fd, a bound socket, on @w's loop; @w does not run yet. @read_buffer: bytes of
 * SO_RCVBUF, 0 for what is granted. @fd is taken, also on failure. 0, or a negative errno with @e
 * filled.
 */
int unixgram_open(struct unixgram **out, struct worker *w, int fd, uint64_t read_buffer,
                  struct err *e);

/* Close; freed from the worker's loop. The worker does not run. Accepts NULL. */
void unixgram_close(struct unixgram *u);

#endif
