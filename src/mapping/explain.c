/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: which rule takes a name, and which came close
 *
 * Whoever writes a mapping wants to know why a rule does not do what it should. So each rule is
 * tried by itself, without the automaton, and gets a verdict; the best MAPPING_MAX_CANDIDATES are
 * kept, and the verdict of each is put into words while it is known what it was judged by. tell.c
 * writes it all down.
 *
 * Laws: the winner is who mapping_match() says, never who this file thinks. A rule that shares
 *       nothing with the name is not mentioned. It may take its time: nobody waits but a person.
 */
#include "mapping/explain.h"

#include <assert.h>
#include <errno.h>

#include "mapping/compiled.h"
#include "mapping/pattern.h"

struct explain {
    const struct mapping *m;
    const struct mapping_query *q;
    struct mapping_scratch *s;
    uint32_t winner; /* GLOB_NONE: nobody */
    struct mapping_candidates *out;
};

/* ---- trying one rule ---- */

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
    if (!pattern_takes(wants, has)) {
        if (c->n_misfits++ == 0) {
            c->has = has;
            c->wants = wants;
        }
        return;
    }
    if (c->n_misfits > 0)
        return;
    c->fit++;
    c->literal_fits |= !slice_eq_str(wants, "*");
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
        more_name = more_name && pattern_next_segment(&name, &has);
        more_rule = more_rule && pattern_next_segment(&pattern, &wants);
        if (both)
            compare_segment(&c, has, wants);
    }
    return c;
}

static enum mapping_verdict judge_glob(const struct explain *x, const struct mapping_rule *rule,
                                       size_t *fit)
{
    struct comparison c = compare(x->q->name, slice_str(rule->match));
    bool same_length = c.n_name == c.n_rule;

    *fit = c.fit;
    if (same_length && c.n_misfits == 0)
        return VERDICT_LATER;
    if (same_length && (c.literal_fits || (c.n_misfits == 1 && c.n_rule > 1)))
        return VERDICT_SEGMENT;
    return !same_length && c.n_misfits == 0 && c.literal_fits ? VERDICT_COUNT : VERDICT_FAR;
}

static int judge_regex(const struct explain *x, struct regex *re, enum mapping_verdict *out)
{
    struct slice name = x->q->name;
    struct slice literal;
    bool begins, fits;
    int r = compiled_search(re, name, x->s);

    if (r < 0)
        return r;
    literal = regex_literal(re, &begins);
    fits = literal.len > 0 && name.len >= literal.len &&
           (begins ? slice_starts(name, literal)
                   : memmem(name.p, name.len, literal.p, literal.len) != NULL);
    *out = r == 0             ? VERDICT_LATER
           : r == REGEX_LIMIT ? VERDICT_LIMIT
           : fits             ? VERDICT_REST
                              : VERDICT_FAR;
    return 0;
}

/* What takes the name may have conditions that do not hold. 0 or -ENOMEM. */
static int judge_conditions(const struct explain *x, const struct mapping_rule *rule,
                            struct mapping_candidate *out)
{
    bool limit_hit = false;
    size_t i;
    int r = condition_except(x->m, out->rule, x->q->name, x->s, &i, &limit_hit);

    if (r < 0)
        return r;
    if (i < rule->except.n) {
        out->verdict = VERDICT_EXCEPT;
        out->condition = i;
        return 0;
    }
    i = condition_labels(rule, x->q);
    if (i < rule->n_match_labels) {
        out->verdict = VERDICT_LABEL;
        out->condition = i;
    }
    return 0;
}

/* 0 or -ENOMEM. */
static int judge(const struct explain *x, uint32_t index, struct mapping_candidate *out)
{
    const struct mapping_rule *rule = &x->m->rules[index];
    int r = 0;

    *out = (struct mapping_candidate){.rule = index};
    if (rule->match_type == MAPPING_GLOB)
        out->verdict = judge_glob(x, rule, &out->fit);
    else
        r = judge_regex(x, x->m->compiled[index].regex, &out->verdict);
    if ((compiled_kinds(rule) >> x->q->kind & 1) == 0)
        out->verdict = out->verdict == VERDICT_LATER ? VERDICT_KIND : VERDICT_FAR;
    if (r == 0 && out->verdict == VERDICT_LATER)
        r = judge_conditions(x, rule, out);
    if (index == x->winner)
        out->verdict = VERDICT_WINS;
    return r;
}

/* ---- the best of them ---- */

/* Of what only came close, how much fitted counts before how it failed. */
static bool is_better(const struct mapping_candidate *a, const struct mapping_candidate *b)
{
    bool both_close = a->verdict >= VERDICT_SEGMENT && b->verdict >= VERDICT_SEGMENT;

    if (both_close && a->fit != b->fit)
        return a->fit > b->fit;
    return a->verdict < b->verdict;
}

/* Rules come in the order of the file, so that of two equals the earlier stays before. */
static void keep(struct mapping_candidates *c, const struct mapping_candidate *candidate)
{
    size_t at = c->n;

    while (at > 0 && is_better(candidate, &c->best[at - 1]))
        at--;
    if (c->n == MAPPING_MAX_CANDIDATES)
        c->n_more++;
    else
        c->n++;
    if (at == MAPPING_MAX_CANDIDATES)
        return;
    memmove(&c->best[at + 1], &c->best[at], (c->n - 1 - at) * sizeof *c->best);
    c->best[at] = *candidate;
}

/* ---- the verdict in words ---- */

/* Is the first segment in which these two globs differ more literal in @a? */
static bool is_more_literal(struct slice a, struct slice b)
{
    struct slice one, other;
    bool more;

    do {
        more = pattern_next_segment(&a, &one);
        pattern_next_segment(&b, &other);
    } while (more && slice_eq(one, other));
    if (pattern_n_stars(one) == 0 || pattern_n_stars(other) == 0)
        return pattern_n_stars(one) < pattern_n_stars(other);
    return one.len - pattern_n_stars(one) > other.len - pattern_n_stars(other);
}

static void add_later(const struct explain *x, const struct mapping_rule *rule, struct buf *out)
{
    const struct mapping_rule *winner = &x->m->rules[x->winner];
    const struct mapping_defaults *defaults = &x->m->defaults;
    bool glob = rule->match_type == MAPPING_GLOB;

    assert(x->winner != GLOB_NONE);
    if (!glob && winner->match_type == MAPPING_GLOB && !defaults->in_file_order)
        buf_add_str(out, "also matches, but globs are tried before regexes");
    else if (glob && defaults->glob_disable_ordering &&
             is_more_literal(slice_str(winner->match), slice_str(rule->match)))
        buf_addf(out, "also matches, but rule %u is more specific", x->winner + 1);
    else
        buf_addf(out, "also matches, but rule %u comes first", x->winner + 1);
}

static void add_label(const struct explain *x, const struct mapping_label *label, struct buf *out)
{
    struct slice has = condition_tag(x->q, label->key);

    buf_addf(out, "would match, but the label %s is ", label->key);
    if (has.len == 0)
        buf_add_str(out, "missing");
    else
        buf_addf(out, "\"%.*s\"", (int)has.len, has.p);
    if (label->value[0] == '\0')
        buf_add_str(out, ", the rule expects none");
    else
        buf_addf(out, ", the rule expects \"%s\"", label->value);
}

static void add_misfit(const struct explain *x, const struct mapping_rule *rule, struct buf *out)
{
    struct comparison c = compare(x->q->name, slice_str(rule->match));

    if (c.n_name != c.n_rule)
        buf_addf(out, "the name has %zu segment%s, the rule expects %zu", c.n_name,
                 c.n_name == 1 ? "" : "s", c.n_rule);
    else
        buf_addf(out, "segment %zu is \"%.*s\", the rule expects \"%.*s\"", c.fit + 1,
                 (int)c.has.len, c.has.p, (int)c.wants.len, c.wants.p);
}

static void add_reason(const struct explain *x, const struct mapping_candidate *candidate,
                       struct buf *out)
{
    const struct mapping_rule *rule = &x->m->rules[candidate->rule];

    switch (candidate->verdict) {
    case VERDICT_WINS:
        buf_add_str(out, "matches");
        return;
    case VERDICT_LATER:
        add_later(x, rule, out);
        return;
    case VERDICT_EXCEPT:
        buf_addf(out, "would match, but its exception \"%s\" matches",
                 rule->except.v[candidate->condition]);
        return;
    case VERDICT_LABEL:
        add_label(x, &rule->match_labels[candidate->condition], out);
        return;
    case VERDICT_KIND:
        buf_addf(out, "applies to type %s only", mapping_kind_name(rule->kind));
        return;
    case VERDICT_LIMIT:
        buf_add_str(out, "aborted: the search takes too many steps");
        return;
    case VERDICT_REST:
        buf_add_str(out, "its literal text matches, the rest does not");
        return;
    case VERDICT_SEGMENT:
    case VERDICT_COUNT:
    case VERDICT_FAR:
        add_misfit(x, rule, out);
        return;
    }
}

static void add_reasons(const struct explain *x)
{
    struct buf *text = &x->out->text;

    for (size_t i = 0; i < x->out->n; i++) {
        struct mapping_candidate *candidate = &x->out->best[i];

        candidate->why_at = text->len;
        add_reason(x, candidate, text);
        candidate->why_len = text->len - candidate->why_at;
    }
}

void mapping_candidates_release(struct mapping_candidates *c)
{
    buf_release(&c->text);
    *c = (struct mapping_candidates){0};
}

static void renew(struct mapping_candidates *c)
{
    buf_release(&c->text);
    c->n = 0;
    c->n_more = 0;
}

int mapping_explain(const struct mapping *m, const struct mapping_query *q,
                    struct mapping_scratch *s, struct mapping_candidates *out)
{
    struct explain x = {.m = m, .q = q, .s = s, .winner = GLOB_NONE, .out = out};
    struct mapping_result result;
    int r = mapping_match(m, q, s, &result);

    renew(out);
    if (r < 0)
        return r;
    if (result.rule != NULL)
        x.winner = (uint32_t)(result.rule - m->rules);
    for (uint32_t i = 0; i < m->n_rules; i++) {
        struct mapping_candidate candidate;

        r = judge(&x, i, &candidate);
        if (r < 0)
            return r;
        if (candidate.verdict != VERDICT_FAR)
            keep(out, &candidate);
    }
    add_reasons(&x);
    return out->text.failed ? -ENOMEM : 0;
}
