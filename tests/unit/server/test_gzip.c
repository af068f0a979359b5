/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: gzip
 *
 * What gzip makes is unpacked by zlib's inflate, told to accept nothing but gzip's container.
 */
#include "server/gzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/guard.h"
#include "lib/unit.h"

#define SLICE_SIZE 65536
#define N_SLICES   5

/* Unpack what is there so far. Z_STREAM_END when that is a whole stream. */
static int unpack(struct slice packed, struct buf *out)
{
    z_stream z = {0};
    int r;

    ck_assert_int_eq(inflateInit2(&z, 16 + 15), Z_OK);
    buf_clear(out);
    ck_assert_int_eq(buf_reserve(out, (size_t)(N_SLICES + 1) * SLICE_SIZE), 0);
    z.next_in = (Bytef *)packed.p;
    z.avail_in = (uInt)packed.len;
    z.next_out = (Bytef *)out->p;
    z.avail_out = (uInt)out->cap;
    r = inflate(&z, Z_SYNC_FLUSH);
    out->len = out->cap - z.avail_out;
    ck_assert_uint_eq(z.avail_in, 0);
    inflateEnd(&z);
    return r;
}

/* Add @in from memory that ends at a guard page. */
static void add(struct gzip *g, struct slice in, bool last, struct buf *out)
{
    const char *p = guard_copy(in.p, in.len);

    ck_assert_int_eq(gzip_add(g, slice_of(p, in.len), last, out), 0);
    guard_free(p, in.len);
}

static void fill_lines(char *p, size_t len)
{
    size_t at = 0;

    for (unsigned i = 0; at < len; i++) {
        char line[64];
        size_t n = (size_t)snprintf(line, sizeof line, "jobs_total{queue=\"%u\"} %u\n", i, i * i);

        if (n > len - at)
            n = len - at;
        memcpy(p + at, line, n);
        at += n;
    }
}

static void fill_noise(char *p, size_t len)
{
    unsigned long long x = 88172645463325252ULL;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (char)x;
    }
}

/* ---- gzip_add ---- */

/* After each slice a reader has all text so far; with the last one the stream is whole. */
START_TEST(test_gzip_slices_come_out_whole)
{
    static void (*const fill[])(char *, size_t) = {fill_lines, fill_noise};
    char *text = malloc((size_t)N_SLICES * SLICE_SIZE);
    struct buf packed = {0};
    struct buf plain = {0};
    struct gzip *g = NULL;

    fill[_i](text, (size_t)N_SLICES * SLICE_SIZE);
    ck_assert_int_eq(gzip_new(&g), 0);
    for (size_t i = 1; i <= N_SLICES; i++) {
        size_t before = packed.len;
        int r;

        add(g, slice_of(text + (i - 1) * SLICE_SIZE, SLICE_SIZE), i == N_SLICES, &packed);
        ck_assert_uint_gt(packed.len, before);
        r = unpack(buf_slice(&packed), &plain);
        ck_assert_int_eq(r, i == N_SLICES ? Z_STREAM_END : Z_OK);
        ck_assert(slice_eq(buf_slice(&plain), slice_of(text, i * SLICE_SIZE)));
    }
    gzip_free(g);
    buf_release(&packed);
    buf_release(&plain);
    free(text);
}
END_TEST

/* Small, empty and ending-in-nothing pages are streams too. */
START_TEST(test_gzip_small_pages)
{
    static const struct {
        const char *slices[3]; /* the last one before NULL ends the stream */
        const char *text;
    } cases[] = {
        {{""}, ""},
        {{"a"}, "a"},
        {{"up 1\n", ""}, "up 1\n"},
        {{"up 1\n", "down 0\n"}, "up 1\ndown 0\n"},
        {{"", "up 1\n"}, "up 1\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf packed = {0};
        struct buf plain = {0};
        struct gzip *g = NULL;

        ck_assert_int_eq(gzip_new(&g), 0);
        for (size_t k = 0; k < 3 && cases[i].slices[k]; k++) {
            bool last = k == 2 || !cases[i].slices[k + 1];

            add(g, slice_str(cases[i].slices[k]), last, &packed);
        }
        ck_assert_int_eq(unpack(buf_slice(&packed), &plain), Z_STREAM_END);
        ck_assert(slice_eq_str(buf_slice(&plain), cases[i].text));
        gzip_free(g);
        buf_release(&packed);
        buf_release(&plain);
    }
}
END_TEST

/* What the buffer held stays in front; a page of metrics gets several times smaller. */
START_TEST(test_gzip_appends)
{
    char *text = malloc(SLICE_SIZE);
    struct buf packed = {0};
    struct gzip *g = NULL;

    fill_lines(text, SLICE_SIZE);
    buf_add_str(&packed, "front");
    ck_assert_int_eq(gzip_new(&g), 0);
    add(g, slice_of(text, SLICE_SIZE), true, &packed);
    ck_assert(slice_starts(buf_slice(&packed), SLICE_LIT("front\x1f\x8b")));
    ck_assert_uint_lt(packed.len, SLICE_SIZE / 3);
    gzip_free(g);
    buf_release(&packed);
    free(text);
}
END_TEST

/* A buffer that cannot grow is told, and the stream can be freed half-way. */
START_TEST(test_gzip_without_memory)
{
    struct buf packed = {.failed = true};
    struct gzip *g = NULL;

    ck_assert_int_eq(gzip_new(&g), 0);
    ck_assert_int_lt(gzip_add(g, SLICE_LIT("text"), false, &packed), 0);
    gzip_free(g);
    gzip_free(NULL);
}
END_TEST

/* ---- gzip_wanted ---- */

/* RFC 9110, 12.5.3: gzip is wanted when it, or else "*", is named with a weight above 0. */
START_TEST(test_gzip_wanted_by_the_rules)
{
    static const struct {
        const char *value;
        bool wanted;
    } cases[] = {
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"gzip, deflate, br", true},
        {"deflate,br;q=1.0,gzip;q=0.5", true},
        {"identity", false},
        {"identity, *;q=0", false},
        {"gzip;q=0", false},
        {"gzip;q=0.0", false},
        {"gzip;q=0.000", false},
        {"gzip;q=0.001", true},
        {"gzip;q=1", true},
        {"gzip;q=1.000", true},
        {"gzip ; Q=0.8", true},
        {"gzip ;\tq = 0", false},
        {"gzip;level=9;q=0", false},
        {"gzip;level=9", true},
        {"*", true},
        {"*;q=0", false},
        {"*;q=0.1", true},
        {"*, gzip;q=0", false},
        {"gzip;q=0, *", false},
        {"br, *;q=0, gzip", true},
        {"gzipped", false},
        {"gzi", false},
        {"gzip2, agzip", false},
        {",, ,gzip", true},
        {" , ,", false},
        {";q=1", false},
        {"gzip;", true},
        /* a weight that is none asks for nothing */
        {"gzip;q=", false},
        {"gzip;q", false},
        {"gzip;q=x", false},
        {"gzip;q=-1", false},
        {"gzip;q=2", false},
        {"gzip;q=.5", false},
        {"gzip;q=0.5000", false},
        {"gzip;q=0,5", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].value);
        const char *p = guard_copy(cases[i].value, len);

        ck_assert_msg(gzip_wanted(slice_of(p, len)) == cases[i].wanted, "\"%s\"", cases[i].value);
        guard_free(p, len);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gzip");
    TCase *adding = tcase_create("gzip_add");
    TCase *wanted = tcase_create("gzip_wanted");

    tcase_add_loop_test(adding, test_gzip_slices_come_out_whole, 0, 2);
    tcase_add_test(adding, test_gzip_small_pages);
    tcase_add_test(adding, test_gzip_appends);
    tcase_add_test(adding, test_gzip_without_memory);
    suite_add_tcase(s, adding);
    tcase_add_test(wanted, test_gzip_wanted_by_the_rules);
    suite_add_tcase(s, wanted);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
