/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML: a file as a tree of nodes, each with its place in the text
 *
 * Contract: the dialect is YAML 1.1 as statsd_exporter's users write it. Anchors, aliases and merge
 * keys are resolved: readers of the tree never see them. Only the first document counts, and an
 * empty file is one without a root. A key that stands twice in one mapping is an error. Size, depth
 * and the number of nodes with all aliases spelled out are bounded.
 *
 * Names begin with yaml_doc_ and yaml_node_: libyaml exports functions with shorter ones, yaml_free
 * among them, and a second definition would take their place.
 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define YAML_MAX_BYTES   (16u << 20)
#define YAML_MAX_NODES   (1u << 20) /* every use of an alias counts all that it stands for */
#define YAML_MAX_DEPTH   64
#define YAML_MAX_ANCHORS 1024

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node;

struct yaml_pair {
    const struct yaml_node *key; /* always a scalar */
    const struct yaml_node *value;
};

/* Owned by its document. An aliased node is shared and says where it was written. */
struct yaml_node {
    enum yaml_kind kind;
    bool plain;            /* scalar: written without quotes, so it may be a number, bool or null */
    unsigned line, column; /* from 1; columns count characters */
    unsigned height;       /* 1 for a scalar */
    size_t weight;         /* nodes in it, itself included, aliases spelled out */
    struct slice text;     /* scalar: UTF-8, followed by a NUL that does not count */
    size_t n;              /* list: items; map: pairs */
    const struct yaml_node **items;
    struct yaml_pair *pairs; /* in the order of the file, merged ones last; no key twice */
};

struct yaml_doc;

/*
 * Read @text; nothing of it is borrowed. @file names it in messages. 0; -ENOMEM; -EINVAL with @e
 * filled: what is not YAML, not UTF-8, beyond the bounds, or a key that stands twice.
 */
int yaml_doc_new(struct yaml_doc **out, const char *file, struct slice text, struct err *e);
void yaml_doc_free(struct yaml_doc *doc); /* accepts NULL */

/* NULL when the file is empty. Lives as long as the document. */
const struct yaml_node *yaml_doc_root(const struct yaml_doc *doc);

/* The place of a second document, which nobody reads; no value. NULL when there is none. */
const struct yaml_node *yaml_doc_ignored(const struct yaml_doc *doc);

/* Fill @e (NULL is allowed) with the place of @node and the message. Always -EINVAL. */
int yaml_doc_refuse(const struct yaml_doc *doc, const struct yaml_node *node, struct err *e,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Is there nothing: a plain null, Null, NULL, ~ or an empty place? */
bool yaml_node_is_null(const struct yaml_node *node);

/* "a mapping", "a list", "a text"... for messages: what somebody wrote. */
const char *yaml_node_kind_name(const struct yaml_node *node);

/*
 * Read a value; @what is its key, for the message. Each gives 0 and writes @out, or gives -EINVAL
 * and fills @e. A null is refused like any other thing of the wrong type: ask before.
 */
int yaml_node_bool(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                   bool *out, struct err *e);
int yaml_node_double(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                     double *out, struct err *e);
int yaml_node_u32(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                  uint32_t *out, struct err *e);

struct yaml_duration {
    int64_t ns;
    bool bare; /* a number without a unit, which counts nanoseconds */
};
int yaml_node_duration(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                       struct yaml_duration *out, struct err *e);

/*
 * The text of any scalar as it was written (numbers and words like yes too), null as "". Borrowed
 * from the document, NUL-terminated; a text with a NUL inside is refused.
 */
int yaml_node_text(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                   const char **out, struct err *e);

/* Is @node of this kind? -EINVAL with a message if not. */
int yaml_node_expect(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                     enum yaml_kind kind, struct err *e);

#endif
