/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real numbers: the little that the C library's mathematical half would be loaded for
 *
 * Scaling by powers of two, taking numbers apart, rounding: three of its functions are not worth
 * 0.3 MB of it in every process. The compiler makes instructions of fabs(), floor(), sqrt().
 *
 * Contract: pure functions, exact unless something else is said.
 */
#ifndef BASE_REAL_H
#define BASE_REAL_H

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^@e, which is a normal double. */
static inline double real_power(int e)
{
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double v;

    assert(e >= -1022 && e <= 1023);
    memcpy(&v, &bits, sizeof v);
    return v;
}

/*
 * @v times 2^@e, which is not below -2200; rounded once where that is below 2^-1022, infinite where
 * it is too large. On the way down a number stays normal until the last step, or it would be
 * rounded twice.
 */
static inline double real_scale(double v, int e)
{
    while (e > 1023) {
        v *= 0x1p1023;
        e -= 1023;
    }
    while (e < -1022) {
        v *= 0x1p-969;
        e += 969;
    }
    return v * real_power(e);
}

/* The exponent with which @v, positive and finite, is a fraction of 0.5 to below 1. */
static inline int real_exponent(double v)
{
    uint64_t bits;
    int below = 0;

    assert(v > 0 && isfinite(v));
    if (v < 0x1p-1022) {
        v *= 0x1p54;
        below = -54;
    }
    memcpy(&bits, &v, sizeof bits);
    return (int)(bits >> 52) - 1022 + below;
}

/* The whole number that is nearest to @v, which is not negative; halves go up. */
static inline double real_round(double v)
{
    double whole = floor(v);

    return v - whole < 0.5 ? whole : whole + 1;
}

#endif
