/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slice helpers: compare, cut and search borrowed bytes
 *
 * Contract: nothing here allocates, writes to the text or needs a terminator.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bacowr/slice.h"

/* The slice of a string literal. */
#define SLICE_LIT(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_of(const char *p, size_t len)
{
    return (struct slice){p, len};
}

/* Borrows @text, which must be NUL-terminated. */
static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

/* Byte order, shorter first on a common prefix: <0, 0, >0. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* What is left of @s after its first @n bytes; @n must not exceed the length. */
static inline struct slice slice_from(struct slice s, size_t n)
{
    return (struct slice){s.len ? s.p + n : s.p, s.len - n};
}

/* White space, or a control byte. */
static inline bool slice_is_space(char c)
{
    return (unsigned char)c <= ' ';
}

/* @s without what is around it of these. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && slice_is_space(s.p[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && slice_is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Cut the next word off @s; an empty one at the end. */
static inline struct slice slice_take_word(struct slice *s)
{
    struct slice word;
    size_t n = 0;

    while (s->len > 0 && slice_is_space(s->p[0]))
        *s = slice_from(*s, 1);
    while (n < s->len && !slice_is_space(s->p[n]))
        n++;
    word = slice_of(s->p, n);
    *s = slice_from(*s, n);
    return word;
}

/* @s without spaces and tabs around it: the optional white space of HTTP (RFC 9110, 5.6.3). */
static inline struct slice slice_trim_blanks(struct slice s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/*
 * A short text as one word: its bytes, zeros behind them, its length in the eighth. 0: it is empty,
 * or has more than SLICE_WORD_MAX bytes. Different texts have different words, 0 aside.
 */
#define SLICE_WORD_MAX 7u

static inline uint64_t slice_word(struct slice s)
{
    unsigned char bytes[SLICE_WORD_MAX + 1] = {0};
    uint64_t word;

    if (s.len == 0 || s.len > SLICE_WORD_MAX)
        return 0;
    memcpy(bytes, s.p, s.len);
    bytes[SLICE_WORD_MAX] = (unsigned char)s.len;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The position of the first @byte, or s.len. */
static inline size_t slice_find(struct slice s, char byte)
{
    const char *hit = s.len ? memchr(s.p, byte, s.len) : NULL;

    return hit ? (size_t)(hit - s.p) : s.len;
}

#endif
