/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: the keys that stand in rules and in the defaults alike
 *
 * They are read as written here; a rule (load_rule.c) takes from the defaults what it leaves out.
 * Those of observers and sets are many and stand in load_observer.c.
 *
 * Law: what is read says whether it was given, for what a rule gives counts even if it is the
 *      same as nothing.
 */
#include "mapping/load.h"

static int on_match_type(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"", "glob", "regex"};
    struct load_common *c = into;
    size_t i;
    int r = load_word(l, pair, words, 3, &i);

    if (r < 0)
        return r;
    c->has_match_type = true;
    c->match_type = i == 2 ? MAPPING_REGEX : MAPPING_GLOB;
    return 0;
}

static int on_ttl(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_common *c = into;

    c->ttl = pair->value;
    return load_duration(l, pair, &c->ttl_ns);
}

const struct load_key load_common_keys[] = {
    {"match_type", on_match_type, false, "glob|regex", "glob",
     "How match is read. All globs are tried before all regexes; a regex is found anywhere in the "
     "name unless it is anchored."},
    {"ttl", on_ttl, false, "DURATION", "0",
     "A series that gets no sample for so long is dropped. 0: never."},
    {0},
};

void load_common_release(struct load_common *c)
{
    load_observer_release(&c->observer);
    *c = (struct load_common){0};
}
