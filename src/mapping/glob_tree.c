/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob tree: from the patterns of rules to the automaton
 *
 * There is one tree of segments for each number of segments, so that a name meets only rules of
 * its own length and every path from a root has that length. The words that rules are written in
 * are numbered once, and a child is found by two integers, node and word, in one table of edges.
 *
 *      a.b.c   (0)      roots[3] -> o --a--> o --b--> o --c--> leaf 0
 *      a.*.c   (1)                           |--b*--> o --c--> leaf 2 -> 4
 *      a.b*.c  (2)                           `--*---> o --c--> leaf 1
 *      x.*     (3)      roots[2] -> o --x--> o --*--> leaf 3
 *      a.b*.c  (4)
 *
 * A mixture of text and `*` is numbered like a word, but marked, so that no segment of a name is
 * taken for it. When all rules are there, each node's mixtures are laid side by side in the order
 * in which they are preferred, and the walk tries them one after the other.
 *
 * Each node knows, for each kind, the smallest position of a rule below it. Rules with the same
 * pattern form a chain at their leaf.
 *
 * Laws: rules are added in the order of their positions, so the first to claim a node has the
 *       smallest, and of two nodes the one made first has the smaller number. All memory is there
 *       before the first rule is added; when they are all there, what was too much is given back.
 */
#include "mapping/glob_tree.h"

#include <errno.h>
#include <stdlib.h>

#include "mapping/pattern.h"

static uint32_t node_add(struct glob *g)
{
    struct glob_node *node = &g->nodes[g->n_nodes];

    *node = (struct glob_node){.star = GLOB_NONE};
    for (int kind = 0; kind < MAPPING_N_KINDS; kind++)
        node->best[kind] = GLOB_NONE;
    return g->n_nodes++;
}

static uint32_t word_add(struct glob *g, struct slice text)
{
    uint32_t hash = glob_word_hash(text);
    uint32_t i = glob_word_place(g, text, hash);
    bool partial = slice_find(text, '*') < text.len;

    g->words[i] = (struct glob_word){text.p, (uint32_t)text.len, hash, partial};
    if (!partial && text.len > g->max_word)
        g->max_word = text.len;
    return i;
}

static uint32_t child_add(struct glob *g, uint32_t from, struct slice segment)
{
    struct glob_edge *edge;
    uint32_t word;

    if (glob_is_star(segment)) {
        if (g->nodes[from].star == GLOB_NONE)
            g->nodes[from].star = node_add(g);
        return g->nodes[from].star;
    }
    word = word_add(g, segment);
    edge = &g->edges[glob_edge_place(g, from, word)];
    if (edge->from != GLOB_NONE)
        return edge->to;
    *edge = (struct glob_edge){from, word, node_add(g)};
    if (g->words[word].partial)
        g->n_partials++;
    else
        g->nodes[from].n_literals++;
    return edge->to;
}

static void node_claim(struct glob_node *node, unsigned kinds, uint32_t position)
{
    for (int kind = 0; kind < MAPPING_N_KINDS; kind++)
        if ((kinds >> kind & 1) && node->best[kind] == GLOB_NONE)
            node->best[kind] = position;
}

/* Hang the rule on the end of its leaf's chain. */
static void leaf_add(struct glob *g, struct glob_node *leaf, const struct glob_rule *rule,
                     uint32_t position)
{
    g->members[position] = (struct glob_member){GLOB_NONE, rule->kinds, rule->conditional};
    if (leaf->star != GLOB_NONE)
        g->members[leaf->star].next = position;
    leaf->star = position;
}

static void add_rule(struct glob *g, const struct glob_rule *rule, uint32_t position)
{
    uint32_t *root = &g->roots[pattern_glob_n_segments(rule->pattern)];
    struct slice rest = rule->pattern;
    struct slice segment;
    uint32_t at;
    bool more;

    if (*root == GLOB_NONE)
        *root = node_add(g);
    at = *root;
    node_claim(&g->nodes[at], rule->kinds, position);
    do {
        more = pattern_next_segment(&rest, &segment);
        at = child_add(g, at, segment);
        node_claim(&g->nodes[at], rule->kinds, position);
    } while (more);
    leaf_add(g, &g->nodes[at], rule, position);
}

/* ---- mixtures ---- */

/* By node, and then in the order of the file. */
static int compare_ordered(const void *left, const void *right)
{
    const struct glob_partial *a = left, *b = right;

    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

/* By node, then by bytes of text, and then in the order of the file. */
static int compare_literal(const void *left, const void *right)
{
    const struct glob_partial *a = left, *b = right;

    if (a->from == b->from && a->n_text != b->n_text)
        return a->n_text > b->n_text ? -1 : 1;
    return compare_ordered(left, right);
}

static int collect_partials(struct glob *g)
{
    uint32_t n = 0;

    if (g->n_partials == 0)
        return 0;
    g->partials = malloc(g->n_partials * sizeof *g->partials);
    if (g->partials == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i <= g->edge_mask; i++) {
        const struct glob_edge *edge = &g->edges[i];
        struct slice text;

        if (edge->from == GLOB_NONE || !g->words[edge->word].partial)
            continue;
        text = slice_of(g->words[edge->word].p, g->words[edge->word].len);
        g->partials[n++] = (struct glob_partial){text, edge->from, edge->to,
                                                 (uint32_t)(text.len - pattern_n_stars(text))};
    }
    qsort(g->partials, n, sizeof *g->partials, g->ordered ? compare_ordered : compare_literal);
    while (n-- > 0) {
        struct glob_node *node = &g->nodes[g->partials[n].from];

        node->partials = n;
        node->n_partials++;
    }
    return 0;
}

/* ---- tables ---- */

static void release_parts(struct glob *g)
{
    free(g->roots);
    free(g->nodes);
    free(g->words);
    free(g->edges);
    free(g->members);
}

/* Places for @n entries at half of them, less one; or 0: too many. */
static uint32_t mask_for(size_t n)
{
    size_t size = 16;

    while (size < 2 * n)
        size *= 2;
    return size <= UINT32_MAX / 2 ? (uint32_t)size - 1 : 0;
}

static size_t n_edge_bytes(const struct glob *g)
{
    return ((size_t)g->edge_mask + 1) * sizeof *g->edges;
}

/* Words get new @numbers by their old ones. */
static void copy_words(struct glob *to, const struct glob *from, uint32_t *numbers)
{
    for (uint32_t i = 0; i <= from->word_mask; i++) {
        const struct glob_word *word = &from->words[i];

        if (word->p == NULL)
            continue;
        numbers[i] = glob_word_place(to, slice_of(word->p, word->len), word->hash);
        to->words[numbers[i]] = *word;
    }
}

static void copy_edges(struct glob *to, const struct glob *from, const uint32_t *numbers)
{
    for (uint32_t i = 0; i <= from->edge_mask; i++) {
        const struct glob_edge *edge = &from->edges[i];

        if (edge->from == GLOB_NONE)
            continue;
        to->edges[glob_edge_place(to, edge->from, numbers[edge->word])] =
            (struct glob_edge){edge->from, numbers[edge->word], edge->to};
    }
}

static void count_entries(const struct glob *g, size_t *n_words, size_t *n_edges)
{
    *n_words = *n_edges = 0;
    for (uint32_t i = 0; i <= g->word_mask; i++)
        *n_words += g->words[i].p != NULL;
    for (uint32_t i = 0; i <= g->edge_mask; i++)
        *n_edges += g->edges[i].from != GLOB_NONE;
}

/* The next @size bytes of the block. */
static void *cut(char **at, size_t size)
{
    void *p = *at;

    *at += size;
    return p;
}

/* Room for exactly what is in @g: one block, which the system gets back when it is large. */
static int block_new(struct glob *tight, const struct glob *g, size_t n_rules)
{
    size_t words = ((size_t)tight->word_mask + 1) * sizeof *g->words;
    size_t nodes = g->n_nodes * sizeof *g->nodes, edges = n_edge_bytes(tight);
    size_t members = n_rules * sizeof *g->members, roots = (g->max_depth + 1) * sizeof *g->roots;
    char *at = calloc(1, words + nodes + edges + members + roots);

    if (at == NULL)
        return -ENOMEM;
    tight->block = at;
    tight->words = cut(&at, words); /* pointers are in these only */
    tight->nodes = memcpy(cut(&at, nodes), g->nodes, nodes);
    tight->edges = memset(cut(&at, edges), 0xff, edges);
    tight->members = memcpy(cut(&at, members), g->members, members);
    tight->roots = memcpy(cut(&at, roots), g->roots, roots);
    return 0;
}

/* Rules share words, and a `*` is no edge: a quarter of the worst case is common. */
static int tighten(struct glob *g, size_t n_rules)
{
    uint32_t *numbers = malloc(((size_t)g->word_mask + 1) * sizeof *numbers);
    struct glob tight = *g;
    size_t n_words, n_edges;
    int r = numbers == NULL ? -ENOMEM : 0;

    count_entries(g, &n_words, &n_edges);
    tight.word_mask = mask_for(n_words);
    tight.edge_mask = mask_for(n_edges);
    if (r == 0)
        r = block_new(&tight, g, n_rules);
    if (r == 0) {
        copy_words(&tight, g, numbers);
        copy_edges(&tight, g, numbers);
        release_parts(g);
        *g = tight;
    }
    free(numbers);
    return r;
}

/* ---- the whole ---- */

/* Room for the worst case, no two rules alike: then nothing need grow while rules are added. */
static int reserve(struct glob *g, size_t n_rules, size_t n_segments)
{
    g->roots = malloc((g->max_depth + 1) * sizeof *g->roots);
    g->nodes = malloc((n_segments + g->max_depth + 1) * sizeof *g->nodes);
    g->members = malloc((n_rules + 1) * sizeof *g->members);
    g->word_mask = g->edge_mask = mask_for(n_segments);
    g->words = calloc((size_t)g->word_mask + 1, sizeof *g->words);
    g->edges = malloc(n_edge_bytes(g));
    if (g->roots == NULL || g->nodes == NULL || g->members == NULL || g->word_mask == 0 ||
        g->words == NULL || g->edges == NULL)
        return -ENOMEM;
    memset(g->roots, 0xff, (g->max_depth + 1) * sizeof *g->roots);
    memset(g->edges, 0xff, n_edge_bytes(g));
    return 0;
}

int glob_new(struct glob **out, const struct glob_rule *rules, size_t n, bool ordered)
{
    struct glob *g = calloc(1, sizeof *g);
    size_t n_segments = 0;
    int r;

    if (g == NULL)
        return -ENOMEM;
    g->ordered = ordered;
    for (size_t i = 0; i < n; i++) {
        size_t depth = pattern_glob_n_segments(rules[i].pattern);

        n_segments += depth;
        if (depth > g->max_depth)
            g->max_depth = depth;
    }
    r = reserve(g, n, n_segments);
    for (size_t i = 0; r == 0 && i < n; i++)
        add_rule(g, &rules[i], (uint32_t)i);
    if (r == 0)
        r = tighten(g, n);
    if (r == 0)
        r = collect_partials(g);
    if (r < 0)
        glob_free(g);
    else
        *out = g;
    return r;
}

void glob_free(struct glob *g)
{
    if (g == NULL)
        return;
    if (g->block == NULL)
        release_parts(g);
    free(g->block);
    free(g->partials);
    free(g);
}
