/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regex: one expression, searched for anywhere in a name
 *
 * Contract: the dialect is RE2's (see re2.h), leftmost match, first alternative first. A compiled
 * expression is any number of threads'; each brings its own scratch. Names are valid UTF-8: nobody
 * looks again.
 */
#ifndef MAPPING_REGEX_H
#define MAPPING_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct regex;
struct regex_scratch;

/*
 * Compile @text (borrowed: it outlives the expression, which keeps its group names as views). 0;
 * -ENOMEM; -EINVAL with the text of @e filled, its place left to the caller.
 */
int regex_new(struct regex **out, struct slice text, struct err *e);
void regex_free(struct regex *re); /* accepts NULL */

uint32_t regex_n_groups(const struct regex *re); /* not counting group 0, the whole match */

/* The number of the group called @name, or UINT32_MAX. */
uint32_t regex_group(const struct regex *re, struct slice name);

/* What every match contains, or "" when that is not known; *@begins: the name begins with it. */
struct slice regex_literal(const struct regex *re, bool *begins);

/*
 * What every name that matches must be like, in words that are compared at once: whoever has many
 * expressions to try passes over nearly all of them so, and touches none. It is asked of a look at
 * the name, taken once for all.
 */
struct regex_filter {
    uint64_t head; /* the name's first bytes, where ... */
    uint64_t mask; /* ... these bits are set */
    uint64_t bytes;
};

struct regex_look {
    uint64_t head;  /* the first eight bytes, behind a shorter name zeros */
    uint64_t bytes; /* re2_byte_bit() of all */
};

struct regex_filter regex_filter(const struct regex *re);
struct regex_look regex_look(struct slice name);

/* False: the expression does not match, there is no need to search. */
static inline bool regex_may_match(const struct regex_filter *f, const struct regex_look *look)
{
    return (look->head & f->mask) == f->head && (f->bytes & ~look->bytes) == 0;
}

/* Steps back that a search may take from each place where a match may begin. */
#define REGEX_MAX_STEPS 10000

/* What a search needs, and may take; 0: REGEX_MAX_STEPS. 0 or -ENOMEM; free accepts NULL. */
int regex_scratch_new(struct regex_scratch **out, uint32_t max_steps);
void regex_scratch_free(struct regex_scratch *s);

enum regex_outcome {
    REGEX_MISS = 1,
    REGEX_LIMIT = 2, /* given up: the search took more steps than one name is worth */
};

/*
 * Search @name; who searches first also makes the expression's machine code. 0 with @captures
 * (regex_n_groups() + 1 of them, group 0 first, views into @name) written, those of groups that
 * took no part empty; an outcome; or -ENOMEM.
 */
int regex_match(struct regex *re, struct slice name, struct regex_scratch *s,
                struct slice *captures);

/* Does PCRE2 know the property @name, as in \p{name}? */
bool regex_has_property(struct slice name);

/* Bytes of the run of Unicode letters, decimal digits and '_' that @text begins with. 0,
 * -ENOMEM. */
int regex_word_len(struct slice text, size_t *out);

#endif
