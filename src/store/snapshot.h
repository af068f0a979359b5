/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot: what an encoder sees of the store
 *
 * A scrape walks the families in name order and, in each, the series in order of birth. For every
 * series the workers' cells are read without a lock and summed in a fixed order into one of these.
 *
 * Contract: all pointers are borrowed and valid until the walk's next step.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum snapshot_type {
    SNAPSHOT_COUNTER,
    SNAPSHOT_GAUGE,
    SNAPSHOT_HISTOGRAM,
    SNAPSHOT_SUMMARY,
};

struct snapshot_family {
    struct slice name;
    struct slice help; /* not escaped */
    enum snapshot_type type;

    /* Counter `x_total`: nothing else on the page uses `x` or what OpenMetrics makes of it. Told
     * only to an encoder that asks. */
    bool stem_is_free;
};

struct snapshot_bucket {
    int32_t index;
    uint64_t count; /* its own */
};

/* Exponential buckets: bucket i holds base^(i-1) < |v| <= base^i, base = 2^(2^-schema). */
struct snapshot_native {
    int schema;
    double zero_threshold;
    uint64_t zero_count;

    /* In order of their indices; those of negative values by their magnitudes. */
    unsigned n_positive, n_negative;
    const struct snapshot_bucket *positive, *negative;
};

struct snapshot_exemplar {
    struct slice labels; /* as those of a series; empty: there is none */
    double value;        /* not NaN */
    int64_t unix_ms;     /* when it was; 0: unknown */
};

struct snapshot_series {
    /* Rendered at the series' birth: a="b",c="d" - names in order, values escaped as in the text
     * format, no braces, no trailing comma; empty without labels. */
    struct slice labels;

    int64_t created_ms; /* when it was born, in Unix milliseconds; 0: unknown */

    double value; /* counter, gauge */

    /* Histogram and summary. */
    double sum;
    uint64_t count;

    /* Histogram: n_points finite bounds. Summary: n_points quantiles. Their `le` or `quantile`
     * texts were printed by num_print() once, when the shape was made. */
    unsigned n_points;
    const double *points; /* ascending */
    const struct slice *point_texts;
    const uint64_t *cumulative; /* histogram: observations <= bound */
    const double *quantiles;    /* summary: NaN when the window is empty */

    /* Histogram, told only to an encoder that asks: NULL when there are none. Then the count is
     * their sum, zeros and NaNs included. */
    const struct snapshot_native *native;

    /* Counter: one. Histogram: n_points + 1, each of a sample between a bound and the one before.
     * NULL when there are none; told only to an encoder that asks. */
    const struct snapshot_exemplar *exemplars;
};

#endif
