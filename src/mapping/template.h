/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template: text with references to what a pattern captured
 *
 * Contract: the two kinds of rules have a dialect each, and both compile to the same form: pieces
 * that are text or the index of a capture. The text is borrowed and outlives the template. What
 * nothing was captured for is filled with nothing.
 */
#ifndef MAPPING_TEMPLATE_H
#define MAPPING_TEMPLATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "mapping/regex.h"

struct template_piece {
    const char *p; /* text of @len bytes; NULL: the capture */
    uint32_t len;
    uint32_t capture;
};

struct template
{
    struct template_piece *pieces;
    size_t n_pieces;
    struct slice unknown; /* the first reference that is always empty; len 0: there is none */
};

/*
 * Compile @text in the dialect of globs, for a pattern with @n_stars `*`: $1 is capture 0, what the
 * first of them took. 0 or -ENOMEM.
 */
int template_compile_glob(struct template *out, struct slice text, size_t n_stars);

/* Compile @text in the dialect of regexes: captures are the groups of @regex. 0 or -ENOMEM. */
int template_compile_regex(struct template *out, struct slice text, const struct regex *regex);

void template_release(struct template *t); /* accepts a zeroed one */

/* Append @t, filled from @captures, to @out. 0, or -ENOMEM. */
int template_fill(const struct template *t, const struct slice *captures, struct buf *out);

#endif
