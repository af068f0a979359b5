/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob: all wildcard rules of a mapping as one automaton
 *
 * There is one tree of segments for each number of segments, so that a name meets only rules of
 * its own length and every path from a root has that length. The words that rules are written in
 * are numbered once; a name's segments are looked up in that dictionary before the walk, and a
 * child is then found by two integers in one table of edges.
 *
 *      a.b.c (0)        roots[3] -> o --a--> o --b--> o --c--> leaf 0
 *      a.*.c (1)                             \
 *      x.*   (2)                              `--*--> o --c--> leaf 1
 *                       roots[2] -> o --x--> o --*--> leaf 2
 *
 * Each node knows, for each kind, the smallest position of a rule below it. In ordered mode the
 * walk takes the child with the smaller one first and drops every branch that cannot beat what it
 * has; otherwise it takes literal children first and stops at the first leaf.
 *
 * Laws: a name with more segments than the longest rule is refused without a look at the rest.
 *       It is a tree, so a match meets each node at most once: the work is bounded by the bytes of
 *       the name plus the nodes of one tree, whatever the name. Nothing recurses; the steps that
 *       wait number at most one for each level. After the first match with a rule set nothing is
 *       allocated.
 */
#include "mapping/glob.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct node {
    uint32_t star;                  /* child for `*`, or GLOB_NONE */
    uint32_t n_literals;            /* children in the table of edges */
    uint32_t best[MAPPING_N_KINDS]; /* smallest position below, or GLOB_NONE; a leaf's own rule */
};

/* A word's number is its place in the table. */
struct word {
    const char *p; /* NULL: free; borrowed from a pattern */
    uint32_t len;
    uint32_t hash;
};

struct edge {
    uint32_t from; /* GLOB_NONE: free */
    uint32_t word;
    uint32_t to;
};

struct glob {
    bool ordered;
    size_t max_depth; /* segments of the longest rule */
    size_t max_word;  /* bytes of the longest word */
    uint32_t *roots;  /* max_depth + 1 of them, by number of segments; or GLOB_NONE */
    struct node *nodes;
    uint32_t n_nodes;
    struct word *words;
    struct edge *edges;
    uint32_t mask; /* of both tables; their size is a power of two, at most half full */
};

static bool is_star(struct slice segment)
{
    return segment.len == 1 && segment.p[0] == '*';
}

/* Cut the first segment off @rest; false when it was the last. */
static bool next_segment(struct slice *rest, struct slice *segment)
{
    size_t dot = slice_find(*rest, '.');

    *segment = slice_of(rest->p, dot);
    if (dot == rest->len)
        return false;
    *rest = slice_from(*rest, dot + 1);
    return true;
}

static size_t count_segments(struct slice pattern)
{
    struct slice segment;
    size_t n = 1;

    while (next_segment(&pattern, &segment))
        n++;
    return n;
}

/* ---- the two tables ---- */

static uint32_t word_hash(struct slice text)
{
    return (uint32_t)hash_bytes(text, 0);
}

/* Where @text is, or the free place where it belongs. */
static uint32_t word_place(const struct glob *g, struct slice text, uint32_t hash)
{
    uint32_t i = hash & g->mask;

    while (g->words[i].p != NULL &&
           (g->words[i].hash != hash || !slice_eq(slice_of(g->words[i].p, g->words[i].len), text)))
        i = (i + 1) & g->mask;
    return i;
}

/* The number of @text, or GLOB_NONE: no rule names it, only a `*` can take it. */
static uint32_t word_find(const struct glob *g, struct slice text)
{
    uint32_t i;

    if (text.len > g->max_word)
        return GLOB_NONE;
    i = word_place(g, text, word_hash(text));
    return g->words[i].p != NULL ? i : GLOB_NONE;
}

static uint32_t word_add(struct glob *g, struct slice text)
{
    uint32_t hash = word_hash(text);
    uint32_t i = word_place(g, text, hash);

    g->words[i] = (struct word){text.p, (uint32_t)text.len, hash};
    if (text.len > g->max_word)
        g->max_word = text.len;
    return i;
}

static uint32_t edge_place(const struct glob *g, uint32_t from, uint32_t word)
{
    uint64_t mixed = ((uint64_t)from << 32 | word) * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(mixed >> 32) & g->mask;

    while (g->edges[i].from != GLOB_NONE && (g->edges[i].from != from || g->edges[i].word != word))
        i = (i + 1) & g->mask;
    return i;
}

static uint32_t literal_child(const struct glob *g, uint32_t from, uint32_t word)
{
    const struct edge *edge;

    if (word == GLOB_NONE || g->nodes[from].n_literals == 0)
        return GLOB_NONE;
    edge = &g->edges[edge_place(g, from, word)];
    return edge->from != GLOB_NONE ? edge->to : GLOB_NONE;
}

/* ---- building ---- */

static uint32_t node_add(struct glob *g)
{
    struct node *node = &g->nodes[g->n_nodes];

    node->star = GLOB_NONE;
    node->n_literals = 0;
    for (int kind = 0; kind < MAPPING_N_KINDS; kind++)
        node->best[kind] = GLOB_NONE;
    return g->n_nodes++;
}

static uint32_t child_add(struct glob *g, uint32_t from, struct slice segment)
{
    struct edge *edge;
    uint32_t word;

    if (is_star(segment)) {
        if (g->nodes[from].star == GLOB_NONE)
            g->nodes[from].star = node_add(g);
        return g->nodes[from].star;
    }
    word = word_add(g, segment);
    edge = &g->edges[edge_place(g, from, word)];
    if (edge->from == GLOB_NONE) {
        *edge = (struct edge){from, word, node_add(g)};
        g->nodes[from].n_literals++;
    }
    return edge->to;
}

/* Rules come in the order of their positions: the first to claim a node has the smallest. */
static void node_claim(struct node *node, unsigned kinds, uint32_t position)
{
    for (int kind = 0; kind < MAPPING_N_KINDS; kind++)
        if ((kinds >> kind & 1) && node->best[kind] == GLOB_NONE)
            node->best[kind] = position;
}

static void add_rule(struct glob *g, const struct glob_rule *rule, uint32_t position)
{
    uint32_t *root = &g->roots[count_segments(rule->pattern)];
    struct slice rest = rule->pattern;
    struct slice segment;
    uint32_t at;
    bool more;

    if (*root == GLOB_NONE)
        *root = node_add(g);
    at = *root;
    node_claim(&g->nodes[at], rule->kinds, position);
    do {
        more = next_segment(&rest, &segment);
        at = child_add(g, at, segment);
        node_claim(&g->nodes[at], rule->kinds, position);
    } while (more);
}

/* Room for the worst case, no two rules alike: then nothing need grow while rules are added. */
static int reserve(struct glob *g, size_t n_segments)
{
    size_t size = 16;

    while (size < 2 * n_segments)
        size *= 2;
    if (size > UINT32_MAX / 2)
        return -ENOMEM;
    g->mask = (uint32_t)size - 1;
    g->roots = malloc((g->max_depth + 1) * sizeof *g->roots);
    g->nodes = malloc((n_segments + g->max_depth + 1) * sizeof *g->nodes);
    g->words = calloc(size, sizeof *g->words);
    g->edges = malloc(size * sizeof *g->edges);
    if (g->roots == NULL || g->nodes == NULL || g->words == NULL || g->edges == NULL)
        return -ENOMEM;
    memset(g->edges, 0xff, size * sizeof *g->edges);
    memset(g->roots, 0xff, (g->max_depth + 1) * sizeof *g->roots);
    return 0;
}

int glob_new(struct glob **out, const struct glob_rule *rules, size_t n, bool ordered)
{
    struct glob *g = calloc(1, sizeof *g);
    size_t n_segments = 0;

    if (g == NULL)
        return -ENOMEM;
    g->ordered = ordered;
    for (size_t i = 0; i < n; i++) {
        size_t depth = count_segments(rules[i].pattern);

        n_segments += depth;
        if (depth > g->max_depth)
            g->max_depth = depth;
    }
    if (reserve(g, n_segments) != 0) {
        glob_free(g);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        add_rule(g, &rules[i], (uint32_t)i);
    *out = g;
    return 0;
}

void glob_free(struct glob *g)
{
    if (g == NULL)
        return;
    free(g->roots);
    free(g->nodes);
    free(g->words);
    free(g->edges);
    free(g);
}

/* ---- matching ---- */

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
    steps = realloc(s->steps, (depth + 1) * sizeof *steps);
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
        if (!next_segment(&name, &s->segments[n++]))
            return n;
    return 0;
}

/* Put the step that is to be taken first on top. */
static size_t push_children(const struct glob *g, enum mapping_kind kind, uint32_t literal,
                            uint32_t star, struct glob_step *steps, uint32_t level)
{
    size_t n = 0;

    if (literal == GLOB_NONE || star == GLOB_NONE) {
        uint32_t only = literal == GLOB_NONE ? star : literal;

        if (only != GLOB_NONE)
            steps[n++] = (struct glob_step){only, level};
        return n;
    }
    if (g->ordered && g->nodes[star].best[kind] < g->nodes[literal].best[kind]) {
        steps[n++] = (struct glob_step){literal, level};
        steps[n++] = (struct glob_step){star, level};
    } else {
        steps[n++] = (struct glob_step){star, level};
        steps[n++] = (struct glob_step){literal, level};
    }
    return n;
}

/* The rule below @root that takes the @n words in @s and stands before @bound, or @bound. */
static uint32_t walk(const struct glob *g, enum mapping_kind kind, uint32_t root, size_t n,
                     uint32_t bound, struct glob_scratch *s)
{
    size_t n_steps = 1;

    s->steps[0] = (struct glob_step){root, 0};
    while (n_steps > 0) {
        struct glob_step step = s->steps[--n_steps];
        const struct node *node = &g->nodes[step.node];

        if (node->best[kind] >= bound)
            continue;
        if (step.level < n) {
            uint32_t literal = literal_child(g, step.node, s->words[step.level]);

            n_steps +=
                push_children(g, kind, literal, node->star, &s->steps[n_steps], step.level + 1);
            assert(n_steps <= g->max_depth + 1);
            continue;
        }
        bound = node->best[kind];
        if (!g->ordered)
            break;
    }
    return bound;
}

/* Split @text and number its words. The root for its length, or GLOB_NONE. */
static uint32_t enter(const struct glob *g, enum mapping_kind kind, struct slice text,
                      struct glob_scratch *s, size_t *n)
{
    uint32_t root;

    *n = split(g, text, s);
    root = *n > 0 ? g->roots[*n] : GLOB_NONE;
    if (root == GLOB_NONE || g->nodes[root].best[kind] == GLOB_NONE)
        return GLOB_NONE;
    for (size_t i = 0; i < *n; i++)
        s->words[i] = word_find(g, s->segments[i]);
    return root;
}

int glob_match(const struct glob *g, enum mapping_kind kind, struct slice name,
               struct glob_scratch *s, uint32_t *out)
{
    uint32_t root;
    size_t n;

    if (s->cap < g->max_depth && scratch_fit(s, g->max_depth) != 0)
        return -ENOMEM;
    root = enter(g, kind, name, s, &n);
    *out = root == GLOB_NONE ? GLOB_NONE : walk(g, kind, root, n, GLOB_NONE, s);
    return 0;
}

/* The leaf of exactly the pattern that @s holds; it is in the tree. */
static uint32_t own_leaf(const struct glob *g, uint32_t root, size_t n,
                         const struct glob_scratch *s)
{
    uint32_t at = root;

    for (size_t i = 0; i < n; i++) {
        at = is_star(s->segments[i]) ? g->nodes[at].star : literal_child(g, at, s->words[i]);
        assert(at != GLOB_NONE);
    }
    return at;
}

/*
 * A pattern's own `*` is in no dictionary, so the walk takes it down `*` only: just the rules that
 * take whatever the pattern takes. With literals preferred only the very same pattern hides one.
 */
int glob_hidden_by(const struct glob *g, enum mapping_kind kind, struct slice pattern,
                   uint32_t position, struct glob_scratch *s, uint32_t *out)
{
    uint32_t root, first;
    size_t n;

    if (s->cap < g->max_depth && scratch_fit(s, g->max_depth) != 0)
        return -ENOMEM;
    root = enter(g, kind, pattern, s, &n);
    if (root == GLOB_NONE)
        first = position;
    else if (g->ordered)
        first = walk(g, kind, root, n, position, s);
    else
        first = g->nodes[own_leaf(g, root, n, s)].best[kind];
    *out = first < position ? first : GLOB_NONE;
    return 0;
}

void glob_scratch_release(struct glob_scratch *s)
{
    free(s->segments);
    free(s->words);
    free(s->steps);
    *s = (struct glob_scratch){0};
}
