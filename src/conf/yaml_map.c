/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML mappings: keys that stand once, and merge keys
 *
 * A mapping arrives as its children in the order of the file. Its pairs are ranked: what is written
 * out has rank 0, what `<<` brings has rank 1, 2, ... in the order of the sources. Sorting by key
 * and then by rank puts all claims to one key side by side, the winner first; two of rank 0 are a
 * mistake. Then the winners go back into the order of the file.
 *
 *      - &base {name: aa, labels: {env: prod}}
 *      - {<<: *base, labels: {side: b}}          labels = {side: b, env: prod}
 *
 * Where both the winner and a merged claim are mappings they are united, key by key, as the Go
 * decoder that statsd_exporter uses does by filling the same struct twice; the YAML text alone
 * would have the merged one dropped, and series of people who move over would lose labels.
 *
 * Law: the order of pairs never depends on the sort, only on rank and place.
 */
#include "conf/yaml_build.h"

#include <errno.h>
#include <stdlib.h>

/* A claim to a key. */
struct claim {
    struct yaml_pair pair;
    size_t rank;
    size_t place; /* in the order the claims were made */
};

struct claims {
    struct claim *v;
    size_t n, cap;
};

static int add_claim(struct claims *c, struct yaml_pair pair, size_t rank)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct claim *v = realloc(c->v, cap * sizeof(*v));

        if (v == NULL)
            return -ENOMEM;
        c->v = v;
        c->cap = cap;
    }
    c->v[c->n] = (struct claim){.pair = pair, .rank = rank, .place = c->n};
    c->n++;
    return 0;
}

static int add_claims_of(struct claims *c, const struct yaml_node *map, size_t rank)
{
    for (size_t i = 0; i < map->n; i++) {
        int r = add_claim(c, map->pairs[i], rank);

        if (r < 0)
            return r;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int c = slice_cmp(x->pair.key->text, y->pair.key->text);

    if (c != 0)
        return c;
    return x->place < y->place ? -1 : x->place > y->place;
}

static int by_place(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;

    return x->place < y->place ? -1 : x->place > y->place;
}

static bool is_merge_key(const struct yaml_node *key)
{
    return key->plain && slice_eq(key->text, SLICE_LIT("<<"));
}

static int settle(struct yaml_doc *doc, struct yaml_node *map, struct claims *c, struct err *e);

/* A new mapping: all of @first, and what only @second has. Each time costs both again. */
static int unite(struct yaml_doc *doc, const struct yaml_node *first,
                 const struct yaml_node *second, const struct yaml_node **out, struct err *e)
{
    struct claims c = {0};
    struct yaml_node *map = yaml_doc_alloc(doc, sizeof(*map));
    int r;

    if (map == NULL)
        return -ENOMEM;
    map->kind = YAML_MAP;
    map->line = first->line;
    map->column = first->column;
    r = yaml_doc_spend(doc, first->weight + second->weight, first, e);
    if (r == 0)
        r = add_claims_of(&c, first, 0);
    if (r == 0)
        r = add_claims_of(&c, second, 1);
    if (r == 0)
        r = settle(doc, map, &c, e);
    free(c.v);
    if (r == 0)
        *out = map;
    return r;
}

static int refuse_twice(const struct yaml_doc *doc, const struct claim *first,
                        const struct claim *second, struct err *e)
{
    const struct yaml_node *key = first->pair.key;

    return yaml_doc_refuse(doc, second->pair.key, e,
                           "the key \"%.100s\" occurs twice, first at line %u column %u; keep one "
                           "of the two",
                           key->text.p, key->line, key->column);
}

/* Keep the winners, still sorted by key; unite where several claims are mappings. */
static int decide(struct yaml_doc *doc, struct claims *c, struct err *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n; i++) {
        struct claim *winner = kept ? &c->v[kept - 1] : NULL;
        const struct claim *next = &c->v[i];
        int r;

        if (winner == NULL || !slice_eq(winner->pair.key->text, next->pair.key->text)) {
            c->v[kept++] = *next;
            continue;
        }
        if (next->rank == 0)
            return refuse_twice(doc, winner, next, e);
        if (winner->pair.value->kind != YAML_MAP || next->pair.value->kind != YAML_MAP)
            continue;
        r = unite(doc, winner->pair.value, next->pair.value, &winner->pair.value, e);
        if (r < 0)
            return r;
    }
    c->n = kept;
    return 0;
}

static int settle(struct yaml_doc *doc, struct yaml_node *map, struct claims *c, struct err *e)
{
    int r;

    map->height = 1;
    map->weight = 1;
    if (c->n == 0)
        return 0;
    qsort(c->v, c->n, sizeof(*c->v), by_key);
    r = decide(doc, c, e);
    if (r < 0)
        return r;
    qsort(c->v, c->n, sizeof(*c->v), by_place);
    map->pairs = yaml_doc_alloc(doc, c->n * sizeof(*map->pairs));
    if (map->pairs == NULL)
        return -ENOMEM;
    map->n = c->n;
    for (size_t i = 0; i < c->n; i++) {
        const struct yaml_node *value = c->v[i].pair.value;

        map->pairs[i] = c->v[i].pair;
        map->weight += 1 + value->weight;
        if (map->height <= value->height)
            map->height = value->height + 1;
    }
    return 0;
}

/* What `<<: source` brings. The source's weight was counted when it, or its alias, was met. */
static int merge_one(struct yaml_doc *doc, struct claims *c, const struct yaml_node *source,
                     size_t rank, struct err *e)
{
    if (source->kind != YAML_MAP)
        return yaml_doc_refuse(doc, source, e,
                               "<< takes a mapping or a list of mappings, not %s; write "
                               "<<: *name, where &name marks a mapping further up",
                               yaml_node_kind_name(source));
    return add_claims_of(c, source, rank);
}

static int merge(struct yaml_doc *doc, struct claims *c, const struct yaml_node *sources,
                 size_t *rank, struct err *e)
{
    int r = 0;

    if (sources->kind != YAML_LIST)
        return merge_one(doc, c, sources, ++*rank, e);
    for (size_t i = 0; i < sources->n && r == 0; i++)
        r = merge_one(doc, c, sources->items[i], ++*rank, e);
    return r;
}

/* First what is written out, then what is merged, so that places follow ranks. */
static int collect(struct yaml_doc *doc, struct claims *c, const struct yaml_node *const *children,
                   size_t n, struct err *e)
{
    size_t rank = 0;
    int r = 0;

    for (size_t i = 0; i + 1 < n && r == 0; i += 2) {
        if (children[i]->kind != YAML_SCALAR)
            return yaml_doc_refuse(doc, children[i], e, "a key must be a word, not %s",
                                   yaml_node_kind_name(children[i]));
        if (!is_merge_key(children[i]))
            r = add_claim(c, (struct yaml_pair){children[i], children[i + 1]}, 0);
    }
    for (size_t i = 0; i + 1 < n && r == 0; i += 2) {
        if (is_merge_key(children[i]))
            r = merge(doc, c, children[i + 1], &rank, e);
    }
    return r;
}

int yaml_doc_set_pairs(struct yaml_doc *doc, struct yaml_node *map,
                       const struct yaml_node *const *children, size_t n, struct err *e)
{
    struct claims c = {0};
    int r = collect(doc, &c, children, n, e);

    if (r == 0)
        r = settle(doc, map, &c, e);
    free(c.v);
    return r;
}
