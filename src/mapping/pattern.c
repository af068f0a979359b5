/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pattern: text with `*` in it
 *
 * A pattern is laid along a text from the left: what stands before the first `*` must begin the
 * text, what stands behind the last one must end it, and each piece between two is taken where it
 * is first found. If the pattern fits at all it fits so, because a piece that is found earlier
 * leaves more room for those behind it; and each `*` is then as short as it can be, the leftmost
 * first.
 *
 *      a*b*c  on  aXbYbZc      X, YbZ
 *
 * Whether one pattern takes all that another takes is the same question, asked of the other's text:
 * its `*` is a byte that none of ours has outside a `*`, and so is what may stand in its place.
 *
 * Law: no piece is looked for before the end of the one before it: the work is bounded by the bytes
 *      of the pattern and of the text. Nothing recurses or allocates.
 */
#include "mapping/pattern.h"

#include <stdint.h>

size_t pattern_n_stars(struct slice pattern)
{
    size_t n = 0;

    for (size_t i = 0; i < pattern.len; i++)
        n += pattern.p[i] == '*';
    return n;
}

/* Where @piece first stands in @text, or, when it is the @last one, at its end; or SIZE_MAX. */
static size_t find_piece(struct slice text, struct slice piece, bool last)
{
    const char *hit;

    if (piece.len > text.len)
        return SIZE_MAX;
    if (last)
        return slice_eq(slice_from(text, text.len - piece.len), piece) ? text.len - piece.len
                                                                       : SIZE_MAX;
    if (piece.len == 0)
        return 0;
    hit = memmem(text.p, text.len, piece.p, piece.len);
    return hit != NULL ? (size_t)(hit - text.p) : SIZE_MAX;
}

/* Lay @pattern along @text; @captures may be NULL. */
static bool lay(struct slice pattern, struct slice text, struct slice *captures)
{
    size_t n = slice_find(pattern, '*');

    if (n == pattern.len)
        return slice_eq(pattern, text);
    if (!slice_starts(text, slice_of(pattern.p, n)))
        return false;
    text = slice_from(text, n);
    while (n < pattern.len) {
        size_t at;

        pattern = slice_from(pattern, n + 1);
        n = slice_find(pattern, '*');
        at = find_piece(text, slice_of(pattern.p, n), n == pattern.len);
        if (at == SIZE_MAX)
            return false;
        if (captures != NULL)
            *captures++ = slice_of(text.p, at);
        text = slice_from(text, at + n);
    }
    return true;
}

bool pattern_takes(struct slice pattern, struct slice text)
{
    return lay(pattern, text, NULL);
}

void pattern_capture(struct slice pattern, struct slice text, struct slice *captures)
{
    lay(pattern, text, captures);
}

/* ---- two patterns ---- */

/* The literal text before the first `*` or, @behind, after the last. */
static struct slice outer_text(struct slice pattern, bool behind)
{
    size_t n = 0;

    while (n < pattern.len && pattern.p[behind ? pattern.len - 1 - n : n] != '*')
        n++;
    return slice_of(pattern.p + (behind ? pattern.len - n : 0), n);
}

/* With a `*` in both, all that stands between the outer texts finds room. */
static bool meets(struct slice a, struct slice b)
{
    struct slice head_a = outer_text(a, false), head_b = outer_text(b, false);
    struct slice tail_a = outer_text(a, true), tail_b = outer_text(b, true);
    size_t head = head_a.len < head_b.len ? head_a.len : head_b.len;
    size_t tail = tail_a.len < tail_b.len ? tail_a.len : tail_b.len;

    if (head_a.len == a.len)
        return pattern_takes(b, a);
    if (head_b.len == b.len)
        return pattern_takes(a, b);
    return slice_eq(slice_of(head_a.p, head), slice_of(head_b.p, head)) &&
           slice_eq(slice_from(tail_a, tail_a.len - tail), slice_from(tail_b, tail_b.len - tail));
}

/* ---- segments ---- */

size_t pattern_glob_n_segments(struct slice pattern)
{
    struct slice segment;
    size_t n = 1;

    while (pattern_next_segment(&pattern, &segment))
        n++;
    return n;
}

/* Do as many segments stand in @a as in @b, and does @fits hold for each pair? */
static bool glob_fits(struct slice a, struct slice b, bool (*fits)(struct slice, struct slice))
{
    struct slice one, other;
    bool more_a, more_b;

    do {
        more_a = pattern_next_segment(&a, &one);
        more_b = pattern_next_segment(&b, &other);
        if (more_a != more_b || !fits(one, other))
            return false;
    } while (more_a);
    return true;
}

bool pattern_glob_takes(struct slice pattern, struct slice name)
{
    return glob_fits(pattern, name, pattern_takes);
}

bool pattern_glob_meets(struct slice a, struct slice b)
{
    return glob_fits(a, b, meets);
}
