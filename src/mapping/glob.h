/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob: all wildcard rules of a mapping as one automaton
 *
 * Contract: patterns and names are segments between dots. A pattern's segment is text, which takes
 * itself; or `*`, which takes any one segment of a name (an empty one and a literal "*" too); or
 * both mixed, such as `prefix_*` or `a*b*c`, where each `*` takes any text of the segment, also
 * none. The automaton is never changed after it is built; each thread brings its own scratch.
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
    bool conditional;     /* its pattern alone does not decide: glob_query.accepts is asked */
};

/* What is looked for. */
struct glob_query {
    enum mapping_kind kind;
    struct slice name;
    /* Does the conditional rule at @position, whose pattern takes the name, take it? */
    bool (*accepts)(const void *ctx, uint32_t position);
    const void *ctx;
};

/* A node whose children are still to be tried. */
struct glob_step {
    uint32_t level;
    uint32_t literal; /* each of these: or GLOB_NONE */
    uint32_t star;
    uint32_t partial, end; /* those from here to there */
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
 * wins; otherwise, segment by segment from the left, text is preferred to a mixture, of mixtures
 * the one with more bytes of text and then the one that @rules has first, and all to `*`; what is
 * alike in each segment wins by position. 0 or -ENOMEM.
 */
int glob_new(struct glob **out, const struct glob_rule *rules, size_t n, bool ordered);
void glob_free(struct glob *g); /* accepts NULL */

/*
 * The position of the rule that takes what @q asks for, or GLOB_NONE, in @out. When there is one,
 * s->segments holds the name's segments until the next match. 0, or -ENOMEM.
 */
int glob_match(const struct glob *g, const struct glob_query *q, struct glob_scratch *s,
               uint32_t *out);

/*
 * The position of a rule that takes every name of q->kind that the rule at @position could take
 * (its pattern is q->name), or GLOB_NONE, in @out; a conditional one only if q->accepts says so. 0,
 * or -ENOMEM.
 */
int glob_hidden_by(const struct glob *g, const struct glob_query *q, uint32_t position,
                   struct glob_scratch *s, uint32_t *out);

void glob_scratch_release(struct glob_scratch *s);

#endif
