/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob tree: what the automaton is made of
 *
 * Contract: for glob_tree.c, which builds it, and glob.c, which walks it, only.
 */
#ifndef MAPPING_GLOB_TREE_H
#define MAPPING_GLOB_TREE_H

#include "base/hash.h"
#include "mapping/glob.h"

struct glob_node {
    uint32_t star;                  /* child for `*`, or GLOB_NONE; a leaf's last rule */
    uint32_t n_literals;            /* children in the table of edges, mixtures apart */
    uint32_t partials;              /* the first of its children for mixtures */
    uint32_t n_partials;            /* they stand side by side, in the order of preference */
    uint32_t best[MAPPING_N_KINDS]; /* smallest position below, or GLOB_NONE; a leaf's own rule */
};

/* A word's number is its place in the table. */
struct glob_word {
    const char *p; /* NULL: free; borrowed from a pattern */
    uint32_t len;
    uint32_t hash;
    bool partial; /* a mixture of text and `*`: no word that a name's segment could be */
};

struct glob_edge {
    uint32_t from; /* GLOB_NONE: free */
    uint32_t word;
    uint32_t to;
};

/* An edge of mixed text and `*`. */
struct glob_partial {
    struct slice pattern;
    uint32_t from, to;
    uint32_t n_text; /* bytes that are no `*` */
};

struct glob_member {
    uint32_t next; /* the rule behind it with the same pattern, or GLOB_NONE */
    unsigned kinds;
    bool conditional;
};

struct glob {
    bool ordered;
    size_t max_depth; /* segments of the longest rule */
    size_t max_word;  /* bytes of the longest word that is no mixture */
    uint32_t *roots;  /* max_depth + 1 of them, by number of segments; or GLOB_NONE */
    struct glob_node *nodes;
    uint32_t n_nodes;
    struct glob_word *words;
    struct glob_edge *edges;
    uint32_t word_mask, edge_mask; /* sizes are powers of two; a table is at most half full */
    struct glob_partial *partials;
    uint32_t n_partials;
    struct glob_member *members; /* the rules by position */
    void *block; /* all of the above but `partials`; NULL while it is built: each by itself */
};

static inline bool glob_is_star(struct slice segment)
{
    return segment.len == 1 && segment.p[0] == '*';
}

/* Where @text is in the table of words, or the free place where it belongs. */
static inline uint32_t glob_word_place(const struct glob *g, struct slice text, uint32_t hash)
{
    uint32_t i = hash & g->word_mask;

    while (g->words[i].p != NULL &&
           (g->words[i].hash != hash || !slice_eq(slice_of(g->words[i].p, g->words[i].len), text)))
        i = (i + 1) & g->word_mask;
    return i;
}

static inline uint32_t glob_word_hash(struct slice text)
{
    return (uint32_t)hash_bytes(text, 0);
}

/* Where the edge from @from over @word is, or the free place where it belongs. */
static inline uint32_t glob_edge_place(const struct glob *g, uint32_t from, uint32_t word)
{
    uint64_t mixed = ((uint64_t)from << 32 | word) * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(mixed >> 32) & g->edge_mask;

    while (g->edges[i].from != GLOB_NONE && (g->edges[i].from != from || g->edges[i].word != word))
        i = (i + 1) & g->edge_mask;
    return i;
}

#endif
