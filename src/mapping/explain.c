/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: which rule takes a name, and which came close, in words
 *
 * Whoever writes a mapping wants to know why a rule does not do what it should. So each rule is
 * tried by itself, without the automaton, and gets a verdict; the best MAX_LINES are told:
 *
 *      rule 3 (line 12) glob app.*.hits -> app_hits  <- wins
 *      rule 7 (line 30) glob app.*.* -> app  takes it too, but rule 3 comes first
 *      rule 4 (line 15) glob app.*.miss -> app_miss  segment 3 is "hits", the rule wants "miss"
 *
 * Laws: the winner is who mapping_match() says, never who this file thinks. A rule that shares
 *       nothing with the name is not mentioned. It may take its time: nobody waits but a person.
 */
#include "mapping/compiled.h"

#include <assert.h>
#include <errno.h>

#define MAX_LINES 20

/* From the best to the worst; what came close is ranked by how much of the name fitted. */
enum verdict {
    VERDICT_WINS,
    VERDICT_LATER,   /* takes it too, but another rule does before */
    VERDICT_KIND,    /* would take it, but is for another kind */
    VERDICT_LIMIT,   /* a regex that gave up */
    VERDICT_SEGMENT, /* one segment is another */
    VERDICT_COUNT,   /* too many segments, or too few */
    VERDICT_REST,    /* a regex whose literal part fits */
    VERDICT_FAR,     /* not worth a line */
};

struct candidate {
    uint32_t rule;
    enum verdict verdict;
    size_t fit; /* leading segments that fit */
};

struct explain {
    const struct mapping *m;
    enum mapping_kind kind;
    struct slice name;
    struct mapping_scratch *s;
    uint32_t winner; /* GLOB_NONE: nobody */
    struct candidate best[MAX_LINES];
    size_t n_best;
    size_t n_more;
};

/* ---- trying one rule ---- */

/* Cut the first segment off @rest. False when it was the last. */
static bool cut(struct slice *rest, struct slice *segment)
{
    size_t dot = slice_find(*rest, '.');
    bool more = dot < rest->len;

    *segment = slice_of(rest->p, dot);
    *rest = slice_from(*rest, more ? dot + 1 : dot);
    return more;
}

/* How a glob's segments and a name's lie side by side. */
struct comparison {
    size_t n_rule, n_name;
    size_t fit;        /* leading segments that fit */
    size_t n_misfits;  /* of those that both have */
    bool literal_fits; /* one of the leading ones is text */
    struct slice has;  /* the first that does not fit, and what the rule wants there */
    struct slice wants;
};

static void compare_segment(struct comparison *c, struct slice has, struct slice wants)
{
    bool star = slice_eq_str(wants, "*");

    if (!star && !slice_eq(has, wants)) {
        if (c->n_misfits++ == 0) {
            c->has = has;
            c->wants = wants;
        }
        return;
    }
    if (c->n_misfits > 0)
        return;
    c->fit++;
    c->literal_fits |= !star;
}

static struct comparison compare(struct slice name, struct slice pattern)
{
    struct comparison c = {0};
    bool more_name = true, more_rule = true;

    while (more_name || more_rule) {
        bool both = more_name && more_rule;
        struct slice has = {0}, wants = {0};

        c.n_name += more_name;
        c.n_rule += more_rule;
        more_name = more_name && cut(&name, &has);
        more_rule = more_rule && cut(&pattern, &wants);
        if (both)
            compare_segment(&c, has, wants);
    }
    return c;
}

static enum verdict judge_glob(const struct explain *x, const struct mapping_rule *rule,
                               size_t *fit)
{
    struct comparison c = compare(x->name, slice_str(rule->match));
    bool same_length = c.n_name == c.n_rule;

    *fit = c.fit;
    if (same_length && c.n_misfits == 0)
        return VERDICT_LATER;
    if (same_length && (c.literal_fits || (c.n_misfits == 1 && c.n_rule > 1)))
        return VERDICT_SEGMENT;
    return !same_length && c.n_misfits == 0 && c.literal_fits ? VERDICT_COUNT : VERDICT_FAR;
}

static int judge_regex(const struct explain *x, const struct regex *re, enum verdict *out)
{
    struct slice literal;
    bool begins, fits;
    int r = compiled_fit_captures(x->s, re);

    if (r == 0)
        r = regex_match(re, x->name, x->s->regex, x->s->captures);
    if (r < 0)
        return r;
    literal = regex_literal(re, &begins);
    fits = literal.len > 0 && x->name.len >= literal.len &&
           (begins ? slice_starts(x->name, literal)
                   : memmem(x->name.p, x->name.len, literal.p, literal.len) != NULL);
    *out = r == 0             ? VERDICT_LATER
           : r == REGEX_LIMIT ? VERDICT_LIMIT
           : fits             ? VERDICT_REST
                              : VERDICT_FAR;
    return 0;
}

/* 0 or -ENOMEM. */
static int judge(const struct explain *x, uint32_t index, struct candidate *out)
{
    const struct mapping_rule *rule = &x->m->rules[index];
    int r = 0;

    *out = (struct candidate){.rule = index};
    if (rule->match_type == MAPPING_GLOB)
        out->verdict = judge_glob(x, rule, &out->fit);
    else
        r = judge_regex(x, x->m->compiled[index].regex, &out->verdict);
    if (!rule->any_kind && rule->kind != x->kind)
        out->verdict = out->verdict == VERDICT_LATER ? VERDICT_KIND : VERDICT_FAR;
    if (index == x->winner)
        out->verdict = VERDICT_WINS;
    return r;
}

/* ---- the best of them ---- */

/* Of what only came close, how much fitted counts before how it failed. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    bool both_close = a->verdict >= VERDICT_SEGMENT && b->verdict >= VERDICT_SEGMENT;

    if (both_close && a->fit != b->fit)
        return a->fit > b->fit;
    return a->verdict < b->verdict;
}

/* Rules come in the order of the file, so that of two equals the earlier stays before. */
static void keep(struct explain *x, const struct candidate *candidate)
{
    size_t at = x->n_best;

    while (at > 0 && is_better(candidate, &x->best[at - 1]))
        at--;
    if (x->n_best == MAX_LINES)
        x->n_more++;
    else
        x->n_best++;
    if (at == MAX_LINES)
        return;
    memmove(&x->best[at + 1], &x->best[at], (x->n_best - 1 - at) * sizeof *x->best);
    x->best[at] = *candidate;
}

/* ---- telling ---- */

static void tell_later(const struct explain *x, const struct mapping_rule *rule, struct buf *out)
{
    const struct mapping_rule *winner = &x->m->rules[x->winner];
    bool glob = rule->match_type == MAPPING_GLOB;

    assert(x->winner != GLOB_NONE);
    if (!glob && winner->match_type == MAPPING_GLOB)
        buf_add_str(out, "  takes it too, but globs are tried before regexes");
    else if (glob && x->m->defaults.glob_disable_ordering &&
             strcmp(rule->match, winner->match) != 0)
        buf_addf(out, "  takes it too, but rule %u is more literal", x->winner + 1);
    else
        buf_addf(out, "  takes it too, but rule %u comes first", x->winner + 1);
}

static void tell_glob(const struct explain *x, const struct mapping_rule *rule, struct buf *out)
{
    struct comparison c = compare(x->name, slice_str(rule->match));

    if (c.n_name != c.n_rule)
        buf_addf(out, "  the name has %zu segments, the rule %zu", c.n_name, c.n_rule);
    else
        buf_addf(out, "  segment %zu is \"%.*s\", the rule wants \"%.*s\"", c.fit + 1,
                 (int)c.has.len, c.has.p, (int)c.wants.len, c.wants.p);
}

static void tell_reason(const struct explain *x, const struct candidate *candidate, struct buf *out)
{
    const struct mapping_rule *rule = &x->m->rules[candidate->rule];

    switch (candidate->verdict) {
    case VERDICT_WINS:
        buf_add_str(out, "  <- wins");
        return;
    case VERDICT_LATER:
        tell_later(x, rule, out);
        return;
    case VERDICT_KIND:
        buf_addf(out, "  is for type %s only", mapping_kind_name(rule->kind));
        return;
    case VERDICT_LIMIT:
        buf_add_str(out, "  gave up: the search takes too many steps");
        return;
    case VERDICT_REST:
        buf_add_str(out, "  its literal text fits, the rest does not");
        return;
    case VERDICT_SEGMENT:
    case VERDICT_COUNT:
    case VERDICT_FAR:
        tell_glob(x, rule, out);
        return;
    }
}

static void tell(const struct explain *x, const struct candidate *candidate, struct buf *out)
{
    const struct mapping_rule *rule = &x->m->rules[candidate->rule];

    buf_addf(out, "  rule %u (line %u) %s ", candidate->rule + 1, rule->line,
             rule->match_type == MAPPING_GLOB ? "glob" : "regex");
    buf_add_str(out, rule->match);
    buf_addf(out, " -> %s", rule->action == MAPPING_DROP ? "drop" : rule->name);
    tell_reason(x, candidate, out);
    buf_add_byte(out, '\n');
}

int mapping_explain(const struct mapping *m, enum mapping_kind kind, struct slice name,
                    struct mapping_scratch *s, struct buf *out)
{
    struct explain x = {.m = m, .kind = kind, .name = name, .s = s, .winner = GLOB_NONE};
    struct mapping_result result;
    int r = mapping_match(m, kind, name, s, &result);

    if (r < 0)
        return r;
    if (result.rule != NULL)
        x.winner = (uint32_t)(result.rule - m->rules);
    for (uint32_t i = 0; i < m->n_rules; i++) {
        struct candidate candidate;

        r = judge(&x, i, &candidate);
        if (r < 0)
            return r;
        if (candidate.verdict != VERDICT_FAR)
            keep(&x, &candidate);
    }
    for (size_t i = 0; i < x.n_best; i++)
        tell(&x, &x.best[i], out);
    if (x.n_more > 0)
        buf_addf(out, "  and %zu more that came close\n", x.n_more);
    return out->failed ? -ENOMEM : 0;
}
