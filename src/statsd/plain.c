/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain lines: sixteen bytes at a time
 *
 *      app.web.requests:12.5|ms|#code:200 LF
 *      `--- marks ----'`-. `----- end -----'
 *        ':' or LF        '|'
 *
 * The first look finds the colon, the second the bar, the third the end of the line; the number
 * between the two is read as one word (base/num_short.h). A look reads a window of 64 bytes. Where
 * the text ends before, and is not padded, what there is of it is copied to a window on the stack
 * first, so nothing behind it is touched. Marks behind the text do not count.
 *
 * Laws: the two ways agree. What takes more than a window - a name of some fifty bytes, a number of
 *       more than 15 - is left to the portable one, and so is all that is odd.
 */
#include "statsd/plain.h"

#include <string.h>

#include "base/num.h"
#include "base/num_short.h"

bool plain_cut_portable(struct slice text, struct plain_line *out)
{
    struct slice line = slice_of(text.p, slice_find(text, '\n'));
    bool ended = line.len < text.len;
    struct slice rest, value;
    size_t colon;

    out->taken = line.len + ended;
    if (ended && line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    colon = slice_find(line, ':');
    if (colon == 0 || colon == line.len)
        return false;
    rest = slice_from(line, colon + 1);
    value = slice_of(rest.p, slice_find(rest, '|'));
    if (value.len == rest.len || num_parse(value, &out->value) != 0)
        return false;
    out->name_len = colon;
    out->value_len = value.len;
    out->len = line.len;
    out->suffix = slice_word(slice_from(line, colon + 1 + value.len));
    return true;
}

#if defined(__SSE2__) && NUM_SHORT

#include <emmintrin.h>

#define WINDOW PLAIN_PADDING
#define LOOK   16u

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit for each of the 16 bytes at @p that is @byte. */
static inline unsigned marks(const char *p, char byte)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(load(p), _mm_set1_epi8(byte)));
}

/* A bit for each of the 32 bytes at @p that is a colon or ends the line. */
static inline unsigned name_marks(const char *p)
{
    const __m128i colon = _mm_set1_epi8(':'), lf = _mm_set1_epi8('\n');
    __m128i a = load(p), b = load(p + LOOK);

    a = _mm_or_si128(_mm_cmpeq_epi8(a, colon), _mm_cmpeq_epi8(a, lf));
    b = _mm_or_si128(_mm_cmpeq_epi8(b, colon), _mm_cmpeq_epi8(b, lf));
    return (unsigned)_mm_movemask_epi8(a) | (unsigned)_mm_movemask_epi8(b) << LOOK;
}

/* Where the line ends that has its bar at @bar. */
static inline size_t line_end(const char *window, struct slice text, size_t bar)
{
    unsigned found = marks(window + bar, '\n');
    size_t left = text.len - bar;

    if (found != 0) {
        size_t n = (size_t)__builtin_ctz(found);

        return bar + (n < left ? n : left);
    }
    if (left <= LOOK)
        return text.len;
    return bar + LOOK + slice_find(slice_from(text, bar + LOOK), '\n');
}

/* slice_word() of the @len bytes at @p, where eight can be read. */
static inline uint64_t word_at(const char *p, size_t len)
{
    uint64_t word;

    if (len > SLICE_WORD_MAX)
        return 0;
    memcpy(&word, p, sizeof word);
    return (word & ((UINT64_C(1) << (8 * len)) - 1)) | (uint64_t)len << (8 * SLICE_WORD_MAX);
}

/* @window: WINDOW bytes that can be read, the first of them @text's. */
static inline bool cut(const char *window, struct slice text, struct plain_line *out)
{
    unsigned found = name_marks(window);
    size_t colon, bar, end;
    const char *value;

    if (found == 0)
        return plain_cut_portable(text, out);
    colon = (size_t)__builtin_ctz(found);
    if (colon == 0 || window[colon] != ':')
        return false;
    value = window + colon + 1;
    found = marks(value, '|');
    if (found == 0)
        return plain_cut_portable(text, out);
    out->name_len = colon;
    out->value_len = (size_t)__builtin_ctz(found);
    bar = colon + 1 + out->value_len;
    if (bar >= text.len)
        return false;
    if (out->value_len - 1 >= NUM_SHORT_MAX ||
        !num_short_parse(value, (unsigned)out->value_len, &out->value))
        return plain_cut_portable(text, out);
    end = line_end(window, text, bar);
    out->taken = end + (end < text.len);
    out->len = end - (end < text.len && text.p[end - 1] == '\r');
    out->suffix = word_at(window + bar, out->len - bar);
    return true;
}

static __attribute__((noinline)) bool cut_copied(struct slice text, struct plain_line *out)
{
    char window[WINDOW] = {0};

    if (text.len > 0)
        memcpy(window, text.p, text.len);
    return cut(window, text, out);
}

bool plain_cut(struct slice text, bool padded, struct plain_line *out)
{
    return padded || text.len >= WINDOW ? cut(text.p, text, out) : cut_copied(text, out);
}

#else

bool plain_cut(struct slice text, bool padded, struct plain_line *out)
{
    return plain_cut_portable(text, out);
}

#endif
