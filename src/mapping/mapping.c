/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping: an immutable set of rules, and the question which one takes a name
 *
 * Rules stay as the loader made them; beside each stands what was compiled from it: its templates
 * and, for a regex, the expression. All globs together are one automaton. A name goes through the
 * automaton first and then, in the order of the file, through the regexes that serve its kind; the
 * first rule found fills its templates.
 *
 *      name --> glob automaton --hit--> segments --.
 *                  |                                +--> templates --> text in the scratch
 *                 miss --> regex, regex, ... -----'
 *
 * Laws: a mapping is not written to after mapping_new(), so threads share it. A match allocates
 *       only while its scratch has not seen so much before. Views into the scratch are made when
 *       all text is there, because the text moves while it grows.
 */
#include "mapping/mapping.h"

#include "mapping/compiled.h"

#include <errno.h>
#include <stdlib.h>

/* ---- building ---- */

/* Which segments of @pattern are `*`, as a list that the caller frees. 0 or -ENOMEM. */
static int find_stars(struct slice pattern, uint32_t **out, size_t *n)
{
    uint32_t *stars = malloc((pattern.len + 1) * sizeof *stars);
    uint32_t segment = 0;
    size_t begin = 0;

    if (stars == NULL)
        return -ENOMEM;
    *n = 0;
    for (size_t i = 0; i <= pattern.len; i++) {
        if (i < pattern.len && pattern.p[i] != '.')
            continue;
        if (i - begin == 1 && pattern.p[begin] == '*')
            stars[(*n)++] = segment;
        segment++;
        begin = i + 1;
    }
    *out = stars;
    return 0;
}

static int compile_glob_templates(struct compiled_rule *c, const struct mapping_rule *rule)
{
    uint32_t *stars;
    size_t n;
    int r = find_stars(slice_str(rule->match), &stars, &n);

    if (r < 0)
        return r;
    r = template_compile_glob(&c->name, slice_str(rule->name), stars, n);
    for (size_t i = 0; r == 0 && i < rule->n_labels; i++)
        r = template_compile_glob(&c->labels[i], slice_str(rule->labels[i].value), stars, n);
    free(stars);
    return r;
}

static int compile_regex_templates(struct compiled_rule *c, const struct mapping_rule *rule)
{
    int r = template_compile_regex(&c->name, slice_str(rule->name), c->regex);

    for (size_t i = 0; r == 0 && i < rule->n_labels; i++)
        r = template_compile_regex(&c->labels[i], slice_str(rule->labels[i].value), c->regex);
    return r;
}

static int compile_rule(struct compiled_rule *c, const struct mapping_rule *rule, const char *file,
                        struct err *e)
{
    struct err why;
    int r;

    if (rule->n_labels > 0) {
        c->labels = calloc(rule->n_labels, sizeof *c->labels);
        if (c->labels == NULL)
            return -ENOMEM;
    }
    if (rule->match_type == MAPPING_GLOB)
        return compile_glob_templates(c, rule);
    r = regex_new(&c->regex, slice_str(rule->match), &why);
    if (r == -EINVAL)
        err_set(e, file, rule->match_line, rule->match_column, "match: %s", why.text);
    return r < 0 ? r : compile_regex_templates(c, rule);
}

static int compile_globs(struct mapping *m)
{
    struct glob_rule *rules = calloc(m->n_globs + 1, sizeof *rules);
    int r;

    if (rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_globs; i++) {
        const struct mapping_rule *rule = &m->rules[m->globs[i]];

        rules[i] = (struct glob_rule){slice_str(rule->match), compiled_kinds(rule)};
    }
    r = glob_new(&m->glob, rules, m->n_globs, !m->defaults.glob_disable_ordering);
    free(rules);
    return r;
}

static int compile(struct mapping *m, const char *file, struct err *e)
{
    size_t n = m->n_rules;

    m->compiled = calloc(n + 1, sizeof *m->compiled);
    m->globs = calloc(n + 1, sizeof *m->globs);
    m->regexes = calloc(n + 1, sizeof *m->regexes);
    if (m->compiled == NULL || m->globs == NULL || m->regexes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = compile_rule(&m->compiled[i], &m->rules[i], file, e);

        if (r < 0)
            return r;
        if (m->rules[i].match_type == MAPPING_GLOB)
            m->globs[m->n_globs++] = (uint32_t)i;
        else
            m->regexes[m->n_regexes++] = (uint32_t)i;
    }
    return compile_globs(m);
}

static void release_rules(struct mapping_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mapping_rule_release(&rules[i]);
    free(rules);
}

int mapping_new(struct mapping **out, const char *file, struct mapping_rule *rules, size_t n,
                struct mapping_defaults *defaults, err_fn on_warning, void *ctx, struct err *e)
{
    struct mapping *m = calloc(1, sizeof *m);
    int r;

    if (m == NULL) {
        release_rules(rules, n);
        mapping_defaults_release(defaults);
        return -ENOMEM;
    }
    m->rules = rules;
    m->n_rules = n;
    m->defaults = *defaults;
    *defaults = (struct mapping_defaults){0};
    r = compile(m, file, e);
    if (r == 0 && on_warning != NULL)
        r = mapping_lint(m, file, on_warning, ctx);
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

    return r < 0 ? r : mapping_new(out, NULL, NULL, 0, &defaults, NULL, NULL, NULL);
}

static void release_compiled(struct compiled_rule *c, size_t n_labels)
{
    template_release(&c->name);
    for (size_t i = 0; c->labels != NULL && i < n_labels; i++)
        template_release(&c->labels[i]);
    free(c->labels);
    regex_free(c->regex);
}

void mapping_free(struct mapping *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->compiled != NULL && i < m->n_rules; i++)
        release_compiled(&m->compiled[i], m->rules[i].n_labels);
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

/* ---- scratch ---- */

int mapping_scratch_new(struct mapping_scratch **out)
{
    struct mapping_scratch *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    if (regex_scratch_new(&s->regex) != 0) {
        mapping_scratch_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

void mapping_scratch_free(struct mapping_scratch *s)
{
    if (s == NULL)
        return;
    glob_scratch_release(&s->glob);
    regex_scratch_free(s->regex);
    free(s->captures);
    free(s->values);
    buf_release(&s->text);
    free(s);
}

/* Room for @n slices in *@slices, which has room for *@room. 0 or -ENOMEM. */
static int fit(struct slice **slices, size_t *room, size_t n)
{
    struct slice *grown;

    if (n <= *room)
        return 0;
    grown = realloc(*slices, n * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    *slices = grown;
    *room = n;
    return 0;
}

int compiled_fit_captures(struct mapping_scratch *s, const struct regex *re)
{
    return fit(&s->captures, &s->n_captures, (size_t)regex_n_groups(re) + 1);
}

/* ---- matching ---- */

/* What took the name. */
struct hit {
    uint32_t rule;                /* GLOB_NONE: nothing */
    const struct slice *captures; /* in the scratch */
};

static int find_regex(const struct mapping *m, enum mapping_kind kind, struct slice name,
                      struct mapping_scratch *s, struct hit *hit, bool *limit_hit)
{
    for (size_t i = 0; i < m->n_regexes; i++) {
        uint32_t rule = m->regexes[i];
        const struct regex *re = m->compiled[rule].regex;
        int r;

        if (!m->rules[rule].any_kind && m->rules[rule].kind != kind)
            continue;
        r = compiled_fit_captures(s, re);
        if (r == 0)
            r = regex_match(re, name, s->regex, s->captures);
        if (r < 0)
            return r;
        if (r == 0) {
            *hit = (struct hit){rule, s->captures};
            return 0;
        }
        *limit_hit |= r == REGEX_LIMIT;
    }
    return 0;
}

static int find(const struct mapping *m, enum mapping_kind kind, struct slice name,
                struct mapping_scratch *s, struct hit *hit, bool *limit_hit)
{
    uint32_t position;
    int r = glob_match(m->glob, kind, name, &s->glob, &position);

    hit->rule = GLOB_NONE;
    if (r < 0)
        return r;
    if (position == GLOB_NONE)
        return find_regex(m, kind, name, s, hit, limit_hit);
    *hit = (struct hit){m->globs[position], s->glob.segments};
    return 0;
}

/* Append @t to the text; @out keeps how far it reaches, its place is not known yet. */
static int fill_next(const struct template *t, const struct slice *captures,
                     struct mapping_scratch *s, struct slice *out)
{
    int r = template_fill(t, captures, &s->text);

    *out = slice_of(NULL, s->text.len);
    return r;
}

/* From ends to views: each begins where the one before it ended, at *@at. */
static void settle(const struct buf *text, struct slice *view, size_t *at)
{
    size_t end = view->len;

    *view = slice_of(text->p + *at, end - *at);
    *at = end;
}

static int fill(const struct mapping *m, const struct hit *hit, struct mapping_scratch *s,
                struct mapping_result *out)
{
    const struct compiled_rule *c = &m->compiled[hit->rule];
    size_t n = m->rules[hit->rule].n_labels;
    struct slice name;
    size_t at = 0;
    int r = fit(&s->values, &s->n_values, n);

    buf_clear(&s->text);
    if (r == 0)
        r = buf_reserve(&s->text, 1); /* so that even an empty view points somewhere */
    if (r == 0)
        r = fill_next(&c->name, hit->captures, s, &name);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fill_next(&c->labels[i], hit->captures, s, &s->values[i]);
    if (r < 0) {
        if (s->text.failed) /* that would stay */
            buf_release(&s->text);
        return r;
    }
    settle(&s->text, &name, &at);
    for (size_t i = 0; i < n; i++)
        settle(&s->text, &s->values[i], &at);
    out->rule = &m->rules[hit->rule];
    out->name = name;
    out->label_values = s->values;
    return 0;
}

int mapping_match(const struct mapping *m, enum mapping_kind kind, struct slice name,
                  struct mapping_scratch *s, struct mapping_result *out)
{
    struct mapping_result result = {0};
    struct hit hit;
    int r = find(m, kind, name, s, &hit, &result.limit_hit);

    if (r == 0 && hit.rule != GLOB_NONE)
        r = fill(m, &hit, s, &result);
    if (r == 0)
        *out = result;
    return r;
}
