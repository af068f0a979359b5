/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: see policy.h
 *
 * The lists were read once when the flags were (conf/setters.c), so that what is wrong in them is
 * told there; here they become sets. The seed is random, so that no sender can choose the places
 * that it shares with others in the tables of sources and limits.
 *
 * Law: an empty list allows everybody; so nothing is refused that no flag refuses.
 */
#include "server/policy.h"

#include <errno.h>
#include <sys/random.h>

static int fill(struct cidr_set *set, const struct options_list *list)
{
    struct cidr range;
    int r = 0;

    for (size_t i = 0; i < list->n && r == 0; i++)
        r = cidr_parse(&range, slice_str(list->items[i])) == NULL ? cidr_set_add(set, range)
                                                                  : -EINVAL;
    return r;
}

int policy_init(struct policy *p, const struct options *o)
{
    int r = fill(&p->udp, &o->udp_allow);

    if (r == 0)
        r = fill(&p->tcp, &o->tcp_allow);
    if (r == 0 && getrandom(&p->seed, sizeof p->seed, 0) != sizeof p->seed)
        r = -errno;
    p->n_sources = o->n_sources;
    p->datagrams = o->source_max_datagrams;
    p->lines = o->source_max_lines;
    p->burst_ms = o->source_burst_ms;
    return r;
}

void policy_release(struct policy *p)
{
    cidr_set_release(&p->udp);
    cidr_set_release(&p->tcp);
}
