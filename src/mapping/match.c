/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Match: which rule takes a name, and what its templates make of it
 *
 * A name goes through the automaton of all globs first and then, in the order of the file, through
 * the regexes that serve its kind; the first rule found fills its templates from its captures. In
 * file order the automaton's rule, the first glob of the file that takes the name, is the end for
 * the regexes: only those that stand before it are tried. Of a hundred regexes a name comes to one
 * or two: the others it cannot match for a byte that it lacks or begins with, which one comparison
 * of words finds out.
 *
 *      name --> glob automaton --hit--> segments --.
 *                  |                                +--> captures --> templates --> text
 *                 miss --> regex, regex, ... ------'
 *
 * A rule's conditions on labels are looked at before its expression, because they are cheap; its
 * exceptions behind it, because they are asked only of names that it would take. An exception that
 * is found writes its captures over those of the match, and then nobody needs them.
 *
 * Laws: a match allocates only while its scratch has not seen so much before. Views into the
 *       scratch are made when all text is there, because the text moves while it grows.
 */
#include "mapping/compiled.h"

#include <errno.h>
#include <stdlib.h>

#include "mapping/pattern.h"

/* ---- scratch ---- */

int mapping_scratch_new(struct mapping_scratch **out, uint32_t regex_steps)
{
    struct mapping_scratch *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    if (regex_scratch_new(&s->regex, regex_steps) != 0) {
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
    free(s->captures.v);
    free(s->values.v);
    buf_release(&s->text);
    free(s);
}

/* 0 or -ENOMEM. */
static int fit(struct compiled_room *room, size_t n)
{
    struct slice *grown;

    if (n <= room->n)
        return 0;
    grown = realloc(room->v, n * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    *room = (struct compiled_room){grown, n};
    return 0;
}

/* ---- which rule ---- */

int compiled_search(struct regex *re, struct slice name, struct mapping_scratch *s)
{
    int r = fit(&s->captures, (size_t)regex_n_groups(re) + 1);

    return r == 0 ? regex_match(re, name, s->regex, s->captures.v) : r;
}

/* What is looked for, where, and what was met on the way. */
struct search {
    const struct mapping *m;
    const struct mapping_query *q;
    struct mapping_scratch *s;
    bool limit_hit;
};

/* For the automaton: the exceptions of globs are globs, which neither fail nor give up. */
static bool accepts(const void *ctx, uint32_t position)
{
    const struct search *search = ctx;
    uint32_t index = search->m->globs[position];
    const struct mapping_rule *rule = &search->m->rules[index];
    bool limit_hit = false;
    size_t i;

    return condition_labels(rule, search->q) == rule->n_match_labels &&
           condition_except(search->m, index, search->q->name, search->s, &i, &limit_hit) == 0 &&
           i == rule->except.n;
}

/* The glob rule that takes the name, or GLOB_NONE. 0 or -ENOMEM. */
static int find_glob(const struct search *search, uint32_t *out)
{
    struct glob_query q = {search->q->kind, search->q->name, accepts, search};
    uint32_t position;
    int r = glob_match(search->m->glob, &q, &search->s->glob, &position);

    if (r == 0)
        *out = position != GLOB_NONE ? search->m->globs[position] : GLOB_NONE;
    return r;
}

/* 1: the regex rule, of the name's kind, takes the name; 0: it does not; or -ENOMEM. */
static int try_regex(struct search *search, uint32_t index)
{
    const struct mapping_rule *rule = &search->m->rules[index];
    const struct mapping_query *q = search->q;
    size_t i;
    int r;

    if (condition_labels(rule, q) < rule->n_match_labels)
        return 0;
    r = compiled_search(search->m->compiled[index].regex, q->name, search->s);
    search->limit_hit |= r == REGEX_LIMIT;
    if (r != 0)
        return r < 0 ? r : 0;
    r = condition_except(search->m, index, q->name, search->s, &i, &search->limit_hit);
    return r < 0 ? r : i == rule->except.n;
}

/* The first regex rule before @end that takes the name, or @end, in @out. 0 or -ENOMEM. */
static int find_regex(struct search *search, uint32_t end, uint32_t *out)
{
    const struct mapping *m = search->m;
    struct regex_look look = {0};

    if (m->n_regexes > 0)
        look = regex_look(search->q->name);
    for (size_t i = 0; i < m->n_regexes && m->regexes[i].rule < end; i++) {
        const struct compiled_search *s = &m->regexes[i];
        int r;

        if (!regex_may_match(&s->filter, &look) || (s->kinds >> search->q->kind & 1) == 0)
            continue;
        r = try_regex(search, s->rule);
        if (r < 0)
            return r;
        if (r > 0) {
            *out = s->rule;
            return 0;
        }
    }
    *out = end;
    return 0;
}

/* The index of the rule that takes the name, or GLOB_NONE, in @out. 0 or -ENOMEM. */
static int find(struct search *search, uint32_t *out)
{
    int r = find_glob(search, out);

    if (r == 0 && (*out == GLOB_NONE || search->m->defaults.in_file_order))
        r = find_regex(search, *out, out);
    return r;
}

/* Fill the captures of the glob rule that took the name last. 0 or -ENOMEM. */
static int capture(const struct compiled_rule *c, const char *match, struct mapping_scratch *s)
{
    int r = fit(&s->captures, c->n_captures);
    size_t n = 0;

    for (size_t i = 0; r == 0 && i < c->n_segments; i++) {
        const struct compiled_segment *segment = &c->segments[i];
        struct slice text = s->glob.segments[segment->number];
        struct slice pattern = slice_of(match + segment->begin, segment->len);

        if (pattern.len == 1) {
            s->captures.v[n++] = text;
            continue;
        }
        pattern_capture(pattern, text, &s->captures.v[n]);
        n += pattern_n_stars(pattern);
    }
    return r;
}

/* ---- what it makes of the name ---- */

/* Append @t to the text; @out keeps how far it reaches, its place is not known yet. */
static int fill_next(const struct template *t, struct mapping_scratch *s, struct slice *out)
{
    int r = template_fill(t, s->captures.v, &s->text);

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

static int fill(const struct mapping *m, uint32_t index, struct mapping_scratch *s,
                struct mapping_result *out)
{
    const struct compiled_rule *c = &m->compiled[index];
    size_t n = m->rules[index].n_labels;
    struct slice name;
    size_t at = 0;
    int r = fit(&s->values, n);

    buf_clear(&s->text);
    if (r == 0 && c->regex == NULL)
        r = capture(c, m->rules[index].match, s);
    if (r == 0)
        r = buf_reserve(&s->text, 1); /* so that even an empty view points somewhere */
    if (r == 0)
        r = fill_next(&c->name, s, &name);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fill_next(&c->labels[i], s, &s->values.v[i]);
    if (r < 0) {
        if (s->text.failed) /* that would stay */
            buf_release(&s->text);
        return r;
    }
    settle(&s->text, &name, &at);
    for (size_t i = 0; i < n; i++)
        settle(&s->text, &s->values.v[i], &at);
    out->rule = &m->rules[index];
    out->name = name;
    out->label_values = s->values.v;
    return 0;
}

int mapping_match(const struct mapping *m, const struct mapping_query *q, struct mapping_scratch *s,
                  struct mapping_result *out)
{
    struct search search = {m, q, s, false};
    struct mapping_result result = {0};
    uint32_t index;
    int r = find(&search, &index);

    if (r == 0 && index != GLOB_NONE)
        r = fill(m, index, s, &result);
    if (r < 0)
        return r;
    result.limit_hit = search.limit_hit;
    *out = result;
    return 0;
}
