/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay sender: one worker's share of relaying
 *
 * Contract: made and freed by control while the worker does not run; in between take and flush
 * belong to the worker's thread, and control reads the counters.
 */
#ifndef SERVER_RELAY_SENDER_H
#define SERVER_RELAY_SENDER_H

#include <sys/socket.h>
#include <uv.h>

#include "bacowr/aggregator.h"
#include "base/relaxed.h"

enum relay_reason {
    RELAY_QUEUE_FULL,  /* the socket's send buffer, or the system's */
    RELAY_REFUSED,     /* nobody listens at the target */
    RELAY_UNREACHABLE, /* no way to it */
    RELAY_SEND_ERROR,  /* anything else */
    RELAY_N_REASONS,
};

/* Where a target is now. Written by control, read by all workers. */
struct relay_route {
    uv_mutex_t lock;
    struct sockaddr_storage sa; /* under the lock */
    relaxed_u32 generation;     /* from 1; changes with sa, under the lock; looked at without */
    relaxed_u32 failed;         /* 1: a worker could not send; control sets it back */
};

/* Written by the worker alone, read by control. */
struct relay_counters {
    relaxed_u64 packets; /* tried, those that failed included */
    relaxed_u64 long_lines;
    relaxed_u64 lines;                    /* put into packets */
    relaxed_u64 dropped[RELAY_N_REASONS]; /* lines, of those put into packets */
};

struct relay_sender;

/* @routes (borrowed, @n of them) outlive the sender. 0 or -ENOMEM. */
int relay_sender_new(struct relay_sender **out, struct relay_route *routes, unsigned n,
                     size_t packet_length);
void relay_sender_free(struct relay_sender *s); /* what was not flushed is lost; accepts NULL */

/* Every line of the batch that is not empty, to every target. Never waits. */
void relay_sender_take(struct relay_sender *s, const struct bacowr_datagram *batch, unsigned n);

/* Send what has been taken. Never waits. */
void relay_sender_flush(struct relay_sender *s);

/* Of target @i; valid as long as @s. */
const struct relay_counters *relay_sender_counters(const struct relay_sender *s, unsigned i);

#endif
