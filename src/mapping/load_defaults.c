/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: the defaults section
 *
 * What holds for every rule that does not say otherwise, and for names that no rule takes. The
 * library's own defaults are there already when this begins; what the section says is put over
 * them, key by key.
 *
 * Law: it is complete before the first rule is read, whatever the order in the file.
 */
#include "mapping/load.h"

#include <ctype.h>
#include <string.h>

static int on_ordering(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_defaults *d = into;

    return yaml_node_bool(l->doc, pair->value, "glob_disable_ordering",
                          &d->settled->glob_disable_ordering, l->e);
}

static int on_order(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"globs_first", "file"};
    struct load_defaults *d = into;
    size_t i;
    int r = load_word(l, pair, words, 2, &i);

    if (r < 0)
        return r;
    d->order = pair->value;
    d->settled->in_file_order = i == 1;
    return 0;
}

static int on_unmapped(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"map", "drop"};
    struct load_defaults *d = into;
    size_t i;
    int r = load_word(l, pair, words, 2, &i);

    if (r == 0)
        d->settled->drop_unmapped = i == 1;
    return r;
}

static int on_labels(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_defaults *d = into;

    d->labels = pair->value;
    return load_labels(l, pair, &d->settled->labels, &d->settled->n_labels);
}

const struct load_key load_defaults_keys[] = {
    {"glob_disable_ordering", on_ordering, false, "true|false", "false",
     "false: the first glob in the file that matches a name wins. true: the one with the earliest "
     "literal text wins, and the order does not matter."},
    {"match_order", on_order, false, "globs_first|file", "globs_first",
     "globs_first: all globs are tried before all regexes. file: the first rule that matches a "
     "name wins, be it glob or regex."},
    {"unmapped", on_unmapped, false, "map|drop", "map",
     "Unmapped names. map: create a metric of that name. drop: drop and count them."},
    {"labels", on_labels, false, "{NAME: TEXT, ...}", "none",
     "Labels added to every series made from samples, mapped or not, with the lowest "
     "precedence: a tag or a rule's label of that name wins."},
    {0},
};

/* Does @text hold what a rule's label would take for a reference? */
static bool has_reference(const char *text)
{
    for (const char *p = strchr(text, '$'); p != NULL; p = strchr(p + 1, '$')) {
        if (p[1] == '{' || p[1] == '_' || isalnum((unsigned char)p[1]))
            return true;
    }
    return false;
}

static void warn_labels(const struct load *l, const struct load_defaults *d)
{
    const enum mapping_observer *type = &d->settled->observer.type;

    for (size_t i = 0; d->labels != NULL && i < d->labels->n; i++) {
        const struct yaml_pair *pair = &d->labels->pairs[i];

        load_warn_reserved(l, pair->key, pair->key->text.p, type);
        if (has_reference(pair->value->text.p))
            load_warn(l, pair->value,
                      "labels of the defaults are plain text, \"%.200s\" will show as it is "
                      "written; references work in the labels of rules",
                      pair->value->text.p);
    }
    for (size_t i = 0; d->common.label_ops.rename != NULL && i < d->common.label_ops.rename->n;
         i++) {
        const struct yaml_node *name = d->common.label_ops.rename->pairs[i].value;

        load_warn_reserved(l, name, name->text.p, type);
    }
}

/* Put what the section says over the library's defaults. */
static int settle(struct load *l, struct load_defaults *d)
{
    if (d->settled->in_file_order && d->settled->glob_disable_ordering)
        return load_refuse(l, d->order,
                           "match_order: file and glob_disable_ordering: true are two orders; "
                           "remove one of them");
    d->settled->ttl_ns = d->common.ttl_ns;
    d->settled->gauge_mode = d->common.gauge_mode_word;
    d->settled->unit_seconds = d->common.unit_seconds;
    if (d->settled->ttl_ns < 0)
        load_warn(l, d->common.ttl,
                  "a negative ttl drops each unmapped series at the next sweep, within a "
                  "second; write a positive one such as 5m");
    load_observer_settle(d);
    warn_labels(l, d);
    load_label_ops_resolve(l, &d->common.label_ops, NULL, &d->settled->label_ops);
    return 0;
}

int load_defaults(struct load *l, const struct yaml_node *node, struct load_defaults *d)
{
    static const struct load_key *const tables[] = {load_defaults_keys, load_common_keys,
                                                    load_label_keys, load_observer_keys, NULL};
    int r = 0;

    d->library_max_age_ns = d->settled->observer.max_age_ns;
    d->library_age_buckets = d->settled->observer.age_buckets;
    if (node != NULL)
        r = load_keys(l, node, "defaults", tables, d);
    if (r == 0)
        r = settle(l, d);
    return r;
}
