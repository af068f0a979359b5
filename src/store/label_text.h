/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label text: walk through the labels of a series as the page shows them
 *
 *      code="200",path="/a\"b"
 *
 * Contract: the text is one that was rendered here, so nothing is checked. Values stay escaped: two
 * are equal when their escaped texts are.
 */
#ifndef STORE_LABEL_TEXT_H
#define STORE_LABEL_TEXT_H

#include <stdbool.h>
#include <string.h>

#include "base/slice.h"

struct label_text {
    struct slice name;
    struct slice value; /* escaped */
};

/* Bytes of the value that begins @p, up to its quote. */
static inline size_t label_value_len(const char *p)
{
    size_t n = 0;

    while (p[n] != '"')
        n += p[n] == '\\' ? 2 : 1;
    return n;
}

/* Take the first label off @rest; false when there is none. */
static inline bool label_text_next(struct slice *rest, struct label_text *out)
{
    const char *equals = rest->len > 0 ? memchr(rest->p, '=', rest->len) : NULL;
    size_t taken;

    if (equals == NULL)
        return false;
    out->name = slice_of(rest->p, (size_t)(equals - rest->p));
    out->value = slice_of(equals + 2, label_value_len(equals + 2));
    taken = out->name.len + out->value.len + 3;
    *rest = slice_from(*rest, taken < rest->len ? taken + 1 : taken);
    return true;
}

#endif
