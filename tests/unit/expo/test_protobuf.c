/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf: the bytes of each message, lengths of one and more bytes, labels turned back
 *
 * The expected bytes are written out by hand from the wire format's rules; what is too long for
 * that is walked by a reader (lib/wire.h).
 */
#include "expo/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"
#include "lib/wire.h"

static struct snapshot_family family(enum snapshot_type type)
{
    return (struct snapshot_family){
        .name = SLICE_LIT("m"), .help = SLICE_LIT("Help."), .type = type};
}

/* A whole part: its head, and @n times @s. */
static void encode(struct buf *out, const struct snapshot_family *f,
                   const struct snapshot_series *s, unsigned n)
{
    size_t begun = out->len;

    encoder_protobuf.part_begin(out, f);
    for (unsigned i = 0; i < n; i++)
        encoder_protobuf.series(out, f, s);
    encoder_protobuf.part_end(out, begun);
}

#define expect(out, want) expect_bytes(out, (want), sizeof(want) - 1)

static void expect_bytes(struct buf *out, const char *want, size_t len)
{
    ck_assert(!out->failed);
    ck_assert_uint_eq(out->len, len);
    ck_assert_mem_eq(out->p, want, len);
    buf_release(out);
}

/* ---- bytes ---- */

#define HEAD "\x0a\x01m\x12\x05Help."

/* A counter: labels, value, creation time in seconds and nanoseconds. */
START_TEST(test_protobuf_series_of_a_counter)
{
    struct snapshot_family f = family(SNAPSHOT_COUNTER);
    struct snapshot_series s = {
        .labels = SLICE_LIT("a=\"b\",cd=\"\""), .created_ms = 300250, .value = 1.5};
    struct buf out = {0};

    encode(&out, &f, &s, 1);
    expect(&out, "\x33" HEAD "\x18\x00"
                 "\x22\x25"
                 "\x0a\x06\x0a\x01"
                 "a\x12\x01"
                 "b"
                 "\x0a\x06\x0a\x02"
                 "cd\x12\x00"
                 "\x1a\x13\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"
                 "\x1a\x08\x08\xac\x02\x10\x80\xe5\x9a\x77");
}
END_TEST

/* A gauge has a value and, like a counter whose birth is unknown, no creation time. */
START_TEST(test_protobuf_series_of_a_gauge)
{
    struct snapshot_family f = family(SNAPSHOT_GAUGE);
    struct snapshot_series s = {.created_ms = 300000, .value = -2};
    struct buf out = {0};

    encode(&out, &f, &s, 1);
    expect(&out, "\x19" HEAD "\x18\x01"
                 "\x22\x0b\x12\x09\x09\x00\x00\x00\x00\x00\x00\x00\xc0");
    f.type = SNAPSHOT_COUNTER;
    s.created_ms = 0;
    encode(&out, &f, &s, 2);
    expect(&out, "\x26" HEAD "\x18\x00"
                 "\x22\x0b\x1a\x09\x09\x00\x00\x00\x00\x00\x00\x00\xc0"
                 "\x22\x0b\x1a\x09\x09\x00\x00\x00\x00\x00\x00\x00\xc0");
}
END_TEST

/* A histogram has its finite bounds, cumulatively; zeros are written. */
START_TEST(test_protobuf_series_of_a_histogram)
{
    static const double points[] = {0, 1};
    static const uint64_t cumulative[] = {0, 300};
    struct snapshot_family f = family(SNAPSHOT_HISTOGRAM);
    struct snapshot_series s = {
        .created_ms = 1000,
        .sum = 0,
        .count = UINT64_MAX,
        .n_points = 2,
        .points = points,
        .cumulative = cumulative,
    };
    struct buf out = {0};

    encode(&out, &f, &s, 1);
    expect(&out, "\x45" HEAD "\x18\x04"
                 "\x22\x37\x3a\x35"
                 "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                 "\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x1a\x0b\x08\x00\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x1a\x0c\x08\xac\x02\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x7a\x04\x08\x01\x10\x00");
}
END_TEST

/* Exemplars: labels, value, time if it is known; the last bucket is there only for its own. */
START_TEST(test_protobuf_series_with_exemplars)
{
    static const double points[] = {1};
    static const uint64_t cumulative[] = {2};
    const struct snapshot_exemplar e = {SLICE_LIT("a=\"b\""), 1, 300250};
    struct snapshot_exemplar exemplars[] = {e, {SLICE_LIT(""), 0, 0}};
    struct snapshot_family f = family(SNAPSHOT_HISTOGRAM);
    struct snapshot_series s = {
        .count = 3, .n_points = 1, .points = points, .cumulative = cumulative};
    struct buf out = {0};

    s.exemplars = exemplars;
    encode(&out, &f, &s, 1);
    expect(&out, "\x45" HEAD "\x18\x04"
                 "\x22\x37\x3a\x35"
                 "\x08\x03\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x1a\x28\x08\x02\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x1a\x1b\x0a\x06\x0a\x01"
                 "a\x12\x01"
                 "b\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x1a\x08\x08\xac\x02\x10\x80\xe5\x9a\x77");
    exemplars[0].labels.len = 0;
    exemplars[1] = (struct snapshot_exemplar){e.labels, INFINITY, 0};
    encode(&out, &f, &s, 1);
    expect(&out, "\x48" HEAD "\x18\x04"
                 "\x22\x3a\x3a\x38"
                 "\x08\x03\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x1a\x0b\x08\x02\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x1a\x1e\x08\x03\x11\x00\x00\x00\x00\x00\x00\xf0\x7f"
                 "\x1a\x11\x0a\x06\x0a\x01"
                 "a\x12\x01"
                 "b\x11\x00\x00\x00\x00\x00\x00\xf0\x7f");
    f = family(SNAPSHOT_COUNTER);
    s = (struct snapshot_series){.exemplars = &exemplars[1]};
    encode(&out, &f, &s, 1);
    expect(&out, "\x2c" HEAD "\x18\x00"
                 "\x22\x1e\x1a\x1c\x09\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x12\x11\x0a\x06\x0a\x01"
                 "a\x12\x01"
                 "b\x11\x00\x00\x00\x00\x00\x00\xf0\x7f");
}
END_TEST

/* Native buckets: a new span past two empty buckets, zeros within one, differences in zigzag, none
 * of either sign, and a span of nothing where there is nothing at all. */
START_TEST(test_protobuf_series_of_a_native_histogram)
{
    static const struct snapshot_bucket positive[] = {{-3, 2}, {-2, 1}, {1, 300}, {5, 1}};
    static const struct snapshot_bucket negative[] = {{1, 7}};
    struct snapshot_family f = family(SNAPSHOT_HISTOGRAM);
    struct snapshot_native h = {
        .schema = 3,
        .zero_threshold = 1,
        .zero_count = 9,
        .n_positive = 4,
        .n_negative = 1,
        .positive = positive,
        .negative = negative,
    };
    struct snapshot_series s = {.created_ms = 1000, .count = 320, .native = &h};
    struct buf out = {0};

    encode(&out, &f, &s, 1);
    expect(&out, "\x51" HEAD "\x18\x04"
                 "\x22\x43\x3a\x41"
                 "\x08\xc0\x02"
                 "\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x28\x06"
                 "\x31\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x38\x09"
                 "\x4a\x04\x08\x02\x10\x01"
                 "\x50\x0e"
                 "\x62\x04\x08\x05\x10\x05" /* -3 .. 1 */
                 "\x62\x04\x08\x06\x10\x01" /* 3 beyond: 5 */
                 "\x68\x04\x68\x01\x68\x01\x68\x00\x68\xd8\x04\x68\xd5\x04"
                 "\x7a\x04\x08\x01\x10\x00");
    h = (struct snapshot_native){.schema = -4, .zero_threshold = 1};
    s = (struct snapshot_series){.native = &h};
    encode(&out, &f, &s, 1);
    expect(&out, "\x2e" HEAD "\x18\x04"
                 "\x22\x20\x3a\x1e"
                 "\x08\x00"
                 "\x11\x00\x00\x00\x00\x00\x00\x00\x00"
                 "\x28\x07"
                 "\x31\x00\x00\x00\x00\x00\x00\xf0\x3f"
                 "\x38\x00"
                 "\x62\x04\x08\x00\x10\x00");
}
END_TEST

/* A summary has its quantiles. */
START_TEST(test_protobuf_series_of_a_summary)
{
    static const double points[] = {0.5};
    static const double quantiles[] = {INFINITY};
    struct snapshot_family f = family(SNAPSHOT_SUMMARY);
    struct snapshot_series s = {
        .created_ms = 1000,
        .sum = 2,
        .count = 1,
        .n_points = 1,
        .points = points,
        .quantiles = quantiles,
    };
    struct buf out = {0};

    encode(&out, &f, &s, 1);
    expect(&out, "\x35" HEAD "\x18\x02"
                 "\x22\x27\x22\x25"
                 "\x08\x01"
                 "\x11\x00\x00\x00\x00\x00\x00\x00\x40"
                 "\x1a\x12\x09\x00\x00\x00\x00\x00\x00\xe0\x3f"
                 "\x11\x00\x00\x00\x00\x00\x00\xf0\x7f"
                 "\x22\x04\x08\x01\x10\x00");
}
END_TEST

/* The media type is what statsd_exporter sends, to the byte; a page has no end of its own. */
START_TEST(test_protobuf_content_type_is_the_rivals)
{
    ck_assert_str_eq(encoder_protobuf.content_type,
                     "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                     "encoding=delimited; escaping=underscores");
    ck_assert(encoder_protobuf.end == NULL);
}
END_TEST

/* ---- labels ---- */

#define TEXT(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

/* A label's name and value are what they were before they were rendered. */
START_TEST(test_protobuf_series_turns_labels_back)
{
    static const struct slice values[] = {
        TEXT(""),          TEXT("plain"), TEXT("\""),    TEXT("\\"),
        TEXT("\n"),        TEXT("\\n"),   TEXT("\\\""),  TEXT("n"),
        TEXT(",b=\"c\""),  TEXT("a\0b"),  TEXT("\t\r="), TEXT("\xf0\x9f\x98\xb1"),
        TEXT("\\\\\n\n\"")};
    enum { N = sizeof values / sizeof values[0] };
    struct snapshot_family f = family(SNAPSHOT_GAUGE);
    struct buf labels = {0}, out = {0};
    struct snapshot_series s = {0};
    struct slice rest, metric;
    const char *copy;

    for (unsigned i = 0; i < N; i++) {
        buf_addf(&labels, "%slabel_%u=\"", i > 0 ? "," : "", i);
        text_escape_label(&labels, values[i]);
        buf_add_byte(&labels, '"');
    }
    copy = guard_copy(labels.p, labels.len);
    s.labels = slice_of(copy, labels.len);
    encoder_protobuf.series(&out, &f, &s);
    guard_free(copy, labels.len);
    rest = buf_slice(&out);
    metric = wire_bytes(&rest, 4);
    ck_assert_uint_eq(rest.len, 0);
    for (unsigned i = 0; i < N; i++) {
        struct slice label = wire_bytes(&metric, 1);
        struct slice name = wire_bytes(&label, 1), value = wire_bytes(&label, 2);
        struct buf want = {0};

        buf_addf(&want, "label_%u", i);
        ck_assert(slice_eq(name, buf_slice(&want)));
        ck_assert(slice_eq(value, values[i]));
        ck_assert_uint_eq(label.len, 0);
        buf_release(&want);
    }
    ck_assert_uint_eq(wire_bytes(&metric, 2).len, 9);
    ck_assert_uint_eq(metric.len, 0);
    buf_release(&labels);
    buf_release(&out);
}
END_TEST

/* ---- lengths ---- */

/* Lengths around each power of 128 are right, on every level, and the shortest. */
START_TEST(test_protobuf_lengths_of_more_bytes)
{
    static const size_t lens[] = {100,   113,   114,   115,   116,   117,     118,    119,
                                  120,   125,   127,   128,   129,   16300,   16350,  16362,
                                  16363, 16364, 16365, 16366, 16367, 16368,   16369,  16370,
                                  16383, 16384, 16385, 20000, 70000, 2097100, 2097152};
    char *text = malloc(2097152 + 4);

    memset(text, 'x', 2097152 + 4);
    memcpy(text, "a=\"", 3);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct snapshot_family f = family(SNAPSHOT_GAUGE);
        struct snapshot_series s = {.labels = slice_of(text, lens[i] + 4)};
        struct slice rest, message, metric, label;
        struct buf out = {0};

        text[lens[i] + 3] = '"';
        buf_add_str(&out, "before");
        encode(&out, &f, &s, 1);
        text[lens[i] + 3] = 'x';
        rest = slice_from(buf_slice(&out), 6);
        message = wire_message(&rest);
        ck_assert_uint_eq(rest.len, 0);
        ck_assert_uint_eq(wire_bytes(&message, 1).len, 1);
        ck_assert_uint_eq(wire_bytes(&message, 2).len, 5);
        ck_assert_uint_eq(wire_varint(&message), 0x18);
        ck_assert_uint_eq(wire_varint(&message), 1);
        metric = wire_bytes(&message, 4);
        ck_assert_uint_eq(message.len, 0);
        label = wire_bytes(&metric, 1);
        ck_assert_uint_eq(wire_bytes(&label, 1).len, 1);
        ck_assert(slice_eq(wire_bytes(&label, 2), slice_of(text + 3, lens[i])));
        ck_assert_uint_eq(label.len, 0);
        ck_assert_uint_eq(wire_bytes(&metric, 2).len, 9);
        ck_assert_uint_eq(metric.len, 0);
        buf_release(&out);
    }
    free(text);
}
END_TEST

/* One metric in a buffer that has no more room than was made for it. */
static void expect_room(const struct snapshot_family *f, const struct snapshot_series *s)
{
    struct buf out = {0};
    struct slice rest;

    encoder_protobuf.series(&out, f, s);
    rest = buf_slice(&out);
    wire_bytes(&rest, 4);
    ck_assert_uint_eq(rest.len, 0);
    buf_release(&out);
}

/* The room made for a metric is enough: labels as short as they get, all lengths at their most. */
START_TEST(test_protobuf_series_reserves_enough)
{
    enum { N = 1000 };
    double points[N];
    uint64_t cumulative[N];
    struct snapshot_bucket buckets[N];
    struct snapshot_native native = {
        .schema = -4, .zero_count = UINT64_MAX, .positive = buckets, .negative = buckets};
    struct snapshot_exemplar exemplars[N];
    struct buf labels = {0};

    for (unsigned i = 0; i < N; i++) {
        exemplars[i] = (struct snapshot_exemplar){SLICE_LIT("a=\"\",b=\"\""), 1, 9000000000999};
        points[i] = i;
        cumulative[i] = UINT64_MAX;
        buf_add_str(&labels, i > 0 ? ",a=\"\"" : "a=\"\"");
    }
    for (unsigned type = SNAPSHOT_COUNTER; type <= SNAPSHOT_SUMMARY; type++) {
        struct snapshot_family f = family(type);
        struct snapshot_series s = {
            .created_ms = 9000000000999,
            .count = UINT64_MAX,
            .points = points,
            .cumulative = cumulative,
            .quantiles = points,
        };

        for (s.n_points = 0; s.n_points <= N; s.n_points += 250)
            expect_room(&f, &s);
        s.n_points = 0;
        for (unsigned n = 1; n <= N; n += 111) {
            s.labels = slice_of(labels.p, n * 5 - 1);
            expect_room(&f, &s);
        }
        if (type == SNAPSHOT_GAUGE || type == SNAPSHOT_SUMMARY)
            continue;
        s.labels.len = 0;
        s.exemplars = exemplars;
        for (; s.n_points < N; s.n_points += 333)
            expect_room(&f, &s);
    }
    for (unsigned i = 0; i < N; i++) /* as far apart and as different as can be */
        buckets[i] = (struct snapshot_bucket){(int32_t)i * 100000 - 50000000,
                                              i % 2 ? 0 : (uint64_t)INT64_MAX};
    for (native.n_positive = 0; native.n_positive <= N; native.n_positive += 250) {
        struct snapshot_family f = family(SNAPSHOT_HISTOGRAM);
        struct snapshot_series s = {.created_ms = 1, .native = &native};

        expect_room(&f, &s);
        native.n_negative = native.n_positive;
        expect_room(&f, &s);
    }
    for (unsigned i = 0; i < N; i++) /* the most that lie in one span */
        buckets[i] = (struct snapshot_bucket){(int32_t)i * 3, i % 2 ? 1 : (uint64_t)INT64_MAX};
    native.n_positive = N;
    expect_room(&(struct snapshot_family){.type = SNAPSHOT_HISTOGRAM},
                &(struct snapshot_series){.native = &native});
    buf_release(&labels);
}
END_TEST

/* Each part is a message of its own that repeats name, help and type. */
START_TEST(test_protobuf_parts_are_messages)
{
    struct snapshot_family f = family(SNAPSHOT_GAUGE);
    struct snapshot_series s = {.value = 1};
    struct buf out = {0};
    struct slice rest;

    encode(&out, &f, &s, 1000);
    encode(&out, &f, &s, 1);
    rest = buf_slice(&out);
    for (unsigned part = 0; part < 2; part++) {
        struct slice message = wire_message(&rest);

        ck_assert(slice_eq(wire_bytes(&message, 1), f.name));
        ck_assert(slice_eq(wire_bytes(&message, 2), f.help));
        wire_varint(&message);
        wire_varint(&message);
        for (unsigned i = 0; i < (part == 0 ? 1000 : 1); i++)
            wire_bytes(&message, 4);
        ck_assert_uint_eq(message.len, 0);
    }
    ck_assert_uint_eq(rest.len, 0);
    buf_release(&out);
}
END_TEST

/* With a buffer that failed nothing is written, wherever it failed. */
START_TEST(test_protobuf_after_a_failure_writes_nothing)
{
    struct snapshot_family f = family(SNAPSHOT_COUNTER);
    struct snapshot_series s = {.labels = SLICE_LIT("a=\"b\"")};
    struct buf out = {.failed = true};

    encode(&out, &f, &s, 2);
    ck_assert_ptr_null(out.p);
    ck_assert_uint_eq(out.len, 0);
    out = (struct buf){0};
    encoder_protobuf.part_begin(&out, &f);
    out.failed = true;
    encoder_protobuf.series(&out, &f, &s);
    encoder_protobuf.part_end(&out, 0);
    ck_assert_uint_eq(out.len, 1 + sizeof HEAD - 1 + 2);
    buf_release(&out);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("protobuf");
    TCase *bytes = tcase_create("bytes"), *labels = tcase_create("labels");
    TCase *lengths = tcase_create("lengths");

    tcase_add_test(bytes, test_protobuf_series_of_a_counter);
    tcase_add_test(bytes, test_protobuf_series_of_a_gauge);
    tcase_add_test(bytes, test_protobuf_series_of_a_histogram);
    tcase_add_test(bytes, test_protobuf_series_with_exemplars);
    tcase_add_test(bytes, test_protobuf_series_of_a_native_histogram);
    tcase_add_test(bytes, test_protobuf_series_of_a_summary);
    tcase_add_test(bytes, test_protobuf_content_type_is_the_rivals);
    suite_add_tcase(s, bytes);
    tcase_add_test(labels, test_protobuf_series_turns_labels_back);
    suite_add_tcase(s, labels);
    tcase_add_test(lengths, test_protobuf_lengths_of_more_bytes);
    tcase_add_test(lengths, test_protobuf_series_reserves_enough);
    tcase_add_test(lengths, test_protobuf_parts_are_messages);
    tcase_add_test(lengths, test_protobuf_after_a_failure_writes_nothing);
    suite_add_tcase(s, lengths);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
