/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct: see distinct.h
 *
 * The first texts are told apart by their hashes, in a small table with open addressing. All are
 * entered into HyperLogLog's registers too, so that the estimate knows them when the table is full:
 * ten bits of the hash choose the register, which keeps the longest run of zeros met in the rest.
 *
 * Laws: no allocation. Adding a text again changes nothing.
 */
#include "engine/distinct.h"

#include <math.h>

#include "base/hash.h"
#include "base/real.h"

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
    uint8_t *reg = &d->registers[hash >> (64 - REGISTER_BITS)];
    /* The last bit ends the run where there is no other. */
    uint8_t run = (uint8_t)(__builtin_clzll(hash << REGISTER_BITS | 1) + 1);

    if (run > *reg)
        *reg = run;
    if (distinct_is_exact(d) && note_hash(d, hash | 1)) /* 0 is an empty slot */
        d->n++;
}

/* Of @x, 1 or more. That of a fraction f is a series in (1 - f) / (1 + f), a third at most. */
static double logarithm(double x)
{
    int exponent = real_exponent(x);
    double f = real_scale(x, -exponent);
    double t = (1 - f) / (1 + f), power = t, sum = 0;

    for (int k = 1; power > 1e-18; k += 2) {
        sum += power / k;
        power *= t * t;
    }
    return exponent * M_LN2 - 2 * sum;
}

uint64_t distinct_read(const struct distinct *d)
{
    const double m = DISTINCT_REGISTERS;
    double sum = 0, estimate;
    unsigned n_zero = 0;

    if (distinct_is_exact(d))
        return d->n;
    for (unsigned i = 0; i < DISTINCT_REGISTERS; i++) {
        sum += real_power(-d->registers[i]);
        n_zero += d->registers[i] == 0;
    }
    estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && n_zero > 0)
        estimate = m * logarithm(m / n_zero);
    return (uint64_t)real_round(estimate);
}
