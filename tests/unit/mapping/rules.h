/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: mappings for tests, from a table instead of a file
 *
 * A rule stands at line 10 times its number; its match at column 5 of the next line.
 */
#ifndef TESTS_UNIT_MAPPING_RULES_H
#define TESTS_UNIT_MAPPING_RULES_H

#include "lib/unit.h"
#include "mapping/mapping.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX   16
#define RULE_LABELS 3

struct rule_spec {
    const char *match; /* NULL ends a table; "~" before it: a regex */
    const char *name;
    struct {
        const char *key, *value;
    } labels[RULE_LABELS];
    enum mapping_kind kind; /* when `one_kind` */
    bool one_kind;
    bool drop;
};

/* RULE(match, name, {{key, value}, ...}, .drop = true ...): all after the name may be left out. */
#define RULE(match_, ...)                      \
    {                                          \
        .match = (match_), .name = __VA_ARGS__ \
    }

static inline void rules_fill(struct mapping_rule *rule, const struct rule_spec *spec, unsigned i)
{
    bool regex = spec->match[0] == '~';

    rule->match_type = regex ? MAPPING_REGEX : MAPPING_GLOB;
    rule->match = strdup(spec->match + regex);
    rule->name = strdup(spec->name);
    rule->any_kind = !spec->one_kind;
    rule->kind = spec->kind;
    rule->action = spec->drop ? MAPPING_DROP : MAPPING_MAP;
    rule->line = 10 * (i + 1);
    rule->column = 3;
    rule->match_line = rule->line + 1;
    rule->match_column = 5;
    rule->labels = calloc(RULE_LABELS, sizeof *rule->labels);
    while (rule->n_labels < RULE_LABELS && spec->labels[rule->n_labels].key != NULL) {
        rule->labels[rule->n_labels].key = strdup(spec->labels[rule->n_labels].key);
        rule->labels[rule->n_labels].value = strdup(spec->labels[rule->n_labels].value);
        rule->n_labels++;
    }
}

/* What mapping_new() says to @specs; "rules.yml" is the file's name. */
static inline int rules_try(struct mapping **out, const struct rule_spec *specs, bool unordered,
                            err_fn on_warning, void *ctx, struct err *e)
{
    struct mapping_defaults defaults = {0};
    struct mapping_rule *rules;
    size_t n = 0;

    while (n < RULES_MAX && specs[n].match != NULL)
        n++;
    rules = calloc(n + 1, sizeof *rules);
    for (size_t i = 0; i < n; i++)
        rules_fill(&rules[i], &specs[i], (unsigned)i);
    ck_assert_int_eq(mapping_defaults_init(&defaults), 0);
    defaults.glob_disable_ordering = unordered;
    return mapping_new(out, "rules.yml", rules, n, &defaults, on_warning, ctx, e);
}

static inline struct mapping *rules_load(const struct rule_spec *specs, bool unordered)
{
    struct mapping *m = NULL;
    struct err e = {.text = ""};
    int r = rules_try(&m, specs, unordered, NULL, NULL, &e);

    ck_assert_msg(r == 0, "%s", e.text);
    return m;
}

#endif
