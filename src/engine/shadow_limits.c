/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, limits: what would go over a limit of the server
 *
 * A limit is met by whoever comes last, and who that will be is nobody's knowledge; how many it
 * will be is a matter of counting:
 *
 *      after a start:  what there would be, less the limit
 *      after a reload: what is there now stands, and what is new comes to it
 *
 * Series of a family and values of a label are counted of what was seen. Of all series the family's
 * limit has had its part already; and after a reload those stand too that nobody sends any more.
 * What is over the limit of a label is told as values, for how many series it is depends on their
 * order; so with that limit the number of all series is one that is not exceeded. Values of series
 * that are refused for their type are none.
 *
 * Laws: what is told does not depend on the order of the document.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

enum { SEED_LABEL = 11, SEED_VALUE /* + the type */ };

/* ---- values of labels ---- */

static struct shadow_label *label_find(const struct bacowr_shadow *s, uint64_t hash,
                                       const struct shadow_family *f, struct slice name)
{
    for (struct table_link *l = table_chain(&s->labels, hash); l != NULL; l = l->next) {
        struct shadow_label *label = table_entry(l, struct shadow_label, link);

        if (label->family == f && slice_eq(slice_of(label->name, label->name_len), name))
            return label;
    }
    return NULL;
}

static struct shadow_label *label_new(struct bacowr_shadow *s, uint64_t hash,
                                      const struct shadow_family *f, struct slice name)
{
    struct shadow_label *label = calloc(1, sizeof *label + name.len);

    if (label == NULL)
        return NULL;
    label->link.hash = hash;
    label->family = f;
    label->name_len = (uint32_t)name.len;
    if (name.len > 0)
        memcpy(label->name, name.p, name.len);
    if (table_insert(&s->labels, &label->link) != 0) {
        free(label);
        return NULL;
    }
    return label;
}

static int count_value(struct bacowr_shadow *s, struct shadow_label *label, struct slice value,
                       enum metric_type type, unsigned side)
{
    uint64_t seed = label->link.hash + SEED_VALUE + (uint64_t)type;
    int had = marks_set(&s->marks, hash_bytes(value, seed), 1u << side);

    if (had < 0)
        return had;
    if (((unsigned)had & 1u << side) != 0)
        return 0;
    label->n_values[side][type]++;
    label->n_kept += had != 0;
    return 0;
}

/* 0, also when there are too many labels to tell this one apart; or -ENOMEM. */
static int count_label(struct bacowr_shadow *s, const struct shadow_state *state, struct slice name,
                       struct slice value, unsigned side)
{
    const struct shadow_family *f = state->family;
    uint64_t hash = hash_bytes(name, hash_bytes(shadow_name(f), SEED_LABEL));
    struct shadow_label *label = label_find(s, hash, f, name);

    if (label == NULL && s->labels.n == SHADOW_LABELS_MAX) {
        s->labels_left_out = true;
        return 0;
    }
    if (label == NULL)
        label = label_new(s, hash, f, name);
    return label != NULL ? count_value(s, label, value, shadow_kept_as(state->type), side)
                         : -ENOMEM;
}

int shadow_count_values(struct bacowr_shadow *s, const struct shadow_state *state, unsigned side)
{
    struct slice labels = state->labels;
    int r = 0;

    if (s->values_limit == 0 || state->family == s->others)
        return 0;
    while (r == 0 && labels.len > 0) {
        struct slice name, value;

        shadow_take_label(&labels, &name, &value);
        r = count_label(s, state, name, value, side);
    }
    return r;
}

/* ---- what is over ---- */

static uint64_t over(uint64_t n, uint64_t limit)
{
    return n > limit ? n - limit : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t fresh(uint64_t then, uint64_t kept)
{
    return then > kept ? then - kept : 0;
}

/* Of @n_new that come to @stand, which no limit takes away. */
static uint64_t new_over(uint64_t stand, uint64_t n_new, uint64_t limit)
{
    return over(least(stand, limit) + n_new, limit);
}

bool shadow_limit_is_worse(const struct shadow_limit *l)
{
    return l->over[AFTER] > l->over[BEFORE] || l->new_over > 0;
}

/* Only what is over is told. 0 or -ENOMEM. */
static int note(struct bacowr_shadow *s, const struct shadow_limit *found)
{
    struct shadow_limit *limits;

    if (found->over[BEFORE] + found->over[AFTER] + found->new_over == 0)
        return 0;
    limits = realloc(s->limits, (s->n_limits + 1) * sizeof *limits);
    if (limits == NULL)
        return -ENOMEM;
    limits[s->n_limits++] = *found;
    s->limits = limits;
    s->over_a_limit |= shadow_limit_is_worse(found);
    return 0;
}

static int judge_family(struct bacowr_shadow *s, const struct shadow_family *f)
{
    uint64_t limit = s->family_limit;
    uint64_t n[N_SIDES] = {f->sides[BEFORE].n_series, f->sides[AFTER].n_series};

    return note(s, &(struct shadow_limit){
                       .limit = LIMIT_FAMILY,
                       .family = f,
                       .allowed = limit,
                       .n = {n[BEFORE], n[AFTER]},
                       .over = {over(n[BEFORE], limit), over(n[AFTER], limit)},
                       .new_over = new_over(n[BEFORE], fresh(n[AFTER], f->n_kept), limit),
                   });
}

/* Values there would be of series that are not refused: their type has no @outcome. */
static uint64_t values_then(const struct shadow_label *label, const int outcome[METRIC_N_TYPES])
{
    const struct shadow_side *after = &label->family->sides[AFTER];
    bool has[METRIC_N_TYPES] = {false};
    uint64_t n = 0;

    for (unsigned i = 0; i < METRIC_N_TYPES; i++)
        if (after->identities_of[i] > 0 && outcome[i] == 0)
            has[shadow_kept_as((enum metric_type)i)] = true;
    for (unsigned i = 0; i < METRIC_N_TYPES; i++)
        n += has[i] ? label->n_values[AFTER][i] : 0;
    return n;
}

static int judge_label(struct bacowr_shadow *s, const struct shadow_label *label)
{
    const struct shadow_family *f = label->family;
    uint64_t limit = s->values_limit, now = 0;
    uint64_t then = values_then(label, f->after_start);
    uint64_t reloaded = values_then(label, f->after_reload);

    for (unsigned i = 0; i < METRIC_N_TYPES; i++)
        now += label->n_values[BEFORE][i];

    return note(s, &(struct shadow_limit){
                       .limit = LIMIT_LABEL,
                       .family = f,
                       .label = label,
                       .allowed = limit,
                       .n = {now, then},
                       .over = {over(now, limit), over(then, limit)},
                       .new_over = new_over(now, fresh(reloaded, label->n_kept), limit),
                   });
}

/* Series of a side that the limit of a family lets through. */
static uint64_t let_through(const struct bacowr_shadow *s, unsigned side)
{
    uint64_t n = s->n_series[side];

    for (size_t i = 0; s->family_limit > 0 && i < s->n_sorted; i++)
        n -= over(s->sorted[i]->sides[side].n_series, s->family_limit);
    return n;
}

static int judge_all(struct bacowr_shadow *s)
{
    uint64_t limit = s->series_limit;
    uint64_t now = let_through(s, BEFORE), then = let_through(s, AFTER);

    return note(s, &(struct shadow_limit){
                       .limit = LIMIT_SERIES,
                       .allowed = limit,
                       .n = {now, then},
                       .over = {over(now, limit), over(then, limit)},
                       .new_over = new_over(s->n_alive, fresh(then, s->n_kept), limit),
                   });
}

/* ---- the whole ---- */

static int by_place(const void *a, const void *b)
{
    const struct shadow_limit *x = a, *y = b;
    int c = (int)x->limit - (int)y->limit;

    if (c == 0 && x->family != y->family)
        c = slice_cmp(shadow_name(x->family), shadow_name(y->family));
    if (c == 0 && x->label != y->label)
        c = slice_cmp(slice_of(x->label->name, x->label->name_len),
                      slice_of(y->label->name, y->label->name_len));
    return c;
}

int shadow_judge_limits(struct bacowr_shadow *s)
{
    int r = s->series_limit > 0 ? judge_all(s) : 0;

    for (size_t i = 0; r == 0 && s->family_limit > 0 && i < s->n_sorted; i++)
        r = judge_family(s, s->sorted[i]);
    for (size_t i = 0; r == 0 && i < s->labels.n_chains; i++)
        for (struct table_link *l = s->labels.chains[i]; r == 0 && l != NULL; l = l->next)
            r = judge_label(s, table_entry(l, struct shadow_label, link));
    if (s->n_limits > 0)
        qsort(s->limits, s->n_limits, sizeof *s->limits, by_place);
    return r;
}
