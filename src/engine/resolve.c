/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolve: what an identity is, under a mapping
 *
 *      (name, suffix) --statsd_identify--> type, rate, tags
 *                     --mapping_match----> rule, name and labels filled
 *                     --take_settings----> the rule's settings, or those of the defaults
 *                     --labels_build-----> one sorted, escaped text: the series' identity
 *
 * Laws: what comes out depends on the bytes, the mapping and the configuration alone: no series is
 *       looked at, none is made. So explain asks here what feeding asks (resolve_route.c).
 */
#include "engine/engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/name.h"

#define DEFAULT_HELP    "Metric generated from StatsD samples by bacowr-statsd."

/* Bytes of a series' name and labels as the page shows them, again and again for every bucket: more
 * is refused, so that the number of series bounds the page. */
#define SERIES_TEXT_MAX 8192u

static const enum mapping_kind kinds[STATSD_N_TYPES] = {
    [STATSD_TYPE_COUNTER] = MAPPING_COUNTER,       [STATSD_TYPE_GAUGE] = MAPPING_GAUGE,
    [STATSD_TYPE_TIMER] = MAPPING_OBSERVER,        [STATSD_TYPE_HISTOGRAM] = MAPPING_OBSERVER,
    [STATSD_TYPE_DISTRIBUTION] = MAPPING_OBSERVER, [STATSD_TYPE_SET] = MAPPING_SET,
};

int resolver_init(struct resolver *r, uint32_t regex_steps)
{
    *r = (struct resolver){0};
    return mapping_scratch_new(&r->mapping_scratch, regex_steps);
}

void resolver_release(struct resolver *r)
{
    mapping_scratch_free(r->mapping_scratch);
    buf_release(&r->scratch);
    buf_release(&r->keys);
    buf_release(&r->name);
    buf_release(&r->labels);
    buf_release(&r->names);
    buf_release(&r->points);
    free(r->pairs);
    *r = (struct resolver){0};
}

/* ---- identity to resolution ---- */

static int render_name(struct resolver *r, struct slice raw, struct resolution *res)
{
    buf_renew(&r->name);
    if (buf_reserve(&r->name, NAME_ESCAPED_MAX(raw.len)) != 0)
        return -ENOMEM;
    r->name.len = name_escape(r->name.p, raw);
    res->name = buf_slice(&r->name);
    return 0;
}

static int identify(struct resolver *r, const struct statsd_options *options, struct slice name,
                    struct slice suffix)
{
    buf_renew(&r->scratch);
    if (buf_reserve(&r->scratch, STATSD_SCRATCH_SIZE(name.len, suffix.len)) != 0)
        return -ENOMEM;
    statsd_identify(name, suffix, options, r->scratch.p, &r->identity);
    return 0;
}

struct slice identity_tag(const void *identity, struct slice key)
{
    const struct statsd_identity *id = identity;

    for (unsigned i = 0; i < id->n_labels; i++)
        if (slice_eq(id->labels[i].key, key))
            return id->labels[i].value;
    return SLICE_LIT("");
}

static const struct {
    enum metric_type type;
    enum op op;
} by_kind[MAPPING_N_KINDS] = {
    [MAPPING_COUNTER] = {METRIC_COUNTER, OP_COUNT},
    [MAPPING_GAUGE] = {METRIC_GAUGE, OP_GAUGE},
    [MAPPING_OBSERVER] = {METRIC_SUMMARY, OP_SKETCH},
    [MAPPING_SET] = {METRIC_SET, OP_SET},
};

/* What a gauge's sign means: as the mapping says, else as the flag does. */
static enum op gauge_op(enum mapping_gauge_mode mode, enum statsd_gauge_mode otherwise)
{
    static const enum op by_mode[] = {
        [MAPPING_GAUGE_DELTA] = OP_GAUGE,
        [MAPPING_GAUGE_ABSOLUTE] = OP_GAUGE_SET,
        [MAPPING_GAUGE_ETSY] = OP_GAUGE_ETSY,
    };
    static const enum mapping_gauge_mode by_flag[] = {
        [STATSD_GAUGE_DELTA] = MAPPING_GAUGE_DELTA,
        [STATSD_GAUGE_ABSOLUTE] = MAPPING_GAUGE_ABSOLUTE,
        [STATSD_GAUGE_ETSY] = MAPPING_GAUGE_ETSY,
    };

    return by_mode[mode != MAPPING_GAUGE_UNSET ? mode : by_flag[otherwise]];
}

/*
 * From the value as sent to the one that is kept. A unit below the second is a division, for a
 * thousandth is no double: 320 ms are exactly what 320 / 1000 is.
 */
static void take_unit(const struct statsd_identity *id, struct resolution *res)
{
    const struct mapping_rule *rule = res->match.rule;
    double unit = rule != NULL ? rule->how->unit_seconds : res->defaults->unit_seconds;

    res->scale = rule != NULL && rule->how->has_scale ? rule->how->scale : 1;
    res->divisor = id->divisor;
    if (res->kind != MAPPING_OBSERVER)
        return;
    if (unit == 0)
        res->divisor = id->type == STATSD_TYPE_TIMER ? 1000 : id->divisor;
    else if (unit < 1)
        res->divisor = floor(1 / unit + 0.5);
    else
        res->scale *= unit;
}

/* The settings of what was matched, the defaults' where no rule took it. */
static void take_settings(const struct mapping *mapping, const struct bacowr_config *config,
                          struct resolution *res)
{
    const struct mapping_defaults *defaults = mapping_defaults(mapping);
    const struct mapping_rule *rule = res->match.rule;

    res->defaults = defaults;
    res->label_ops = rule != NULL ? &rule->how->label_ops : &defaults->label_ops;
    res->observer = rule != NULL ? &rule->how->observer : &defaults->observer;
    res->set_window_ns = rule != NULL ? rule->how->set_window_ns : defaults->set_window_ns;
    res->set_error = rule != NULL ? rule->how->set_error : defaults->set_error;
    res->ttl_ns = rule != NULL ? rule->how->ttl_ns : defaults->ttl_ns;
    res->help =
        rule != NULL && rule->help != NULL ? slice_str(rule->help) : SLICE_LIT(DEFAULT_HELP);
    res->type = by_kind[res->kind].type;
    res->op = by_kind[res->kind].op;
    if (res->kind == MAPPING_GAUGE)
        res->op = gauge_op(rule != NULL ? rule->how->gauge_mode : defaults->gauge_mode,
                           config->gauge_mode);
    if (res->kind == MAPPING_OBSERVER && res->observer->type == MAPPING_HISTOGRAM) {
        res->type = METRIC_HISTOGRAM;
        res->op = OP_BUCKETS;
    }
}

static bool is_dropped(const struct resolution *res)
{
    const struct mapping_rule *rule = res->match.rule;

    return rule != NULL ? rule->action == MAPPING_DROP : res->defaults->drop_unmapped;
}

int resolve(struct resolver *r, const struct mapping *mapping, const struct bacowr_config *config,
            struct slice name, struct slice suffix, struct resolution *out)
{
    const struct statsd_identity *id = &r->identity;

    *out = (struct resolution){.op = OP_REFUSE, .divisor = 1, .scale = 1};
    r->n_renamed = 0;
    if (identify(r, &config->statsd, name, suffix) != 0)
        return -ENOMEM;
    if (id->reason != STATSD_OK && id->reason != STATSD_E_NAME)
        return 0;
    out->kind = kinds[id->type];
    if (mapping_match(mapping, &(struct mapping_query){out->kind, id->name, identity_tag, id},
                      r->mapping_scratch, &out->match) != 0)
        return -ENOMEM;
    take_settings(mapping, config, out);
    take_unit(id, out);
    if (is_dropped(out)) {
        out->op = OP_DROP;
        return 0;
    }
    if (render_name(r, out->match.rule != NULL ? out->match.name : id->name, out) != 0)
        return -ENOMEM;
    if (out->name.len == 0) {
        out->op = OP_EMPTY_NAME;
        return 0;
    }
    if (labels_build(r, out) != 0)
        return -ENOMEM;
    if (out->name.len + out->labels.len > SERIES_TEXT_MAX)
        out->op = OP_TOO_LONG;
    return 0;
}

enum statsd_reason resolve_refusal(struct bacowr_worker *w, struct slice name, struct slice suffix)
{
    const struct statsd_identity *id = &w->resolver.identity;

    if (identify(&w->resolver, &w->b->config.statsd, name, suffix) == 0 &&
        id->reason_precedes_value)
        return id->reason;
    return STATSD_E_VALUE;
}
