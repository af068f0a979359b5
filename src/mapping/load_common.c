/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: the keys that stand in rules and in the defaults alike
 *
 * They are read as written here; a rule (load_rule.c) takes from the defaults what it leaves out.
 * Those of labels stand in load_labels.c, those of observers and sets in load_observer.c.
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

static int on_gauge_mode(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"delta", "absolute", "etsy"};
    static const enum mapping_gauge_mode modes[] = {MAPPING_GAUGE_DELTA, MAPPING_GAUGE_ABSOLUTE,
                                                    MAPPING_GAUGE_ETSY};
    struct load_common *c = into;
    size_t i;
    int r = load_word(l, pair, words, 3, &i);

    if (r < 0)
        return r;
    c->gauge_mode = pair->value;
    c->gauge_mode_word = modes[i];
    return 0;
}

static int on_unit(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"ns", "us", "ms", "s", "m", "h"};
    static const double seconds[] = {1e-9, 1e-6, 1e-3, 1, 60, 3600};
    struct load_common *c = into;
    size_t i;
    int r = load_word(l, pair, words, 6, &i);

    if (r < 0)
        return r;
    c->unit = pair->value;
    c->unit_seconds = seconds[i];
    return 0;
}

const struct load_key load_common_keys[] = {
    {"match_type", on_match_type, false, "glob|regex", "glob",
     "Type of match. A regex matches anywhere in the name unless anchored."},
    {"ttl", on_ttl, false, "DURATION", "0",
     "A series without a sample for this time expires. 0: never; in a rule this overrides "
     "the defaults."},
    {"gauge_mode", on_gauge_mode, false, "delta|absolute|etsy", "the server's flag",
     "Meaning of a sign before a gauge value. delta: +n and -n change the gauge. absolute: "
     "the sign is part of the number. etsy: like delta, but sets a gauge that does not "
     "exist yet."},
    {"unit", on_unit, false, "ns|us|ms|s|m|h", "ms for timers, s for histograms and distributions",
     "The unit of received observations; they are stored in seconds. Combines with scale."},
    {0},
};
