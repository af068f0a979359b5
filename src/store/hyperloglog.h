/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HyperLogLog: how many different hashes there were, from registers of a byte
 *
 * The first bits of a hash choose a register, which keeps the longest run of zeros seen at the head
 * of the others, plus one: the rank. How registers are kept is the caller's.
 *
 * Contract: hashes are even; who chooses them can make the estimate say anything. The standard
 * error is 1.04 / sqrt(registers).
 */
#ifndef STORE_HYPERLOGLOG_H
#define STORE_HYPERLOGLOG_H

#include <stdint.h>

/* What a register may say. Those above 64 - bits + 1 are nobody's, and are passed over. */
#define HYPERLOGLOG_RANKS 256u

static inline unsigned hyperloglog_register(unsigned bits, uint64_t hash)
{
    return (unsigned)(hash >> (64 - bits));
}

/* 1 to 64 - @bits + 1; 0 in a register is: nothing seen. */
static inline unsigned hyperloglog_rank(unsigned bits, uint64_t hash)
{
    /* The bit set below the others ends the run at its longest. */
    uint64_t tail = hash << bits | UINT64_C(1) << (bits - 1);

    return (unsigned)__builtin_clzll(tail) + 1;
}

/* Of 2^@bits registers, of which @n_at[rank] say so. Not negative; infinite if no hashes could have
 * made them. */
double hyperloglog_estimate(const unsigned n_at[HYPERLOGLOG_RANKS], unsigned bits);

#endif
