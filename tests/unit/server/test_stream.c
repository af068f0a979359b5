/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream: the lines that come out, wherever the bytes are cut, and the limit of a line
 */
#include "server/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lib/guard.h"
#include "lib/unit.h"

/* What a stream emitted, one after the other, and in how many pieces. */
struct seen {
    struct buf text;
    unsigned n_calls;
};

static void collect(void *ctx, struct slice head, struct slice body)
{
    struct seen *seen = ctx;

    ck_assert(head.len > 0 || body.len > 0);
    ck_assert(body.len == 0 || body.p[body.len - 1] == '\n');
    buf_add_slice(&seen->text, head);
    buf_add_slice(&seen->text, body);
    seen->n_calls++;
}

/* The piece stands against a guard page: it is read to its end and not beyond. */
static int take(struct stream *s, struct slice piece, struct seen *seen)
{
    const char *p = guard_copy(piece.p, piece.len);
    int r = stream_take(s, slice_of(p, piece.len), collect, seen);

    guard_free(p, piece.len);
    ck_assert(r != 0 || (s->partial != NULL) == (s->len > 0));
    return r;
}

static void expect(struct seen *seen, const char *text)
{
    ck_assert_msg(slice_eq_str(buf_slice(&seen->text), text), "\"%.*s\" is not \"%s\"",
                  (int)seen->text.len, seen->text.p, text);
}

/* Wherever a text is cut in two or three pieces, the same whole lines come out, in order. */
START_TEST(test_stream_cut_anywhere_gives_the_same_lines)
{
    const struct slice text = SLICE_LIT("a:1|c\nlonger.name:2|ms\r\n\n\nb:3|g\nlast");

    for (size_t i = 0; i <= text.len; i++) {
        for (size_t j = i; j <= text.len; j++) {
            struct stream s = {0};
            struct seen seen = {0};

            ck_assert_int_eq(take(&s, slice_of(text.p, i), &seen), 0);
            ck_assert_int_eq(take(&s, slice_of(text.p + i, j - i), &seen), 0);
            ck_assert_int_eq(take(&s, slice_from(text, j), &seen), 0);
            expect(&seen, "a:1|c\nlonger.name:2|ms\r\n\n\nb:3|g\n");
            stream_end(&s, collect, &seen);
            expect(&seen, "a:1|c\nlonger.name:2|ms\r\n\n\nb:3|g\nlast");
            ck_assert_ptr_null(s.partial);
            buf_release(&seen.text);
        }
    }
}
END_TEST

/* A piece of whole lines goes on in one call and leaves no memory behind. */
START_TEST(test_stream_whole_lines_are_one_call)
{
    struct stream s = {0};
    struct seen seen = {0};

    ck_assert_int_eq(take(&s, SLICE_LIT("a\nb\nc\n"), &seen), 0);
    ck_assert_uint_eq(seen.n_calls, 1);
    ck_assert_ptr_null(s.partial);

    ck_assert_int_eq(take(&s, SLICE_LIT("d"), &seen), 0);
    ck_assert_uint_eq(seen.n_calls, 1);
    ck_assert_ptr_nonnull(s.partial);

    ck_assert_int_eq(take(&s, SLICE_LIT("e\nf\n"), &seen), 0);
    ck_assert_uint_eq(seen.n_calls, 2);
    ck_assert_ptr_null(s.partial);
    expect(&seen, "a\nb\nc\nde\nf\n");
    buf_release(&seen.text);
}
END_TEST

/* A stream that ends with an LF, or that held nothing, has no last line to give. */
START_TEST(test_stream_end_adds_nothing_to_whole_lines)
{
    struct stream s = {0};
    struct seen seen = {0};

    stream_end(&s, collect, &seen);
    ck_assert_uint_eq(seen.n_calls, 0);
    ck_assert_int_eq(take(&s, SLICE_LIT("a\n"), &seen), 0);
    stream_end(&s, collect, &seen);
    ck_assert_uint_eq(seen.n_calls, 1);
    expect(&seen, "a\n");
    buf_release(&seen.text);
    stream_release(&s);
}
END_TEST

/* Piece sizes that cut a long line at every kind of place. */
static const size_t piece_sizes[] = {1, 7, 100, 2048, 4094, 4095, 4096, 4097, 65536};
#define N_PIECE_SIZES (sizeof piece_sizes / sizeof piece_sizes[0])

/* "a\n", then a line of @len bytes and its LF, then "b\n". The caller frees it. */
static struct slice with_line_of(size_t len)
{
    char *p = malloc(len + 5);

    memcpy(p, "a\n", 2);
    memset(p + 2, 'x', len);
    memcpy(p + 2 + len, "\nb\n", 3);
    return slice_of(p, len + 5);
}

static int take_in_pieces(struct stream *s, struct slice text, size_t size, struct seen *seen)
{
    int r = 0;

    while (text.len > 0 && r == 0) {
        size_t n = text.len < size ? text.len : size;

        r = take(s, slice_of(text.p, n), seen);
        text = slice_from(text, n);
    }
    return r;
}

/* 4095 bytes and an LF are a line, however they arrive. */
START_TEST(test_stream_takes_the_longest_line)
{
    struct slice text = with_line_of(STREAM_MAX_LINE - 1);

    for (size_t i = 0; i < N_PIECE_SIZES; i++) {
        struct stream s = {0};
        struct seen seen = {0};

        ck_assert_msg(take_in_pieces(&s, text, piece_sizes[i], &seen) == 0, "pieces of %zu",
                      piece_sizes[i]);
        ck_assert(slice_eq(buf_slice(&seen.text), text));
        buf_release(&seen.text);
        stream_release(&s);
    }
    free((void *)text.p);
}
END_TEST

/* 4096 bytes without an LF end the stream; what came before was emitted, nothing of it and
 * nothing after it is. */
START_TEST(test_stream_refuses_a_longer_line)
{
    static const size_t lens[] = {STREAM_MAX_LINE, STREAM_MAX_LINE + 1, 3 * STREAM_MAX_LINE};

    for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++) {
        struct slice text = with_line_of(lens[l]);

        for (size_t i = 0; i < N_PIECE_SIZES; i++) {
            struct stream s = {0};
            struct seen seen = {0};

            ck_assert_msg(take_in_pieces(&s, text, piece_sizes[i], &seen) == STREAM_E_TOO_LONG,
                          "line of %zu, pieces of %zu", lens[l], piece_sizes[i]);
            expect(&seen, "a\n");
            ck_assert_ptr_null(s.partial);
            buf_release(&seen.text);
        }
        free((void *)text.p);
    }
}
END_TEST

/* Another limit holds as this one does, smaller or larger, and after a line has ended too. */
START_TEST(test_stream_takes_another_limit)
{
    static const size_t limits[] = {64, STREAM_MAX_LINE - 1, 4 * STREAM_MAX_LINE};

    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        struct slice fits = with_line_of(limits[l] - 1), longer = with_line_of(limits[l]);

        for (size_t i = 0; i < N_PIECE_SIZES; i++) {
            struct stream s = {.max = limits[l]};
            struct seen seen = {0};

            ck_assert_int_eq(take_in_pieces(&s, fits, piece_sizes[i], &seen), 0);
            ck_assert_int_eq(take_in_pieces(&s, fits, piece_sizes[i], &seen), 0);
            ck_assert_int_eq(take_in_pieces(&s, longer, piece_sizes[i], &seen), STREAM_E_TOO_LONG);
            stream_release(&s);
            buf_release(&seen.text);
        }
        free((void *)fits.p);
        free((void *)longer.p);
    }
}
END_TEST

/* The limit is met by the byte that breaks it, not by the next piece. */
START_TEST(test_stream_refuses_at_the_4096th_byte)
{
    struct slice text = with_line_of(STREAM_MAX_LINE);
    struct stream s = {0};
    struct seen seen = {0};

    ck_assert_int_eq(take(&s, slice_of(text.p + 2, STREAM_MAX_LINE - 1), &seen), 0);
    ck_assert_int_eq(take(&s, slice_of(text.p + 2, 1), &seen), STREAM_E_TOO_LONG);
    ck_assert_int_eq(take(&s, slice_of(text.p + 2, STREAM_MAX_LINE), &seen), STREAM_E_TOO_LONG);
    ck_assert_uint_eq(seen.n_calls, 0);
    free((void *)text.p);
}
END_TEST

/* Many windows of lines in one piece, their ends nowhere near the windows': all come out. */
START_TEST(test_stream_takes_many_windows_in_one_piece)
{
    struct stream s = {0};
    struct seen seen = {0};
    struct buf text = {0};

    for (unsigned i = 0; i < 40; i++) {
        for (unsigned k = 0; k < 97 * i; k++)
            buf_add_byte(&text, 'x');
        buf_add_byte(&text, '\n');
    }
    ck_assert_int_eq(take(&s, buf_slice(&text), &seen), 0);
    ck_assert(slice_eq(buf_slice(&seen.text), buf_slice(&text)));
    ck_assert_ptr_null(s.partial);
    buf_release(&seen.text);
    buf_release(&text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stream");
    TCase *lines = tcase_create("take");
    TCase *limit = tcase_create("limit");

    tcase_add_test(lines, test_stream_cut_anywhere_gives_the_same_lines);
    tcase_add_test(lines, test_stream_whole_lines_are_one_call);
    tcase_add_test(lines, test_stream_end_adds_nothing_to_whole_lines);
    tcase_add_test(lines, test_stream_takes_many_windows_in_one_piece);
    suite_add_tcase(s, lines);
    tcase_add_test(limit, test_stream_takes_the_longest_line);
    tcase_add_test(limit, test_stream_refuses_a_longer_line);
    tcase_add_test(limit, test_stream_takes_another_limit);
    tcase_add_test(limit, test_stream_refuses_at_the_4096th_byte);
    suite_add_tcase(s, limit);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
