/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping: an immutable set of rules, and the question which one takes a name
 *
 * Rules stay as the loader made them, on its shelf; beside each stands what was compiled from it:
 * its templates, which segments of a glob capture, and a regex rule's expressions, that of its
 * match and those of its exceptions. All globs together are one automaton. match.c asks them.
 *
 * Law: a mapping is not written to after mapping_new(), so threads share it; but for machine code
 *      of its expressions, see regex.c.
 */
#include "mapping/mapping.h"

#include "mapping/compiled.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "mapping/pattern.h"

/* ---- building ---- */

/* Note which segments of the glob capture, and how many captures there are. 0 or -ENOMEM. */
static int find_captures(struct compiled_rule *c, struct slice pattern, struct shelf *shelf)
{
    const char *begin = pattern.p;
    struct compiled_segment *segments;
    struct slice segment;
    uint32_t number = 0;
    bool more;

    c->n_captures = (uint32_t)pattern_n_stars(pattern);
    if (c->n_captures == 0)
        return 0;
    segments = malloc(c->n_captures * sizeof *segments);
    if (segments == NULL)
        return -ENOMEM;
    do {
        more = pattern_next_segment(&pattern, &segment);
        if (pattern_n_stars(segment) > 0)
            segments[c->n_segments++] = (struct compiled_segment){
                number, (uint32_t)(segment.p - begin), (uint32_t)segment.len};
        number++;
    } while (more);
    c->segments = shelf_put(shelf, segments, c->n_segments * sizeof *segments);
    free(segments);
    return c->segments != NULL ? 0 : -ENOMEM;
}

/* Compile @text in the dialect of the rule, its pieces on the shelf. 0 or -ENOMEM. */
static int compile_template(struct template *out, const char *text, const struct compiled_rule *c,
                            struct shelf *shelf)
{
    struct template t = {0};
    const void *pieces = NULL;
    int r = c->regex == NULL ? template_compile_glob(&t, slice_str(text), c->n_captures)
                             : template_compile_regex(&t, slice_str(text), c->regex);

    if (r == 0) {
        pieces = shelf_put(shelf, t.pieces, t.n_pieces * sizeof *t.pieces);
        r = pieces == NULL ? -ENOMEM : 0;
    }
    /* Never written to, nor freed. */
    *out = (struct template){(struct template_piece *)pieces, t.n_pieces, t.unknown};
    template_release(&t);
    return r;
}

static int compile_templates(struct compiled_rule *c, const struct mapping_rule *rule,
                             struct shelf *shelf)
{
    struct template *labels = calloc(rule->n_labels + 1, sizeof *labels);
    int r = labels == NULL ? -ENOMEM : compile_template(&c->name, rule->name, c, shelf);

    for (size_t i = 0; r == 0 && i < rule->n_labels; i++)
        r = compile_template(&labels[i], rule->labels[i].value, c, shelf);
    if (r == 0) {
        c->labels = shelf_put(shelf, labels, rule->n_labels * sizeof *labels);
        r = c->labels == NULL ? -ENOMEM : 0;
    }
    free(labels);
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
    return r;
}

static int compile_rule(struct mapping *m, size_t i, struct err *e)
{
    struct compiled_rule *c = &m->compiled[i];
    const struct mapping_rule *rule = &m->rules[i];
    int r = rule->match_type == MAPPING_GLOB ? find_captures(c, slice_str(rule->match), m->shelf)
                                             : compile_regex(c, rule, e);

    return r < 0 ? r : compile_templates(c, rule, m->shelf);
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
                                      compiled_is_conditional(rule)};
    }
    r = glob_new(&m->glob, rules, m->n_globs, !m->defaults.glob_disable_ordering);
    free(rules);
    return r;
}

static int compile(struct mapping *m, struct err *e)
{
    size_t n = m->n_rules, n_globs = 0;

    for (size_t i = 0; i < n; i++)
        n_globs += m->rules[i].match_type == MAPPING_GLOB;
    m->compiled = shelf_room(m->shelf, n * sizeof *m->compiled);
    m->globs = shelf_room(m->shelf, n_globs * sizeof *m->globs);
    m->regexes = shelf_room(m->shelf, (n - n_globs) * sizeof *m->regexes);
    if (m->compiled == NULL || m->globs == NULL || m->regexes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = compile_rule(m, i, e);

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

int mapping_new(struct mapping **out, struct shelf *shelf, const struct mapping_rule *rules,
                size_t n, const struct mapping_defaults *defaults, err_fn on_warning, void *ctx,
                struct err *e)
{
    struct mapping *m = calloc(1, sizeof *m);
    int r;

    assert(!defaults->in_file_order || !defaults->glob_disable_ordering);
    if (m == NULL) {
        shelf_free(shelf);
        return -ENOMEM;
    }
    m->shelf = shelf;
    m->rules = rules;
    m->n_rules = n;
    m->defaults = *defaults;
    r = compile(m, e);
    shelf_close(shelf);
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
    struct shelf *shelf;
    int r = shelf_new(&shelf);

    mapping_defaults_init(&defaults);
    return r < 0 ? r : mapping_new(out, shelf, NULL, 0, &defaults, NULL, NULL, NULL);
}

static void release_compiled(struct compiled_rule *c, const struct mapping_rule *rule)
{
    for (size_t i = 0; c->except != NULL && i < rule->except.n; i++)
        regex_free(c->except[i]);
    free(c->except);
    regex_free(c->regex);
}

void mapping_free(struct mapping *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->compiled != NULL && i < m->n_rules; i++)
        release_compiled(&m->compiled[i], &m->rules[i]);
    glob_free(m->glob);
    shelf_free(m->shelf);
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
