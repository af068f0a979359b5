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

#include "base/num.h"

bool query_decode(struct slice text, char *out, size_t size, size_t *len)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++, n++) {
        if (n == size)
            return false;
        out[n] = text.p[i] == '+' ? ' ' : text.p[i];
        if (text.p[i] != '%')
            continue;
        if (text.len - i < 3 || num_hex_digit(text.p[i + 1]) < 0 ||
            num_hex_digit(text.p[i + 2]) < 0)
            return false;
        out[n] = (char)(num_hex_digit(text.p[i + 1]) << 4 | num_hex_digit(text.p[i + 2]));
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

    if (!find(query, name, &text) || !query_decode(text, out, size, &len))
        return false;
    *value = slice_of(out, len);
    return true;
}

bool query_number(struct slice query, const char *name, uint64_t fallback, uint64_t max,
                  uint64_t *out)
{
    struct slice text;

    if (find(query, name, &text))
        return num_parse_u64(text, max, out) == 0;
    *out = fallback;
    return true;
}
