/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: what the flags say of senders
 *
 * Contract: made by control before the workers run, and not changed after that; all threads read
 * it. It outlives the workers and the listeners.
 */
#ifndef SERVER_POLICY_H
#define SERVER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"
#include "conf/options.h"

struct policy {
    struct cidr_set udp, tcp;  /* who may send; empty: everybody */
    uint64_t n_sources;        /* that each worker keeps count of; 0: of none */
    uint64_t datagrams, lines; /* a second, of a source; 0: without limit */
    int64_t burst_ms;
    uint64_t seed;
};

/* @p is zeroed. 0; -ENOMEM; or a negative errno of getrandom(). */
int policy_init(struct policy *p, const struct options *o);
void policy_release(struct policy *p); /* accepts a zeroed one */

static inline bool policy_allows(const struct cidr_set *who, struct ip ip)
{
    return who->n == 0 || cidr_set_has(who, ip);
}

/* Is anything to be done for each batch of datagrams, or piece of a stream? */
static inline bool policy_looks(const struct policy *p)
{
    return p->n_sources > 0 || p->datagrams > 0 || p->lines > 0 || p->udp.n > 0;
}

#endif
