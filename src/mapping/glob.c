/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob: all wildcard rules of a mapping as one automaton
 *
 * The tree that glob_tree.c builds is walked from the root for the name's number of segments. The
 * segments are looked up in the dictionary of words before the walk; a literal child is then found
 * by two integers, a mixture of text and `*` by trying each that the node has, and the child for
 * `*` is always there to go to. A node that can be left by one child only is passed through; else
 * it waits on a stack until all that it has has been tried.
 *
 *      name a.bx.c          o --a--> o --b*--> o --c--> leaf: rules 2, 4, ...
 *                                    `--*----> o --c--> leaf: rule 1
 *
 * In ordered mode the child with the smallest position below it is tried first, and every branch
 * that cannot beat what was accepted is dropped; otherwise the more literal child is tried first,
 * and the first leaf with a rule that accepts ends the walk. A leaf's rules are asked in the order
 * of their positions; what a conditional one refuses goes on to the next, and if all refuse, the
 * walk goes on as if there were no such leaf.
 *
 * Laws: a name with more segments than the longest rule is refused without a look at the rest.
 *       It is a tree, so a match meets each node at most once: the work is bounded by the bytes of
 *       the name plus the nodes of one tree, whatever the name; and, for each mixture that it
 *       meets, the bytes of the mixture and of the one segment that it is laid along. A conditional
 *       rule is asked once. Nothing recurses; the steps that wait number at most one for each
 *       level. After the first match with a rule set nothing is allocated.
 */
#include "mapping/glob.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "mapping/glob_tree.h"
#include "mapping/pattern.h"

struct walk {
    const struct glob *g;
    const struct glob_query *q;
    struct glob_scratch *s;
    size_t n_segments;
    size_t n_steps;
    uint32_t bound; /* what was accepted last; only what stands before it is still of use */
    bool done;
};

/* ---- the name ---- */

/* The number of @text, or GLOB_NONE: no rule names it, only a `*` can take it. */
static uint32_t word_find(const struct glob *g, struct slice text)
{
    const struct glob_word *word;
    uint32_t i;

    if (text.len > g->max_word)
        return GLOB_NONE;
    i = glob_word_place(g, text, glob_word_hash(text));
    word = &g->words[i];
    return word->p != NULL && !word->partial ? i : GLOB_NONE;
}

static int scratch_fit(struct glob_scratch *s, size_t depth)
{
    struct slice *segments = realloc(s->segments, depth * sizeof *segments);
    uint32_t *words;
    struct glob_step *steps;

    if (segments == NULL)
        return -ENOMEM;
    s->segments = segments;
    words = realloc(s->words, depth * sizeof *words);
    if (words == NULL)
        return -ENOMEM;
    s->words = words;
    steps = realloc(s->steps, depth * sizeof *steps);
    if (steps == NULL)
        return -ENOMEM;
    s->steps = steps;
    s->cap = depth;
    return 0;
}

/* Cut @name into s->segments. Their number, or 0 when no rule is that long. */
static size_t split(const struct glob *g, struct slice name, struct glob_scratch *s)
{
    size_t n = 0;

    while (n < g->max_depth)
        if (!pattern_next_segment(&name, &s->segments[n++]))
            return n;
    return 0;
}

/* Split the name and number its words. The root for its length, or GLOB_NONE. */
static uint32_t enter(struct walk *w)
{
    uint32_t root;

    w->n_segments = split(w->g, w->q->name, w->s);
    root = w->n_segments > 0 ? w->g->roots[w->n_segments] : GLOB_NONE;
    if (root == GLOB_NONE || w->g->nodes[root].best[w->q->kind] == GLOB_NONE)
        return GLOB_NONE;
    for (size_t i = 0; i < w->n_segments; i++)
        w->s->words[i] = word_find(w->g, w->s->segments[i]);
    return root;
}

/* ---- the walk ---- */

static uint32_t literal_child(const struct glob *g, uint32_t from, uint32_t word)
{
    const struct glob_edge *edge;

    if (word == GLOB_NONE || g->nodes[from].n_literals == 0)
        return GLOB_NONE;
    edge = &g->edges[glob_edge_place(g, from, word)];
    return edge->from != GLOB_NONE ? edge->to : GLOB_NONE;
}

static uint32_t best(const struct walk *w, uint32_t node)
{
    return w->g->nodes[node].best[w->q->kind];
}

static void take_leaf(struct walk *w, uint32_t leaf)
{
    uint32_t i = best(w, leaf);

    for (; i < w->bound; i = w->g->members[i].next) {
        const struct glob_member *rule = &w->g->members[i];

        if ((rule->kinds >> w->q->kind & 1) == 0)
            continue;
        if (rule->conditional && !w->q->accepts(w->q->ctx, i))
            continue;
        w->bound = i;
        w->done = !w->g->ordered;
        return;
    }
}

/* Go down from @at while there is one way only. */
static void descend(struct walk *w, uint32_t at, uint32_t level)
{
    const struct glob *g = w->g;

    for (; at != GLOB_NONE && best(w, at) < w->bound; level++) {
        const struct glob_node *node = &g->nodes[at];
        uint32_t literal;

        if (level == w->n_segments) {
            take_leaf(w, at);
            return;
        }
        literal = literal_child(g, at, w->s->words[level]);
        if (node->n_partials > 0 || (literal != GLOB_NONE && node->star != GLOB_NONE)) {
            assert(w->n_steps < w->s->cap);
            w->s->steps[w->n_steps++] = (struct glob_step){
                level, literal, node->star, node->partials, node->partials + node->n_partials};
            return;
        }
        at = literal != GLOB_NONE ? literal : node->star;
    }
}

/* The next mixture of @step that may lead to something better, or GLOB_NONE; it stays there. */
static uint32_t next_partial(const struct walk *w, struct glob_step *step)
{
    for (; step->partial < step->end; step->partial++) {
        uint32_t to = w->g->partials[step->partial].to;

        if (best(w, to) < w->bound)
            return to;
    }
    return GLOB_NONE;
}

/* Is @a, which is preferred to @b when order does not count, to be tried before it? */
static bool goes_before(const struct walk *w, uint32_t a, uint32_t b)
{
    return a != GLOB_NONE && (b == GLOB_NONE || !w->g->ordered || best(w, a) < best(w, b));
}

static uint32_t take_out(uint32_t *child)
{
    uint32_t node = *child;

    *child = GLOB_NONE;
    return node;
}

/* The next child that takes the segment, taken out of @step; GLOB_NONE: there is none. */
static uint32_t next_child(const struct walk *w, struct glob_step *step)
{
    for (;;) {
        uint32_t partial = next_partial(w, step);
        struct slice pattern;

        if (goes_before(w, step->literal, partial) && goes_before(w, step->literal, step->star))
            return take_out(&step->literal);
        if (!goes_before(w, partial, step->star))
            return take_out(&step->star);
        pattern = w->g->partials[step->partial++].pattern;
        if (pattern_takes(pattern, w->s->segments[step->level]))
            return partial;
    }
}

static bool is_empty(const struct glob_step *step)
{
    return step->literal == GLOB_NONE && step->star == GLOB_NONE && step->partial == step->end;
}

/* The rule below @root that takes the name and stands before @bound, or @bound. */
static uint32_t walk(struct walk *w, uint32_t root, uint32_t bound)
{
    w->bound = bound;
    descend(w, root, 0);
    while (w->n_steps > 0 && !w->done) {
        struct glob_step *step = &w->s->steps[w->n_steps - 1];
        uint32_t level = step->level + 1;
        uint32_t child = next_child(w, step);

        if (is_empty(step))
            w->n_steps--;
        descend(w, child, level);
    }
    return w->bound;
}

int glob_match(const struct glob *g, const struct glob_query *q, struct glob_scratch *s,
               uint32_t *out)
{
    struct walk w = {.g = g, .q = q, .s = s};

    if (s->cap < g->max_depth && scratch_fit(s, g->max_depth) != 0)
        return -ENOMEM;
    *out = walk(&w, enter(&w), GLOB_NONE);
    return 0;
}

/* ---- who hides whom ---- */

/* The leaf of exactly the pattern that was split; it is in the tree. */
static uint32_t own_leaf(const struct walk *w, uint32_t root)
{
    const struct glob *g = w->g;
    uint32_t at = root;

    for (size_t i = 0; i < w->n_segments; i++) {
        struct slice segment = w->s->segments[i];
        uint32_t word = glob_word_place(g, segment, glob_word_hash(segment));

        at = glob_is_star(segment) ? g->nodes[at].star : g->edges[glob_edge_place(g, at, word)].to;
        assert(at != GLOB_NONE);
    }
    return at;
}

/*
 * A pattern's own `*` and mixtures are no words, so the walk takes them down `*` and such mixtures
 * only as take the pattern itself: just the rules that take whatever it takes. With literals
 * preferred only the very same pattern hides one.
 */
int glob_hidden_by(const struct glob *g, const struct glob_query *q, uint32_t position,
                   struct glob_scratch *s, uint32_t *out)
{
    struct walk w = {.g = g, .q = q, .s = s};
    uint32_t root;

    if (s->cap < g->max_depth && scratch_fit(s, g->max_depth) != 0)
        return -ENOMEM;
    root = enter(&w);
    if (root != GLOB_NONE && !g->ordered)
        root = own_leaf(&w, root);
    w.bound = position;
    if (root != GLOB_NONE && !g->ordered)
        take_leaf(&w, root);
    else
        walk(&w, root, position);
    *out = w.bound < position ? w.bound : GLOB_NONE;
    return 0;
}

void glob_scratch_release(struct glob_scratch *s)
{
    free(s->segments);
    free(s->words);
    free(s->steps);
    *s = (struct glob_scratch){0};
}
