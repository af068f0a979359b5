/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain lines: sixteen bytes at a time
 *
 *      app.web.requests:12.5|ms|#code:200 LF
 *      `----- ':' -----'`'|'`----- LF ----'
 *
 * One look finds the end of the line, one the colon, and one behind it the bar; the number between
 * the two is read as one word (base/num_short.h). The line's end waits for neither of the others.
 * All stand in a window of 64 bytes, or the end in one of those that follow. Where the text ends
 * before, and is not padded, what there is of it is copied to a window on the stack first, so
 * nothing behind it is touched. Marks behind the text do not count.
 *
 * Packed values are cut by a look for each, in their order. Their type is looked at here, since
 * the identity may be known from a line of one value, which more types allow.
 *
 * Laws: the two ways agree. What takes more than a window - a name of 48 bytes, a number of 16 - is
 *       left to the portable one, and so is all that is odd.
 */
#include "statsd/plain.h"

#include <string.h>

#include "base/num.h"
#include "base/num_short.h"

/* The text up to its first LF, and what it takes with it. */
static struct slice first_line(struct slice text, size_t *taken)
{
    struct slice line = slice_of(text.p, slice_find(text, '\n'));
    bool ended = line.len < text.len;

    *taken = line.len + ended;
    if (ended && line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    return line;
}

bool plain_cut_portable(struct slice text, struct plain_line *out)
{
    struct slice line = first_line(text, &out->taken);
    size_t colon = slice_find(line, ':');
    struct slice rest, value;

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

/* Does the type of @suffix take packed values: ms, h or d? */
static bool takes_packed(struct slice suffix)
{
    size_t len = suffix.len > 1 && suffix.p[1] == 'm' ? sizeof "|ms" - 1 : sizeof "|h" - 1;

    if (suffix.len < len || (suffix.len > len && suffix.p[len] != '|'))
        return false;
    return len == sizeof "|ms" - 1 ? suffix.p[2] == 's' : suffix.p[1] == 'h' || suffix.p[1] == 'd';
}

unsigned plain_cut_packed_portable(struct slice text, struct plain_line *out, double *values,
                                   unsigned max)
{
    struct slice line = first_line(text, &out->taken), suffix, rest;
    size_t colon = slice_find(line, ':');
    bool more = true;
    unsigned n = 0;

    if (colon == 0 || colon == line.len)
        return 0;
    rest = slice_from(line, colon + 1);
    rest.len = slice_find(rest, '|');
    suffix = slice_from(line, colon + 1 + rest.len);
    if (!takes_packed(suffix))
        return 0;
    out->name_len = colon;
    out->value_len = rest.len;
    out->len = line.len;
    out->suffix = slice_word(suffix);
    while (more) {
        size_t len = slice_find(rest, ':');

        if (n == max || num_parse(slice_of(rest.p, len), &values[n++]) != 0)
            return 0;
        more = len < rest.len;
        rest = slice_from(rest, more ? len + 1 : len);
    }
    return n >= 2 ? n : 0;
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

/* A bit for each that is one or the other. */
static inline unsigned marks_of_two(const char *p, char one, char other)
{
    __m128i bytes = load(p);

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(one)),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8(other))));
}

/* The first of the NAME_MAX bytes at @p that is a colon; NAME_MAX: none. */
static inline size_t name_end(const char *p)
{
    unsigned found = marks(p, ':') | marks(p + LOOK, ':') << LOOK;

    if (found != 0)
        return (size_t)__builtin_ctz(found);
    found = marks(p + 2 * LOOK, ':');
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

/*
 * Where the line ends. @n_readable: bytes at @window. This waits for nothing else that is found out
 * about the line, so a processor can begin with the next one before it has done with this.
 */
static inline size_t line_end(const char *window, size_t n_readable, struct slice text)
{
    uint64_t low = marks(window, '\n') | marks(window + LOOK, '\n') << LOOK;
    uint64_t high = marks(window + 2 * LOOK, '\n') | marks(window + 3 * LOOK, '\n') << LOOK;
    uint64_t found = low | high << 2 * LOOK;

    if (found != 0) {
        size_t end = (size_t)__builtin_ctzll(found);

        return end < text.len ? end : text.len;
    }
    return long_end(window, n_readable, text, WINDOW);
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

/* Is what follows @value, 16 bytes of them, at once a second one? Then nobody need look further. */
static inline bool is_packed(const char *value)
{
    unsigned found = marks_of_two(value, ':', '|');

    return found != 0 && value[__builtin_ctz(found)] == ':';
}

/* Out of line, and through a copy: so the fields of @out may stay in registers. */
static __attribute__((noinline)) bool cut_odd(struct slice text, const char *value,
                                              struct plain_line *out)
{
    bool packed = value != NULL && is_packed(value);
    bool plain = !packed && plain_cut_portable(text, out);

    out->packed = packed || value == NULL;
    return plain;
}

/* @value: where it stands in the window, NULL: not known. */
static inline bool cut_portable(struct slice text, const char *value, struct plain_line *out)
{
    struct plain_line odd;

    if (!cut_odd(text, value, &odd)) {
        out->packed = odd.packed;
        return false;
    }
    *out = odd;
    return true;
}

/* @window: @n_readable bytes, WINDOW or more, the first of them @text's. Always inline: as a call
 * it costs a line an eighth more. */
static inline __attribute__((always_inline)) bool cut(const char *window, size_t n_readable,
                                                      struct slice text, struct plain_line *out)
{
    size_t end = line_end(window, n_readable, text), colon = name_end(window), bar;
    const char *value = window + colon + 1;
    unsigned found;

    out->packed = false;
    if (colon == NAME_MAX)
        return cut_portable(text, NULL, out);
    if (colon == 0 || colon >= end)
        return false;
    found = marks(value, '|');
    if (found == 0)
        return cut_portable(text, value, out);
    out->name_len = colon;
    out->value_len = (size_t)__builtin_ctz(found);
    bar = colon + 1 + out->value_len;
    if (bar >= end)
        return false;
    if (out->value_len - 1 >= NUM_SHORT_MAX ||
        !num_short_parse(value, (unsigned)out->value_len, &out->value))
        return cut_portable(text, value, out);
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
    if (!cut_bare(text, &bare)) {
        out->packed = bare.packed;
        return false;
    }
    *out = bare;
    return true;
}

/* The numbers that begin at @at, all of them short. Where their bar is; 0: something else. */
static inline size_t short_numbers(const char *window, size_t at, struct slice text, double *values,
                                   unsigned max, unsigned *n)
{
    for (*n = 0; *n < max && at < text.len; at++) {
        unsigned found = marks_of_two(window + at, ':', '|');
        unsigned len = found != 0 ? (unsigned)__builtin_ctz(found) : 0;

        if (len - 1 >= NUM_SHORT_MAX || !num_short_parse(window + at, len, &values[(*n)++]))
            return 0;
        at += len;
        if (window[at] == '|')
            return at < text.len ? at : 0;
    }
    return 0;
}

unsigned plain_cut_packed(struct slice text, bool padded, struct plain_line *out, double *values,
                          unsigned max)
{
    size_t n_readable = text.len + PLAIN_PADDING, colon, bar, end;
    unsigned n;

    if (!padded)
        return plain_cut_packed_portable(text, out, values, max);
    colon = name_end(text.p);
    if (colon == NAME_MAX)
        return plain_cut_packed_portable(text, out, values, max);
    end = line_end(text.p, n_readable, text);
    if (colon == 0 || colon >= end || !is_packed(text.p + colon + 1))
        return 0;
    bar = short_numbers(text.p, colon + 1, text, values, max, &n);
    if (bar == 0)
        return plain_cut_packed_portable(text, out, values, max);
    out->taken = end + (end < text.len);
    out->len = end - (end < text.len && text.p[end - 1] == '\r');
    if (!takes_packed(slice_of(text.p + bar, out->len - bar)))
        return 0;
    out->name_len = colon;
    out->value_len = bar - colon - 1;
    out->suffix = word_at(text.p + bar, n_readable - bar, out->len - bar);
    return n;
}

#else

bool plain_cut(struct slice text, bool padded, struct plain_line *out)
{
    bool plain = plain_cut_portable(text, out);

    out->packed = !plain;
    return plain;
}

unsigned plain_cut_packed(struct slice text, bool padded, struct plain_line *out, double *values,
                          unsigned max)
{
    return plain_cut_packed_portable(text, out, values, max);
}

#endif
