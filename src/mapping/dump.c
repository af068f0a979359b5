/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dump: the globs of a mapping as a picture
 *
 * For people who look for the rule that takes their name, in the form that they know from
 * statsd_exporter: a tree from the start over the metric types, one edge for each segment of a
 * pattern, in Graphviz's language.
 *
 *      0 --counter--> 1 --a--> 4 --*--> 5        two rules: a.* for all types,
 *        --gauge----> 2 --a--> 6 --*--> 7        b for gauges only
 *        |                `-b--> 8
 *        --observer-> 3 ...
 *
 * The tree is built from the patterns as they were written, not from the automaton that matches,
 * which is arranged for speed. Numbers are given breadth first; children stand in the order in
 * which the file first names them, so the same file gives the same picture.
 *
 * Laws: a mapping without globs has the start and the types. Memory: one node and two table places
 *       at most for each segment of each rule and type; nothing recurses.
 */
#include "mapping/compiled.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

#define NONE    UINT32_MAX
#define N_TYPES 3 /* those of statsd_exporter: sets go where their rules go */

struct node {
    struct slice label; /* borrowed from the rule */
    uint32_t parent;
    uint32_t first_child;
    uint32_t last_child;
    uint32_t next; /* of the parent's children */
    uint32_t number;
};

struct tree {
    struct node *nodes;
    uint32_t *queue; /* as many; of the nodes to be drawn */
    uint32_t *table; /* of nodes by parent and label; NONE: free */
    uint32_t mask;
    uint32_t n;
};

/* ---- building ---- */

static uint32_t *place(const struct tree *t, uint32_t parent, struct slice label)
{
    uint32_t i = (uint32_t)hash_bytes(label, parent) & t->mask;

    while (t->table[i] != NONE && (t->nodes[t->table[i]].parent != parent ||
                                   !slice_eq(t->nodes[t->table[i]].label, label)))
        i = (i + 1) & t->mask;
    return &t->table[i];
}

/* The child of @parent over @label, which is made if there is none. */
static uint32_t child(struct tree *t, uint32_t parent, struct slice label)
{
    uint32_t *at = place(t, parent, label);
    struct node *from = &t->nodes[parent];

    if (*at != NONE)
        return *at;
    *at = t->n;
    t->nodes[t->n] = (struct node){label, parent, NONE, NONE, NONE, 0};
    if (from->first_child == NONE)
        from->first_child = t->n;
    else
        t->nodes[from->last_child].next = t->n;
    from->last_child = t->n;
    return t->n++;
}

static void add_pattern(struct tree *t, uint32_t node, struct slice pattern)
{
    for (;;) {
        size_t n = slice_find(pattern, '.');

        node = child(t, node, slice_of(pattern.p, n));
        if (n == pattern.len)
            return;
        pattern = slice_from(pattern, n + 1);
    }
}

/* No more nodes than this are needed. */
static uint64_t max_nodes(const struct mapping *m)
{
    uint64_t n = 1 + N_TYPES;

    for (size_t i = 0; i < m->n_globs; i++) {
        const char *p = m->rules[m->globs[i]].match;

        n += N_TYPES;
        for (; *p != '\0'; p++)
            n += *p == '.' ? N_TYPES : 0;
    }
    return n;
}

static void tree_release(struct tree *t)
{
    free(t->nodes);
    free(t->queue);
    free(t->table);
}

/* An empty one, with room for @n nodes. 0 or -ENOMEM: then nothing is left to release. */
static int tree_init(struct tree *t, uint64_t n)
{
    uint64_t places = 16;

    while (places < 2 * n)
        places *= 2;
    if (places > UINT32_MAX)
        return -ENOMEM;
    t->mask = (uint32_t)(places - 1);
    t->n = 0;
    t->nodes = malloc(n * sizeof *t->nodes);
    t->queue = malloc(n * sizeof *t->queue);
    t->table = malloc(places * sizeof *t->table);
    if (t->nodes == NULL || t->queue == NULL || t->table == NULL) {
        tree_release(t);
        return -ENOMEM;
    }
    memset(t->table, 0xff, places * sizeof *t->table);
    t->nodes[t->n++] = (struct node){{0}, NONE, NONE, NONE, NONE, 0};
    return 0;
}

static void fill(struct tree *t, const struct mapping *m)
{
    static const enum mapping_kind kinds[N_TYPES] = {MAPPING_COUNTER, MAPPING_GAUGE,
                                                     MAPPING_OBSERVER};
    uint32_t types[N_TYPES];

    for (unsigned k = 0; k < N_TYPES; k++)
        types[k] = child(t, 0, slice_str(mapping_kind_name(kinds[k])));
    for (size_t i = 0; i < m->n_globs; i++) {
        const struct mapping_rule *rule = &m->rules[m->globs[i]];

        for (unsigned k = 0; k < N_TYPES; k++) {
            if (compiled_kinds(rule) & 1u << kinds[k])
                add_pattern(t, types[k], slice_str(rule->match));
        }
    }
}

/* ---- drawing ---- */

/* Inside double quotes of Graphviz's language. */
static void add_label(struct buf *out, struct slice label)
{
    for (size_t i = 0; i < label.len; i++) {
        if (label.p[i] == '"' || label.p[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, label.p[i]);
    }
}

static void add_colour(struct buf *out, uint32_t number, const char *border, const char *inside)
{
    buf_addf(out, "%u [color=\"%s\",fillcolor=\"%s\"];\n", number, border, inside);
}

static void draw_edge(struct buf *out, const struct node *from, const struct node *to)
{
    buf_addf(out, "%u -> %u  [label = \"", from->number, to->number);
    add_label(out, to->label);
    buf_add_str(out, "\"];\n");
    if (to->parent == 0)
        add_colour(out, to->number, "#6c8ebf", "#dae8fc");
    else if (to->first_child == NONE)
        add_colour(out, to->number, "#82b366", "#d5e8d4");
}

/* From the start outwards: a node gets its number when the edge to it is drawn. */
static void draw(struct tree *t, struct buf *out)
{
    uint32_t head = 0, tail = 0;

    t->queue[tail++] = 0;
    while (head < tail) {
        const struct node *from = &t->nodes[t->queue[head++]];

        for (uint32_t i = from->first_child; i != NONE; i = t->nodes[i].next) {
            t->nodes[i].number = tail;
            t->queue[tail++] = i;
            draw_edge(out, from, &t->nodes[i]);
        }
    }
    assert(tail == t->n);
}

int mapping_dump(const struct mapping *m, struct buf *out)
{
    struct tree t;
    int r = tree_init(&t, max_nodes(m));

    if (r != 0)
        return r;
    fill(&t, m);
    buf_add_str(out, "digraph g {\nrankdir=LR\n"
                     "node [label=\"\",style=filled,fillcolor=white,shape=circle]\n");
    draw(&t, out);
    add_colour(out, 0, "#d6b656", "#fff2cc");
    buf_add_byte(out, '}');
    tree_release(&t);
    return out->failed ? -ENOMEM : 0;
}
