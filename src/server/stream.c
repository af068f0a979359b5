/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream: see stream.h
 *
 * Nearly every piece is many whole lines and, at its end, the beginning of one more:
 *
 *      .....LF..........LF.......LF....
 *      `---------- body ---------'`-- rest, kept in `partial` until its LF comes
 *
 * The body goes on as it stands, in one run, nothing copied. Where its lines end is the parser's
 * business; here it is only made sure that none of them is too long, by looking for the *last* LF
 * in each window of STREAM_MAX_LINE bytes: a window that begins with a line and has no LF begins
 * with a line that is too long. That is one short backward search for 4096 bytes.
 *
 * Law: partial != NULL exactly when 0 < len < STREAM_MAX_LINE, and it holds no LF.
 */
#include "server/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_line(const struct stream *s)
{
    return s->max != 0 ? s->max : STREAM_MAX_LINE;
}

/* The number of bytes in the whole lines that @in begins with, up to a line that is too long. */
static size_t whole_lines(const struct stream *s, struct slice in)
{
    size_t at = 0;

    while (at < in.len) {
        size_t window = smaller(in.len - at, max_line(s));
        const char *lf = memrchr(in.p + at, '\n', window);

        if (lf == NULL)
            break;
        at = (size_t)(lf - in.p) + 1;
    }
    return at;
}

/* Add @in, which has no LF but perhaps at its end, to the unfinished line. 0 or -ENOMEM. */
static int keep(struct stream *s, struct slice in)
{
    assert(s->len + in.len <= max_line(s));
    if (in.len == 0)
        return 0;
    if (s->partial == NULL) {
        s->partial = malloc(max_line(s));
        if (s->partial == NULL)
            return -ENOMEM;
    }
    memcpy(s->partial + s->len, in.p, in.len);
    s->len += in.len;
    return 0;
}

/* How many bytes of @in end the unfinished line, its LF included; 0: they do not. */
static size_t finish_len(const struct stream *s, struct slice in)
{
    struct slice reach = slice_of(in.p, smaller(in.len, max_line(s) - s->len));
    size_t lf = slice_find(reach, '\n');

    return lf < reach.len ? lf + 1 : 0;
}

int stream_take(struct stream *s, struct slice in, stream_fn emit, void *ctx)
{
    struct slice head = {0}, body, rest = in;

    if (s->partial != NULL) {
        size_t n = finish_len(s, in);

        if (n == 0 && in.len >= max_line(s) - s->len) {
            stream_release(s);
            return STREAM_E_TOO_LONG;
        }
        if (n == 0)
            return keep(s, in);
        keep(s, slice_of(in.p, n)); /* there is room: see the law */
        head = slice_of(s->partial, s->len);
        rest = slice_from(in, n);
    }
    body = slice_of(rest.p, whole_lines(s, rest));
    rest = slice_from(rest, body.len);

    if (head.len > 0 || body.len > 0)
        emit(ctx, head, body);
    s->len = 0;
    if (rest.len == 0 || rest.len >= max_line(s))
        stream_release(s);
    return rest.len >= max_line(s) ? STREAM_E_TOO_LONG : keep(s, rest);
}

void stream_end(struct stream *s, stream_fn emit, void *ctx)
{
    if (s->partial != NULL) {
        emit(ctx, slice_of(s->partial, s->len), (struct slice){0});
    }
    stream_release(s);
}

void stream_release(struct stream *s)
{
    free(s->partial);
    s->partial = NULL;
    s->len = 0;
}
