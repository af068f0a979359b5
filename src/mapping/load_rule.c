/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: one rule
 *
 * A rule is read in two passes. First every key in the order of the file: types, words and numbers.
 * Then, when match_type and the defaults are known, what depends on more than one key: the grammars
 * of match, name and labels, the observer options, the time to live, references in templates.
 *
 * Laws: a rule that comes out is complete; nobody after this looks at the defaults again. A rule is
 *       checked alone; what concerns two rules is load.c's and the matcher's.
 */
#include "mapping/load.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/slice.h"
#include "mapping/mapping.h"

struct reader {
    struct load_common common; /* first: see load.h */
    struct mapping_rule *rule;
    struct mapping_treatment how;                           /* shelved when it is whole */
    const struct yaml_node *node;                           /* the rule */
    const struct yaml_node *match, *except, *name, *labels; /* NULL: not given */
};

/* ---- the keys ---- */

static int on_match(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    rd->match = pair->value;
    return load_text(l, pair, &rd->rule->match);
}

static int on_match_metric_type(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"counter", "gauge", "observer"};
    static const enum mapping_kind kinds[] = {MAPPING_COUNTER, MAPPING_GAUGE, MAPPING_OBSERVER};
    struct reader *rd = into;
    size_t i;
    int r;

    if (pair->value->kind == YAML_SCALAR && slice_eq_str(pair->value->text, "timer"))
        return load_refuse(l, pair->value,
                           "match_metric_type: \"timer\" is the old word; write "
                           "observer");
    r = load_word(l, pair, words, 3, &i);
    if (r < 0)
        return r;
    rd->rule->any_kind = false;
    rd->rule->kind = kinds[i];
    return 0;
}

static int on_name(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    rd->name = pair->value;
    return load_text(l, pair, &rd->rule->name);
}

static int on_labels(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    rd->labels = pair->value;
    return load_labels(l, pair, &rd->rule->labels, &rd->rule->n_labels);
}

static int on_match_labels(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    return load_match_labels(l, pair, &rd->rule->match_labels, &rd->rule->n_match_labels);
}

static int on_except(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    rd->except = pair->value;
    return load_words(l, pair, &rd->rule->except);
}

static int on_honor_labels(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;

    return yaml_node_bool(l->doc, pair->value, "honor_labels", &rd->how.honor_labels, l->e);
}

static int on_help(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;
    int r = load_text(l, pair, &rd->rule->help);

    if (r == 0 && rd->rule->help[0] == '\0')
        rd->rule->help = NULL;
    return r;
}

static int on_action(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const char *const words[] = {"", "map", "drop"};
    struct reader *rd = into;
    size_t i;
    int r = load_word(l, pair, words, 3, &i);

    if (r == 0)
        rd->rule->action = i == 2 ? MAPPING_DROP : MAPPING_MAP;
    return r;
}

static int on_scale(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct reader *rd = into;
    int r = yaml_node_double(l->doc, pair->value, "scale", &rd->how.scale, l->e);

    if (r < 0)
        return r;
    if (!isfinite(rd->how.scale))
        return load_refuse(l, pair->value,
                           "scale must be finite, not %.50s; write the factor "
                           "every value is multiplied by",
                           pair->value->text.p);
    rd->how.has_scale = true;
    return 0;
}

const struct load_key load_rule_keys[] = {
    {"match", on_match, false, "GLOB|REGEX", NULL,
     "Names that the rule matches. In a glob * matches any text between two dots, or a part "
     "of it."},
    {"except", on_except, false, "[PATTERN, ...]", "none",
     "Exceptions: names that the rule does not match; same type as match. A single pattern "
     "needs no brackets."},
    {"match_labels", on_match_labels, false, "{NAME: PATTERN, ...}", "none",
     "Only samples whose tags, as sent, match all of these. In a pattern * is any text; an "
     "empty pattern requires that the tag is absent, any other that it is present."},
    {"match_metric_type", on_match_metric_type, false, "counter|gauge|observer",
     "any type, including sets",
     "Only samples of this type; timers, histograms and distributions are observers."},
    {"name", on_name, false, "TEMPLATE", NULL,
     "The metric name. $1 or ${1} is the match of the first * or group."},
    {"labels", on_labels, false, "{NAME: TEMPLATE, ...}", "none",
     "Labels, added to the sample's tags. Values may contain references; those to named "
     "groups of a regex are written ${host}."},
    {"honor_labels", on_honor_labels, false, "true|false", "false",
     "If a tag has the name of one of labels: true keeps the tag's value, false the "
     "label's."},
    {"help", on_help, false, "TEXT", "a note that the metric was generated automatically",
     "The metric's help text. A metric has one; that of the first series is exposed."},
    {"action", on_action, false, "map|drop", "map",
     "drop: drop and count what the rule matches. A name is required anyway."},
    {"scale", on_scale, false, "NUMBER", "1",
     "Every value is multiplied by this; set members are unchanged."},
    {0},
};

/* ---- the rule as a whole ---- */

static int check_match(struct load *l, const struct reader *rd)
{
    const struct mapping_rule *rule = rd->rule;

    if (rule->match[0] != '\0')
        return rule->match_type == MAPPING_GLOB ? load_check_glob(l, rd->match, rule->match) : 0;
    if (rule->match_type == MAPPING_GLOB)
        return load_refuse(l, rd->match ? rd->match : rd->node,
                           "the rule has no match; write match: and a glob such as api.*.count");
    load_warn(
        l, rd->match ? rd->match : rd->node,
        "the rule has no match; an empty regex matches every name, write .* if that is intended");
    return 0;
}

static int check_exception(struct load *l, const struct reader *rd, const struct yaml_node *node,
                           const char *pattern)
{
    if (pattern[0] == '\0')
        return load_refuse(l, node,
                           "an entry of except is empty; write a pattern such as api.health.*, or "
                           "remove it");
    return rd->rule->match_type == MAPPING_GLOB ? load_check_glob(l, node, pattern) : 0;
}

static int check_exceptions(struct load *l, const struct reader *rd)
{
    bool is_list = rd->except != NULL && rd->except->kind == YAML_LIST;

    for (size_t i = 0; i < rd->rule->except.n; i++) {
        int r = check_exception(l, rd, is_list ? rd->except->items[i] : rd->except,
                                rd->rule->except.v[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static int check_name(struct load *l, const struct reader *rd)
{
    const struct mapping_rule *rule = rd->rule;

    if (rule->name[0] != '\0')
        return load_check_name(l, rd->name, rule->name);
    return load_refuse(l, rd->name ? rd->name : rd->node,
                       "the rule has no name; write name: and the metric's name%s",
                       rule->action == MAPPING_DROP
                           ? " (statsd_exporter requires one even where action: drop never uses it)"
                           : "");
}

/* The server shows families of its own, and what claims their names is refused, sample by
 * sample. */
static void warn_own_name(const struct load *l, const struct reader *rd)
{
    static const char *const prefixes[] = {"statsd_exporter_", "bacowr_statsd_",
                                           "statsd_metric_mapper_", "process_", "promhttp_"};
    const char *name = rd->rule->name;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            load_warn(l, rd->name,
                      "names that begin with %s are the server's own, and samples for one that it "
                      "shows are refused; give \"%.200s\" another name",
                      prefixes[i], name);
    }
}

/* A negative one of the defaults is not for rules. */
static void resolve_ttl(const struct load *l, struct reader *rd,
                        const struct mapping_defaults *defaults)
{
    if (rd->common.ttl == NULL)
        rd->how.ttl_ns = defaults->ttl_ns > 0 ? defaults->ttl_ns : 0;
    else
        rd->how.ttl_ns = rd->common.ttl_ns;
    if (rd->how.ttl_ns < 0)
        load_warn(l, rd->common.ttl,
                  "a negative ttl drops each series at the next sweep, within a second; write a "
                  "positive one such as 5m");
}

static void warn_labels(const struct load *l, const struct reader *rd)
{
    const struct mapping_rule *rule = rd->rule;
    const struct yaml_node *renames = rd->common.label_ops.rename;
    bool observes = rule->any_kind || rule->kind == MAPPING_OBSERVER;
    const enum mapping_observer *type = observes ? &rd->how.observer.type : NULL;
    size_t n_captures = load_n_captures(rule->match);

    for (size_t i = 0; rd->labels != NULL && i < rd->labels->n; i++) {
        const struct yaml_pair *pair = &rd->labels->pairs[i];

        load_warn_reserved(l, pair->key, pair->key->text.p, type);
        if (rule->match_type == MAPPING_GLOB && !yaml_node_is_null(pair->value))
            load_check_references(l, pair->value, pair->value->text.p, n_captures);
    }
    for (size_t i = 0; renames != NULL && i < renames->n; i++)
        load_warn_reserved(l, renames->pairs[i].value, renames->pairs[i].value->text.p, type);
}

/* Keys that speak of one kind of metric, in a rule that takes only others, or drops what it
 * takes. */
static void warn_idle(const struct load *l, const struct reader *rd)
{
    const struct load_common *c = &rd->common;
    const struct load_observer *o = &c->observer;
    const struct mapping_rule *rule = rd->rule;
    bool drops = rule->action == MAPPING_DROP;
    const struct {
        const struct yaml_node *node; /* NULL: not given */
        const char *name;
        enum mapping_kind kind;
    } keys[] = {
        {c->gauge_mode, "gauge_mode", MAPPING_GAUGE},
        {c->unit, "unit", MAPPING_OBSERVER},
        {o->set, "set_options", MAPPING_SET},
        {o->type_key, "observer_type", MAPPING_OBSERVER},
        {o->old_type_key, "timer_type", MAPPING_OBSERVER},
        {o->summary, "summary_options", MAPPING_OBSERVER},
        {o->histogram, "histogram_options", MAPPING_OBSERVER},
        {o->old_buckets.node, "buckets", MAPPING_OBSERVER},
        {o->old_quantiles.node, "quantiles", MAPPING_OBSERVER},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].node == NULL)
            continue;
        if (drops)
            load_warn(l, keys[i].node, "%s has no effect in a rule that drops; remove it",
                      keys[i].name);
        else if (!rule->any_kind && rule->kind != keys[i].kind)
            load_warn(l, keys[i].node,
                      "%s has no effect in a rule for type %s only; remove it, or change "
                      "match_metric_type",
                      keys[i].name, mapping_kind_name(rule->kind));
    }
}

/* What a rule has of the keys in load_common.c and load_labels.c. */
static int resolve_common(const struct load *l, struct reader *rd,
                          const struct mapping_defaults *defaults)
{
    const struct load_common *c = &rd->common;

    resolve_ttl(l, rd, defaults);
    warn_idle(l, rd);
    rd->how.gauge_mode = c->gauge_mode != NULL ? c->gauge_mode_word : defaults->gauge_mode;
    rd->how.unit_seconds = c->unit != NULL ? c->unit_seconds : defaults->unit_seconds;
    load_label_ops_resolve(l, &c->label_ops, &defaults->label_ops, &rd->how.label_ops);
    rd->rule->how = shelf_put(l->shelf, &rd->how, sizeof rd->how);
    return rd->rule->how != NULL ? 0 : -ENOMEM;
}

static int complete(struct load *l, struct reader *rd, const struct load_defaults *defaults)
{
    struct mapping_rule *rule = rd->rule;
    const struct yaml_node *match = rd->match ? rd->match : rd->node;
    int r;

    if (rule->match == NULL)
        rule->match = "";
    if (rule->name == NULL)
        rule->name = "";
    rule->match_line = match->line;
    rule->match_column = match->column;
    rule->match_type =
        rd->common.has_match_type ? rd->common.match_type : defaults->common.match_type;
    r = check_name(l, rd);
    if (r < 0)
        return r;
    r = check_match(l, rd);
    if (r == 0)
        r = check_exceptions(l, rd);
    if (r < 0)
        return r;
    r = load_observer_resolve(l, &rd->common.observer, defaults, rule, &rd->how);
    if (r == 0)
        r = resolve_common(l, rd, defaults->settled);
    if (r < 0 || rule->action == MAPPING_DROP)
        return r;
    warn_labels(l, rd);
    warn_own_name(l, rd);
    if (rule->match_type == MAPPING_GLOB)
        load_check_references(l, rd->name, rule->name, load_n_captures(rule->match));
    return 0;
}

int load_rule(struct load *l, const struct yaml_node *node, const struct load_defaults *defaults,
              struct mapping_rule *rule)
{
    static const struct load_key *const tables[] = {load_rule_keys, load_common_keys,
                                                    load_label_keys, load_observer_keys, NULL};
    struct reader rd = {.rule = rule, .node = node};
    int r = 0;

    rule->any_kind = true;
    rule->line = node->line;
    rule->column = node->column;
    if (!yaml_node_is_null(node))
        r = load_keys(l, node, "a rule", tables, &rd);
    if (r == 0)
        r = complete(l, &rd, defaults);
    return r;
}
