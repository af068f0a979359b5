/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell, histogram: observations counted in buckets with bounds of the operator's
 *
 *      | birth tick | sum | n + 1 counts |
 *
 * Each count is a word that only grows, so a reader needs no order between them.
 *
 * Laws: the histogram's count is the sum of its buckets, on every page. `_sum` may lag by one
 *       observation.
 */
#include "store/cell_types.h"

#include <errno.h>

struct histogram_cell {
    struct cell head;
    relaxed_u64 sum;      /* double */
    relaxed_u64 counts[]; /* n_points + 1: the last is +Inf */
};

size_t cell_histogram_size(const struct shape *shape)
{
    return sizeof(struct histogram_cell) + (shape->n_points + 1) * sizeof(relaxed_u64);
}

/* Full buckets of many workers could be more than a word holds. */
static uint64_t sum_or_most(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

int cell_histogram_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    uint64_t total = 0;
    double sum = 0;

    if (cell_reader_reserve(r, shape->n_points) != 0)
        return -ENOMEM;
    for (unsigned p = 0; p <= shape->n_points; p++) {
        for (unsigned i = 0; i < n; i++) {
            const struct histogram_cell *c = (const struct histogram_cell *)cells[i];

            if (c != NULL)
                total = sum_or_most(total, relaxed_load(&c->counts[p]));
        }
        if (p < shape->n_points)
            r->cumulative[p] = total;
    }
    for (unsigned i = 0; i < n; i++)
        if (cells[i] != NULL)
            sum += relaxed_load_double(&((const struct histogram_cell *)cells[i])->sum);
    out->sum = sum;
    out->count = total;
    out->n_points = shape->n_points;
    out->points = shape->points;
    out->point_texts = shape->texts;
    out->cumulative = r->cumulative;
    return 0;
}

/* The first point with v <= point, or n: NaN belongs to +Inf only. */
static unsigned bucket_of(const double *points, unsigned n, double v)
{
    unsigned low = 0;

    while (n > 0) {
        unsigned half = n / 2;

        if (v <= points[low + half]) {
            n = half;
        } else {
            low += half + 1;
            n -= half + 1;
        }
    }
    return low;
}

void cell_observe_buckets(struct cell *cell, const struct shape *shape, double v, uint64_t weight,
                          struct cell_time t)
{
    struct histogram_cell *c = (struct histogram_cell *)cell;

    cell_touch(cell, t);
    relaxed_store_double(&c->sum, relaxed_load_double(&c->sum) + v * (double)weight);
    relaxed_grow(&c->counts[bucket_of(shape->points, shape->n_points, v)], weight);
}
