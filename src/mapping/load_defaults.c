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

static int on_ordering(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_defaults *d = into;

    return yaml_node_bool(l->doc, pair->value, "glob_disable_ordering",
                          &d->settled->glob_disable_ordering, l->e);
}

const struct load_key load_defaults_keys[] = {
    {"glob_disable_ordering", on_ordering, false, "true|false", "false",
     "false: the first glob in the file that takes a name wins. true: the one with the earliest "
     "literal text wins, and the order does not matter."},
    {0},
};

/* Put what the section says over the library's defaults. */
static void settle(const struct load *l, struct load_defaults *d)
{
    d->settled->ttl_ns = d->common.ttl_ns;
    if (d->settled->ttl_ns < 0)
        load_warn(l, d->common.ttl,
                  "a negative ttl drops each series that no rule takes at the next sweep, within a "
                  "second; write a positive one such as 5m");
    load_observer_settle(d);
}

int load_defaults(struct load *l, const struct yaml_node *node, struct load_defaults *d)
{
    static const struct load_key *const tables[] = {load_defaults_keys, load_common_keys,
                                                    load_observer_keys, NULL};
    int r = 0;

    d->library_max_age_ns = d->settled->observer.max_age_ns;
    d->library_age_buckets = d->settled->observer.age_buckets;
    if (node != NULL)
        r = load_keys(l, node, "defaults", tables, d);
    if (r == 0)
        settle(l, d);
    return r;
}
