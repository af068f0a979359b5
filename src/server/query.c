/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query: see query.h
 *
 * Pairs of name=value between '&', as forms write them: '+' is a blank, %xx a byte. Names of ours
 * are plain letters, so they are compared as they are. What a browser or a script adds besides is
 * passed over.
 *
 * Laws: nothing is allocated; a value that is not wholly understood is not used in part.
 */
#include "server/query.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode @text. False: no room, or a '%' that begins no byte. */
static bool decode(struct slice text, char *out, size_t size, size_t *len)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++, n++) {
        if (n == size)
            return false;
        out[n] = text.p[i] == '+' ? ' ' : text.p[i];
        if (text.p[i] != '%')
            continue;
        if (text.len - i < 3 || hex_digit(text.p[i + 1]) < 0 || hex_digit(text.p[i + 2]) < 0)
            return false;
        out[n] = (char)(hex_digit(text.p[i + 1]) << 4 | hex_digit(text.p[i + 2]));
        i += 2;
    }
    *len = n;
    return true;
}

/* The text of @name's first value, not decoded. */
static bool find(struct slice query, const char *name, struct slice *out)
{
    while (query.len > 0) {
        struct slice pair = slice_of(query.p, slice_find(query, '&'));
        size_t equals = slice_find(pair, '=');

        if (slice_eq_str(slice_of(pair.p, equals), name)) {
            *out = slice_from(pair, equals < pair.len ? equals + 1 : pair.len);
            return true;
        }
        query = slice_from(query, pair.len < query.len ? pair.len + 1 : query.len);
    }
    return false;
}

bool query_get(struct slice query, const char *name, char *out, size_t size, struct slice *value)
{
    struct slice text;
    size_t len;

    if (!find(query, name, &text) || !decode(text, out, size, &len))
        return false;
    *value = slice_of(out, len);
    return true;
}

bool query_number(struct slice query, const char *name, uint64_t fallback, uint64_t max,
                  uint64_t *out)
{
    struct slice text;
    uint64_t n = 0;

    if (!find(query, name, &text)) {
        *out = fallback;
        return true;
    }
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || n > max / 10)
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    if (n > max)
        return false;
    *out = n;
    return true;
}
