/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scrape: the page, slice by slice
 *
 * A scrape notes what it will show at its start: the families in name order, and the order number
 * of the newest series. Then it produces the page in slices, while workers go on writing, series
 * are born and others expire. What is born later is not shown; what expires in between may be
 * missing. Between slices it holds no pointer to a series, only to families, which its pin keeps
 * from being freed; and its place in a family's list is checked against the list's compactions.
 *
 *      own families      statsd_exporter_lines_total ...   \  merged by name, so the page is in
 *      the registry's    api_requests_total ...            /  order as a whole
 *
 * A young counter is shown as 0 (zero_first_ms): rate() compares scrapes, so what a series holds at
 * the first one is lost to it, and often that is all it ever holds. How young is told by the clock
 * alone, so that each of several scrapers sees the 0. Counts, sums and buckets of observations are
 * counters for rate() and are held too; quantiles, gauges and sets tell of now and are not. The
 * server's own families are there from the start at 0 and need no hold; its counter of conflicts
 * has series that are born like any, and is held like any.
 *
 * Laws: the control thread only; no lock; the workers' words are read, never written. Two slices of
 * one scrape may be far apart in time: each value is right when it is read.
 * A series is held or not by its scrape's beginning, so of two scrapes the later never shows less.
 */
#include "engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "expo/encoder.h"

/* So far may a worker's clock reading be ahead of the scrape's. */
#define AHEAD_TICKS 10

struct bacowr_scrape {
    struct bacowr *b;
    const struct encoder *encoder;
    struct reclaim_pin pin;
    int64_t now_ms;
    struct own_families *own;
    unsigned own_at;
    uint64_t newest; /* series born later are not shown */
    size_t n_families;
    size_t family_at;

    /* The place in the family under way. */
    struct snapshot_family view;
    enum metric_type type; /* the family's, when its head was written */
    bool begun;            /* its head was written */
    bool in_part;          /* of this slice: see expo/encoder.h */
    size_t part;           /* where it began in the buffer */
    struct series_walk walk;
    bool ended;
    struct family *families[]; /* pinned */
};

const struct bacowr_format *bacowr_format_for(const struct bacowr *b, struct slice accept)
{
    return (const struct bacowr_format *)accept_choose(accept, b->config.openmetrics);
}

const char *bacowr_content_type(const struct bacowr_format *format)
{
    return ((const struct encoder *)format)->content_type;
}

int bacowr_scrape_new(struct bacowr_scrape **out, struct bacowr *b,
                      const struct bacowr_format *format, const struct bacowr_own_family *own,
                      unsigned n_own, int64_t now_ms)
{
    struct registry *reg = &b->registry;
    struct bacowr_scrape *s;

    if (registry_sort(reg) != 0)
        return -ENOMEM;
    s = calloc(1, sizeof *s + reg->n_sorted * sizeof s->families[0]);
    if (s == NULL)
        return -ENOMEM;
    s->b = b;
    s->encoder = (const struct encoder *)format;
    s->now_ms = now_ms;
    s->newest = relaxed_load(&reg->n_births);
    s->n_families = reg->n_sorted;
    if (reg->n_sorted > 0)
        memcpy(s->families, reg->sorted, reg->n_sorted * sizeof s->families[0]);
    if (own_new(&s->own, b, own, n_own) != 0) {
        free(s);
        return -ENOMEM;
    }
    reclaim_pin(&b->reclaim, &s->pin);
    *out = s;
    return 0;
}

void bacowr_scrape_free(struct bacowr_scrape *s)
{
    if (s == NULL)
        return;
    reclaim_unpin(&s->b->reclaim, &s->pin);
    own_free(s->own);
    free(s);
}

/* ---- a family ---- */

static void view_set(struct bacowr_scrape *s, struct slice name, struct slice help,
                     enum snapshot_type type)
{
    const struct page_names names = {s->families, s->n_families, s->own};

    s->view = (struct snapshot_family){.name = name, .help = help, .type = type};
    if (s->encoder->needs_stems && type == SNAPSHOT_COUNTER)
        s->view.stem_is_free = stem_is_free(&names, name);
}

static void show_series(struct bacowr_scrape *s, const struct snapshot_series *shown,
                        struct buf *out)
{
    if (!s->begun && s->encoder->family_begin != NULL)
        s->encoder->family_begin(out, &s->view);
    s->begun = true;
    if (!s->in_part && s->encoder->part_begin != NULL) {
        s->part = out->len;
        s->in_part = true;
        s->encoder->part_begin(out, &s->view);
    }
    s->encoder->series(out, &s->view, shown);
}

/* At the end of a slice or of the family. */
static void end_part(struct bacowr_scrape *s, struct buf *out)
{
    if (s->in_part)
        s->encoder->part_end(out, s->part);
    s->in_part = false;
}

static void end_family(struct bacowr_scrape *s, struct buf *out)
{
    end_part(s, out);
    s->begun = false;
}

static void own_family(struct bacowr_scrape *s, struct buf *out)
{
    const struct bacowr_own_family *own = own_at(s->own, s->own_at++);

    view_set(s, slice_str(own->name), slice_str(own->help),
             own->type == BACOWR_METRIC_COUNTER ? SNAPSHOT_COUNTER : SNAPSHOT_GAUGE);
    for (unsigned i = 0; i < own->n_samples; i++) {
        const char *labels = own->samples[i].labels;

        show_series(s,
                    &(struct snapshot_series){
                        .labels = slice_str(labels != NULL ? labels : ""),
                        .value = own->samples[i].value,
                    },
                    out);
    }
    end_family(s, out);
}

/* ---- the registry's families ---- */

/* 0: nobody told what the clock means. Ticks may have wrapped since the start. */
static int64_t series_created_ms(const struct bacowr_scrape *s, const struct series *series)
{
    int64_t zero_ms = s->b->config.unix_ms_at_zero;
    int64_t now_ticks = s->now_ms / CELL_TICK_MS;
    /* Signed: a worker's clock reading may be a moment ahead of the scrape's. */
    int32_t age_ticks =
        (int32_t)((uint32_t)now_ticks - series_since(series, s->encoder->needs_native));

    return zero_ms > 0 ? zero_ms + (now_ticks - age_ticks) * CELL_TICK_MS : 0;
}

/* Ticks are cut off on both sides, so one more makes the time at least what was asked for. (They
 * wrap after 13 years.) */
static bool is_held(const struct bacowr_scrape *s, const struct series *series)
{
    int64_t hold_ticks = (s->b->config.zero_first_ms + CELL_TICK_MS - 1) / CELL_TICK_MS + 1;
    uint32_t now_ticks = (uint32_t)(s->now_ms / CELL_TICK_MS);

    return s->b->config.zero_first_ms > 0 &&
           now_ticks + AHEAD_TICKS - series->born < hold_ticks + AHEAD_TICKS;
}

/* As if nothing had been counted yet. @r is what @shown was read with. */
static void hold_at_zero(struct cell_reader *r, enum snapshot_type type,
                         struct snapshot_series *shown)
{
    if (type == SNAPSHOT_GAUGE)
        return;
    shown->value = 0;
    shown->sum = 0;
    shown->count = 0;
    shown->exemplars = NULL;
    if (shown->cumulative != NULL) {
        assert(shown->cumulative == r->cumulative);
        memset(r->cumulative, 0, shown->n_points * sizeof *r->cumulative);
    }
    if (shown->native != NULL) {
        assert(shown->native == &r->native);
        r->native.zero_count = 0;
        r->native.n_positive = 0;
        r->native.n_negative = 0;
    }
}

/* The family may have changed its type since its head was written, or the series not yet. The two
 * types of observers share count and sum. */
static void show_as(enum metric_type type, const struct series *series,
                    struct snapshot_series *shown)
{
    if (series_shape(series)->type == type)
        return;
    shown->n_points = 0;
    shown->native = NULL;
    shown->exemplars = NULL;
}

static int series_show(struct bacowr_scrape *s, const struct series *series, struct buf *out)
{
    struct snapshot_series shown = {
        .labels = series_labels(series),
        .created_ms = series_created_ms(s, series),
    };

    if (vector_clashes(series->vector, s->type))
        return 0;
    if (s->encoder->needs_exemplars && exemplars_show(s->b, series, &shown) != 0)
        return -ENOMEM;
    s->b->reader.wants_native = s->encoder->needs_native;
    if (series_read(series, s->now_ms, &s->b->reader, &shown) != 0)
        return -ENOMEM;
    show_as(s->type, series, &shown);
    if (is_held(s, series))
        hold_at_zero(&s->b->reader, s->view.type, &shown);
    show_series(s, &shown, out);
    return 0;
}

/* Some series of the family under way; moves on to the next family at its end. */
static int family_slice(struct bacowr_scrape *s, struct buf *out, size_t until)
{
    struct family *f = s->families[s->family_at];
    const struct series *series;

    if (!s->begun) {
        s->type = family_type(f);
        view_set(s, family_name(f), family_help(f), metric_snapshot_type(s->type));
    }
    while (out->len < until) {
        series = series_walk_next(&s->walk, &s->b->registry, f, s->newest);
        if (series == NULL) {
            end_family(s, out);
            s->family_at++;
            s->walk = (struct series_walk){0};
            return 0;
        }
        if (series_show(s, series, out) != 0)
            return -ENOMEM;
    }
    end_part(s, out);
    return 0;
}

/* Is the next family one of our own? */
static bool own_is_next(const struct bacowr_scrape *s)
{
    if (s->own_at == own_n(s->own))
        return false;
    if (s->family_at == s->n_families)
        return true;
    return !s->begun && slice_cmp(slice_str(own_at(s->own, s->own_at)->name),
                                  family_name(s->families[s->family_at])) < 0;
}

int bacowr_scrape_next(struct bacowr_scrape *s, struct buf *out, unsigned want)
{
    size_t until = out->len + (want > 0 ? want : 1);

    while (out->len < until && !s->ended) {
        if (own_is_next(s)) {
            own_family(s, out);
        } else if (s->family_at < s->n_families) {
            if (family_slice(s, out, until) != 0)
                return -ENOMEM;
        } else {
            if (s->encoder->end != NULL)
                s->encoder->end(out);
            s->ended = true;
        }
        if (out->failed)
            return -ENOMEM;
    }
    return s->ended ? 0 : 1;
}
