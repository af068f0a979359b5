/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars: from a sample's tags to the page
 *
 *      feed_sample --exemplar_keep--> the worker's store --exemplars_show--> snapshot --> encoder
 *
 * A worker keeps the newest exemplar of each counter and of each bucket that its samples fell in,
 * with the labels spelled as the page shows them. A page takes, of all workers', the newest.
 *
 * Laws: an exemplar is of a sample that its series took, and kept after it was counted; a page
 *       looks for exemplars before it reads the series. So it shows none that it has not counted.
 *       What is not a number is no exemplar.
 */
#include "engine/engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "expo/encoder.h"

/* Each tag: its bytes, escaped at worst, then =, two quotes and a comma. */
_Static_assert(2 * STATSD_MAX_EXEMPLAR_BYTES + 4 * STATSD_MAX_EXEMPLAR_TAGS <= EXEMPLAR_TEXT_MAX,
               "the labels of an exemplar have room");

/* ---- the worker's side ---- */

/* The labels of one are never longer than the room made here: none is lost for want of memory. */
int exemplars_init(struct bacowr_worker *w)
{
    if (w->b->config.statsd.exemplar_tags[0] == NULL)
        return 0;
    if (buf_reserve(&w->exemplar, EXEMPLAR_TEXT_MAX) != 0)
        return -ENOMEM;
    return exemplars_new(&w->exemplars);
}

static size_t tags_len(const struct statsd_exemplar *e)
{
    size_t len = 0;

    for (unsigned i = 0; i < e->n; i++)
        len += e->tags[i].key.len + e->tags[i].value.len;
    return len;
}

static struct slice render_tags(struct buf *out, const struct statsd_exemplar *e)
{
    buf_clear(out);
    for (unsigned i = 0; i < e->n; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        buf_add_slice(out, e->tags[i].key);
        buf_add_str(out, "=\"");
        text_escape_label(out, e->tags[i].value);
        buf_add_byte(out, '"');
    }
    return buf_slice(out);
}

void exemplar_keep(struct bacowr_worker *w, const struct route *r, const struct statsd_exemplar *e,
                   double v)
{
    const struct route_plan *p = r->plan;
    struct exemplar_key key = {r->cell, p->shape, r->birth, 0};
    struct exemplar kept = {v / p->divisor * p->scale, w->time.now_ms, {NULL, 0}};

    if (e->n == 0)
        return;
    stat_add(w, STAT_EXEMPLARS, 1);
    if (tags_len(e) > STATSD_MAX_EXEMPLAR_BYTES) {
        stat_add(w, STAT_EXEMPLARS_DROPPED, 1);
        return;
    }
    if ((p->op != OP_COUNT && p->op != OP_BUCKETS) || !plan_wants(p, v) || isnan(kept.value))
        return;
    if (p->op == OP_BUCKETS)
        key.slot = cell_bucket_of(p->shape, kept.value);
    kept.labels = render_tags(&w->exemplar, e);
    exemplar_put(w->exemplars, &key, &kept);
}

/* ---- the control thread's side ---- */

void exemplar_reader_release(struct exemplar_reader *r)
{
    free(r->items);
    free(r->texts);
    *r = (struct exemplar_reader){0};
}

static int reader_reserve(struct exemplar_reader *r, unsigned n)
{
    struct snapshot_exemplar *items;
    char(*texts)[EXEMPLAR_TEXT_MAX];

    if (n <= r->n)
        return 0;
    items = realloc(r->items, n * sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    r->items = items;
    texts = realloc(r->texts, n * sizeof *texts);
    if (texts == NULL)
        return -ENOMEM;
    r->texts = texts;
    r->n = n;
    return 0;
}

/* The newest that a worker has of @slot, its labels in @text; labels are empty without one. */
static struct exemplar newest(const struct bacowr *b, const struct series *series, uint32_t slot,
                              char text[EXEMPLAR_TEXT_MAX])
{
    struct exemplar best = {0}, found;
    char room[EXEMPLAR_TEXT_MAX];

    for (unsigned i = 0; i < series->n_cells; i++) {
        struct exemplar_key key = {
            .cell = atomic_load_explicit(&series->cells[i], memory_order_relaxed),
            .shape = series_shape(series),
            .birth = relaxed_load(&series->birth), /* only control changes it */
            .slot = slot,
        };

        if (key.cell == NULL || !exemplar_get(b->workers[i]->exemplars, &key, room, &found) ||
            (best.labels.len > 0 && found.now_ms < best.now_ms))
            continue;
        memcpy(text, room, found.labels.len);
        best = found;
        best.labels.p = text;
    }
    return best;
}

int exemplars_show(struct bacowr *b, const struct series *series, struct snapshot_series *shown)
{
    struct exemplar_reader *r = &b->exemplar_reader;
    const struct shape *shape = series_shape(series);
    int64_t zero_ms = b->config.unix_ms_at_zero;
    unsigned n = shape->type == METRIC_HISTOGRAM ? shape->n_points + 1 : 1;
    bool any = false;

    if (b->workers[0]->exemplars == NULL ||
        (shape->type != METRIC_COUNTER && shape->type != METRIC_HISTOGRAM))
        return 0;
    if (reader_reserve(r, n) != 0)
        return -ENOMEM;
    for (unsigned slot = 0; slot < n; slot++) {
        struct exemplar e = newest(b, series, slot, r->texts[slot]);

        r->items[slot] = (struct snapshot_exemplar){
            .labels = e.labels,
            .value = e.value,
            .unix_ms = zero_ms > 0 ? zero_ms + e.now_ms : 0,
        };
        any = any || e.labels.len > 0;
    }
    shown->exemplars = any ? r->items : NULL;
    return 0;
}
