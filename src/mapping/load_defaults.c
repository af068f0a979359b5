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

static int on_match_type(struct load *l, const struct yaml_pair *pair, void *into)
{
    return load_match_type(l, pair, &((struct load_defaults *)into)->match_type);
}

static int on_ordering(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_defaults *d = into;

    return yaml_node_bool(l->doc, pair->value, "glob_disable_ordering",
                          &d->settled->glob_disable_ordering, l->e);
}

static int on_ttl(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_defaults *d = into;
    int r = load_duration(l, pair, &d->settled->ttl_ns);

    if (r == 0 && d->settled->ttl_ns < 0)
        load_warn(l, pair->value,
                  "a negative ttl drops each series that no rule takes at the next sweep, within a "
                  "second; write a positive one such as 5m");
    return r;
}

static const struct load_key defaults_keys[] = {
    {"match_type", on_match_type, false},
    {"glob_disable_ordering", on_ordering, false},
    {"ttl", on_ttl, false},
    {0},
};

int load_defaults(struct load *l, const struct yaml_node *node, struct load_defaults *d)
{
    int r = 0;

    d->library_max_age_ns = d->settled->observer.max_age_ns;
    d->library_age_buckets = d->settled->observer.age_buckets;
    if (node != NULL)
        r = load_keys(l, node, "defaults", defaults_keys, load_observer_keys, d);
    if (r == 0)
        load_observer_settle(d);
    return r;
}
