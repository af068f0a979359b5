/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML builder: the tree while it grows
 *
 * Contract: private to the yaml_*.c files. yaml.c turns libyaml's events into these calls,
 * yaml_build.c grows the tree, yaml_map.c settles the keys of a mapping. Everything a document
 * points to lies in its arena and goes with it.
 */
#ifndef CONF_YAML_BUILD_H
#define CONF_YAML_BUILD_H

#include "conf/yaml.h"

struct yaml_block; /* a piece of the arena */

struct yaml_doc {
    char *file; /* NULL when it has no name */
    const struct yaml_node *root;
    const struct yaml_node *ignored; /* where a second document begins, or NULL */
    struct yaml_block *blocks;       /* owned, newest first */
    size_t spent;                    /* of YAML_MAX_NODES */
};

/* @size zeroed bytes that live as long as @doc, or NULL. */
void *yaml_doc_alloc(struct yaml_doc *doc, size_t size);

/* Count @weight more nodes, for which @node is to blame. 0, or -EINVAL past the bound. */
int yaml_doc_spend(struct yaml_doc *doc, size_t weight, const struct yaml_node *node,
                   struct err *e);

/*
 * Give @map its pairs: @children holds @n nodes, keys and values in turn, borrowed. Merge keys are
 * resolved here. 0; -ENOMEM; -EINVAL with @e filled.
 */
int yaml_doc_set_pairs(struct yaml_doc *doc, struct yaml_node *map,
                       const struct yaml_node *const *children, size_t n, struct err *e);

struct yaml_builder;

/* Where a node begins and what stands before it; borrowed during the call. */
struct yaml_head {
    unsigned line, column;
    const char *anchor; /* NULL: none; of an alias: the name it calls */
    const char *tag;    /* NULL: none */
};

/* Borrows @doc and @e until it is freed. 0 or -ENOMEM. */
int yaml_builder_new(struct yaml_builder **out, struct yaml_doc *doc, struct err *e);
void yaml_builder_free(struct yaml_builder *b); /* accepts NULL */

/* The parts of the file in their order. Each: 0; -ENOMEM; -EINVAL with the error filled. */
int yaml_builder_scalar(struct yaml_builder *b, const struct yaml_head *head, struct slice text,
                        bool plain);
int yaml_builder_start(struct yaml_builder *b, const struct yaml_head *head, enum yaml_kind kind);
int yaml_builder_end(struct yaml_builder *b);
int yaml_builder_alias(struct yaml_builder *b, const struct yaml_head *head);

#endif
