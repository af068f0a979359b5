/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: what is legal in a set of rules and surely not meant
 *
 * A rule may stand in the file and never take a name: a glob behind one that takes all its names,
 * the same expression twice. And a template may refer to a group that its expression lacks, which
 * is always empty. Nobody notices such a thing from the metrics alone, so it is told when the file
 * is loaded, with the place of the rule and of the one that hides it.
 *
 * Laws: a warning is true: a rule is called hidden only when for each kind that it serves a single
 *       other rule takes everything (several rules that do so only together are not seen).
 *       Nothing is refused here.
 */
#include "mapping/compiled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct lint {
    const struct mapping *m;
    const char *file;
    err_fn on_warning;
    void *ctx;
    struct glob_scratch scratch;
};

__attribute__((format(printf, 3, 4))) static void warn(const struct lint *lint,
                                                       const struct mapping_rule *rule,
                                                       const char *fmt, ...)
{
    char text[sizeof((struct err *)0)->text];
    struct err e;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    err_set(&e, lint->file, rule->match_line, rule->match_column, "%s", text);
    lint->on_warning(lint->ctx, &e);
}

/* What hides a rule. */
struct hider {
    const struct mapping_rule *rule; /* NULL: nothing does */
    bool alone;                      /* for all kinds, not only for the first one */
};

static void warn_hidden(const struct lint *lint, const struct mapping_rule *rule, struct hider by)
{
    unsigned line = by.rule->match_line;

    if (!by.alone)
        warn(lint, rule,
             "\"%s\" can never match: \"%s\" at line %u and rules for other types come first; put "
             "this rule before them",
             rule->match, by.rule->match, line);
    else if (strcmp(rule->match, by.rule->match) == 0)
        warn(lint, rule,
             "\"%s\" can never match: the rule at line %u has the same match and comes first; "
             "remove one of them",
             rule->match, line);
    else
        warn(lint, rule,
             "\"%s\" can never match: \"%s\" at line %u comes first and takes all its names; put "
             "this rule before that one",
             rule->match, by.rule->match, line);
}

/* Who hides the glob at @position for every kind that it serves? 0 or -ENOMEM. */
static int find_hider(struct lint *lint, uint32_t position, struct hider *out)
{
    const struct mapping *m = lint->m;
    const struct mapping_rule *rule = &m->rules[m->globs[position]];
    struct hider hider = {NULL, true};

    for (int kind = 0; kind < MAPPING_N_KINDS; kind++) {
        const struct mapping_rule *by;
        uint32_t found;
        int r;

        if ((compiled_kinds(rule) >> kind & 1) == 0)
            continue;
        r = glob_hidden_by(m->glob, (enum mapping_kind)kind, slice_str(rule->match), position,
                           &lint->scratch, &found);
        if (r < 0)
            return r;
        if (found == GLOB_NONE) {
            hider.rule = NULL;
            break;
        }
        by = &m->rules[m->globs[found]];
        hider.alone = hider.rule == NULL || (hider.alone && hider.rule == by);
        hider.rule = hider.rule == NULL ? by : hider.rule;
    }
    *out = hider;
    return 0;
}

static int lint_globs(struct lint *lint)
{
    const struct mapping *m = lint->m;

    for (uint32_t i = 0; i < m->n_globs; i++) {
        struct hider by;
        int r = find_hider(lint, i, &by);

        if (r < 0)
            return r;
        if (by.rule != NULL)
            warn_hidden(lint, &m->rules[m->globs[i]], by);
    }
    return 0;
}

/* By text, and among equals in the order of the file. */
static int compare_matches(const void *left, const void *right)
{
    const struct mapping_rule *a = *(const struct mapping_rule *const *)left;
    const struct mapping_rule *b = *(const struct mapping_rule *const *)right;
    int c = strcmp(a->match, b->match);

    return c != 0 ? c : (a > b) - (a < b);
}

static int lint_regexes(struct lint *lint)
{
    const struct mapping *m = lint->m;
    const struct mapping_rule **rules = malloc((m->n_regexes + 1) * sizeof *rules);
    const struct mapping_rule *first = NULL; /* with this text */
    unsigned taken = 0;                      /* kinds that rules with this text serve */

    if (rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_regexes; i++)
        rules[i] = &m->rules[m->regexes[i]];
    qsort(rules, m->n_regexes, sizeof *rules, compare_matches);
    for (size_t i = 0; i < m->n_regexes; i++) {
        if (first == NULL || strcmp(first->match, rules[i]->match) != 0) {
            first = rules[i];
            taken = 0;
        }
        if ((compiled_kinds(rules[i]) & ~taken) == 0)
            warn_hidden(lint, rules[i], (struct hider){first, true});
        taken |= compiled_kinds(rules[i]);
    }
    free(rules);
    return 0;
}

static void lint_template(const struct lint *lint, const struct mapping_rule *rule,
                          const struct template *t, const char *label)
{
    if (t->unknown.len > 0)
        warn(lint, rule,
             "\"%.*s\" in %s%s is always empty: the expression has no such group; a letter, digit "
             "or "
             "'_' behind a reference needs braces: ${1}_x",
             (int)t->unknown.len, t->unknown.p, label ? "the label " : "the name",
             label ? label : "");
}

static void lint_templates(const struct lint *lint)
{
    const struct mapping *m = lint->m;

    for (size_t i = 0; i < m->n_regexes; i++) {
        const struct mapping_rule *rule = &m->rules[m->regexes[i]];
        const struct compiled_rule *c = &m->compiled[m->regexes[i]];

        lint_template(lint, rule, &c->name, NULL);
        for (size_t j = 0; j < rule->n_labels; j++)
            lint_template(lint, rule, &c->labels[j], rule->labels[j].key);
    }
}

int mapping_lint(const struct mapping *m, const char *file, err_fn on_warning, void *ctx)
{
    struct lint lint = {.m = m, .file = file, .on_warning = on_warning, .ctx = ctx};
    int r = lint_globs(&lint);

    glob_scratch_release(&lint.scratch);
    if (r == 0)
        r = lint_regexes(&lint);
    if (r == 0)
        lint_templates(&lint);
    return r;
}
