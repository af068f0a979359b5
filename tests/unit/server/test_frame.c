/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame: the payloads that come out, wherever the bytes are cut, and the limits of a frame
 */
#include "server/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lib/guard.h"
#include "lib/unit.h"

/* Payloads as they were emitted, each between brackets. */
struct seen {
    struct buf text;
    unsigned n_calls, n_payloads;
};

static void collect(void *ctx, const struct slice *payloads, unsigned n)
{
    struct seen *seen = ctx;

    ck_assert_uint_gt(n, 0);
    ck_assert_uint_le(n, FRAME_BATCH);
    for (unsigned i = 0; i < n; i++) {
        buf_add_slice(&seen->text, SLICE_LIT("["));
        buf_add_slice(&seen->text, payloads[i]);
        buf_add_slice(&seen->text, SLICE_LIT("]"));
    }
    seen->n_calls++;
    seen->n_payloads += n;
}

/* The piece stands against a guard page: it is read to its end and not beyond. */
static int take(struct frame *f, struct slice piece, struct seen *seen)
{
    const char *p = guard_copy(piece.p, piece.len);
    int r = frame_take(f, slice_of(p, piece.len), collect, seen);

    guard_free(p, piece.len);
    ck_assert_ptr_null(f->whole);
    return r;
}

static void expect(const struct seen *seen, const char *text)
{
    ck_assert_msg(slice_eq_str(buf_slice(&seen->text), text), "\"%.*s\" is not \"%s\"",
                  (int)seen->text.len, seen->text.p, text);
}

/* Wherever frames are cut in two or three pieces, the same payloads come out, in order. */
START_TEST(test_frame_cut_anywhere_gives_the_same_payloads)
{
    const struct slice in = SLICE_LIT("\5\0\0\0a:1|c\0\0\0\0\6\0\0\0b:22|g\1\0\0\0\n");

    for (size_t i = 0; i <= in.len; i++) {
        for (size_t j = i; j <= in.len; j++) {
            struct frame f = {0};
            struct seen seen = {0};

            ck_assert_int_eq(take(&f, slice_of(in.p, i), &seen), 0);
            ck_assert_int_eq(take(&f, slice_of(in.p + i, j - i), &seen), 0);
            ck_assert_int_eq(take(&f, slice_from(in, j), &seen), 0);
            expect(&seen, "[a:1|c][][b:22|g][\n]");
            ck_assert_int_eq(frame_end(&f), 0);
            buf_release(&seen.text);
        }
    }
}
END_TEST

/* Byte by byte too. */
START_TEST(test_frame_takes_single_bytes)
{
    const struct slice in = SLICE_LIT("\3\0\0\0abc\0\0\0\0\2\0\0\0de");
    struct frame f = {0};
    struct seen seen = {0};

    for (size_t i = 0; i < in.len; i++)
        ck_assert_int_eq(take(&f, slice_of(in.p + i, 1), &seen), 0);
    expect(&seen, "[abc][][de]");
    ck_assert_int_eq(frame_end(&f), 0);
    buf_release(&seen.text);
}
END_TEST

/* Many small frames of one piece are emitted in batches, all of them, the kept one first. */
START_TEST(test_frame_emits_in_batches)
{
    enum { N = 3 * FRAME_BATCH + 1 };
    char in[N * 5];
    struct frame f = {0};
    struct seen seen = {0};

    for (size_t i = 0; i < N; i++)
        memcpy(in + i * 5, "\1\0\0\0x", 5);
    ck_assert_int_eq(take(&f, slice_of(in, 4), &seen), 0);
    ck_assert_uint_eq(seen.n_calls, 0);
    ck_assert_int_eq(take(&f, slice_of(in + 4, sizeof in - 4), &seen), 0);
    ck_assert_uint_eq(seen.n_payloads, N);
    ck_assert_uint_eq(seen.n_calls, 4);
    ck_assert_int_eq(frame_end(&f), 0);
    buf_release(&seen.text);
}
END_TEST

/* The longest payload is taken; of one byte more not even the first is, whatever came before. */
START_TEST(test_frame_has_a_longest_payload)
{
    static char in[FRAME_HEADER_LEN + FRAME_MAX_PAYLOAD] = {0, 0, 1, 0};
    static const char too_long[] = "\1\0\0\0a\1\0\1\0";
    static const char huge[] = "\377\377\377\377";
    struct frame f = {0};
    struct seen seen = {0};

    memset(in + FRAME_HEADER_LEN, 'x', FRAME_MAX_PAYLOAD);
    for (size_t at = 0; at < sizeof in; at += 16384) {
        size_t n = sizeof in - at < 16384 ? sizeof in - at : 16384;

        ck_assert_int_eq(take(&f, slice_of(in + at, n), &seen), 0);
    }
    ck_assert_uint_eq(seen.n_payloads, 1);
    ck_assert_uint_eq(seen.text.len, FRAME_MAX_PAYLOAD + 2);
    buf_release(&seen.text);

    seen = (struct seen){0};
    ck_assert_int_eq(take(&f, slice_of(too_long, sizeof too_long - 1), &seen), FRAME_E_TOO_LONG);
    expect(&seen, "[a]");
    frame_release(&f);
    ck_assert_int_eq(take(&f, slice_of(huge, 4), &seen), FRAME_E_TOO_LONG);
    frame_release(&f);
    buf_release(&seen.text);
}
END_TEST

/* An end within the header or the payload is told; between frames it is in order. */
START_TEST(test_frame_tells_a_cut_frame)
{
    const struct slice in = SLICE_LIT("\3\0\0\0abc");

    for (size_t i = 0; i <= in.len; i++) {
        struct frame f = {0};
        struct seen seen = {0};

        ck_assert_int_eq(take(&f, slice_of(in.p, i), &seen), 0);
        ck_assert_int_eq(frame_end(&f), i == 0 || i == in.len ? 0 : FRAME_E_CUT);
        ck_assert_ptr_null(f.payload);
        ck_assert_int_eq(frame_end(&f), 0);
        buf_release(&seen.text);
    }
}
END_TEST

/* A peer that only announces holds no memory. */
START_TEST(test_frame_holds_nothing_for_a_header)
{
    const struct slice in = SLICE_LIT("\0\0\1\0x");
    struct frame f = {0};
    struct seen seen = {0};

    ck_assert_int_eq(take(&f, slice_of(in.p, 4), &seen), 0);
    ck_assert_ptr_null(f.payload);
    ck_assert_int_eq(take(&f, slice_from(in, 4), &seen), 0);
    ck_assert_ptr_nonnull(f.payload);
    frame_release(&f);
    ck_assert_ptr_null(f.payload);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("frame");
    TCase *take_case = tcase_create("take");
    TCase *end_case = tcase_create("end");

    tcase_add_test(take_case, test_frame_cut_anywhere_gives_the_same_payloads);
    tcase_add_test(take_case, test_frame_takes_single_bytes);
    tcase_add_test(take_case, test_frame_emits_in_batches);
    tcase_add_test(take_case, test_frame_has_a_longest_payload);
    tcase_add_test(take_case, test_frame_holds_nothing_for_a_header);
    suite_add_tcase(s, take_case);
    tcase_add_test(end_case, test_frame_tells_a_cut_frame);
    suite_add_tcase(s, end_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
