/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HyperLogLog: see hyperloglog.h; the estimate
 *
 * Ertl's improved raw estimate ("New cardinality estimation algorithms for HyperLogLog sketches",
 * 2017, algorithms 5 and 6), which needs no correction for small or large numbers, no table and no
 * logarithm. Only how many registers have which rank matters, so a thousand registers cost one walk
 * over them and some 60 steps.
 */
#include "store/hyperloglog.h"

#include <math.h>

/* x + sum over k >= 1 of x^(2^k) * 2^(k-1): what the registers at 0 stand for. */
static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x == 1)
        return INFINITY;
    do {
        before = z;
        x *= x;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

/* (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3: the registers at their highest. */
static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x == 0 || x == 1)
        return 0;
    do {
        before = z;
        x = sqrt(x);
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

double hyperloglog_estimate(const unsigned n_at[HYPERLOGLOG_RANKS], unsigned bits)
{
    const double m = (double)(UINT64_C(1) << bits), alpha = 0.5 / M_LN2;
    const unsigned n_rank_bits = 64 - bits;
    double z = m * tau(1 - n_at[n_rank_bits + 1] / m);

    for (unsigned rank = n_rank_bits; rank >= 1; rank--)
        z = (z + n_at[rank]) / 2;
    z += m * sigma(n_at[0] / m);
    return alpha * m * m / z;
}
