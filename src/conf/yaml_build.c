/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML builder: the tree while it grows
 *
 * Open lists and mappings lie on a stack:
 *
 *      mappings:            open: map
 *      - match: a.*         open: map > list > map
 *        labels: {x: y}     open: map > list > map > map     the end closes the innermost
 *
 * A closed node is never changed again, so an alias is a second pointer to the same node, and a
 * node cannot come to contain itself: an alias to what is still open is refused. Sharing keeps
 * memory small, but whoever walks the tree pays for each use. That is why a node carries the number
 * of nodes it stands for, and what the whole file stands for is bounded.
 *
 * Laws: nodes, texts and arrays lie in the document's arena; the stack and the anchors are the
 *       builder's. Depth is counted through aliases too.
 */
#include "conf/yaml_build.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

/* Each block has twice the room of the one before: most of a large document is in pieces that
 * the allocator takes from the system, and gives back whole. */
#define BLOCK_MIN 16384u
#define BLOCK_MAX 262144u

struct yaml_block {
    struct yaml_block *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

struct anchor {
    uint64_t hash; /* of the name: an alias is sought among many */
    char *name;    /* owned by the document */
    const struct yaml_node *node;
    bool open; /* its end has not come yet */
};

/* A list or mapping whose end has not come yet. */
struct open_node {
    struct yaml_node *node;            /* owned by the document */
    struct anchor *anchor;             /* the builder's, or NULL */
    const struct yaml_node **children; /* the array is owned, the nodes are not */
    size_t n, cap;
};

struct yaml_builder {
    struct yaml_doc *doc; /* outlives the builder, as does the error */
    struct err *e;
    size_t depth;
    struct open_node open[YAML_MAX_DEPTH];
    size_t n_anchors;
    struct anchor anchors[YAML_MAX_ANCHORS];
};

/* ---- the document ---- */

void *yaml_doc_alloc(struct yaml_doc *doc, size_t size)
{
    struct yaml_block *b = doc->blocks;
    void *p;

    size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (b == NULL || b->size - b->used < size) {
        size_t room = b == NULL ? BLOCK_MIN : b->size < BLOCK_MAX ? 2 * b->size : BLOCK_MAX;

        if (room < size)
            room = size;
        b = calloc(1, sizeof(*b) + room);
        if (b == NULL)
            return NULL;
        b->size = room;
        b->next = doc->blocks;
        doc->blocks = b;
    }
    p = b->bytes + b->used;
    b->used += size;
    return p;
}

void yaml_doc_free(struct yaml_doc *doc)
{
    if (doc == NULL)
        return;
    while (doc->blocks != NULL) {
        struct yaml_block *b = doc->blocks;

        doc->blocks = b->next;
        free(b);
    }
    free(doc->file);
    free(doc);
}

const struct yaml_node *yaml_doc_root(const struct yaml_doc *doc)
{
    return doc->root;
}

const struct yaml_node *yaml_doc_ignored(const struct yaml_doc *doc)
{
    return doc->ignored;
}

int yaml_doc_refuse(const struct yaml_doc *doc, const struct yaml_node *node, struct err *e,
                    const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_set_args(e, doc->file, node->line, node->column, fmt, args);
    va_end(args);
    return -EINVAL;
}

int yaml_doc_spend(struct yaml_doc *doc, size_t weight, const struct yaml_node *node, struct err *e)
{
    assert(doc->spent <= YAML_MAX_NODES);
    if (weight > YAML_MAX_NODES - doc->spent)
        return yaml_doc_refuse(doc, node, e,
                               "the file is too large: more than %u values when all aliases are "
                               "spelled out; use fewer aliases or split the file",
                               YAML_MAX_NODES);
    doc->spent += weight;
    return 0;
}

static char *copy_text(struct yaml_doc *doc, struct slice text)
{
    char *copy = yaml_doc_alloc(doc, text.len + 1);

    if (copy != NULL && text.len > 0)
        memcpy(copy, text.p, text.len);
    return copy;
}

/* ---- tags ---- */

#define TAG(name) "tag:yaml.org,2002:" name

/* A tag on a list or mapping may only say what it is anyway; on a scalar it decides the reading. */
static const struct {
    const char *tag;
    enum yaml_kind kind;
    bool plain;
} tags[] = {
    {"!", YAML_SCALAR, false},        {TAG("str"), YAML_SCALAR, false},
    {TAG("int"), YAML_SCALAR, true},  {TAG("float"), YAML_SCALAR, true},
    {TAG("bool"), YAML_SCALAR, true}, {TAG("null"), YAML_SCALAR, true},
    {TAG("seq"), YAML_LIST, false},   {TAG("map"), YAML_MAP, false},
};

static int apply_tag(const struct yaml_builder *b, struct yaml_node *node, const char *tag)
{
    if (tag == NULL)
        return 0;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (node->kind == tags[i].kind && strcmp(tag, tags[i].tag) == 0) {
            node->plain = tags[i].plain;
            return 0;
        }
    }
    return yaml_doc_refuse(b->doc, node, b->e, "the tag %.100s has no meaning here; remove it",
                           tag);
}

/* ---- anchors ---- */

static int add_anchor(struct yaml_builder *b, const char *name, const struct yaml_node *node)
{
    struct anchor *a = &b->anchors[b->n_anchors];

    if (name == NULL)
        return 0;
    if (b->n_anchors == YAML_MAX_ANCHORS)
        return yaml_doc_refuse(b->doc, node, b->e,
                               "more than %d anchors in one file; use fewer, or split the file",
                               YAML_MAX_ANCHORS);
    a->name = copy_text(b->doc, slice_str(name));
    if (a->name == NULL)
        return -ENOMEM;
    a->hash = hash_bytes(slice_str(name), 0);
    a->node = node;
    a->open = node->kind != YAML_SCALAR;
    b->n_anchors++;
    return 0;
}

/* The latest of that name: YAML lets a name be given again. */
static const struct anchor *find_anchor(const struct yaml_builder *b, const char *name)
{
    uint64_t hash = hash_bytes(slice_str(name), 0);

    for (size_t i = b->n_anchors; i-- > 0;) {
        if (b->anchors[i].hash == hash && strcmp(b->anchors[i].name, name) == 0)
            return &b->anchors[i];
    }
    return NULL;
}

/* ---- growing the tree ---- */

int yaml_builder_new(struct yaml_builder **out, struct yaml_doc *doc, struct err *e)
{
    struct yaml_builder *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return -ENOMEM;
    b->doc = doc;
    b->e = e;
    *out = b;
    return 0;
}

void yaml_builder_free(struct yaml_builder *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->depth; i++)
        free(b->open[i].children);
    free(b);
}

/* Hang @node, complete or still open, into what is open around it. */
static int hang(struct yaml_builder *b, const struct yaml_node *node)
{
    struct open_node *o;

    if (b->depth == 0) {
        b->doc->root = node;
        return 0;
    }
    o = &b->open[b->depth - 1];
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 8;
        const struct yaml_node **p = realloc(o->children, cap * sizeof(*p));

        if (p == NULL)
            return -ENOMEM;
        o->children = p;
        o->cap = cap;
    }
    o->children[o->n++] = node;
    return 0;
}

static int new_node(struct yaml_builder *b, const struct yaml_head *head, enum yaml_kind kind,
                    struct yaml_node **out)
{
    struct yaml_node *node = yaml_doc_alloc(b->doc, sizeof(*node));

    if (node == NULL)
        return -ENOMEM;
    node->kind = kind;
    node->line = head->line;
    node->column = head->column;
    node->height = 1;
    node->weight = 1;
    *out = node;
    return yaml_doc_spend(b->doc, 1, node, b->e);
}

int yaml_builder_scalar(struct yaml_builder *b, const struct yaml_head *head, struct slice text,
                        bool plain)
{
    struct yaml_node *node;
    int r = new_node(b, head, YAML_SCALAR, &node);

    if (r < 0)
        return r;
    node->plain = plain;
    node->text = slice_of(copy_text(b->doc, text), text.len);
    if (node->text.p == NULL)
        return -ENOMEM;
    r = apply_tag(b, node, head->tag);
    if (r < 0)
        return r;
    r = add_anchor(b, head->anchor, node);
    return r < 0 ? r : hang(b, node);
}

static int refuse_depth(const struct yaml_builder *b, const struct yaml_node *node)
{
    return yaml_doc_refuse(
        b->doc, node, b->e,
        "nested more than %d levels deep; look for unintended brackets or indentation",
        YAML_MAX_DEPTH);
}

int yaml_builder_start(struct yaml_builder *b, const struct yaml_head *head, enum yaml_kind kind)
{
    struct yaml_node *node;
    struct open_node *o;
    int r = new_node(b, head, kind, &node);

    if (r < 0)
        return r;
    if (b->depth == YAML_MAX_DEPTH)
        return refuse_depth(b, node);
    r = apply_tag(b, node, head->tag);
    if (r < 0)
        return r;
    r = hang(b, node);
    if (r < 0)
        return r;
    r = add_anchor(b, head->anchor, node);
    if (r < 0)
        return r;
    o = &b->open[b->depth++];
    *o = (struct open_node){.node = node};
    if (head->anchor != NULL)
        o->anchor = &b->anchors[b->n_anchors - 1];
    return 0;
}

static int set_items(struct yaml_builder *b, const struct open_node *o)
{
    struct yaml_node *list = o->node;

    if (o->n == 0)
        return 0;
    list->items = yaml_doc_alloc(b->doc, o->n * sizeof(*list->items));
    if (list->items == NULL)
        return -ENOMEM;
    memcpy(list->items, o->children, o->n * sizeof(*list->items));
    list->n = o->n;
    for (size_t i = 0; i < o->n; i++) {
        list->weight += o->children[i]->weight;
        if (list->height <= o->children[i]->height)
            list->height = o->children[i]->height + 1;
    }
    return 0;
}

int yaml_builder_end(struct yaml_builder *b)
{
    struct open_node *o = &b->open[b->depth - 1];
    int r;

    assert(b->depth > 0);
    if (o->node->kind == YAML_LIST)
        r = set_items(b, o);
    else
        r = yaml_doc_set_pairs(b->doc, o->node, o->children, o->n, b->e);
    if (r < 0)
        return r;
    if (o->anchor != NULL)
        o->anchor->open = false;
    free(o->children);
    b->depth--;
    return 0;
}

int yaml_builder_alias(struct yaml_builder *b, const struct yaml_head *head)
{
    const struct anchor *a = find_anchor(b, head->anchor);
    struct yaml_node here = {.line = head->line, .column = head->column};
    int r;

    if (a == NULL)
        return yaml_doc_refuse(b->doc, &here, b->e,
                               "*%.100s is not an anchor; put &%.100s before the value it refers "
                               "to, further up, or quote the text for a literal star",
                               head->anchor, head->anchor);
    if (a->open)
        return yaml_doc_refuse(b->doc, &here, b->e,
                               "*%.100s is inside the value that it refers to; move one of the two",
                               head->anchor);
    if (b->depth + a->node->height > YAML_MAX_DEPTH)
        return refuse_depth(b, &here);
    r = yaml_doc_spend(b->doc, a->node->weight, &here, b->e);
    return r < 0 ? r : hang(b, a->node);
}
