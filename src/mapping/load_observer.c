/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: the keys of observers and sets, which stand in rules and in the defaults alike
 *
 * They are read as written here, each value checked by itself; load_resolve.c puts the two places
 * together.
 *
 * Buckets and quantiles could once stand beside the options, and observer_type was timer_type. Such
 * files are still deployed, so the old keys are read, with a warning, and kept apart.
 *
 * Laws: bounds are finite and rise; a final +Inf is dropped, since it is always there. Quantiles
 *       lie in 0..1, rise and stand once, the last one written winning. What would have stopped
 *       statsd_exporter at the first sample is refused here.
 */
#include "mapping/load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

/* ---- types ---- */

static const char *const type_words[] = {"", "histogram", "summary"};

static int read_type(struct load *l, const struct yaml_pair *pair, enum mapping_observer *out)
{
    size_t i;
    int r = load_word(l, pair, type_words, 3, &i);

    if (r == 0)
        *out = i == 1 ? MAPPING_HISTOGRAM : MAPPING_SUMMARY;
    return r;
}

static int on_observer_type(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;

    o->type_key = pair->key;
    return read_type(l, pair, &o->type);
}

static int on_timer_type(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;

    load_warn(l, pair->key, "timer_type is the old name of observer_type; write observer_type");
    o->old_type_key = pair->key;
    return read_type(l, pair, &o->old_type);
}

/* Shelve the @out->n entries at @v, which is freed, unless @r says that they are not whole. */
static int shelve_list(struct load *l, struct load_list *out, void *v, size_t size, int r)
{
    if (r == 0) {
        out->v = shelf_put(l->shelf, v, out->n * size);
        r = out->v == NULL ? -ENOMEM : 0;
    }
    free(v);
    return r;
}

/* ---- buckets ---- */

static int refuse_order(struct load *l, const struct yaml_node *node, double last, double bound)
{
    char a[NUM_TEXT_MAX], b[NUM_TEXT_MAX];
    int a_len = (int)num_print(a, last), b_len = (int)num_print(b, bound);

    return load_refuse(l, node,
                       "buckets must rise, but %.*s comes after %.*s; sort them and keep "
                       "each once",
                       b_len, b, a_len, a);
}

static int read_bounds(struct load *l, const struct yaml_node *list, double *bounds, size_t *n)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item = list->items[i];
        double bound;
        int r = yaml_node_double(l->doc, item, "a bucket", &bound, l->e);

        if (r < 0)
            return r;
        if (isinf(bound) && bound > 0 && i + 1 == list->n)
            return 0;
        if (!isfinite(bound))
            return load_refuse(l, item,
                               "a bucket must be finite; +Inf may only come last, and is "
                               "there without being written");
        if (i > 0 && bound <= bounds[i - 1])
            return refuse_order(l, item, bounds[i - 1], bound);
        bounds[(*n)++] = bound;
    }
    return 0;
}

static int read_buckets(struct load *l, const struct yaml_pair *pair, struct load_list *out)
{
    int r = yaml_node_expect(l->doc, pair->value, pair->key->text.p, YAML_LIST, l->e);
    double *bounds;

    if (r < 0)
        return r;
    out->node = pair->value;
    if (pair->value->n == 0)
        return 0;
    bounds = calloc(pair->value->n, sizeof *bounds);
    if (bounds == NULL)
        return -ENOMEM;
    r = read_bounds(l, pair->value, bounds, &out->n);
    if (r == 0 && out->n == 0)
        r = load_refuse(l, pair->value,
                        "buckets hold nothing but +Inf; give at least one "
                        "finite bound, or leave the key out");
    return shelve_list(l, out, bounds, sizeof *bounds, r);
}

static int on_buckets(struct load *l, const struct yaml_pair *pair, void *into)
{
    return read_buckets(l, pair, &((struct load_observer *)into)->buckets);
}

static int on_old_buckets(struct load *l, const struct yaml_pair *pair, void *into)
{
    load_warn(l, pair->key, "buckets has moved; write it inside histogram_options");
    return read_buckets(l, pair, &((struct load_observer *)into)->old_buckets);
}

/* ---- quantiles ---- */

struct quantile_item {
    bool has_quantile;
    struct mapping_quantile q;
};

static int read_fraction(struct load *l, const struct yaml_pair *pair, double *out)
{
    int r = yaml_node_double(l->doc, pair->value, pair->key->text.p, out, l->e);

    if (r < 0)
        return r;
    if (!(*out >= 0 && *out <= 1))
        return load_refuse(l, pair->value, "%s must lie between 0 and 1, not at %.50s",
                           pair->key->text.p, pair->value->text.p);
    return 0;
}

static int on_quantile(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct quantile_item *item = into;

    item->has_quantile = true;
    return read_fraction(l, pair, &item->q.quantile);
}

static int on_error(struct load *l, const struct yaml_pair *pair, void *into)
{
    return read_fraction(l, pair, &((struct quantile_item *)into)->q.error);
}

const struct load_key load_quantile_keys[] = {
    {"quantile", on_quantile, false, "0..1", NULL, "The quantile to expose: 0.5 is the median."},
    {"error", on_error, false, "0..1", "0",
     "Read for statsd_exporter's sake; here the error is the same for all of them."},
    {0},
};

/* Put @q in its place among the @n that are there; the same quantile is replaced. */
static void insert_quantile(struct mapping_quantile *v, size_t *n, struct mapping_quantile q)
{
    size_t i = *n;

    while (i > 0 && v[i - 1].quantile >= q.quantile)
        i--;
    if (i == *n || v[i].quantile != q.quantile) {
        memmove(v + i + 1, v + i, (*n - i) * sizeof(*v));
        (*n)++;
    }
    v[i] = q;
}

#define MAX_QUANTILES 1000 /* each is a series; and the insertion above stays cheap */

static int read_quantile(struct load *l, const struct yaml_node *node, struct mapping_quantile *out)
{
    static const struct load_key *const tables[] = {load_quantile_keys, NULL};
    struct quantile_item item = {0};
    int r = load_keys(l, node, "an entry of quantiles", tables, &item);

    if (r < 0)
        return r;
    if (!item.has_quantile)
        return load_refuse(l, node,
                           "the entry has no quantile; write {quantile: "
                           "0.9, error: 0.01}");
    *out = item.q;
    return 0;
}

static int read_quantiles(struct load *l, const struct yaml_pair *pair, struct load_list *out)
{
    const struct yaml_node *list = pair->value;
    struct mapping_quantile *v;
    int r = yaml_node_expect(l->doc, list, pair->key->text.p, YAML_LIST, l->e);

    if (r < 0)
        return r;
    out->node = list;
    if (list->n > MAX_QUANTILES)
        return load_refuse(l, list,
                           "more than %d quantiles in one list; each becomes a series of "
                           "its own, keep the few that are looked at",
                           MAX_QUANTILES);
    if (list->n == 0)
        return 0;
    v = calloc(list->n, sizeof *v);
    if (v == NULL)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < list->n; i++) {
        struct mapping_quantile q = {0};

        r = read_quantile(l, list->items[i], &q);
        if (r == 0)
            insert_quantile(v, &out->n, q);
    }
    return shelve_list(l, out, v, sizeof *v, r);
}

static int on_quantiles(struct load *l, const struct yaml_pair *pair, void *into)
{
    return read_quantiles(l, pair, &((struct load_observer *)into)->quantiles);
}

static int on_old_quantiles(struct load *l, const struct yaml_pair *pair, void *into)
{
    load_warn(l, pair->key, "quantiles has moved; write it inside summary_options");
    return read_quantiles(l, pair, &((struct load_observer *)into)->old_quantiles);
}

/* ---- the options objects ---- */

#define MAX_AGE_BUCKETS 10 /* what the engine keeps; more is taken for so many */

static int on_max_age(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = load_duration(l, pair, &o->max_age_ns);

    if (r == 0 && o->max_age_ns < 0)
        return load_refuse(l, pair->value,
                           "max_age must not be negative; write a duration such as "
                           "10m, or 0 for the default");
    return r;
}

static int on_age_buckets(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = yaml_node_u32(l->doc, pair->value, "age_buckets", &o->age_buckets, l->e);

    if (r == 0 && o->age_buckets > MAX_AGE_BUCKETS)
        load_warn(l, pair->value,
                  "age_buckets above %d counts as %d: the window moves in tenths of max_age; write "
                  "%d or less",
                  MAX_AGE_BUCKETS, MAX_AGE_BUCKETS, MAX_AGE_BUCKETS);
    return r;
}

/* Checked and forgotten: our sketch takes each observation at once, there is nothing to buffer. */
static int on_buf_cap(struct load *l, const struct yaml_pair *pair, void *into)
{
    uint32_t ignored;

    (void)into;
    return yaml_node_u32(l->doc, pair->value, "buf_cap", &ignored, l->e);
}

static int on_native_factor(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = yaml_node_double(l->doc, pair->value, pair->key->text.p, &o->native_factor, l->e);

    if (r == 0 && !(o->native_factor >= 0 && isfinite(o->native_factor)))
        return load_refuse(l, pair->value,
                           "native_histogram_bucket_factor must be finite and not negative: above "
                           "1 it is the growth from bucket to bucket, up to 1 it turns native "
                           "buckets off, 0 is the default");
    return r;
}

#define MAX_NATIVE_BUCKETS 4096 /* what the engine keeps; more is taken for so many */

static int on_native_max(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = yaml_node_u32(l->doc, pair->value, pair->key->text.p, &o->native_max_buckets, l->e);

    if (r == 0 && o->native_max_buckets > MAX_NATIVE_BUCKETS)
        load_warn(l, pair->value,
                  "native_histogram_max_buckets above %d counts as %d: memory is bounded; write %d "
                  "or less",
                  MAX_NATIVE_BUCKETS, MAX_NATIVE_BUCKETS, MAX_NATIVE_BUCKETS);
    return r;
}

static int on_window(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = load_duration(l, pair, &o->set_window_ns);

    if (r == 0 && o->set_window_ns < INT64_C(1000000000))
        return load_refuse(l, pair->value,
                           "the window of a set must be at least 1s; write a duration such as 1m");
    return r;
}

/* More registers than the store has (set.h), or fewer than mean anything, are nobody's wish. */
#define MIN_SET_ERROR 0.005
#define MAX_SET_ERROR 0.2

static int on_set_error(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct load_observer *o = into;
    int r = yaml_node_double(l->doc, pair->value, "error", &o->set_error, l->e);

    if (r == 0 && !(o->set_error >= MIN_SET_ERROR && o->set_error <= MAX_SET_ERROR))
        return load_refuse(l, pair->value,
                           "the error of a set must lie between %g and %g, not at %.50s; it is the "
                           "standard error of the count, as a fraction of it",
                           MIN_SET_ERROR, MAX_SET_ERROR, pair->value->text.p);
    return r;
}

const struct load_key load_summary_keys[] = {
    {"quantiles", on_quantiles, false, "[{quantile: 0..1, error: 0..1}, ...]", "0.5, 0.9 and 0.99",
     "Quantiles to expose."},
    {"max_age", on_max_age, false, "DURATION", "10m", "Time window of the quantiles."},
    {"age_buckets", on_age_buckets, false, "NUMBER", "5",
     "Number of steps in which that window moves, at most 10."},
    {"buf_cap", on_buf_cap, false, "NUMBER", "500",
     "Accepted for compatibility with statsd_exporter; nothing is buffered."},
    {0},
};

const struct load_key load_histogram_keys[] = {
    {"buckets", on_buckets, false, "[NUMBER, ...]",
     "0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10",
     "Upper bounds, increasing; +Inf is implicit."},
    {"native_histogram_bucket_factor", on_native_factor, false, "NUMBER", "1.1",
     "Native histograms: maximum growth factor from one bucket to the next; a value above 0 "
     "and up to 1 turns them off."},
    {"native_histogram_max_buckets", on_native_max, false, "NUMBER", "256",
     "If a series has more native buckets than this, their resolution is reduced; at most "
     "4096."},
    {0},
};

const struct load_key load_set_keys[] = {
    {"window", on_window, false, "DURATION", "1m",
     "Time window in which a set counts distinct members; at least 1s."},
    {"error", on_set_error, false, "0.005..0.2", "0.01625",
     "Standard error of that count when it is estimated, for many members, as a fraction."},
    {0},
};

static int on_summary_options(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const struct load_key *const tables[] = {load_summary_keys, NULL};

    ((struct load_observer *)into)->summary = pair->key;
    return load_keys(l, pair->value, "summary_options", tables, into);
}

static int on_histogram_options(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const struct load_key *const tables[] = {load_histogram_keys, NULL};

    ((struct load_observer *)into)->histogram = pair->key;
    return load_keys(l, pair->value, "histogram_options", tables, into);
}

static int on_set_options(struct load *l, const struct yaml_pair *pair, void *into)
{
    static const struct load_key *const tables[] = {load_set_keys, NULL};

    ((struct load_observer *)into)->set = pair->key;
    return load_keys(l, pair->value, "set_options", tables, into);
}

const struct load_key load_observer_keys[] = {
    {"observer_type", on_observer_type, false, "histogram|summary", "summary",
     "How timers, histograms and distributions are kept."},
    {"summary_options", on_summary_options, false, "{KEY: VALUE, ...}", "the defaults of each key",
     "How summaries are kept. In a rule it must fit the type of its observers."},
    {"histogram_options", on_histogram_options, false, "{KEY: VALUE, ...}",
     "the defaults of each key",
     "How histograms are kept. In a rule it must fit the type of its observers."},
    {"set_options", on_set_options, false, "{KEY: VALUE, ...}", "the defaults of each key",
     "How sets are kept."},
    {"timer_type", on_timer_type, .hidden = true},
    {"buckets", on_old_buckets, .hidden = true},
    {"quantiles", on_old_quantiles, .hidden = true},
    {0},
};
