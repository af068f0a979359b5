/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: what is legal in a set of rules and surely not meant
 *
 * A rule may stand in the file and never take a name: a glob behind one that takes all its names,
 * the same expression twice, whatever is tried behind an expression such as `.*`, an exception that
 * takes all. An exception may take no name that its rule would take. And a template may refer to a
 * group that its expression lacks, which is always empty. Nobody notices such a thing from the
 * metrics alone, so it is told when the file is loaded, with the place of the rule and of the one
 * that hides it.
 *
 * Laws: a warning is true: a rule is called hidden only when for each kind that it serves a single
 *       other rule takes everything (several rules that do so only together are not seen). A rule
 *       with conditions hides only rules whose own conditions imply them. Nothing is refused here.
 */
#include "mapping/compiled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mapping/pattern.h"

/* For each kind the first rule of some that serves it; NULL: none does. */
struct firsts {
    const struct mapping_rule *by_kind[MAPPING_N_KINDS];
};

struct lint {
    const struct mapping *m;
    err_fn on_warning;
    void *ctx;
    struct glob_scratch scratch;
    struct firsts greedy; /* expressions without conditions that take every name */
};

__attribute__((format(printf, 3, 4))) static void warn(const struct lint *lint,
                                                       const struct mapping_rule *rule,
                                                       const char *fmt, ...)
{
    struct err e;
    va_list args;

    va_start(args, fmt);
    err_set_args(&e, rule->file, rule->match_line, rule->match_column, fmt, args);
    va_end(args);
    lint->on_warning(lint->ctx, &e);
}

/* What hides a rule. */
struct hider {
    const struct mapping_rule *rule; /* NULL: nothing does */
    bool alone;                      /* for all kinds, not only for the first one */
};

static void warn_hidden(const struct lint *lint, const struct mapping_rule *rule, struct hider by)
{
    char place[MAPPING_PLACE_MAX];

    mapping_rule_place(by.rule, by.rule->match_line, rule, place);
    if (!by.alone)
        warn(lint, rule,
             "\"%s\" can never match: \"%s\" at %s and rules for other types come first; put "
             "this rule before them",
             rule->match, by.rule->match, place);
    else if (strcmp(rule->match, by.rule->match) == 0)
        warn(lint, rule,
             "\"%s\" can never match: the rule at %s has the same match and comes first; "
             "remove one of them",
             rule->match, place);
    else
        warn(lint, rule,
             "\"%s\" can never match: \"%s\" at %s comes first and matches all its names; put "
             "this rule before that one",
             rule->match, by.rule->match, place);
}

/* One more kind of a rule is hidden by @by. */
static void join(struct hider *hider, const struct mapping_rule *by)
{
    hider->alone = hider->rule == NULL || (hider->alone && hider->rule == by);
    if (hider->rule == NULL || by < hider->rule)
        hider->rule = by;
}

static void note_first(struct firsts *firsts, const struct mapping_rule *rule)
{
    for (int kind = 0; kind < MAPPING_N_KINDS; kind++)
        if ((compiled_kinds(rule) >> kind & 1) && firsts->by_kind[kind] == NULL)
            firsts->by_kind[kind] = rule;
}

/* Do @firsts hide @rule for every kind that it serves? */
static struct hider hidden_by_firsts(const struct firsts *firsts, const struct mapping_rule *rule)
{
    struct hider hider = {NULL, true};

    for (int kind = 0; kind < MAPPING_N_KINDS; kind++) {
        const struct mapping_rule *first = firsts->by_kind[kind];

        if ((compiled_kinds(rule) >> kind & 1) == 0)
            continue;
        if (first == NULL || first >= rule)
            return (struct hider){NULL, true};
        join(&hider, first);
    }
    return hider;
}

/* Does the expression take every name, none of which is empty? Some that do so are not seen. */
static bool takes_all(const struct mapping_rule *rule)
{
    static const char *const bodies[] = {".*", ".+", ".*?", ".+?"};
    struct slice text = slice_str(rule->match);

    if (text.len == 0 || slice_eq_str(text, "."))
        return true;
    if (text.p[0] == '^')
        text = slice_from(text, 1);
    if (text.len > 0 && text.p[text.len - 1] == '$')
        text.len--;
    if (text.len > 1 && text.p[0] == '(' && text.p[text.len - 1] == ')')
        text = slice_of(text.p + 1, text.len - 2);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (slice_eq_str(text, bodies[i]))
            return true;
    return false;
}

static bool has_conditions(const struct mapping_rule *rule)
{
    return rule->except.n > 0 || rule->n_match_labels > 0;
}

static void find_greedy(struct lint *lint)
{
    const struct mapping *m = lint->m;

    for (size_t i = 0; i < m->n_regexes; i++) {
        const struct mapping_rule *rule = &m->rules[m->regexes[i].rule];

        if (takes_all(rule) && !has_conditions(rule))
            note_first(&lint->greedy, rule);
    }
}

/* Two rules for the automaton to ask about. */
struct pair {
    const struct mapping *m;
    const struct mapping_rule *rule;
};

/* Does the rule at @position, which takes whatever the pair's rule takes, do so despite its
 * conditions? */
static bool hides(const void *ctx, uint32_t position)
{
    const struct pair *pair = ctx;

    return condition_is_weaker(&pair->m->rules[pair->m->globs[position]], pair->rule);
}

/* Who hides the glob at @position for every kind that it serves? 0 or -ENOMEM. */
static int find_hider(struct lint *lint, uint32_t position, struct hider *out)
{
    const struct mapping *m = lint->m;
    const struct mapping_rule *rule = &m->rules[m->globs[position]];
    struct pair pair = {m, rule};
    struct glob_query q = {MAPPING_COUNTER, slice_str(rule->match), hides, &pair};
    struct hider hider = {NULL, true};

    for (int kind = 0; kind < MAPPING_N_KINDS; kind++) {
        uint32_t found;
        int r;

        if ((compiled_kinds(rule) >> kind & 1) == 0)
            continue;
        q.kind = (enum mapping_kind)kind;
        r = glob_hidden_by(m->glob, &q, position, &lint->scratch, &found);
        if (r < 0)
            return r;
        if (found == GLOB_NONE) {
            hider.rule = NULL;
            break;
        }
        join(&hider, &m->rules[m->globs[found]]);
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
        if (by.rule == NULL && m->defaults.in_file_order)
            by = hidden_by_firsts(&lint->greedy, &m->rules[m->globs[i]]);
        if (by.rule != NULL)
            warn_hidden(lint, &m->rules[m->globs[i]], by);
    }
    return 0;
}

static int compare_words(const struct mapping_words *a, const struct mapping_words *b)
{
    int c = (a->n > b->n) - (a->n < b->n);

    for (size_t i = 0; c == 0 && i < a->n; i++)
        c = strcmp(a->v[i], b->v[i]);
    return c;
}

/* Rules without conditions come first. */
static int compare_conditions(const struct mapping_rule *a, const struct mapping_rule *b)
{
    int c = compare_words(&a->except, &b->except);

    if (c == 0)
        c = (a->n_match_labels > b->n_match_labels) - (a->n_match_labels < b->n_match_labels);
    for (size_t i = 0; c == 0 && i < a->n_match_labels; i++) {
        c = strcmp(a->match_labels[i].key, b->match_labels[i].key);
        if (c == 0)
            c = strcmp(a->match_labels[i].value, b->match_labels[i].value);
    }
    return c;
}

/* By text, then by conditions, and among equals in the order of the file. */
static int compare_matches(const void *left, const void *right)
{
    const struct mapping_rule *a = *(const struct mapping_rule *const *)left;
    const struct mapping_rule *b = *(const struct mapping_rule *const *)right;
    int c = strcmp(a->match, b->match);

    if (c == 0)
        c = compare_conditions(a, b);
    return c != 0 ? c : (a > b) - (a < b);
}

/* @rules are sorted. An expression is hidden by those with its text that have no conditions, or the
 * same ones. */
static void lint_sorted(const struct lint *lint, const struct mapping_rule **rules, size_t n)
{
    struct firsts plain = {{NULL}}, alike = {{NULL}};

    for (size_t i = 0; i < n; i++) {
        const struct mapping_rule *rule = rules[i], *before = i > 0 ? rules[i - 1] : NULL;
        struct hider by;

        if (before == NULL || strcmp(before->match, rule->match) != 0)
            plain = alike = (struct firsts){{NULL}};
        else if (compare_conditions(before, rule) != 0)
            alike = (struct firsts){{NULL}};
        by = hidden_by_firsts(&alike, rule);
        if (by.rule == NULL)
            by = hidden_by_firsts(&plain, rule);
        if (by.rule == NULL)
            by = hidden_by_firsts(&lint->greedy, rule);
        if (by.rule != NULL)
            warn_hidden(lint, rule, by);
        note_first(&alike, rule);
        if (!has_conditions(rule))
            note_first(&plain, rule);
    }
}

static int lint_regexes(const struct lint *lint)
{
    const struct mapping *m = lint->m;
    const struct mapping_rule **rules = malloc((m->n_regexes + 1) * sizeof *rules);

    if (rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_regexes; i++)
        rules[i] = &m->rules[m->regexes[i].rule];
    qsort(rules, m->n_regexes, sizeof *rules, compare_matches);
    lint_sorted(lint, rules, m->n_regexes);
    free(rules);
    return 0;
}

/* ---- exceptions ---- */

static void lint_glob_except(const struct lint *lint, const struct mapping_rule *rule,
                             struct slice except)
{
    struct slice match = slice_str(rule->match);
    size_t n = pattern_glob_n_segments(except), n_match = pattern_glob_n_segments(match);

    if (n != n_match)
        warn(lint, rule,
             "the exception \"%s\" never applies: its number of segments is %zu, that of the match "
             "\"%s\" is %zu; write as many",
             except.p, n, rule->match, n_match);
    else if (!pattern_glob_meets(match, except))
        warn(lint, rule,
             "the exception \"%s\" never applies: it matches no name that \"%s\" "
             "matches; remove it or write another",
             except.p, rule->match);
    else if (pattern_glob_takes(except, match))
        warn(lint, rule,
             "\"%s\" can never match: the exception \"%s\" matches all its names; remove one of "
             "them",
             rule->match, except.p);
}

static void lint_excepts(const struct lint *lint)
{
    for (size_t i = 0; i < lint->m->n_rules; i++) {
        const struct mapping_rule *rule = &lint->m->rules[i];

        for (size_t j = 0; j < rule->except.n; j++) {
            if (rule->match_type == MAPPING_GLOB)
                lint_glob_except(lint, rule, slice_str(rule->except.v[j]));
            else if (strcmp(rule->match, rule->except.v[j]) == 0)
                warn(lint, rule,
                     "\"%s\" can never match: it has the same expression as an exception; remove "
                     "one of them",
                     rule->match);
        }
    }
}

/* ---- templates ---- */

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
        const struct mapping_rule *rule = &m->rules[m->regexes[i].rule];
        const struct compiled_rule *c = &m->compiled[m->regexes[i].rule];

        lint_template(lint, rule, &c->name, NULL);
        for (size_t j = 0; j < rule->n_labels; j++)
            lint_template(lint, rule, &c->labels[j], rule->labels[j].key);
    }
}

int mapping_lint(const struct mapping *m, err_fn on_warning, void *ctx)
{
    struct lint lint = {.m = m, .on_warning = on_warning, .ctx = ctx};
    int r;

    find_greedy(&lint);
    r = lint_globs(&lint);
    glob_scratch_release(&lint.scratch);
    if (r == 0)
        r = lint_regexes(&lint);
    if (r == 0) {
        lint_excepts(&lint);
        lint_templates(&lint);
    }
    return r;
}
