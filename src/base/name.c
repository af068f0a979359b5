/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: what Prometheus accepts, and how other names become that
 *
 * A StatsD name may be any text; a Prometheus name is [A-Za-z_][A-Za-z0-9_]*. The way from one to
 * the other is statsd_exporter's, because dashboards were written against its results:
 *
 *      0starts      _0starts       a digit cannot come first
 *      a--b  a---b  a_b            a run of hyphens is one '_'
 *      a.-b         a__b           every other code point is a '_' of its own
 *      naïve        na_ve          also when it takes several bytes
 *
 * Laws: the result has at most one byte more than the name; escaping twice changes nothing; the
 *       colon, legal in Prometheus, does not survive, as it does not there.
 *
 * What is UTF-8 here is what Go takes for it, so that a page never holds a byte that Prometheus
 * would refuse.
 */
#include "base/name.h"

#include <stdint.h>

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(unsigned char c)
{
    return is_digit(c) || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t name_escape(char *out, struct slice name)
{
    size_t n = 0;
    unsigned char before = 0;

    if (name.len > 0 && is_digit((unsigned char)name.p[0]))
        out[n++] = '_';
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.p[i];

        /* A code point's first byte has stood for all of it. */
        if (is_word(c))
            out[n++] = (char)c;
        else if (!is_continuation(c) && !(c == '-' && before == '-'))
            out[n++] = '_';
        before = c;
    }
    return n;
}

bool name_is_plain(struct slice name)
{
    if (name.len > 0 && is_digit((unsigned char)name.p[0]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word((unsigned char)name.p[i]))
            return false;
    }
    return true;
}

/* How many bytes at the start of @s are ASCII; stops at a whole word that is not. */
static size_t skip_ascii(struct slice s)
{
    size_t i = 0;

    while (s.len - i >= 8) {
        uint64_t word;

        memcpy(&word, s.p + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
        i += 8;
    }
    while (i < s.len && (unsigned char)s.p[i] < 0x80)
        i++;
    return i;
}

/*
 * The length of the multi-byte sequence at the start of @s, or 0 when it is not one. The second
 * byte's range depends on the first: that is what rules out overlong forms (after e0 and f0),
 * surrogates (after ed) and what lies above U+10FFFF (after f4).
 */
static size_t sequence_len(struct slice s)
{
    unsigned char first = (unsigned char)s.p[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (first < 0xc2 || first > 0xf4)
        return 0;
    len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (s.len < len)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf4)
        high = 0x8f;
    if ((unsigned char)s.p[1] < low || (unsigned char)s.p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (!is_continuation((unsigned char)s.p[i]))
            return 0;
    }
    return len;
}

bool utf8_valid(struct slice s)
{
    for (;;) {
        size_t len;

        s = slice_from(s, skip_ascii(s));
        if (s.len == 0)
            return true;
        len = sequence_len(s);
        if (len == 0)
            return false;
        s = slice_from(s, len);
    }
}
