/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenMetrics text format 1.0
 *
 *      # HELP stem help                       backslash, LF and double quote escaped
 *      # TYPE stem type
 *      name[_suffix][{labels[,key="text"]}] value
 *      stem_total or name_bucket ... value # {labels} value [seconds]     with an exemplar
 *      stem_created{labels} seconds           counters, histograms, summaries
 *      # EOF
 *
 * Its lines are the text format's lines, but stricter, and a reader may refuse a whole page for one
 * breach. What is sent to us must not be able to cause one, so three things are shown otherwise:
 *
 * Counters. Here a counter's family is called `x` and its sample `x_total`. Names do not change
 * with the format, so a counter called anything else is of type unknown, under its own name; and so
 * is `x_total` when `x`, or what would be made of it, is another family's name (the engine looks
 * that up).
 *
 * Sums. A sum that is negative or NaN is no counter and must not appear, nor any sum beside
 * negative bounds; a histogram then has no _count either (its +Inf bucket says the same). Negative
 * quantiles must not appear.
 *
 * Bounds. `le` and `quantile` are floats in canonical spelling: 2.0, where the text format has 2.
 *
 * Laws: no blank lines, no timestamps but of births and exemplars, no units.
 *       A series appears whole or, when memory is short, not at all.
 */
#include "expo/encoder.h"

#include <math.h>

#include "expo/line.h"

static const struct part part_created = {{"_created", 8}, {NULL, 0}};

/* The family name of a counter's sample name; empty: it is none here. */
static struct slice counter_stem(const struct snapshot_family *f)
{
    const struct slice total = SLICE_LIT("_total");
    size_t len = f->name.len > total.len ? f->name.len - total.len : 0;

    if (!f->stem_is_free || len == 0 || !slice_eq(slice_from(f->name, len), total))
        return slice_of(NULL, 0);
    return slice_of(f->name.p, len);
}

static char *put_created(char *p, struct slice stem, const struct snapshot_series *s)
{
    if (s->created_ms <= 0)
        return p;
    return put_line(p, stem, s->labels, &part_created, SLICE_LIT(""), (double)s->created_ms / 1e3);
}

/* As num_print() spells it, and with a fraction: its texts without point and exponent get one. */
static struct slice canonical(char room[NUM_TEXT_MAX + 2], struct slice text)
{
    assert(text.len <= NUM_TEXT_MAX);
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] != '-' && (text.p[i] < '0' || text.p[i] > '9'))
            return text;
    memcpy(put(room, text), ".0", 2);
    return slice_of(room, text.len + 2);
}

/* Behind a line's value, which ended at @p with an LF. */
static char *put_exemplar(char *p, const struct snapshot_exemplar *e)
{
    uint64_t ms = (uint64_t)e->unix_ms;

    if (e->labels.len == 0)
        return p;
    p = put(p - 1, SLICE_LIT(" # {"));
    p = put(p, e->labels);
    p = put(p, SLICE_LIT("} "));
    p += num_print(p, e->value);
    if (e->unix_ms > 0) {
        *p++ = ' ';
        p += num_print_u64(p, ms / 1000);
        *p++ = '.';
        for (unsigned unit = 100; unit > 0; unit /= 10)
            *p++ = (char)('0' + ms / unit % 10);
    }
    *p++ = '\n';
    return p;
}

static void add_value(struct buf *out, const struct snapshot_family *f,
                      const struct snapshot_series *s)
{
    struct slice stem = f->type == SNAPSHOT_COUNTER ? counter_stem(f) : slice_of(NULL, 0);
    const struct snapshot_exemplar *exemplar = stem.len > 0 ? s->exemplars : NULL;
    size_t need = 2 * (f->name.len + s->labels.len + LINE_EXTRA);
    char *p;

    if (exemplar != NULL)
        need += exemplar->labels.len + EXEMPLAR_EXTRA;
    if (buf_reserve(out, need) < 0)
        return;
    p = put_line(out->p + out->len, f->name, s->labels, &part_plain, SLICE_LIT(""), s->value);
    if (exemplar != NULL)
        p = put_exemplar(p, exemplar);
    if (stem.len > 0)
        p = put_created(p, stem, s);
    commit(out, p);
}

static bool is_counter_like(double sum)
{
    return !isnan(sum) && sum >= 0;
}

static char *put_sum(char *p, const struct snapshot_family *f, const struct snapshot_series *s)
{
    return put_line(p, f->name, s->labels, &part_sum, SLICE_LIT(""), s->sum);
}

static char *put_count(char *p, const struct snapshot_family *f, const struct snapshot_series *s)
{
    return put_line(p, f->name, s->labels, &part_count, SLICE_LIT(""), (double)s->count);
}

static void add_histogram(struct buf *out, const struct snapshot_family *f,
                          const struct snapshot_series *s)
{
    char *p = reserve_lines(out, f, s);
    char room[NUM_TEXT_MAX + 2];

    if (!p)
        return;
    for (unsigned i = 0; i <= s->n_points; i++) {
        bool last = i == s->n_points;
        struct slice le = last ? SLICE_LIT("+Inf") : canonical(room, s->point_texts[i]);

        p = put_line(p, f->name, s->labels, &part_bucket, le,
                     (double)(last ? s->count : s->cumulative[i]));
        if (s->exemplars != NULL)
            p = put_exemplar(p, &s->exemplars[i]);
    }
    if (is_counter_like(s->sum) && (s->n_points == 0 || s->points[0] >= 0)) {
        p = put_sum(p, f, s);
        p = put_count(p, f, s);
    }
    commit(out, put_created(p, f->name, s));
}

static void add_summary(struct buf *out, const struct snapshot_family *f,
                        const struct snapshot_series *s)
{
    char *p = reserve_lines(out, f, s);
    char room[NUM_TEXT_MAX + 2];

    if (!p)
        return;
    for (unsigned i = 0; i < s->n_points; i++) {
        if (s->quantiles[i] < 0)
            continue;
        p = put_line(p, f->name, s->labels, &part_quantile, canonical(room, s->point_texts[i]),
                     s->quantiles[i]);
    }
    if (is_counter_like(s->sum))
        p = put_sum(p, f, s);
    p = put_count(p, f, s);
    commit(out, put_created(p, f->name, s));
}

static void openmetrics_series(struct buf *out, const struct snapshot_family *f,
                               const struct snapshot_series *s)
{
    if (f->type == SNAPSHOT_HISTOGRAM)
        add_histogram(out, f, s);
    else if (f->type == SNAPSHOT_SUMMARY)
        add_summary(out, f, s);
    else
        add_value(out, f, s);
}

static void openmetrics_family_begin(struct buf *out, const struct snapshot_family *f)
{
    const char *type = type_names[f->type];
    struct slice name = f->name;

    if (f->type == SNAPSHOT_COUNTER) {
        struct slice stem = counter_stem(f);

        type = stem.len > 0 ? type : "unknown";
        name = stem.len > 0 ? stem : name;
    }
    buf_add_str(out, "# HELP ");
    buf_add_slice(out, name);
    buf_add_byte(out, ' ');
    text_escape(out, f->help, true);
    buf_add_str(out, "\n# TYPE ");
    buf_add_slice(out, name);
    buf_add_byte(out, ' ');
    buf_add_str(out, type);
    buf_add_byte(out, '\n');
}

static void openmetrics_end(struct buf *out)
{
    buf_add_str(out, "# EOF\n");
}

const struct encoder encoder_openmetrics = {
    .content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    .needs_stems = true,
    .needs_exemplars = true,
    .family_begin = openmetrics_family_begin,
    .series = openmetrics_series,
    .end = openmetrics_end,
};
