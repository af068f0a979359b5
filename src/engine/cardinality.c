/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cardinality: which names and labels have the most series, and what is over a limit
 *
 *      families --by their counts--> the largest ones --series of each, step by step--> for each
 *      label its distinct values, by HyperLogLog --> the labels that have the most
 *
 * A label of a family has no more values than the family has series. So the labels with the most
 * values are those of the largest families, unless they have fewer than the families that are left
 * out have series; and no others are looked at.
 *
 * Laws: control's; no lock; nothing is written but what is told. Between two steps it holds no
 *       pointer to a series. Memory: the largest families, and LABELS_MAX estimates, which are used
 *       again for each of them.
 */
#include "bacowr/cardinality.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/json.h"
#include "engine/engine.h"
#include "store/family.h"
#include "store/label_text.h"
#include "store/set.h"

#define TOP            BACOWR_CARDINALITY_TOP
#define LABELS_MAX     16u /* of a family; those that come first */
#define BITS           12u /* a standard error of 1.6 % */
#define LABEL_NAME_MAX 64u

struct label {
    uint64_t hash; /* of its name */
    char name[LABEL_NAME_MAX + 1];
    struct set_block *values; /* in bacowr_cardinality.blocks */
};

struct found_label {
    const struct family *family;
    char name[LABEL_NAME_MAX + 1];
    double n_values;
};

struct bacowr_cardinality {
    struct bacowr *b;
    struct reclaim_pin pin;
    uint64_t newest; /* series born later are not looked at */
    uint64_t n_families;

    struct {
        struct family *family; /* pinned */
        uint32_t n_series;
    } top[TOP]; /* the most first */
    unsigned n_top;

    /* The place. */
    unsigned at;
    struct series_walk walk;
    struct label labels[LABELS_MAX];
    unsigned n_labels;

    struct found_label found[TOP]; /* the most first */
    unsigned n_found;
    struct set_merge *merge; /* owned, as the next */
    char *blocks;
};

/* ---- the largest families ---- */

static void keep_family(struct bacowr_cardinality *c, struct family *f)
{
    uint32_t n = relaxed_load(&f->n_alive);
    unsigned i = c->n_top < TOP ? c->n_top++ : TOP - 1;

    if (i == TOP - 1 && c->top[i].family != NULL && c->top[i].n_series >= n)
        return;
    for (; i > 0 && c->top[i - 1].n_series < n; i--)
        c->top[i] = c->top[i - 1];
    c->top[i].family = f;
    c->top[i].n_series = n;
}

static void keep_families(struct bacowr_cardinality *c)
{
    const struct registry *reg = &c->b->registry;

    for (size_t i = 0; i < reg->n_sorted; i++) {
        if (reg->sorted[i]->internal || relaxed_load(&reg->sorted[i]->n_alive) == 0)
            continue;
        c->n_families++;
        keep_family(c, reg->sorted[i]);
    }
}

int bacowr_cardinality_new(struct bacowr_cardinality **out, struct bacowr *b)
{
    size_t size = (set_block_size(BITS, set_n_levels(BITS) - 1) + 7) / 8 * 8;
    struct bacowr_cardinality *c;

    if (registry_sort(&b->registry) != 0)
        return -ENOMEM;
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->b = b;
    c->newest = relaxed_load(&b->registry.n_births);
    c->merge = malloc(set_merge_size());
    c->blocks = malloc(LABELS_MAX * size);
    reclaim_pin(&b->reclaim, &c->pin);
    if (c->merge == NULL || c->blocks == NULL) {
        bacowr_cardinality_free(c);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < LABELS_MAX; i++)
        c->labels[i].values = (struct set_block *)(void *)(c->blocks + i * size);
    keep_families(c);
    *out = c;
    return 0;
}

void bacowr_cardinality_free(struct bacowr_cardinality *c)
{
    if (c == NULL)
        return;
    reclaim_unpin(&c->b->reclaim, &c->pin);
    free(c->merge);
    free(c->blocks);
    free(c);
}

/* ---- labels of the family under way ---- */

static struct label *label_named(struct bacowr_cardinality *c, struct slice name)
{
    uint64_t hash = hash_bytes(name, c->b->registry.seed);
    struct label *label;

    for (unsigned i = 0; i < c->n_labels; i++)
        if (c->labels[i].hash == hash)
            return &c->labels[i];
    if (c->n_labels == LABELS_MAX || name.len > LABEL_NAME_MAX)
        return NULL;
    label = &c->labels[c->n_labels++];
    label->hash = hash;
    memcpy(label->name, name.p, name.len);
    label->name[name.len] = '\0';
    set_block_init(label->values, BITS, set_n_levels(BITS) - 1, 0);
    return label;
}

static void look_at(struct bacowr_cardinality *c, const struct series *s)
{
    struct slice rest = series_labels(s);
    struct label_text text;

    if (s->fold)
        return;
    while (label_text_next(&rest, &text)) {
        struct label *label = label_named(c, text.name);

        if (label != NULL)
            (void)set_block_add(label->values, hash_bytes(text.value, c->b->registry.seed));
    }
}

static void keep_label(struct bacowr_cardinality *c, const struct label *label)
{
    unsigned i = c->n_found < TOP ? c->n_found++ : TOP;
    double n;

    set_merge_init(c->merge, BITS);
    set_merge_add(c->merge, label->values);
    n = set_merge_count(c->merge);
    if (i == TOP && c->found[--i].n_values >= n)
        return;
    for (; i > 0 && c->found[i - 1].n_values < n; i--)
        c->found[i] = c->found[i - 1];
    c->found[i].family = c->top[c->at].family;
    memcpy(c->found[i].name, label->name, sizeof label->name);
    c->found[i].n_values = n;
}

static void end_family(struct bacowr_cardinality *c)
{
    for (unsigned i = 0; i < c->n_labels; i++)
        keep_label(c, &c->labels[i]);
    c->n_labels = 0;
    c->walk = (struct series_walk){0};
    c->at++;
}

bool bacowr_cardinality_next(struct bacowr_cardinality *c, unsigned n_series)
{
    for (; n_series > 0 && c->at < c->n_top; n_series--) {
        const struct series *s =
            series_walk_next(&c->walk, &c->b->registry, c->top[c->at].family, c->newest);

        if (s != NULL)
            look_at(c, s);
        else
            end_family(c);
    }
    return c->at < c->n_top;
}

/* ---- telling ---- */

static void tell_limits(const struct bacowr_cardinality *c, struct json *j)
{
    const struct registry *reg = &c->b->registry;

    json_object(j, "limits");
    json_u64(j, "series", reg->max_series);
    json_u64(j, "family_series", reg->guard.max_family);
    json_u64(j, "label_values", reg->guard.max_values);
    json_u64(j, "overflow_series", reg->guard.max_folds);
    json_end_object(j);
    json_u64(j, "series", relaxed_load(&reg->n_series));
    json_u64(j, "overflow_series", relaxed_load(&reg->guard.n_folds));
    json_u64(j, "families", c->n_families);
}

/* The workers' counts from @stat on, one for each limit. */
static void tell_counts(const struct bacowr *b, const char *key, unsigned stat, struct json *j)
{
    json_object(j, key);
    for (unsigned limit = 0; limit < N_LIMITS; limit++) {
        uint64_t n = 0;

        for (unsigned i = 0; i < b->config.n_workers; i++)
            n += relaxed_load(&b->workers[i]->stats[stat + limit]);
        json_u64(j, limit_names[limit], n);
    }
    json_end_object(j);
}

static void tell_top(const struct bacowr_cardinality *c, struct json *j)
{
    json_array(j, "top_families");
    for (unsigned i = 0; i < c->n_top; i++) {
        json_object(j, NULL);
        json_slice(j, "name", family_name(c->top[i].family));
        json_str(j, "type", metric_type_name(family_type(c->top[i].family)));
        json_u64(j, "series", c->top[i].n_series);
        json_end_object(j);
    }
    json_end_array(j);
    json_array(j, "top_labels");
    for (unsigned i = 0; i < c->n_found; i++) {
        json_object(j, NULL);
        json_slice(j, "family", family_name(c->found[i].family));
        json_str(j, "label", c->found[i].name);
        json_double(j, "values", c->found[i].n_values);
        json_end_object(j);
    }
    json_end_array(j);
}

static void tell_folded(const struct folded_report *report, struct json *j)
{
    json_double(j, "overflow_identities", report->n_identities);
    json_array(j, "overflow_families");
    for (unsigned i = 0; i < report->n; i++) {
        const struct folded_family *f = &report->families[i];

        json_object(j, NULL);
        json_str(j, "name", f->name);
        json_double(j, "identities", f->n_identities);
        json_array(j, "labels");
        for (unsigned k = 0; k < f->n_labels; k++) {
            json_object(j, NULL);
            json_str(j, "label", f->labels[k].name);
            json_double(j, "values", f->labels[k].n_values);
            json_end_object(j);
        }
        json_end_array(j);
        json_end_object(j);
    }
    json_end_array(j);
}

int bacowr_cardinality_tell(const struct bacowr_cardinality *c, struct json *j)
{
    struct folded_report *report = malloc(sizeof *report);
    int rc = report != NULL ? overflow_read(c->b, report) : -ENOMEM;

    if (rc == 0) {
        tell_limits(c, j);
        tell_counts(c->b, "folded_events", STAT_FOLDED, j);
        tell_counts(c->b, "refused_events", STAT_LIMIT, j);
        tell_top(c, j);
        tell_folded(report, j);
    }
    free(report);
    return rc;
}
