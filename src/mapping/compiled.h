/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled: what a mapping and its scratch are made of
 *
 * Contract: for mapping.c, lint.c and explain.c only. Nothing here changes after mapping_new().
 */
#ifndef MAPPING_COMPILED_H
#define MAPPING_COMPILED_H

#include "mapping/glob.h"
#include "mapping/mapping.h"
#include "mapping/regex.h"
#include "mapping/template.h"

/* What mapping_new() makes of the rule with the same index. */
struct compiled_rule {
    struct template name;
    struct template *labels; /* n_labels of the rule */
    struct regex *regex;     /* NULL: a glob */
};

struct mapping {
    struct mapping_rule *rules;
    struct compiled_rule *compiled;
    size_t n_rules;
    struct mapping_defaults defaults;
    struct glob *glob;
    uint32_t *globs; /* indexes of the glob rules, in the file's order: their position in `glob` */
    size_t n_globs;
    uint32_t *regexes; /* indexes of the regex rules, likewise */
    size_t n_regexes;
};

struct mapping_scratch {
    struct glob_scratch glob;
    struct regex_scratch *regex;
    struct slice *captures; /* of a regex */
    size_t n_captures;      /* that there is room for */
    struct slice *values;   /* of labels */
    size_t n_values;        /* that there is room for */
    struct buf text;        /* what name and values are views into */
};

/* One bit for each kind that @rule serves. */
static inline unsigned compiled_kinds(const struct mapping_rule *rule)
{
    return rule->any_kind ? (1u << MAPPING_N_KINDS) - 1 : 1u << rule->kind;
}

/* Room in @s for all captures of @re. 0 or -ENOMEM. */
int compiled_fit_captures(struct mapping_scratch *s, const struct regex *re);

/* Tell of rules that can never match and of references that are always empty (lint.c). 0,
 * -ENOMEM. */
int mapping_lint(const struct mapping *m, const char *file, err_fn on_warning, void *ctx);

#endif
