/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: how a rule's options and the defaults are put together
 *
 *      a type is given, by rule or defaults   what the rule leaves out comes from the defaults
 *      no type anywhere                       a summary; its quantiles fall back to the defaults,
 *                                             its window (max_age, age_buckets) to the library
 *
 * The second line looks odd and is what statsd_exporter does, so a file means here what it meant
 * there. The old lists beside the options have rules of their own: in a rule such a list counts
 * only when its type is given and fits; in the defaults it counts only when the options have no
 * list, and then takes the place of all of them.
 *
 * Laws: after resolving every option is filled, whatever the type. Both kinds of options in one
 *       rule are an error where the type is given, as only one can be meant.
 */
#include "mapping/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_type(const struct load_observer *o)
{
    return o->type_key != NULL || o->old_type_key != NULL;
}

/* observer_type wins over timer_type. */
static enum mapping_observer type_of(const struct load_observer *o)
{
    return o->type_key != NULL ? o->type : o->old_type;
}

/* ---- defaults ---- */

static void settle_histogram(const struct load_observer *o,
                             struct mapping_observer_options *options)
{
    bool old = o->buckets.n == 0 && o->old_buckets.n > 0;
    const struct load_list *list = old ? &o->old_buckets : &o->buckets;

    if (list->n > 0) {
        options->n_buckets = list->n;
        options->buckets = list->v;
    }
    if (!old && o->native_factor > 0)
        options->native_factor = o->native_factor;
    if (!old && o->native_max_buckets > 0)
        options->native_max_buckets = o->native_max_buckets;
}

static void settle_summary(const struct load_observer *o, struct mapping_observer_options *options)
{
    bool old = o->quantiles.n == 0 && o->old_quantiles.n > 0;
    const struct load_list *list = old ? &o->old_quantiles : &o->quantiles;

    if (list->n > 0) {
        options->n_quantiles = (uint32_t)list->n;
        options->quantiles = list->v;
    }
    if (!old && o->max_age_ns > 0)
        options->max_age_ns = o->max_age_ns;
    if (!old && o->age_buckets > 0)
        options->age_buckets = o->age_buckets;
}

void load_observer_settle(struct load_defaults *d)
{
    struct mapping_observer_options *options = &d->settled->observer;
    const struct load_observer *o = &d->common.observer;

    if (has_type(o))
        options->type = type_of(o);
    if (o->set_window_ns > 0)
        d->settled->set_window_ns = o->set_window_ns;
    if (o->set_error > 0)
        d->settled->set_error = o->set_error;
    settle_histogram(o, options);
    settle_summary(o, options);
}

/* ---- rules ---- */

static int refuse_twice(struct load *l, const struct load_list *list, const char *what,
                        const char *where)
{
    return load_refuse(l, list->node,
                       "%s are given here and in %s; keep those in %s and remove these", what,
                       where, where);
}

static int check_consistent(struct load *l, const struct load_observer *o, bool typed,
                            enum mapping_observer type)
{
    if (o->old_quantiles.node != NULL && o->quantiles.node != NULL)
        return refuse_twice(l, &o->old_quantiles, "quantiles", "summary_options");
    if (o->old_buckets.node != NULL && o->buckets.node != NULL)
        return refuse_twice(l, &o->old_buckets, "buckets", "histogram_options");
    if (typed && type == MAPPING_HISTOGRAM && o->summary != NULL)
        return load_refuse(l, o->summary,
                           "summary_options in a rule whose observers are histograms; remove them, "
                           "or write observer_type: summary in the rule");
    if (typed && type == MAPPING_SUMMARY && o->histogram != NULL)
        return load_refuse(
            l, o->histogram,
            "histogram_options in a rule whose observers are summaries; remove them, "
            "or write observer_type: histogram in the rule");
    return 0;
}

/* What is legal and has no effect on the observers that the rule takes. */
static void warn_idle(const struct load *l, const struct load_observer *o, bool typed,
                      enum mapping_observer type)
{
    if (!typed && o->histogram != NULL)
        load_warn(l, o->histogram,
                  "histogram_options have no effect: no observer_type is given, so this is a "
                  "summary; write observer_type: histogram");
    if (o->old_buckets.n > 0 && !(typed && type == MAPPING_HISTOGRAM))
        load_warn(
            l, o->old_buckets.node,
            "buckets have no effect: this is not a histogram; write observer_type: histogram");
    if (o->old_quantiles.n > 0 && !(typed && type == MAPPING_SUMMARY))
        load_warn(l, o->old_quantiles.node,
                  "quantiles have no effect without observer_type: summary; write it, or move them "
                  "into summary_options");
}

static void resolve_histogram(const struct load_observer *o, bool typed,
                              const struct mapping_observer_options *defaults,
                              struct mapping_observer_options *out)
{
    bool old = typed && out->type == MAPPING_HISTOGRAM && o->old_buckets.n > 0;
    const struct load_list *list = old ? &o->old_buckets : &o->buckets;

    out->native_factor = o->native_factor > 0 ? o->native_factor : defaults->native_factor;
    out->native_max_buckets =
        o->native_max_buckets > 0 ? o->native_max_buckets : defaults->native_max_buckets;
    out->n_buckets = list->n > 0 ? list->n : defaults->n_buckets;
    out->buckets = list->n > 0 ? list->v : defaults->buckets;
}

static void resolve_summary(const struct load_observer *o, bool typed,
                            const struct load_defaults *d, struct mapping_observer_options *out)
{
    const struct mapping_observer_options *defaults = &d->settled->observer;
    bool old = typed && out->type == MAPPING_SUMMARY && o->old_quantiles.n > 0;
    const struct load_list *list = old ? &o->old_quantiles : &o->quantiles;

    out->max_age_ns = typed ? defaults->max_age_ns : d->library_max_age_ns;
    if (o->max_age_ns > 0)
        out->max_age_ns = o->max_age_ns;
    out->age_buckets = typed ? defaults->age_buckets : d->library_age_buckets;
    if (o->age_buckets > 0)
        out->age_buckets = o->age_buckets;
    out->n_quantiles = list->n > 0 ? (uint32_t)list->n : defaults->n_quantiles;
    out->quantiles = list->n > 0 ? list->v : defaults->quantiles;
}

int load_observer_resolve(struct load *l, const struct load_observer *o,
                          const struct load_defaults *d, const struct mapping_rule *rule,
                          struct mapping_treatment *how)
{
    bool typed = has_type(o) || has_type(&d->common.observer);
    enum mapping_observer type = has_type(o) ? type_of(o) : d->settled->observer.type;
    int r = check_consistent(l, o, typed, type);

    if (r < 0)
        return r;
    if (rule->action == MAPPING_MAP && (rule->any_kind || rule->kind == MAPPING_OBSERVER))
        warn_idle(l, o, typed, type);
    how->set_window_ns = o->set_window_ns > 0 ? o->set_window_ns : d->settled->set_window_ns;
    how->set_error = o->set_error > 0 ? o->set_error : d->settled->set_error;
    how->observer.type = type;
    resolve_histogram(o, typed, &d->settled->observer, &how->observer);
    resolve_summary(o, typed, d, &how->observer);
    return 0;
}
