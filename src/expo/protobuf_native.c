/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf, native buckets: spans and differences
 *
 *      index     -3   -2   -1    0    1    2    3    4    5
 *      count      2    1    -    -  300    -    -    -    1
 *      span      `----- 5, from -3 ------'               `- 1, 3 on from there
 *      delta     +2   -1   -1    0 +300                 -299
 *
 * Buckets that are not empty come in order of their indexes. Neighbours make a span, which goes on
 * over a few empty buckets (theirs are deltas too); those of all spans are one list.
 *
 * Laws: that a histogram keeps native buckets is told by its zero threshold, and by a span of no
 *       buckets where there are none yet. Fields are in ascending order, between those of the
 *       classic buckets and the time of birth.
 */
#include "expo/protobuf.h"

enum {
    HISTOGRAM_SCHEMA = 5,
    HISTOGRAM_ZERO_THRESHOLD = 6,
    HISTOGRAM_ZERO_COUNT = 7,
    HISTOGRAM_NEGATIVE_SPAN = 9,
    HISTOGRAM_NEGATIVE_DELTA = 10,
    HISTOGRAM_POSITIVE_SPAN = 12,
    HISTOGRAM_POSITIVE_DELTA = 13,

    SPAN_OFFSET = 1,
    SPAN_LENGTH = 2,
};

/* A span goes on over so many empty buckets: two zeros are shorter than a new span. */
#define SPAN_MAX_GAP 2

static char *put_span(char *p, unsigned field, int32_t offset, uint32_t length)
{
    char *span = message_begin(p, field);

    p = put_s64(span, SPAN_OFFSET, (uint64_t)(int64_t)offset);
    p = put_u64(p, SPAN_LENGTH, length);
    return message_end(span, p);
}

/* Does bucket @i begin a span? */
static bool begins_span(const struct snapshot_bucket *buckets, unsigned i)
{
    return i == 0 || buckets[i].index - buckets[i - 1].index - 1 > SPAN_MAX_GAP;
}

/* The first span's offset is from index 0, the others' from the end of the span before. */
static char *put_spans(char *p, unsigned field, const struct snapshot_bucket *buckets, unsigned n)
{
    int32_t end = 0; /* of the span before */

    for (unsigned i = 0; i < n;) {
        int32_t first = buckets[i].index, offset = first - end;

        do
            end = buckets[i].index + 1;
        while (++i < n && !begins_span(buckets, i));
        p = put_span(p, field, offset, (uint32_t)(end - first));
    }
    return p;
}

/* Each bucket's count less the one before it; empty ones within a span are there too. */
static char *put_deltas(char *p, unsigned field, const struct snapshot_bucket *buckets, unsigned n)
{
    uint64_t before = 0;

    for (unsigned i = 0; i < n; i++) {
        int32_t gap = begins_span(buckets, i) ? 0 : buckets[i].index - buckets[i - 1].index - 1;

        for (; gap > 0; gap--) {
            p = put_s64(p, field, 0 - before);
            before = 0;
        }
        p = put_s64(p, field, buckets[i].count - before);
        before = buckets[i].count;
    }
    return p;
}

char *put_native(char *p, const struct snapshot_native *h)
{
    p = put_s64(p, HISTOGRAM_SCHEMA, (uint64_t)(int64_t)h->schema);
    p = put_double(p, HISTOGRAM_ZERO_THRESHOLD, h->zero_threshold);
    p = put_u64(p, HISTOGRAM_ZERO_COUNT, h->zero_count);
    p = put_spans(p, HISTOGRAM_NEGATIVE_SPAN, h->negative, h->n_negative);
    p = put_deltas(p, HISTOGRAM_NEGATIVE_DELTA, h->negative, h->n_negative);
    if (h->n_negative + h->n_positive == 0)
        p = put_span(p, HISTOGRAM_POSITIVE_SPAN, 0, 0);
    p = put_spans(p, HISTOGRAM_POSITIVE_SPAN, h->positive, h->n_positive);
    return put_deltas(p, HISTOGRAM_POSITIVE_DELTA, h->positive, h->n_positive);
}

#define SPAN_ROOM (HEAD_MAX + 2 * NUMBER_MAX)

_Static_assert((1 + SPAN_MAX_GAP) * NUMBER_MAX <= SPAN_ROOM + NUMBER_MAX,
               "a bucket takes the most where it begins a span, not behind empty ones");

/* The most that native buckets take: each begins a span, and there is one if there are none. */
size_t native_room(const struct snapshot_native *h)
{
    size_t n = h != NULL ? (size_t)h->n_positive + h->n_negative : 0;

    return h != NULL ? 3 * NUMBER_MAX + SPAN_ROOM + n * (SPAN_ROOM + NUMBER_MAX) : 0;
}
