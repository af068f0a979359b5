/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pattern: text with `*` in it
 *
 * Contract: a `*` takes any text, also none. The functions called pattern_* look at bytes and know
 * no dots; those called pattern_glob_* go segment by segment, and a `*` stays within its own. Two
 * `*` side by side mean the same as one.
 */
#ifndef MAPPING_PATTERN_H
#define MAPPING_PATTERN_H

#include "base/slice.h"

/* Cut the first segment off @rest; false when it was the last. */
static inline bool pattern_next_segment(struct slice *rest, struct slice *segment)
{
    size_t dot = slice_find(*rest, '.');

    *segment = slice_of(rest->p, dot);
    if (dot == rest->len)
        return false;
    *rest = slice_from(*rest, dot + 1);
    return true;
}

size_t pattern_n_stars(struct slice pattern);

/* Does @pattern take @text? Given a pattern as the text: does it take all that this one takes? */
bool pattern_takes(struct slice pattern, struct slice text);

/*
 * What each `*` of @pattern takes of @text, which the pattern takes: views into it, from the left,
 * the first as short as can be, then the second.
 */
void pattern_capture(struct slice pattern, struct slice text, struct slice *captures);

/* The same for names of segments. */
size_t pattern_glob_n_segments(struct slice pattern);
bool pattern_glob_takes(struct slice pattern, struct slice name);

/* Is there a name that both patterns take? */
bool pattern_glob_meets(struct slice a, struct slice b);

#endif
