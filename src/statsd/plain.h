/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain lines: name:number|suffix, cut by one look; and name:number:number|suffix, packed ones
 *
 * Contract: nothing is judged but the number. What the name and the suffix may look like for the
 * line to be one sample, statsd_is_plain() says once for each identity: see parse.c.
 */
#ifndef STATSD_PLAIN_H
#define STATSD_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct plain_line {
    size_t name_len;
    size_t value_len; /* behind the name and a colon; the suffix is the rest of the line */
    size_t len;       /* of the line, its end left out as statsd_next_line() does */
    size_t taken;     /* with its end; as much as `len`: the text ends without LF */
    uint64_t suffix;  /* slice_word() of it */
    double value;
    bool packed; /* of a line that is not plain: plain_cut_packed() is worth a try */
};

/* So many bytes behind a padded text can be read. */
#define PLAIN_PADDING 64u

/*
 * Cut the first line of @text. False when it has no name, or when what stands between its first
 * colon and the first bar behind it is not one number, or is too much of one. @padded: bytes behind
 * @text may be read; they have no say.
 */
bool plain_cut(struct slice text, bool padded, struct plain_line *out);

/* The same, byte by byte: what the other must agree with, and what machines without SSE2 run. */
bool plain_cut_portable(struct slice text, struct plain_line *out);

/*
 * Cut the first line of @text, if it is packed: two numbers or more with colons between them, and a
 * type that takes them. How many, at most @max of them in @values; 0: something else, or more.
 * @out's value is not set, its value_len is that of all of them.
 */
unsigned plain_cut_packed(struct slice text, bool padded, struct plain_line *out, double *values,
                          unsigned max);
unsigned plain_cut_packed_portable(struct slice text, struct plain_line *out, double *values,
                                   unsigned max);

#endif
