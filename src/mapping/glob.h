/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob: all wildcard rules of a mapping as one automaton
 *
 * Contract: patterns and names are segments between dots. A pattern's segment is `*`, which takes
 * any one segment of a name (an empty one and a literal "*" too), or text, which takes itself. The
 * automaton is never changed after it is built; each thread brings its own scratch.
 */
#ifndef MAPPING_GLOB_H
#define MAPPING_GLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "mapping/rule.h"

#define GLOB_NONE UINT32_MAX

struct glob;

struct glob_rule {
    struct slice pattern; /* borrowed: outlives the automaton */
    unsigned kinds;       /* bit 1 << enum mapping_kind for each kind that it serves */
};

/* A step that is still to be taken. */
struct glob_step {
    uint32_t node;
    uint32_t level;
};

/* Kept from match to match; a zeroed one is empty. */
struct glob_scratch {
    struct slice *segments; /* of the name last matched; borrowed from it */
    uint32_t *words;
    struct glob_step *steps;
    size_t cap;
};

/*
 * Compile @n rules, their positions in the array being their rank. @ordered: the smallest position
 * wins; otherwise literal text is preferred to `*`, segment by segment from the left. 0 or -ENOMEM.
 */
int glob_new(struct glob **out, const struct glob_rule *rules, size_t n, bool ordered);
void glob_free(struct glob *g); /* accepts NULL */

/*
 * The position of the rule that takes @name as @kind, or GLOB_NONE, in @out. When there is one,
 * s->segments holds the name's segments until the next match. 0, or -ENOMEM.
 */
int glob_match(const struct glob *g, enum mapping_kind kind, struct slice name,
               struct glob_scratch *s, uint32_t *out);

/*
 * The position of a rule that takes every name of @kind that the rule at @position (its pattern is
 * @pattern) could take, or GLOB_NONE, in @out. 0, or -ENOMEM.
 */
int glob_hidden_by(const struct glob *g, enum mapping_kind kind, struct slice pattern,
                   uint32_t position, struct glob_scratch *s, uint32_t *out);

void glob_scratch_release(struct glob_scratch *s);

#endif
