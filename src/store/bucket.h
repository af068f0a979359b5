/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential buckets: which bucket a double falls into, at which resolution
 *
 * At schema s the base is 2^(2^-s), and bucket i holds base^(i-1) < v <= base^i. Schemas nest: one
 * step coarser puts buckets 2k-1 and 2k together, so a coarse index is always a shift of the
 * finest one and two resolutions never disagree about a boundary.
 *
 * Contract: pure functions; @v is finite and above zero. Boundaries are the doubles that
 * bucket_bound() gives (below 2^-1022, where doubles get sparse, that one is rounded).
 */
#ifndef STORE_BUCKET_H
#define STORE_BUCKET_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BUCKET_SCHEMA_MAX 8    /* 256 buckets to each doubling */
#define BUCKET_SCHEMA_MIN (-7) /* all positive doubles in BUCKET_MIN_SPAN buckets */
#define BUCKET_MIN_SPAN   17

#define BUCKET_PER_OCTAVE (1 << BUCKET_SCHEMA_MAX)

/* Private, see bucket.c: the mantissa at which each of a doubling's finest buckets ends; the bucket
 * of the first value of each of its slices. */
#define BUCKET_N_SLICES   512
extern const uint64_t bucket_cuts[BUCKET_PER_OCTAVE + 1];
extern const uint16_t bucket_starts[BUCKET_N_SLICES];

/* Bucket @i seen @steps schemas coarser: i / 2^steps rounded up (right shifts keep the sign). */
static inline int32_t bucket_coarser(int32_t i, unsigned steps)
{
    return (i + (int32_t)((1u << steps) - 1)) >> steps;
}

/* The upper bound of bucket @i, +Inf past the largest double. */
static inline double bucket_bound(int32_t i, int schema)
{
    int32_t finest = i * (1 << (BUCKET_SCHEMA_MAX - schema));
    uint64_t cut = bucket_cuts[finest & (BUCKET_PER_OCTAVE - 1)];

    return ldexp(1 + (double)cut * 0x1p-52, finest >> BUCKET_SCHEMA_MAX);
}

static inline int32_t bucket_index(double v, int schema)
{
    const uint64_t mantissa_mask = (UINT64_C(1) << 52) - 1;
    uint64_t bits, mantissa;
    int32_t exponent, finest;

    memcpy(&bits, &v, sizeof bits);
    exponent = (int32_t)(bits >> 52) - 1023;
    if (exponent == -1023) { /* its mantissa does not begin with the hidden one */
        v *= 0x1p52;
        memcpy(&bits, &v, sizeof bits);
        exponent = (int32_t)(bits >> 52) - 1023 - 52;
    }
    mantissa = bits & mantissa_mask;
    finest = bucket_starts[mantissa >> (52 - 9)];
    finest += mantissa > bucket_cuts[finest];
    return bucket_coarser(exponent * BUCKET_PER_OCTAVE + finest,
                          (unsigned)(BUCKET_SCHEMA_MAX - schema));
}

#endif
