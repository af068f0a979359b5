/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: see bacowr/values.h
 *
 * A walk as a scrape makes it, without the page: families in name order, of each that is of the
 * kind its series in order of birth, each read and told. Families of other kinds cost a step too,
 * so that a step is bounded whatever there is.
 *
 * Laws: control's; no lock but the registry's, for what is let go. As a scrape, a pin keeps the
 *       families from being freed, what is born later is not told, and between two steps no pointer
 *       to a series is held.
 */
#include "bacowr/values.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/engine.h"

struct bacowr_values {
    struct bacowr *b;
    struct reclaim_pin pin;
    enum bacowr_values_kind kind;
    int64_t now_ms;
    uint64_t newest; /* series born later are not told */

    /* The place. */
    size_t n_families, family_at;
    struct series_walk walk;
    const struct family *families[]; /* pinned */
};

/* The first of the families in order whose name is not before @prefix. */
static size_t first_from(const struct registry *reg, struct slice prefix)
{
    size_t from = 0, to = reg->n_sorted;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (slice_cmp(family_name(reg->sorted[middle]), prefix) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

int bacowr_values_new(struct bacowr_values **out, struct bacowr *b, enum bacowr_values_kind kind,
                      struct slice prefix, int64_t now_ms)
{
    struct registry *reg = &b->registry;
    struct bacowr_values *v;
    size_t first, end;

    if (registry_sort(reg) != 0)
        return -ENOMEM;
    first = end = first_from(reg, prefix);
    while (end < reg->n_sorted && slice_starts(family_name(reg->sorted[end]), prefix))
        end++;
    v = calloc(1, sizeof *v + (end - first) * sizeof v->families[0]);
    if (v == NULL)
        return -ENOMEM;
    v->b = b;
    v->kind = kind;
    v->now_ms = now_ms;
    v->newest = relaxed_load(&reg->n_births);
    for (size_t i = first; i < end; i++)
        v->families[v->n_families++] = reg->sorted[i];
    reclaim_pin(&b->reclaim, &v->pin);
    *out = v;
    return 0;
}

void bacowr_values_free(struct bacowr_values *v)
{
    if (v == NULL)
        return;
    reclaim_unpin(&v->b->reclaim, &v->pin);
    free(v);
}

static bool is_of_kind(const struct bacowr_values *v, const struct family *f)
{
    static const enum bacowr_values_kind kinds[METRIC_N_TYPES] = {
        [METRIC_COUNTER] = BACOWR_VALUES_COUNTERS,
        [METRIC_GAUGE] = BACOWR_VALUES_GAUGES,
        [METRIC_HISTOGRAM] = BACOWR_VALUES_OBSERVERS,
        [METRIC_SUMMARY] = BACOWR_VALUES_OBSERVERS,
    };
    enum metric_type type = family_type(f);

    return !f->internal && type != METRIC_SET && kinds[type] == v->kind;
}

static int tell(struct bacowr_values *v, const struct family *f, const struct series *s,
                enum bacowr_verdict (*fn)(void *ctx, const struct bacowr_value *value), void *ctx)
{
    struct snapshot_series shown = {.labels = series_labels(s)};
    struct bacowr_value value;

    v->b->reader.wants_native = false;
    if (series_read(s, v->now_ms, &v->b->reader, &shown) != 0)
        return -ENOMEM;
    value = (struct bacowr_value){
        .name = family_name(f),
        .labels = shown.labels,
        .value = shown.value,
        .count = shown.count,
        .sum = shown.sum,
    };
    if (fn(ctx, &value) == BACOWR_LET_GO)
        registry_let_go(&v->b->registry, s);
    return 0;
}

int bacowr_values_next(struct bacowr_values *v, unsigned n_series,
                       enum bacowr_verdict (*fn)(void *ctx, const struct bacowr_value *value),
                       void *ctx)
{
    for (; n_series > 0 && v->family_at < v->n_families; n_series--) {
        const struct family *f = v->families[v->family_at];
        const struct series *s =
            is_of_kind(v, f) ? series_walk_next(&v->walk, &v->b->registry, f, v->newest) : NULL;

        if (s == NULL) {
            v->family_at++;
            v->walk = (struct series_walk){0};
        } else if (tell(v, f, s, fn, ctx) != 0) {
            return -ENOMEM;
        }
    }
    return v->family_at < v->n_families ? 1 : 0;
}
