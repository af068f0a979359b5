/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limiter: a token bucket for each sender, in a table of fixed size
 *
 * Contract: one thread's. A bucket holds what a sender may send at once, and is refilled at the
 * rate. What is taken from a bucket that is not empty is granted whole, however large, and the
 * bucket owes the rest: so a sender has its rate in the long run, and no datagram is too large for
 * ever.
 */
#ifndef SERVER_LIMITER_H
#define SERVER_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"

struct limiter;

struct limiter_config {
    uint64_t rate;    /* units a second, above 0 */
    int64_t burst_ms; /* above 0: so much of the rate comes at once */
    uint64_t seed;    /* senders must not be able to guess it */
};

/* 0 or -ENOMEM. */
int limiter_new(struct limiter **out, const struct limiter_config *config);
void limiter_free(struct limiter *l); /* accepts NULL */

/* Take @n units out of the bucket of @ip. False: it is empty, and nothing was taken. */
bool limiter_take(struct limiter *l, struct ip ip, uint64_t n, int64_t now_ns);

/*
 * The same where nothing can be refused any more, as of a stream that was read: the bucket owes it.
 * How long it takes until it is no longer empty; 0: it is not.
 */
int64_t limiter_owe(struct limiter *l, struct ip ip, uint64_t n, int64_t now_ns);

#endif
