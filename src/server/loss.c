/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss: see loss.h
 *
 * Totals only grow, so the last minute is the difference between two of them. A ring keeps the
 * total at every fifth second; what is older than the ring is forgotten. The ring begins with the
 * totals that are told first: what a socket lost under somebody else is not this server's loss.
 *
 * Law: both totals never fall.
 */
#include "server/loss.h"

#include <assert.h>

void loss_note(struct loss *l, struct loss_count total, int64_t now_ms)
{
    l->now = total;
    if (l->n > 0 && now_ms < l->next_ms)
        return;
    l->slots[l->next] = total;
    l->next = (l->next + 1) % LOSS_N_SLOTS;
    l->n += l->n < LOSS_N_SLOTS;
    l->next_ms = now_ms + LOSS_STEP_MS;
}

struct loss_count loss_recent(const struct loss *l)
{
    struct loss_count oldest = l->slots[l->n < LOSS_N_SLOTS ? 0 : l->next];

    assert(l->now.received >= oldest.received && l->now.lost >= oldest.lost);
    return (struct loss_count){l->now.received - oldest.received, l->now.lost - oldest.lost};
}

double loss_ratio(struct loss_count c)
{
    return c.lost == 0 ? 0 : (double)c.lost / ((double)c.lost + (double)c.received);
}
