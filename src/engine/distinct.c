/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct: see distinct.h
 *
 * A survey counts each label's values anew, many labels at once, so one is 3 KB whatever comes.
 *
 * The first texts are told apart by their hashes, in a small table with open addressing. All are
 * entered into HyperLogLog's registers too, so that the estimate knows them when the table is full.
 *
 * Laws: no allocation. Adding a text again changes nothing.
 */
#include "engine/distinct.h"

#include "base/hash.h"
#include "store/hyperloglog.h"

#define REGISTER_BITS 10

_Static_assert(DISTINCT_REGISTERS == 1u << REGISTER_BITS, "so many bits choose a register");
_Static_assert(DISTINCT_EXACT < DISTINCT_SLOTS, "a search in the table ends at an empty slot");

/* True: it is new. */
static int note_hash(struct distinct *d, uint64_t hash)
{
    unsigned at = (unsigned)(hash % DISTINCT_SLOTS);

    while (d->hashes[at] != 0) {
        if (d->hashes[at] == hash)
            return 0;
        at = (at + 1) % DISTINCT_SLOTS;
    }
    if (d->n < DISTINCT_EXACT)
        d->hashes[at] = hash;
    return 1;
}

void distinct_add(struct distinct *d, struct slice text, uint64_t seed)
{
    uint64_t hash = hash_bytes(text, seed);
    uint8_t *reg = &d->registers[hyperloglog_register(REGISTER_BITS, hash)];
    uint8_t rank = (uint8_t)hyperloglog_rank(REGISTER_BITS, hash);

    if (rank > *reg)
        *reg = rank;
    if (distinct_is_exact(d) && note_hash(d, hash | 1)) /* 0 is an empty slot */
        d->n++;
}

uint64_t distinct_read(const struct distinct *d)
{
    unsigned n_at[HYPERLOGLOG_RANKS] = {0};

    if (distinct_is_exact(d))
        return d->n;
    for (unsigned i = 0; i < DISTINCT_REGISTERS; i++)
        n_at[d->registers[i]]++;
    return (uint64_t)(hyperloglog_estimate(n_at, REGISTER_BITS) + 0.5);
}
