/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled: what a mapping and its scratch are made of
 *
 * Contract: for mapping.c, match.c, condition.c, lint.c, explain.c and dump.c only. Nothing in a
 * mapping changes after mapping_new() but what regex.h says.
 */
#ifndef MAPPING_COMPILED_H
#define MAPPING_COMPILED_H

#include "mapping/glob.h"
#include "mapping/mapping.h"
#include "mapping/regex.h"
#include "mapping/shelf.h"
#include "mapping/template.h"

/* A segment of a glob that captures: its number, and where it lies in the rule's match. */
struct compiled_segment {
    uint32_t number;
    uint32_t begin, len;
};

/* What mapping_new() makes of the rule with the same index. Regexes are owned, all else lies on the
 * shelf. */
struct compiled_rule {
    struct template name;
    const struct template *labels;           /* n_labels of the rule */
    struct regex *regex;                     /* NULL: a glob */
    struct regex **except;                   /* those of the rule, owned; NULL: a glob */
    const struct compiled_segment *segments; /* of a glob; n_segments of them */
    uint32_t n_segments;
    uint32_t n_captures; /* of a glob: its `*` */
};

/* A regex rule, in words that fit half a cache line: nearly all are passed over for every name. */
struct compiled_search {
    struct regex_filter filter;
    uint32_t rule;
    uint32_t kinds; /* compiled_kinds() */
};
_Static_assert(sizeof(struct compiled_search) == 32, "two in a cache line");

struct mapping {
    struct shelf *shelf; /* all but the automaton and expressions lies on it */
    const struct mapping_rule *rules;
    struct compiled_rule *compiled;
    size_t n_rules;
    struct mapping_defaults defaults;
    struct glob *glob;
    uint32_t *globs; /* indexes of the glob rules, in the file's order: their position in `glob` */
    size_t n_globs;
    struct compiled_search *regexes; /* the regex rules, likewise */
    size_t n_regexes;
};

/* Grows only. */
struct compiled_room {
    struct slice *v;
    size_t n;
};

struct mapping_scratch {
    struct glob_scratch glob;
    struct regex_scratch *regex;
    struct compiled_room captures;
    struct compiled_room values; /* of labels */
    struct buf text;             /* what name and values are views into */
};

/* One bit for each kind that @rule serves. */
static inline unsigned compiled_kinds(const struct mapping_rule *rule)
{
    return rule->any_kind ? (1u << MAPPING_N_KINDS) - 1 : 1u << rule->kind;
}

/* Does the pattern alone not decide? */
static inline bool compiled_is_conditional(const struct mapping_rule *rule)
{
    return rule->except.n > 0 || rule->n_match_labels > 0;
}

/* ---- match.c ---- */

/* Search @name, its captures in the scratch, which hold what they held unless it is found. As
 * regex_match(). */
int compiled_search(struct regex *re, struct slice name, struct mapping_scratch *s);

/* ---- conditions (condition.c) ---- */

/* The index of the first of the rule's exceptions that takes the name, or their number, in @out;
 * *@limit_hit becomes true when a regex gave up and so does not take it. 0, -ENOMEM. */
int condition_except(const struct mapping *m, uint32_t rule, struct slice name,
                     struct mapping_scratch *s, size_t *out, bool *limit_hit);

/* The value of the tag @key, empty when there is none. */
struct slice condition_tag(const struct mapping_query *q, const char *key);

/* The index of the first of the rule's conditions on labels that is not met, or their number. */
size_t condition_labels(const struct mapping_rule *rule, const struct mapping_query *q);

/* Do all conditions of @a hold wherever those of @b do? False when that is not known. Both take the
 * name in question, @b takes no others than match @b->match. */
bool condition_is_weaker(const struct mapping_rule *a, const struct mapping_rule *b);

/* ---- lint.c ---- */

/* Tell of rules that can never match and of references that are always empty. 0, -ENOMEM. */
int mapping_lint(const struct mapping *m, err_fn on_warning, void *ctx);

#endif
