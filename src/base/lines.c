/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines: see lines.h
 *
 * A line that is not empty is told by its end: a LF behind anything but another LF, or a CR that
 * stands behind one. So each byte is judged with the two before it, and sixteen are judged at once.
 * The text begins as if a LF stood before it.
 *
 * Law: no byte outside of the text is read.
 */
#include "base/lines.h"

#include <stdbool.h>
#include <string.h>

typedef unsigned char vector __attribute__((vector_size(16)));

/* A lane of the sum holds 255 hits. */
#define VECTORS_A_SUM 255

static vector load(const char *p)
{
    vector v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t add_lanes(vector sum)
{
    uint64_t total = 0;

    for (size_t i = 0; i < sizeof sum; i++)
        total += sum[i];
    return total;
}

/* In the @n vectors at @p, at most VECTORS_A_SUM. */
static uint64_t count_ends(const char *p, size_t n)
{
    vector sum = {0};

    for (; n > 0; n--, p += sizeof sum)
        sum -= (vector)(load(p) == '\n');
    return add_lanes(sum);
}

/* The same; two bytes before @p are of the text. */
static uint64_t count_filled(const char *p, size_t n)
{
    vector sum = {0};

    for (; n > 0; n--, p += sizeof sum) {
        vector before = load(p - 1), empty;

        empty =
            (vector)(before == '\n') | ((vector)(before == '\r') & (vector)(load(p - 2) == '\n'));
        sum -= (vector)(load(p) == '\n') & ~empty;
    }
    return add_lanes(sum);
}

/* As count_filled(), for one byte. */
static bool is_filled_end(struct slice text, size_t at)
{
    char before = at > 0 ? text.p[at - 1] : '\n';
    char first = at > 1 ? text.p[at - 2] : '\n';

    return text.p[at] == '\n' && before != '\n' && !(before == '\r' && first == '\n');
}

/* How many vectors of @text, from @at on, are counted next. */
static size_t vectors_from(struct slice text, size_t at)
{
    size_t n = (text.len - at) / sizeof(vector);

    return n < VECTORS_A_SUM ? n : VECTORS_A_SUM;
}

uint64_t lines_count_ends(struct slice text)
{
    uint64_t total = 0;
    size_t at = 0, n;

    for (; (n = vectors_from(text, at)) > 0; at += n * sizeof(vector))
        total += count_ends(text.p + at, n);
    for (; at < text.len; at++)
        total += text.p[at] == '\n';
    return total;
}

uint64_t lines_count_filled(struct slice text)
{
    uint64_t total = 0;
    size_t at = 0, n;

    if (slice_find(text, '\n') == text.len)
        return text.len > 0; /* as of many datagrams: it is shorter to look than to count */
    for (; at < text.len && at < 2; at++)
        total += is_filled_end(text, at);
    for (; (n = vectors_from(text, at)) > 0; at += n * sizeof(vector))
        total += count_filled(text.p + at, n);
    for (; at < text.len; at++)
        total += is_filled_end(text, at);
    return total + (text.len > 0 && text.p[text.len - 1] != '\n');
}
