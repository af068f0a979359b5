/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping: an immutable set of rules, and the question which one takes a name
 *
 * Contract: built once, never changed, read by any number of threads, each with its own scratch.
 * Globs are tried before regexes, whatever their order in the file; among globs the first in the
 * file wins (or, with glob_disable_ordering, the most literal), among regexes the first. With
 * in_file_order the first rule in the file wins, be it glob or regex. A rule whose exceptions take
 * the name, or whose conditions on labels are not met, is passed over.
 */
#ifndef MAPPING_MAPPING_H
#define MAPPING_MAPPING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "mapping/rule.h"

struct mapping;
struct mapping_scratch;
struct shelf; /* mapping/shelf.h */

/*
 * Compile @n rules. Takes @shelf, on which lie @rules, each filled, and what they and @defaults
 * point to; also on failure. @defaults ask for one order only. A rule that
 * can never match, and what is legal but surely not meant, goes to @on_warning (may be NULL). 0;
 * -ENOMEM; -EINVAL with @e filled (a regex that does not compile, a construct that RE2 lacks).
 */
int mapping_new(struct mapping **out, struct shelf *shelf, const struct mapping_rule *rules,
                size_t n, const struct mapping_defaults *defaults, err_fn on_warning, void *ctx,
                struct err *e);
void mapping_free(struct mapping *m); /* accepts NULL */

/* No rules and the default settings: what a server without a mapping file has. 0 or -ENOMEM. */
int mapping_new_empty(struct mapping **out);

/*
 * Read the texts of @n mapping files (load.c): their rules are one list in the order of the files,
 * and one of them may have defaults, for the rules of all. What is wrong comes back in @e with
 * file, line and column. 0; -ENOMEM; -EINVAL.
 */
int mapping_load(struct mapping **out, const struct bacowr_text *texts, size_t n, err_fn on_warning,
                 void *ctx, struct err *e);

size_t mapping_n_rules(const struct mapping *m);
const struct mapping_rule *mapping_rule(const struct mapping *m, size_t i);
const struct mapping_defaults *mapping_defaults(const struct mapping *m);

/* Room for one match at a time: capture positions, expanded text, the regex engine's state, with
 * what a search may take (regex_scratch_new()). */
int mapping_scratch_new(struct mapping_scratch **out, uint32_t regex_steps); /* 0 or -ENOMEM */
void mapping_scratch_free(struct mapping_scratch *s);                        /* accepts NULL */

/* What is looked for. */
struct mapping_query {
    enum mapping_kind kind;
    struct slice name; /* raw: after tag extraction, before escaping, valid UTF-8 */
    /* The value of the sample's tag whose label name is @key, empty: there is none. Asked only for
     * rules with conditions on labels. NULL: a sample without tags. */
    struct slice (*tag)(const void *ctx, struct slice key);
    const void *ctx;
};

struct mapping_result {
    const struct mapping_rule *rule;  /* NULL: no rule takes it; borrowed from the mapping */
    struct slice name;                /* the template filled, not yet escaped */
    const struct slice *label_values; /* filled, rule->n_labels of them, in their order */
    bool limit_hit; /* a regex gave up at its match limit and counts as no match */
};

/*
 * Which rule takes what @q asks for? The views in @out point into @s and live until its next use.
 * 0, or -ENOMEM.
 */
int mapping_match(const struct mapping *m, const struct mapping_query *q, struct mapping_scratch *s,
                  struct mapping_result *out);

/*
 * The glob rules as a graph in Graphviz's language, appended to @out (dump.c): from a start to the
 * metric types, from each of them segment by segment to the rules' ends. 0 or -ENOMEM.
 */
int mapping_dump(const struct mapping *m, struct buf *out);

/* "counter", "gauge", "observer", "set". */
const char *mapping_kind_name(enum mapping_kind kind);

#endif
