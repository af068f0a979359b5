/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shape: how the samples of a series are kept
 *
 * The metric type and, for observers, the bounds, quantiles and window, with their label texts
 * printed once. Series with equal settings share one shape.
 *
 * Contract: immutable after shape_new(). The registry keeps each distinct one until it is released:
 * they are as few as the settings that were ever loaded.
 */
#ifndef STORE_SHAPE_H
#define STORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* The metric types. A new one is a value here, a row in cell.c's table, and what
 * docs/architecture.md names besides. */
enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
    METRIC_SET,
};
#define METRIC_N_TYPES 5

/* What a shape is made from; arrays are borrowed. Unused parts are zero. */
struct shape_spec {
    enum metric_type type;
    unsigned n_bounds; /* histogram: finite upper bounds, ascending */
    const double *bounds;
    uint32_t native_max;  /* histogram: most native buckets; 0: none are kept */
    int native_schema;    /* at which they begin */
    unsigned n_quantiles; /* summary: ascending, 0..1 */
    const double *quantiles;
    int64_t window_ms; /* summary, set */
    unsigned n_slots;  /* the window moves in window_ms / n_slots */
    unsigned set_bits; /* set: 2^set_bits registers; 0: as many as usual */
};

struct shape {
    enum metric_type type;
    unsigned n_points; /* bounds or quantiles */
    double *points;
    struct slice *texts; /* the points as `le` or `quantile` label values */
    uint32_t native_max; /* native buckets; 0: none are kept */
    int native_schema;
    unsigned n_slots;
    int64_t slot_ms;
    unsigned set_bits;
    size_t cell_size;   /* bytes of one worker's cell, a multiple of CELL_ALIGN */
    struct shape *next; /* the registry's list of shapes */
};

/* Copies @spec. 0 or -ENOMEM. */
int shape_new(struct shape **out, const struct shape_spec *spec);
void shape_free(struct shape *s); /* accepts NULL */

/* Are cells of the two laid out alike, so that one may go on as the other? */
bool shape_same_cells(const struct shape *a, const struct shape *b);

/* Would @spec make a shape equal to @s? */
bool shape_is(const struct shape *s, const struct shape_spec *spec);

#endif
