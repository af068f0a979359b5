/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: labels, and what is done with the tags that samples bring
 *
 * Three keys say what becomes of tags, in this order: keep_labels, drop_labels, rename_labels. A
 * rule that gives one of them replaces that one of the defaults, so each is resolved by itself; but
 * whether it can have an effect is seen only when all three are known.
 *
 *      keep   only these        drop   not these        rename   the rest, by its first name
 *
 * Laws: lists are in order when they come out, so that the engine can search them. Two tags are
 *       never renamed to one name: which of them would win could not be told from the file.
 */
#include "mapping/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- maps and lists ---- */

static int by_key(const void *a, const void *b)
{
    const struct mapping_label *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static int read_label(struct load *l, const struct yaml_pair *pair, struct mapping_label *label,
                      int (*check)(struct load *, const struct yaml_node *, const char *))
{
    const char *key;
    int r = yaml_node_text(l->doc, pair->key, "a label name", &key, l->e);

    if (r == 0)
        r = check(l, pair->key, key);
    if (r < 0)
        return r;
    label->key = shelf_text(l->shelf, key);
    r = load_text(l, pair, &label->value);
    return r < 0 ? r : label->key != NULL ? 0 : -ENOMEM;
}

static int read_labels(struct load *l, const struct yaml_pair *pair,
                       int (*check)(struct load *, const struct yaml_node *, const char *),
                       const struct mapping_label **out, size_t *n)
{
    const struct yaml_node *map = pair->value;
    struct mapping_label *labels;
    int r = yaml_node_expect(l->doc, map, pair->key->text.p, YAML_MAP, l->e);

    if (r < 0 || map->n == 0)
        return r;
    labels = calloc(map->n, sizeof *labels);
    if (labels == NULL)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < map->n; i++)
        r = read_label(l, &map->pairs[i], &labels[i], check);
    if (r == 0) {
        qsort(labels, map->n, sizeof *labels, by_key);
        *out = shelf_put(l->shelf, labels, map->n * sizeof *labels);
        *n = map->n;
        r = *out == NULL ? -ENOMEM : 0;
    }
    free(labels);
    return r;
}

int load_labels(struct load *l, const struct yaml_pair *pair, const struct mapping_label **out,
                size_t *n)
{
    return read_labels(l, pair, load_check_label, out, n);
}

int load_match_labels(struct load *l, const struct yaml_pair *pair,
                      const struct mapping_label **out, size_t *n)
{
    return read_labels(l, pair, load_check_tag, out, n);
}

static int by_word(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Shelve the texts, in their order or @sorted. */
static int read_words(struct load *l, const struct yaml_pair *pair, bool sorted,
                      struct mapping_words *out)
{
    bool is_list = pair->value->kind == YAML_LIST;
    size_t n = is_list ? pair->value->n : 1;
    const char **words = calloc(n + 1, sizeof *words);
    int r = words == NULL ? -ENOMEM : 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct yaml_pair one = {pair->key, is_list ? pair->value->items[i] : pair->value};

        r = load_text(l, &one, &words[i]);
    }
    if (r == 0) {
        if (sorted)
            qsort(words, n, sizeof *words, by_word);
        out->v = shelf_put(l->shelf, words, n * sizeof *words);
        out->n = n;
        r = out->v == NULL ? -ENOMEM : 0;
    }
    free(words);
    return r;
}

int load_words(struct load *l, const struct yaml_pair *pair, struct mapping_words *out)
{
    return read_words(l, pair, false, out);
}

/* ---- keep, drop, rename ---- */

static bool has_word(const struct mapping_words *words, const char *word)
{
    return words->n > 0 && bsearch(&word, words->v, words->n, sizeof(*words->v), by_word) != NULL;
}

static int read_names(struct load *l, const struct yaml_pair *pair, struct mapping_words *out)
{
    int r = yaml_node_expect(l->doc, pair->value, pair->key->text.p, YAML_LIST, l->e);

    if (r == 0)
        r = read_words(l, pair, true, out);
    for (size_t i = 0; r == 0 && i < out->n; i++) {
        const char *name;

        r = yaml_node_text(l->doc, pair->value->items[i], pair->key->text.p, &name, l->e);
        if (r == 0)
            r = load_check_tag(l, pair->value->items[i], name);
    }
    if (r < 0)
        return r;
    for (size_t i = 1; i < out->n; i++) {
        if (strcmp(out->v[i - 1], out->v[i]) == 0)
            load_warn(l, pair->value, "%s names \"%.100s\" twice; once is enough",
                      pair->key->text.p, out->v[i]);
    }
    return 0;
}

static int on_keep(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_label_ops *o = &((struct load_common *)into)->label_ops;

    o->keep = pair->value;
    return read_names(l, pair, &o->ops.keep);
}

static int on_drop(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_label_ops *o = &((struct load_common *)into)->label_ops;

    o->drop = pair->value;
    return read_names(l, pair, &o->ops.drop);
}

static int check_new_name(struct load *l, const struct yaml_node *node)
{
    return load_check_tag(l, node, yaml_node_is_null(node) ? "" : node->text.p);
}

static int by_new_name(const void *a, const void *b)
{
    const struct yaml_pair *x = *(const struct yaml_pair *const *)a;
    const struct yaml_pair *y = *(const struct yaml_pair *const *)b;
    int c = strcmp(x->value->text.p, y->value->text.p);

    return c != 0 ? c : x < y ? -1 : x > y;
}

/* Refuse two renames to one name. */
static int check_new_names(struct load *l, const struct yaml_node *map)
{
    const struct yaml_pair **sorted = calloc(map->n + 1, sizeof(*sorted));
    int r = 0;

    if (sorted == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < map->n; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->n, sizeof(*sorted), by_new_name);
    for (size_t i = 1; r == 0 && i < map->n; i++) {
        const struct yaml_pair *a = sorted[i - 1], *b = sorted[i];

        if (slice_eq(a->value->text, b->value->text))
            r = load_refuse(l, b->value,
                            "rename_labels makes \"%.100s\" of both %.100s and %.100s; give one of "
                            "them another name",
                            b->value->text.p, a->key->text.p, b->key->text.p);
    }
    free(sorted);
    return r;
}

static int on_rename(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_label_ops *o = &((struct load_common *)into)->label_ops;
    const struct yaml_node *map = pair->value;
    int r = read_labels(l, pair, load_check_tag, &o->ops.renames, &o->ops.n_renames);

    for (size_t i = 0; r == 0 && i < map->n; i++)
        r = check_new_name(l, map->pairs[i].value);
    if (r == 0)
        r = check_new_names(l, map);
    if (r == 0)
        o->rename = map;
    return r;
}

const struct load_key load_label_keys[] = {
    {"keep_labels", on_keep, false, "[NAME, ...]", "all are kept",
     "Only these tags of a sample become labels, before the rule's own are added. Full "
     "label names, as exposed."},
    {"drop_labels", on_drop, false, "[NAME, ...]", "none",
     "Tags that do not become labels. Series that differ only in them become one."},
    {"rename_labels", on_rename, false, "{NAME: NAME, ...}", "none",
     "Tags that become labels with another name, by their original name. A renamed tag "
     "replaces another tag of its new name."},
    {0},
};

/* ---- all three ---- */

static void warn_drops(const struct load *l, const struct yaml_node *drop,
                       const struct mapping_label_ops *ops)
{
    for (size_t i = 0; drop != NULL && ops->has_keep && i < drop->n; i++) {
        const struct yaml_node *name = drop->items[i];

        if (has_word(&ops->keep, name->text.p))
            load_warn(
                l, name,
                "\"%.100s\" is in keep_labels and in drop_labels, so it is dropped; remove it "
                "from one of them",
                name->text.p);
        else
            load_warn(l, name,
                      "to drop \"%.100s\" has no effect: keep_labels does not keep it; remove it",
                      name->text.p);
    }
}

/* The defaults drop what the rule keeps. */
static void warn_keeps(const struct load *l, const struct yaml_node *keep,
                       const struct mapping_label_ops *ops)
{
    for (size_t i = 0; keep != NULL && i < keep->n; i++) {
        if (has_word(&ops->drop, keep->items[i]->text.p))
            load_warn(
                l, keep->items[i],
                "\"%.100s\" is kept here and dropped by drop_labels of the defaults, so it is "
                "dropped; write drop_labels: [] too, or remove it",
                keep->items[i]->text.p);
    }
}

static void warn_renames(const struct load *l, const struct yaml_node *rename,
                         const struct mapping_label_ops *ops)
{
    for (size_t i = 0; rename != NULL && i < rename->n; i++) {
        const struct yaml_pair *pair = &rename->pairs[i];
        const char *name = pair->key->text.p;

        if (slice_eq(pair->key->text, pair->value->text))
            load_warn(l, pair->key, "\"%.100s\" is renamed to itself; remove it", name);
        else if (has_word(&ops->drop, name) || (ops->has_keep && !has_word(&ops->keep, name)))
            load_warn(
                l, pair->key,
                "to rename \"%.100s\" has no effect: it is dropped before; keep it, or remove "
                "it here",
                name);
    }
}

void load_label_ops_resolve(const struct load *l, const struct load_label_ops *o,
                            const struct mapping_label_ops *defaults, struct mapping_label_ops *out)
{
    static const struct mapping_label_ops none = {0};

    if (defaults == NULL)
        defaults = &none;
    out->has_keep = o->keep != NULL || defaults->has_keep;
    out->keep = o->keep != NULL ? o->ops.keep : defaults->keep;
    out->drop = o->drop != NULL ? o->ops.drop : defaults->drop;
    out->renames = o->rename != NULL ? o->ops.renames : defaults->renames;
    out->n_renames = o->rename != NULL ? o->ops.n_renames : defaults->n_renames;
    warn_drops(l, o->drop, out);
    if (o->drop == NULL)
        warn_keeps(l, o->keep, out);
    warn_renames(l, o->rename, out);
}

void load_warn_reserved(const struct load *l, const struct yaml_node *node, const char *name,
                        const enum mapping_observer *type)
{
    bool reserved = strncmp(name, "__", 2) == 0;

    if (type != NULL)
        reserved |= strcmp(name, *type == MAPPING_HISTOGRAM ? "le" : "quantile") == 0;
    if (strcmp(name, "overflow") == 0)
        load_warn(
            l, node,
            "the label name \"overflow\" is that of series for what is over a limit, and will "
            "be exposed as exported_overflow; use another name");
    if (reserved)
        load_warn(l, node,
                  "the label name \"%.100s\" is reserved by Prometheus here and will be exposed "
                  "as exported_%.100s; use another name",
                  name, name);
}
