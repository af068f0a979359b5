/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct: how many different texts there were, in fixed memory
 *
 * Contract: exact up to DISTINCT_EXACT, then an estimate some 3 % off. A zeroed one is empty.
 */
#ifndef ENGINE_DISTINCT_H
#define ENGINE_DISTINCT_H

#include <stdint.h>

#include "base/slice.h"

#define DISTINCT_EXACT     128u
#define DISTINCT_SLOTS     256u
#define DISTINCT_REGISTERS 1024u

struct distinct {
    unsigned n; /* of the hashes; past DISTINCT_EXACT they are no longer kept */
    uint64_t hashes[DISTINCT_SLOTS];
    uint8_t registers[DISTINCT_REGISTERS];
};

void distinct_add(struct distinct *d, struct slice text, uint64_t seed);
uint64_t distinct_read(const struct distinct *d);

static inline int distinct_is_exact(const struct distinct *d)
{
    return d->n <= DISTINCT_EXACT;
}

#endif
