/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell, summary: a sketch of the observations in the window
 *
 *      | birth tick | seq | sum | count | sketch |
 *
 * A count in its place is one word; only a sketch that is reshaped or emptied moves `seq`. Then a
 * reader that finds no whole copy leaves this worker's window out of the page.
 *
 * Laws: `_sum` and `_count` are outside the window and always shown, whole sketch or torn.
 */
#include "store/cell_types.h"

#include <errno.h>

#include "store/sketch.h"

struct summary_cell {
    struct cell head;
    relaxed_u64 seq; /* odd while the sketch is being written */
    relaxed_u64 sum; /* double */
    relaxed_u64 count;
    uint64_t sketch[]; /* struct sketch */
};

size_t cell_summary_size(const struct shape *shape)
{
    return sizeof(struct summary_cell) + sketch_size(shape->n_slots);
}

void cell_summary_init(struct cell *c, const struct shape *shape)
{
    sketch_init((struct sketch *)((struct summary_cell *)c)->sketch, shape->n_slots);
}

int cell_summary_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                      int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    if (cell_reader_reserve(r, shape->n_points) != 0 || cell_reader_reserve_merge(r) != 0)
        return -ENOMEM;
    out->sum = 0;
    out->count = 0;
    sketch_merge_init(r->merge);
    for (unsigned i = 0; i < n; i++) {
        const struct summary_cell *c = (const struct summary_cell *)cells[i];

        if (c == NULL)
            continue;
        if (seq_copy(&c->seq, r->copy, (const relaxed_u64 *)c->sketch,
                     sketch_size(shape->n_slots) / sizeof(uint64_t)))
            sketch_merge_add(r->merge, (const struct sketch *)r->copy, slot_epoch(shape, now_ms));
        out->count += relaxed_load(&c->count);
        out->sum += relaxed_load_double(&c->sum);
    }
    for (unsigned p = 0; p < shape->n_points; p++)
        r->quantiles[p] = sketch_merge_quantile(r->merge, shape->points[p]);
    out->n_points = shape->n_points;
    out->points = shape->points;
    out->point_texts = shape->texts;
    out->quantiles = r->quantiles;
    return 0;
}

void cell_observe_sketch(struct cell *cell, const struct shape *shape, double v, uint64_t weight,
                         struct cell_time t)
{
    struct summary_cell *c = (struct summary_cell *)cell;

    cell_touch(cell, t);
    relaxed_store_double(&c->sum, relaxed_load_double(&c->sum) + v * (double)weight);
    relaxed_grow(&c->count, weight);
    if (sketch_count((struct sketch *)c->sketch, slot_epoch(shape, t.now_ms), v, weight))
        return;
    seq_begin(&c->seq);
    sketch_observe((struct sketch *)c->sketch, slot_epoch(shape, t.now_ms), v, weight);
    seq_end(&c->seq);
}
