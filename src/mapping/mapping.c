/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping: an immutable set of rules, and the question which one takes a name
 *
 * Rules stay as the loader made them; beside each stands what was compiled from it: its templates,
 * which segments of a glob capture, and a regex rule's expressions, that of its match and those of
 * its exceptions. All globs together are one automaton. match.c asks them.
 *
 * Law: a mapping is not written to after mapping_new(), so threads share it.
 */
#include "mapping/mapping.h"

#include "mapping/compiled.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "mapping/pattern.h"

/* ---- building ---- */

/* Note which segments of the glob capture, and how many captures there are. 0 or -ENOMEM. */
static int find_captures(struct compiled_rule *c, struct slice pattern)
{
    struct slice segment;
    uint32_t number = 0;
    bool more;

    c->n_captures = pattern_n_stars(pattern);
    if (c->n_captures == 0)
        return 0;
    c->segments = malloc(c->n_captures * sizeof *c->segments);
    if (c->segments == NULL)
        return -ENOMEM;
    do {
        more = pattern_next_segment(&pattern, &segment);
        if (pattern_n_stars(segment) > 0)
            c->segments[c->n_segments++] = (struct compiled_segment){number, segment};
        number++;
    } while (more);
    return 0;
}

static int compile_glob(struct compiled_rule *c, const struct mapping_rule *rule)
{
    int r = find_captures(c, slice_str(rule->match));

    if (r == 0)
        r = template_compile_glob(&c->name, slice_str(rule->name), c->n_captures);
    for (size_t i = 0; r == 0 && i < rule->n_labels; i++)
        r = template_compile_glob(&c->labels[i], slice_str(rule->labels[i].value), c->n_captures);
    return r;
}

static int compile_regex_templates(struct compiled_rule *c, const struct mapping_rule *rule)
{
    int r = template_compile_regex(&c->name, slice_str(rule->name), c->regex);

    for (size_t i = 0; r == 0 && i < rule->n_labels; i++)
        r = template_compile_regex(&c->labels[i], slice_str(rule->labels[i].value), c->regex);
    return r;
}

static int compile_expression(struct regex **out, const char *text, const char *what,
                              const struct mapping_rule *rule, struct err *e)
{
    struct err why;
    int r = regex_new(out, slice_str(text), &why);

    if (r == -EINVAL)
        err_set(e, rule->file, rule->match_line, rule->match_column, "%s: %s", what, why.text);
    return r;
}

static int compile_regex(struct compiled_rule *c, const struct mapping_rule *rule, struct err *e)
{
    int r = compile_expression(&c->regex, rule->match, "match", rule, e);

    if (r == 0 && rule->except.n > 0) {
        c->except = calloc(rule->except.n, sizeof *c->except);
        r = c->except == NULL ? -ENOMEM : 0;
    }
    for (size_t i = 0; r == 0 && i < rule->except.n; i++)
        r = compile_expression(&c->except[i], rule->except.v[i], "except", rule, e);
    return r < 0 ? r : compile_regex_templates(c, rule);
}

static int compile_rule(struct compiled_rule *c, const struct mapping_rule *rule, struct err *e)
{
    c->conditional = rule->except.n > 0 || rule->n_match_labels > 0;
    if (rule->n_labels > 0) {
        c->labels = calloc(rule->n_labels, sizeof *c->labels);
        if (c->labels == NULL)
            return -ENOMEM;
    }
    return rule->match_type == MAPPING_GLOB ? compile_glob(c, rule) : compile_regex(c, rule, e);
}

static int compile_globs(struct mapping *m)
{
    struct glob_rule *rules = calloc(m->n_globs + 1, sizeof *rules);
    int r;

    if (rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_globs; i++) {
        const struct mapping_rule *rule = &m->rules[m->globs[i]];

        rules[i] = (struct glob_rule){slice_str(rule->match), compiled_kinds(rule),
                                      m->compiled[m->globs[i]].conditional};
    }
    r = glob_new(&m->glob, rules, m->n_globs, !m->defaults.glob_disable_ordering);
    free(rules);
    return r;
}

static int compile(struct mapping *m, struct err *e)
{
    size_t n = m->n_rules;

    m->compiled = calloc(n + 1, sizeof *m->compiled);
    m->globs = calloc(n + 1, sizeof *m->globs);
    m->regexes = calloc(n + 1, sizeof *m->regexes);
    if (m->compiled == NULL || m->globs == NULL || m->regexes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = compile_rule(&m->compiled[i], &m->rules[i], e);

        if (r < 0)
            return r;
        if (m->rules[i].match_type == MAPPING_GLOB)
            m->globs[m->n_globs++] = (uint32_t)i;
        else
            m->regexes[m->n_regexes++] = (struct compiled_search){
                regex_filter(m->compiled[i].regex), (uint32_t)i, compiled_kinds(&m->rules[i])};
    }
    return compile_globs(m);
}

static void release_rules(struct mapping_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mapping_rule_release(&rules[i]);
    free(rules);
}

int mapping_new(struct mapping **out, struct mapping_rule *rules, size_t n,
                struct mapping_defaults *defaults, err_fn on_warning, void *ctx, struct err *e)
{
    struct mapping *m = calloc(1, sizeof *m);
    int r;

    assert(!defaults->in_file_order || !defaults->glob_disable_ordering);
    if (m == NULL) {
        release_rules(rules, n);
        mapping_defaults_release(defaults);
        return -ENOMEM;
    }
    m->rules = rules;
    m->n_rules = n;
    m->defaults = *defaults;
    *defaults = (struct mapping_defaults){0};
    r = compile(m, e);
    if (r == 0 && on_warning != NULL)
        r = mapping_lint(m, on_warning, ctx);
    if (r < 0) {
        mapping_free(m);
        return r;
    }
    *out = m;
    return 0;
}

int mapping_new_empty(struct mapping **out)
{
    struct mapping_defaults defaults;
    int r = mapping_defaults_init(&defaults);

    return r < 0 ? r : mapping_new(out, NULL, 0, &defaults, NULL, NULL, NULL);
}

static void release_compiled(struct compiled_rule *c, const struct mapping_rule *rule)
{
    template_release(&c->name);
    for (size_t i = 0; c->labels != NULL && i < rule->n_labels; i++)
        template_release(&c->labels[i]);
    for (size_t i = 0; c->except != NULL && i < rule->except.n; i++)
        regex_free(c->except[i]);
    free(c->labels);
    free(c->except);
    free(c->segments);
    regex_free(c->regex);
}

void mapping_free(struct mapping *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->compiled != NULL && i < m->n_rules; i++)
        release_compiled(&m->compiled[i], &m->rules[i]);
    free(m->compiled);
    glob_free(m->glob);
    free(m->globs);
    free(m->regexes);
    release_rules(m->rules, m->n_rules);
    mapping_defaults_release(&m->defaults);
    free(m);
}

/* ---- looking at ---- */

size_t mapping_n_rules(const struct mapping *m)
{
    return m->n_rules;
}

const struct mapping_rule *mapping_rule(const struct mapping *m, size_t i)
{
    return &m->rules[i];
}

const struct mapping_defaults *mapping_defaults(const struct mapping *m)
{
    return &m->defaults;
}

const char *mapping_kind_name(enum mapping_kind kind)
{
    static const char *const names[MAPPING_N_KINDS] = {
        [MAPPING_COUNTER] = "counter",
        [MAPPING_GAUGE] = "gauge",
        [MAPPING_OBSERVER] = "observer",
        [MAPPING_SET] = "set",
    };

    return names[kind];
}
