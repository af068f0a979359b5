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

#define BUCKET_SCHEMA_MAX 8    /* 256 buckets to each doubling */
#define BUCKET_SCHEMA_MIN (-7) /* all positive doubles in BUCKET_MIN_SPAN buckets */
#define BUCKET_MIN_SPAN   17

#define BUCKET_PER_OCTAVE (1 << BUCKET_SCHEMA_MAX)

/* Bucket @i seen @steps schemas coarser: i / 2^steps rounded up (right shifts keep the sign). */
static inline int32_t bucket_coarser(int32_t i, unsigned steps)
{
    return (i + (int32_t)((1u << steps) - 1)) >> steps;
}

/* The upper bound of bucket @i, +Inf past the largest double. */
static inline double bucket_bound(int32_t i, int schema)
{
    int32_t finest = i * (1 << (BUCKET_SCHEMA_MAX - schema));
    int32_t part = finest & (BUCKET_PER_OCTAVE - 1);

    return ldexp(exp2((double)part / BUCKET_PER_OCTAVE), finest >> BUCKET_SCHEMA_MAX);
}

/* bucket_bound() of the finest bucket @i in -BUCKET_PER_OCTAVE..0: from 0.5 to 1. */
static inline double bucket_cut(int32_t i)
{
    return exp2((double)(i + BUCKET_PER_OCTAVE) / BUCKET_PER_OCTAVE) / 2;
}

static inline int32_t bucket_index(double v, int schema)
{
    /* Far wider than log2()'s error, far narrower than a bucket. */
    const double doubt = 1e-9;
    int exponent;
    double m = frexp(v, &exponent);
    double x = log2(m) * BUCKET_PER_OCTAVE; /* in -BUCKET_PER_OCTAVE..0 */
    int32_t i = (int32_t)x;                 /* toward zero, so up */
    double above = i - x;

    if (above < doubt)
        i = m <= bucket_cut(i) ? i : i + 1;
    else if (above > 1 - doubt)
        i = m <= bucket_cut(i - 1) ? i - 1 : i;
    return bucket_coarser(exponent * BUCKET_PER_OCTAVE + i, (unsigned)(BUCKET_SCHEMA_MAX - schema));
}

#endif
