/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: mappings for tests, from a table instead of a file
 *
 * A rule stands in rules.yml, at line 10 times its number; its match at column 5 of the next line.
 */
#ifndef TESTS_UNIT_MAPPING_RULES_H
#define TESTS_UNIT_MAPPING_RULES_H

#include "lib/unit.h"
#include "mapping/mapping.h"
#include "mapping/shelf.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX   16
#define RULE_LABELS 3
#define RULE_EXCEPT 2

struct rule_spec {
    const char *match; /* NULL ends a table; "~" before it: a regex */
    const char *name;
    struct {
        const char *key, *value;
    } labels[RULE_LABELS];
    const char *except[RULE_EXCEPT];
    struct {
        const char *key, *pattern;
    } match_labels[RULE_LABELS]; /* in order of keys */
    enum mapping_kind kind;      /* when `one_kind` */
    bool one_kind;
    bool drop;
};

/* RULE(match, name, {{key, value}, ...}, .drop = true ...): all after the name may be left out. */
#define RULE(match_, ...)                      \
    {                                          \
        .match = (match_), .name = __VA_ARGS__ \
    }

static inline void rules_fill_conditions(struct shelf *shelf, struct mapping_rule *rule,
                                         const struct rule_spec *spec)
{
    struct mapping_label labels[RULE_LABELS];

    while (rule->except.n < RULE_EXCEPT && spec->except[rule->except.n] != NULL)
        rule->except.n++;
    rule->except.v = shelf_put(shelf, spec->except, rule->except.n * sizeof *spec->except);
    while (rule->n_match_labels < RULE_LABELS &&
           spec->match_labels[rule->n_match_labels].key != NULL) {
        labels[rule->n_match_labels] =
            (struct mapping_label){spec->match_labels[rule->n_match_labels].key,
                                   spec->match_labels[rule->n_match_labels].pattern};
        rule->n_match_labels++;
    }
    rule->match_labels = shelf_put(shelf, labels, rule->n_match_labels * sizeof *labels);
}

/* The strings of @spec are literals, or outlive the mapping. */
static inline void rules_fill(struct shelf *shelf, struct mapping_rule *rule,
                              const struct rule_spec *spec, unsigned i)
{
    bool regex = spec->match[0] == '~';
    struct mapping_label labels[RULE_LABELS];

    rule->file = "rules.yml";
    rule->match_type = regex ? MAPPING_REGEX : MAPPING_GLOB;
    rule->match = shelf_text(shelf, spec->match + regex);
    rule->name = spec->name;
    rule->any_kind = !spec->one_kind;
    rule->kind = spec->kind;
    rule->action = spec->drop ? MAPPING_DROP : MAPPING_MAP;
    rule->line = 10 * (i + 1);
    rule->column = 3;
    rule->match_line = rule->line + 1;
    rule->match_column = 5;
    while (rule->n_labels < RULE_LABELS && spec->labels[rule->n_labels].key != NULL) {
        labels[rule->n_labels] = (struct mapping_label){spec->labels[rule->n_labels].key,
                                                        spec->labels[rule->n_labels].value};
        rule->n_labels++;
    }
    rule->labels = shelf_put(shelf, labels, rule->n_labels * sizeof *labels);
    rules_fill_conditions(shelf, rule, spec);
}

/* Which rule is tried first. */
enum rules_order { RULES_ORDERED, RULES_UNORDERED, RULES_FILE };

/* What mapping_new() says to @specs. */
static inline int rules_try(struct mapping **out, const struct rule_spec *specs,
                            enum rules_order order, err_fn on_warning, void *ctx, struct err *e)
{
    struct mapping_defaults defaults;
    struct mapping_rule *rules;
    struct shelf *shelf;
    size_t n = 0;

    while (n < RULES_MAX && specs[n].match != NULL)
        n++;
    ck_assert_int_eq(shelf_new(&shelf), 0);
    rules = shelf_room(shelf, n * sizeof *rules);
    for (size_t i = 0; i < n; i++)
        rules_fill(shelf, &rules[i], &specs[i], (unsigned)i);
    mapping_defaults_init(&defaults);
    defaults.glob_disable_ordering = order == RULES_UNORDERED;
    defaults.in_file_order = order == RULES_FILE;
    return mapping_new(out, shelf, rules, n, &defaults, on_warning, ctx, e);
}

static inline struct mapping *rules_load(const struct rule_spec *specs, enum rules_order order)
{
    struct mapping *m = NULL;
    struct err e = {.text = ""};
    int r = rules_try(&m, specs, order, NULL, NULL, &e);

    ck_assert_msg(r == 0, "%s", e.text);
    return m;
}

/* A sample's tags, ended by a NULL key. */
struct rules_tag {
    const char *key, *value;
};

static inline struct slice rules_tag(const void *ctx, struct slice key)
{
    for (const struct rules_tag *tag = ctx; tag->key != NULL; tag++)
        if (slice_eq_str(key, tag->key))
            return slice_str(tag->value);
    return slice_of(NULL, 0);
}

/* Of a sample without tags. */
static inline int rules_match(const struct mapping *m, enum mapping_kind kind, struct slice name,
                              struct mapping_scratch *s, struct mapping_result *out)
{
    struct mapping_query q = {kind, name, NULL, NULL};

    return mapping_match(m, &q, s, out);
}

#endif
