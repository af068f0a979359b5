/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain lines: sixteen bytes at a time
 *
 *      app.web.requests:12.5|ms|#code:200 LF
 *      `--- marks ----'`-. `----- end -----'
 *        ':' or LF        '|'
 *
 * The first look finds the colon, the second the bar, those that follow the end of the line; the
 * number between the two is read as one word (base/num_short.h). Name and number stand in a window
 * of 64 bytes. Where the text ends before, and is not padded, what there is of it is copied to a
 * window on the stack first, so nothing behind it is touched. Marks behind the text do not count.
 *
 * Laws: the two ways agree. What takes more than a window - a name of 48 bytes, a number of 16 - is
 *       left to the portable one, and so is all that is odd.
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

#define WINDOW   PLAIN_PADDING
#define LOOK     16u

/* Names that a window has with a number and its bar. */
#define NAME_MAX 48u

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit for each of the 16 bytes at @p that is @byte. */
static inline unsigned marks(const char *p, char byte)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(load(p), _mm_set1_epi8(byte)));
}

/* A bit for each of the 16 bytes at @p that is a colon or ends the line. */
static inline unsigned name_marks(const char *p)
{
    __m128i bytes = load(p);

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))));
}

/* The first of the NAME_MAX bytes at @p that is a colon or ends the line; NAME_MAX: none. */
static inline size_t name_end(const char *p)
{
    unsigned found = name_marks(p) | name_marks(p + LOOK) << LOOK;

    if (found != 0)
        return (size_t)__builtin_ctz(found);
    found = name_marks(p + 2 * LOOK);
    return found != 0 ? 2 * LOOK + (size_t)__builtin_ctz(found) : NAME_MAX;
}

/* Where the line ends whose suffix is longer than a look; nothing before @at ends it. */
static inline size_t long_end(const char *window, size_t n_readable, struct slice text, size_t at)
{
    for (; at < text.len; at += LOOK) {
        unsigned found;

        if (at + LOOK > n_readable)
            return at + slice_find(slice_from(text, at), '\n');
        found = marks(window + at, '\n');
        if (found != 0) {
            at += (size_t)__builtin_ctz(found);
            break;
        }
    }
    return at < text.len ? at : text.len;
}

/* Where the line ends that has its bar at @bar. @n_readable: bytes at @window. */
static inline size_t line_end(const char *window, size_t n_readable, struct slice text, size_t bar)
{
    size_t left = text.len - bar;
    unsigned found = n_readable - bar >= LOOK ? marks(window + bar, '\n') : 0;

    if (found != 0) {
        size_t n = (size_t)__builtin_ctz(found);

        return bar + (n < left ? n : left);
    }
    return long_end(window, n_readable, text, n_readable - bar >= LOOK ? bar + LOOK : bar);
}

#define SHORT(len)                                                                \
    {                                                                             \
        (UINT64_C(1) << (8 * (len))) - 1, (uint64_t)(len) << (8 * SLICE_WORD_MAX) \
    }

/* slice_word() of the @len bytes at @p. */
static inline uint64_t word_at(const char *p, size_t n_readable, size_t len)
{
    static const struct {
        uint64_t mask, len;
    } shorts[SLICE_WORD_MAX + 1] = {SHORT(0), SHORT(1), SHORT(2), SHORT(3),
                                    SHORT(4), SHORT(5), SHORT(6), SHORT(7)};
    uint64_t word;

    if (len > SLICE_WORD_MAX)
        return 0;
    if (n_readable < sizeof word)
        return slice_word(slice_of(p, len));
    memcpy(&word, p, sizeof word);
    return (word & shorts[len].mask) | shorts[len].len;
}

/* Out of line, and through a copy: so the fields of @out may stay in registers. */
static __attribute__((noinline)) bool cut_odd(struct slice text, struct plain_line *out)
{
    return plain_cut_portable(text, out);
}

static inline bool cut_portable(struct slice text, struct plain_line *out)
{
    struct plain_line odd;

    if (!cut_odd(text, &odd))
        return false;
    *out = odd;
    return true;
}

/* @window: @n_readable bytes, WINDOW or more, the first of them @text's. Always inline: as a call
 * it costs a line an eighth more. */
static inline __attribute__((always_inline)) bool cut(const char *window, size_t n_readable,
                                                      struct slice text, struct plain_line *out)
{
    size_t colon = name_end(window), bar, end;
    const char *value = window + colon + 1;
    unsigned found;

    if (colon == NAME_MAX)
        return cut_portable(text, out);
    if (colon == 0 || window[colon] != ':')
        return false;
    found = marks(value, '|');
    if (found == 0)
        return cut_portable(text, out);
    out->name_len = colon;
    out->value_len = (size_t)__builtin_ctz(found);
    bar = colon + 1 + out->value_len;
    if (bar >= text.len)
        return false;
    if (out->value_len - 1 >= NUM_SHORT_MAX ||
        !num_short_parse(value, (unsigned)out->value_len, &out->value))
        return cut_portable(text, out);
    end = line_end(window, n_readable, text, bar);
    out->taken = end + (end < text.len);
    out->len = end - (end < text.len && text.p[end - 1] == '\r');
    out->suffix = word_at(window + bar, n_readable - bar, out->len - bar);
    return true;
}

static __attribute__((noinline)) bool cut_bare(struct slice text, struct plain_line *out)
{
    char window[WINDOW] = {0};

    if (text.len >= WINDOW)
        return cut(text.p, text.len, text, out);
    if (text.len > 0)
        memcpy(window, text.p, text.len);
    return cut(window, WINDOW, text, out);
}

bool plain_cut(struct slice text, bool padded, struct plain_line *out)
{
    struct plain_line bare;

    if (padded)
        return cut(text.p, text.len + PLAIN_PADDING, text, out);
    if (!cut_bare(text, &bare))
        return false;
    *out = bare;
    return true;
}

#else

bool plain_cut(struct slice text, bool padded, struct plain_line *out)
{
    return plain_cut_portable(text, out);
}

#endif
