/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus text format 0.0.4
 *
 *      # HELP name help                       backslash and LF escaped
 *      # TYPE name type
 *      name[_suffix][{labels[,key="text"]}] value      line.h
 *
 * A page has as many lines as there are series, so a line is a few copies into room that was made
 * once for all lines of its series: the labels were rendered at the series' birth, the texts of
 * bounds and quantiles when their shape was made, and only the numbers are printed here.
 *
 * Laws: what was measured stands for itself: no timestamps, no blank lines, no marker at the end.
 *       Numbers of all kinds, counts too, go through num_print(), as statsd_exporter prints them.
 *       A series appears whole or, when memory is short, not at all.
 */
#include "expo/encoder.h"

#include "expo/line.h"

static char *put_totals(char *p, const struct snapshot_family *f, const struct snapshot_series *s)
{
    p = put_line(p, f->name, s->labels, &part_sum, SLICE_LIT(""), s->sum);
    return put_line(p, f->name, s->labels, &part_count, SLICE_LIT(""), (double)s->count);
}

static void add_value(struct buf *out, const struct snapshot_family *f,
                      const struct snapshot_series *s)
{
    size_t need = f->name.len + s->labels.len + LINE_EXTRA;

    if (buf_reserve(out, need) < 0)
        return;
    commit(out,
           put_line(out->p + out->len, f->name, s->labels, &part_plain, SLICE_LIT(""), s->value));
}

static void add_histogram(struct buf *out, const struct snapshot_family *f,
                          const struct snapshot_series *s)
{
    char *p = reserve_lines(out, f, s);

    if (!p)
        return;
    for (unsigned i = 0; i < s->n_points; i++)
        p = put_line(p, f->name, s->labels, &part_bucket, s->point_texts[i],
                     (double)s->cumulative[i]);
    p = put_line(p, f->name, s->labels, &part_bucket, SLICE_LIT("+Inf"), (double)s->count);
    commit(out, put_totals(p, f, s));
}

static void add_summary(struct buf *out, const struct snapshot_family *f,
                        const struct snapshot_series *s)
{
    char *p = reserve_lines(out, f, s);

    if (!p)
        return;
    for (unsigned i = 0; i < s->n_points; i++)
        p = put_line(p, f->name, s->labels, &part_quantile, s->point_texts[i], s->quantiles[i]);
    commit(out, put_totals(p, f, s));
}

static void text_series(struct buf *out, const struct snapshot_family *f,
                        const struct snapshot_series *s)
{
    if (f->type == SNAPSHOT_HISTOGRAM)
        add_histogram(out, f, s);
    else if (f->type == SNAPSHOT_SUMMARY)
        add_summary(out, f, s);
    else
        add_value(out, f, s);
}

/* Copies in runs between the bytes that need a backslash. */
void text_escape(struct buf *out, struct slice s, bool quotes)
{
    size_t done = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (c != '\\' && c != '\n' && !(quotes && c == '"'))
            continue;
        buf_add(out, s.p + done, i - done);
        buf_add_byte(out, '\\');
        buf_add_byte(out, c == '\n' ? 'n' : c);
        done = i + 1;
    }
    if (done < s.len)
        buf_add(out, s.p + done, s.len - done);
}

void text_escape_label(struct buf *out, struct slice value)
{
    text_escape(out, value, true);
}

static void text_family_begin(struct buf *out, const struct snapshot_family *f)
{
    buf_add_str(out, "# HELP ");
    buf_add_slice(out, f->name);
    buf_add_byte(out, ' ');
    text_escape(out, f->help, false);
    buf_add_str(out, "\n# TYPE ");
    buf_add_slice(out, f->name);
    buf_add_byte(out, ' ');
    buf_add_str(out, type_names[f->type]);
    buf_add_byte(out, '\n');
}

const struct encoder encoder_text = {
    .content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    .family_begin = text_family_begin,
    .series = text_series,
};
