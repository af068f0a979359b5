/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus protobuf: delimited MetricFamily messages
 *
 *      length | MetricFamily { name help type
 *                              metric { label { name value } ...  counter { value created } }
 *                              metric { ... } }
 *      length | MetricFamily { ... }
 *
 * A message stands behind its length, so it must be whole before the first byte of it can go out; a
 * family of a million series would have to be whole in memory. Therefore each part of a family (a
 * slice of the page, see encoder.h) is a MetricFamily of its own with the same name, help and type.
 * Prometheus reads the page message by message and takes the metrics of each; the tests hold a real
 * one to that.
 *
 * Written by hand. The wire format is tags, varints and copies; a library would first have us build
 * the tree of the message, several allocations for each label, with label values as C strings,
 * which a NUL byte (it is legal UTF-8) cuts short. So it is no dependency either.
 *
 * Laws: - field numbers are those of io.prometheus.client (public since 2013), in ascending order;
 *         zero values are written too, since readers of proto2 tell them from absent ones.
 *       - Buckets are the finite ones, as from statsd_exporter: +Inf is sample_count. It is there
 *         when it has an exemplar.
 *       - put_...() write to room that was made for the whole metric: see metric_room().
 *       - Native buckets (protobuf_native.c) stand beside the others.
 */
#include "expo/protobuf.h"

#include <assert.h>
#include <math.h>

#include "expo/encoder.h"

enum {
    FAMILY_NAME = 1,
    FAMILY_HELP = 2,
    FAMILY_TYPE = 3,
    FAMILY_METRIC = 4,

    METRIC_LABEL = 1,
    METRIC_GAUGE = 2,
    METRIC_COUNTER = 3,
    METRIC_SUMMARY = 4,
    METRIC_HISTOGRAM = 7,

    LABEL_NAME = 1,
    LABEL_VALUE = 2,

    GAUGE_VALUE = 1,

    COUNTER_VALUE = 1,
    COUNTER_EXEMPLAR = 2,
    COUNTER_CREATED = 3,

    SUMMARY_COUNT = 1,
    SUMMARY_SUM = 2,
    SUMMARY_QUANTILE = 3,
    SUMMARY_CREATED = 4,

    QUANTILE_QUANTILE = 1,
    QUANTILE_VALUE = 2,

    HISTOGRAM_COUNT = 1,
    HISTOGRAM_SUM = 2,
    HISTOGRAM_BUCKET = 3,
    HISTOGRAM_CREATED = 15,

    BUCKET_COUNT = 1,
    BUCKET_BOUND = 2,
    BUCKET_EXEMPLAR = 3,

    EXEMPLAR_LABEL = 1,
    EXEMPLAR_VALUE = 2,
    EXEMPLAR_TIME = 3,

    TIMESTAMP_SECONDS = 1,
    TIMESTAMP_NANOS = 2,
};

static const unsigned char type_numbers[] = {
    [SNAPSHOT_COUNTER] = 0,
    [SNAPSHOT_GAUGE] = 1,
    [SNAPSHOT_HISTOGRAM] = 4,
    [SNAPSHOT_SUMMARY] = 2,
};

/* ---- labels ---- */

/* Undo text_escape_label() up to the closing quote of @rest, which is cut off with it. */
static char *put_unescaped(char *p, struct slice *rest)
{
    size_t i = 0;

    for (; i < rest->len && rest->p[i] != '"'; i++) {
        char c = rest->p[i];

        if (c == '\\' && i + 1 < rest->len) {
            c = rest->p[++i];
            c = c == 'n' ? '\n' : c;
        }
        *p++ = c;
    }
    assert(i < rest->len);
    *rest = slice_from(*rest, i < rest->len ? i + 1 : i);
    return p;
}

/* The first of @rest's labels, a="b", which is cut off with the comma behind it. */
static char *put_label(char *p, unsigned field, struct slice *rest)
{
    size_t name_len = slice_find(*rest, '=');
    char *label = message_begin(p, field);
    char *value;

    assert(name_len + 1 < rest->len && rest->p[name_len + 1] == '"');
    p = put_bytes(label, LABEL_NAME, slice_of(rest->p, name_len));
    *rest = slice_from(*rest, name_len + 2 <= rest->len ? name_len + 2 : rest->len);
    value = message_begin(p, LABEL_VALUE);
    p = message_end(value, put_unescaped(value, rest));
    if (rest->len > 0 && rest->p[0] == ',')
        *rest = slice_from(*rest, 1);
    return message_end(label, p);
}

/* ---- metrics ---- */

/* As google.protobuf.Timestamp. */
static char *put_time(char *p, unsigned field, int64_t unix_ms)
{
    uint64_t ms = (uint64_t)unix_ms;
    char *message;

    if (unix_ms <= 0)
        return p;
    message = message_begin(p, field);
    p = put_u64(message, TIMESTAMP_SECONDS, ms / 1000);
    p = put_u64(p, TIMESTAMP_NANOS, ms % 1000 * 1000000);
    return message_end(message, p);
}

static char *put_exemplar(char *p, unsigned field, const struct snapshot_exemplar *e)
{
    struct slice labels = e->labels;
    char *exemplar;

    if (labels.len == 0)
        return p;
    exemplar = message_begin(p, field);
    p = exemplar;
    while (labels.len > 0)
        p = put_label(p, EXEMPLAR_LABEL, &labels);
    p = put_double(p, EXEMPLAR_VALUE, e->value);
    return message_end(exemplar, put_time(p, EXEMPLAR_TIME, e->unix_ms));
}

static char *put_counter(char *p, const struct snapshot_series *s)
{
    char *counter = message_begin(p, METRIC_COUNTER);

    p = put_double(counter, COUNTER_VALUE, s->value);
    if (s->exemplars != NULL)
        p = put_exemplar(p, COUNTER_EXEMPLAR, s->exemplars);
    p = put_time(p, COUNTER_CREATED, s->created_ms);
    return message_end(counter, p);
}

static char *put_gauge(char *p, const struct snapshot_series *s)
{
    char *gauge = message_begin(p, METRIC_GAUGE);

    return message_end(gauge, put_double(gauge, GAUGE_VALUE, s->value));
}

static char *put_bucket(char *p, uint64_t count, double bound, const struct snapshot_exemplar *e)
{
    char *bucket = message_begin(p, HISTOGRAM_BUCKET);

    p = put_u64(bucket, BUCKET_COUNT, count);
    p = put_double(p, BUCKET_BOUND, bound);
    if (e != NULL)
        p = put_exemplar(p, BUCKET_EXEMPLAR, e);
    return message_end(bucket, p);
}

static char *put_histogram(char *p, const struct snapshot_series *s)
{
    char *histogram = message_begin(p, METRIC_HISTOGRAM);

    p = put_u64(histogram, HISTOGRAM_COUNT, s->count);
    p = put_double(p, HISTOGRAM_SUM, s->sum);
    for (unsigned i = 0; i < s->n_points; i++)
        p = put_bucket(p, s->cumulative[i], s->points[i],
                       s->exemplars != NULL ? &s->exemplars[i] : NULL);
    if (s->exemplars != NULL && s->exemplars[s->n_points].labels.len > 0)
        p = put_bucket(p, s->count, INFINITY, &s->exemplars[s->n_points]);
    if (s->native != NULL)
        p = put_native(p, s->native);
    p = put_time(p, HISTOGRAM_CREATED, s->created_ms);
    return message_end(histogram, p);
}

static char *put_summary(char *p, const struct snapshot_series *s)
{
    char *summary = message_begin(p, METRIC_SUMMARY);

    p = put_u64(summary, SUMMARY_COUNT, s->count);
    p = put_double(p, SUMMARY_SUM, s->sum);
    for (unsigned i = 0; i < s->n_points; i++) {
        char *quantile = message_begin(p, SUMMARY_QUANTILE);

        p = put_double(quantile, QUANTILE_QUANTILE, s->points[i]);
        p = put_double(p, QUANTILE_VALUE, s->quantiles[i]);
        p = message_end(quantile, p);
    }
    p = put_time(p, SUMMARY_CREATED, s->created_ms);
    return message_end(summary, p);
}

static char *(*const put_by_type[])(char *p, const struct snapshot_series *s) = {
    [SNAPSHOT_COUNTER] = put_counter,
    [SNAPSHOT_GAUGE] = put_gauge,
    [SNAPSHOT_HISTOGRAM] = put_histogram,
    [SNAPSHOT_SUMMARY] = put_summary,
};

/* A label's text a="b", is its bytes and at least 4 more, which three tags and lengths take the
 * place of. */
static size_t labels_room(struct slice labels)
{
    return labels.len + labels.len / SLICE_LIT("a=\"\"").len * 3 * HEAD_MAX;
}

#define TIME_ROOM (HEAD_MAX + 2 * NUMBER_MAX)

/* The most that exemplars take, and the bucket that stands there only for one. */
static size_t exemplars_room(enum snapshot_type type, const struct snapshot_series *s)
{
    unsigned n = type == SNAPSHOT_HISTOGRAM ? s->n_points + 1 : 1;
    size_t room = HEAD_MAX + 2 * NUMBER_MAX;

    for (unsigned i = 0; i < n; i++)
        room += HEAD_MAX + labels_room(s->exemplars[i].labels) + 1 + sizeof(double) + TIME_ROOM;
    return room;
}

/* The most that a metric takes. A point is a message of two doubles, or a double and a varint. */
static size_t metric_room(enum snapshot_type type, const struct snapshot_series *s)
{
    size_t points = (size_t)s->n_points * (HEAD_MAX + 2 * NUMBER_MAX);
    size_t count_and_sum = 2 * NUMBER_MAX;
    size_t native = type == SNAPSHOT_HISTOGRAM ? native_room(s->native) : 0;
    size_t exemplars = s->exemplars != NULL ? exemplars_room(type, s) : 0;

    return 2 * HEAD_MAX + labels_room(s->labels) + points + count_and_sum + TIME_ROOM + native +
           exemplars;
}

static void protobuf_series(struct buf *out, const struct snapshot_family *f,
                            const struct snapshot_series *s)
{
    struct slice labels = s->labels;
    char *metric, *p;

    if (buf_reserve(out, metric_room(f->type, s)) < 0)
        return;
    metric = message_begin(out->p + out->len, FAMILY_METRIC);
    p = metric;
    while (labels.len > 0)
        p = put_label(p, METRIC_LABEL, &labels);
    p = message_end(metric, put_by_type[f->type](p, s));
    out->len = (size_t)(p - out->p);
    assert(out->len <= out->cap);
}

/* ---- families ---- */

/* One byte for the message's length, and what its parts have in common. */
static void protobuf_part_begin(struct buf *out, const struct snapshot_family *f)
{
    char *p;

    if (buf_reserve(out, 1 + 2 * HEAD_MAX + f->name.len + f->help.len + 2) < 0)
        return;
    p = put_bytes(out->p + out->len + 1, FAMILY_NAME, f->name);
    p = put_bytes(p, FAMILY_HELP, f->help);
    p = put_u64(p, FAMILY_TYPE, type_numbers[f->type]);
    out->len = (size_t)(p - out->p);
}

static void protobuf_part_end(struct buf *out, size_t begun)
{
    char *end;

    if (buf_reserve(out, VARINT_MAX) < 0)
        return;
    assert(out->len > begun);
    end = message_end(out->p + begun + 1, out->p + out->len);
    out->len = (size_t)(end - out->p);
}

const struct encoder encoder_protobuf = {
    .content_type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                    "encoding=delimited; escaping=underscores",
    .needs_native = true,
    .needs_exemplars = true,
    .part_begin = protobuf_part_begin,
    .series = protobuf_series,
    .part_end = protobuf_part_end,
};
