/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advise: what in a mapping is legal and, with the engine's settings, surely not meant
 *
 * The loader knows the file alone. Two settings decide what comes of a rule as well, and nobody
 * would see from the page that they do:
 *
 *      zero_first_ms     a series whose ttl is not longer is gone when its value may be shown
 *      exemplar tags     are taken out of |# before a rule is asked, so match_labels finds none
 *
 * Laws: a warning is true. A ttl that rules have from the defaults is told once, not for each.
 *       Nothing is refused here, and nothing read but what never changes, so any thread may ask.
 */
#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>

#define NS_PER_MS INT64_C(1000000)

struct adviser {
    const struct bacowr_config *config;
    const struct mapping *mapping;
    err_fn on_warning;
    void *ctx;
};

/* @rule: where it stands; NULL: in the defaults, whose place nobody knows. */
__attribute__((format(printf, 3, 4))) static void warn(const struct adviser *a,
                                                       const struct mapping_rule *rule,
                                                       const char *fmt, ...)
{
    struct err e;
    va_list args;

    va_start(args, fmt);
    err_set_args(&e, rule != NULL ? rule->file : NULL, rule != NULL ? rule->line : 0,
                 rule != NULL ? rule->column : 0, fmt, args);
    va_end(args);
    a->on_warning(a->ctx, &e);
}

/* ---- held at 0 until the end ---- */

/* A negative ttl is another mistake, and was told by the loader. */
static bool ends_unseen(const struct adviser *a, int64_t ttl_ns)
{
    return ttl_ns > 0 && ttl_ns / NS_PER_MS <= a->config->zero_first_ms;
}

/* Gauges and sets are never held. */
static bool may_be_held(const struct mapping_rule *rule)
{
    return rule->action == MAPPING_MAP &&
           (rule->any_kind || rule->kind == MAPPING_COUNTER || rule->kind == MAPPING_OBSERVER);
}

static void warn_ttl(const struct adviser *a, const struct mapping_rule *rule, int64_t ttl_ns)
{
    warn(a, rule,
         "the ttl%s, %g s, is not longer than --web.zero-first, %g s: what is counted once is gone "
         "before it is shown; make the ttl longer",
         rule != NULL ? "" : " of the defaults", (double)ttl_ns / 1e9,
         (double)a->config->zero_first_ms / 1e3);
}

static void advise_ttls(const struct adviser *a)
{
    const struct mapping_defaults *defaults = mapping_defaults(a->mapping);
    bool uses_defaults = !defaults->drop_unmapped;

    for (size_t i = 0; i < mapping_n_rules(a->mapping); i++) {
        const struct mapping_rule *rule = mapping_rule(a->mapping, i);

        if (!may_be_held(rule))
            continue;
        if (rule->how->ttl_ns == defaults->ttl_ns)
            uses_defaults = true;
        else if (ends_unseen(a, rule->how->ttl_ns))
            warn_ttl(a, rule, rule->how->ttl_ns);
    }
    if (uses_defaults && ends_unseen(a, defaults->ttl_ns))
        warn_ttl(a, NULL, defaults->ttl_ns);
}

/* ---- conditions on exemplar tags ---- */

static bool is_exemplar_tag(const struct statsd_options *options, const char *key)
{
    for (unsigned i = 0; i < STATSD_MAX_EXEMPLAR_TAGS && options->exemplar_tags[i] != NULL; i++)
        if (strcmp(options->exemplar_tags[i], key) == 0)
            return true;
    return false;
}

static void advise_conditions(const struct adviser *a)
{
    if (!a->config->statsd.dogstatsd_tags)
        return;
    for (size_t i = 0; i < mapping_n_rules(a->mapping); i++) {
        const struct mapping_rule *rule = mapping_rule(a->mapping, i);

        for (size_t j = 0; j < rule->n_match_labels; j++)
            if (is_exemplar_tag(&a->config->statsd, rule->match_labels[j].key))
                warn(a, rule,
                     "match_labels asks for %.200s, which --statsd.exemplar-tag takes out of |# "
                     "before: it is met only as a tag in the name; ask for another tag",
                     rule->match_labels[j].key);
    }
}

void bacowr_check_mapping(const struct bacowr *b, const struct bacowr_mapping *m,
                          void (*on_warning)(void *ctx, const struct err *e), void *ctx)
{
    const struct adviser a = {&b->config, mapping_of(m), on_warning, ctx};

    advise_ttls(&a);
    advise_conditions(&a);
}
