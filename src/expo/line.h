/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line: one sample as both text formats write it
 *
 *      name[_suffix][{labels[,key="text"]}] value
 *
 * Contract: put_...() write to room that reserve_lines() made and give the place behind what they
 * wrote; commit() makes it part of the buffer. In the header because a page has as many lines as
 * there are series.
 */
#ifndef EXPO_LINE_H
#define EXPO_LINE_H

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "store/snapshot.h"

/* As the lines # TYPE spell them. */
static const char *const type_names[] = {
    [SNAPSHOT_COUNTER] = "counter",
    [SNAPSHOT_GAUGE] = "gauge",
    [SNAPSHOT_HISTOGRAM] = "histogram",
    [SNAPSHOT_SUMMARY] = "summary",
};

/* What a line adds to the series' name and labels. */
struct part {
    struct slice suffix;
    struct slice key; /* empty: no label beyond the series' own */
};

static const struct part part_plain = {{NULL, 0}, {NULL, 0}};
static const struct part part_bucket = {{"_bucket", 7}, {"le=\"", 4}};
static const struct part part_quantile = {{NULL, 0}, {"quantile=\"", 10}};
static const struct part part_sum = {{"_sum", 4}, {NULL, 0}};
static const struct part part_count = {{"_count", 6}, {NULL, 0}};

/* The most that a line adds to name, labels and text: _created { , quantile=" .0" } value LF. */
#define LINE_EXTRA     (8 + 2 + 10 + 2 + 4 + NUM_TEXT_MAX)

#define PUT_STEP       16u
#define PUT_STEPS_MAX  128u

/* The most that an exemplar adds to its labels: " # {" "} " value, a time in milliseconds. */
#define EXEMPLAR_EXTRA (4 + 2 + NUM_TEXT_MAX + 1 + NUM_TEXT_MAX + 4)

/* Names and labels are short: steps of a fixed length, the last of which overlaps the one before,
 * cost less than a call. */
static inline char *put(char *p, struct slice s)
{
    char *end = p + s.len;

    if (s.len < PUT_STEP || s.len > PUT_STEPS_MAX) {
        if (s.len > 0)
            memcpy(p, s.p, s.len);
        return end;
    }
    for (size_t i = 0; i + PUT_STEP < s.len; i += PUT_STEP)
        memcpy(p + i, s.p + i, PUT_STEP);
    memcpy(end - PUT_STEP, s.p + s.len - PUT_STEP, PUT_STEP);
    return end;
}

static inline char *put_line(char *p, struct slice name, struct slice labels,
                             const struct part *part, struct slice text, double value)
{
    p = put(p, name);
    p = put(p, part->suffix);
    if (labels.len > 0 || part->key.len > 0) {
        *p++ = '{';
        p = put(p, labels);
        if (part->key.len > 0) {
            if (labels.len > 0)
                *p++ = ',';
            p = put(p, part->key);
            p = put(p, text);
            *p++ = '"';
        }
        *p++ = '}';
    }
    *p++ = ' ';
    p += num_print(p, value);
    *p++ = '\n';
    return p;
}

/* Room for every line of a histogram or summary. Where to write, or NULL. */
static inline char *reserve_lines(struct buf *out, const struct snapshot_family *f,
                                  const struct snapshot_series *s)
{
    size_t n_lines = (size_t)s->n_points + 4; /* +Inf, _sum, _count, _created */
    size_t need = n_lines * (f->name.len + s->labels.len + LINE_EXTRA) + SLICE_LIT("+Inf").len;

    for (unsigned i = 0; i < s->n_points; i++)
        need += s->point_texts[i].len;
    for (unsigned i = 0; s->exemplars != NULL && i <= s->n_points; i++)
        need += s->exemplars[i].labels.len + EXEMPLAR_EXTRA;
    return buf_reserve(out, need) < 0 ? NULL : out->p + out->len;
}

static inline void commit(struct buf *out, const char *end)
{
    out->len = (size_t)(end - out->p);
    assert(out->len <= out->cap);
}

/* Append @s with backslash, LF and, if @quotes, double quote escaped (text.c). */
void text_escape(struct buf *out, struct slice s, bool quotes);

#endif
