/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Survey: all families and series, looked at for an operator
 *
 * Which families have the most series, when was each last written to, and which labels make that
 * many of them? Only a walk past all series knows, and a million of them take a tenth of a second,
 * so the walk is made in steps, and its owner does other things in between:
 *
 *      families in name order --series of each--> how many, the newest tick --> the largest ones
 *                                  `--labels--> for each label name its distinct values
 *
 * As a scrape does, it keeps what it walks past from being freed by a pin, notes the newest series
 * at its beginning, and holds no pointer to a series between two steps.
 *
 * Laws: control's; no lock; nothing is written but the survey. Memory is bounded by the number of
 *       families at its beginning, and by SURVEY_LABELS label names: the rest is counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "bacowr/insight.h"
#include "base/json.h"
#include "engine/distinct.h"
#include "engine/engine.h"
#include "store/family.h"
#include "store/label_text.h"

#define SURVEY_LABELS     64u
#define SURVEY_LABEL_NAME 64u
#define SURVEY_MATCH_MAX  256u

struct found {
    const struct family *family; /* pinned */
    enum metric_type type;
    uint64_t n;
    uint32_t tick; /* of the newest sample */
};

struct label {
    char name[SURVEY_LABEL_NAME];
    size_t len;
    uint64_t n_series; /* that have it */
    struct distinct values;
};

struct bacowr_survey {
    struct bacowr *b;
    struct reclaim_pin pin;
    struct bacowr_tell tell; /* its match is the text below */
    char match[SURVEY_MATCH_MAX];
    uint64_t newest; /* series born later are not looked at */

    /* The place. */
    size_t n_families, family_at;
    struct found found; /* the family under way */
    struct series_walk walk;

    uint64_t n_alive, n_matched, n_series;
    struct found *top; /* owned: a heap, the smallest of the largest first */
    size_t n_top;
    struct label *labels; /* owned */
    size_t n_labels;
    uint64_t n_other; /* times that a label had no room */
    const struct family *families[];
};

int bacowr_survey_new(struct bacowr_survey **out, struct bacowr *b, const struct bacowr_tell *tell)
{
    struct registry *reg = &b->registry;
    struct bacowr_survey *s;

    if (registry_sort(reg) != 0)
        return -ENOMEM;
    s = calloc(1, sizeof *s + reg->n_sorted * sizeof s->families[0]);
    if (s == NULL)
        return -ENOMEM;
    s->b = b;
    s->tell = *tell;
    s->tell.limit = tell->limit < BACOWR_SURVEY_MAX ? tell->limit : BACOWR_SURVEY_MAX;
    s->tell.match =
        slice_of(s->match, tell->match.len < SURVEY_MATCH_MAX ? tell->match.len : SURVEY_MATCH_MAX);
    if (s->tell.match.len > 0)
        memcpy(s->match, tell->match.p, s->tell.match.len);
    s->top = calloc((size_t)s->tell.limit + 1, sizeof *s->top);
    s->labels = calloc(SURVEY_LABELS, sizeof *s->labels);
    s->newest = relaxed_load(&reg->n_births);
    s->n_families = reg->n_sorted;
    for (size_t i = 0; i < reg->n_sorted; i++)
        s->families[i] = reg->sorted[i];
    reclaim_pin(&b->reclaim, &s->pin);
    *out = s;
    if (s->top != NULL && s->labels != NULL)
        return 0;
    bacowr_survey_free(s);
    return -ENOMEM;
}

void bacowr_survey_free(struct bacowr_survey *s)
{
    if (s == NULL)
        return;
    reclaim_unpin(&s->b->reclaim, &s->pin);
    free(s->top);
    free(s->labels);
    free(s);
}

/* ---- labels ---- */

static struct label *label_named(struct bacowr_survey *s, struct slice name)
{
    struct label *l;

    for (size_t i = 0; i < s->n_labels; i++)
        if (slice_eq(slice_of(s->labels[i].name, s->labels[i].len), name))
            return &s->labels[i];
    if (s->n_labels == SURVEY_LABELS || name.len > SURVEY_LABEL_NAME) {
        s->n_other++;
        return NULL;
    }
    l = &s->labels[s->n_labels++];
    memcpy(l->name, name.p, name.len);
    l->len = name.len;
    return l;
}

static void look_at_labels(struct bacowr_survey *s, struct slice labels)
{
    struct label_text text;

    while (label_text_next(&labels, &text)) {
        struct label *l = label_named(s, text.name);

        if (l != NULL) {
            l->n_series++;
            distinct_add(&l->values, text.value, s->b->registry.seed);
        }
    }
}

/* ---- the largest families ---- */

static bool is_smaller(const struct found *a, const struct found *b)
{
    if (a->n != b->n)
        return a->n < b->n;
    return slice_cmp(family_name(a->family), family_name(b->family)) > 0;
}

static void swap(struct found *a, struct found *b)
{
    struct found was = *a;

    *a = *b;
    *b = was;
}

static void sink(struct found *heap, size_t n)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= n)
            return;
        if (child + 1 < n && is_smaller(&heap[child + 1], &heap[child]))
            child++;
        if (!is_smaller(&heap[child], &heap[at]))
            return;
        swap(&heap[child], &heap[at]);
        at = child;
    }
}

static void rise(struct found *heap, size_t at)
{
    while (at > 0 && is_smaller(&heap[at], &heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void keep_largest(struct bacowr_survey *s, const struct found *found)
{
    if (s->n_top < s->tell.limit) {
        s->top[s->n_top] = *found;
        rise(s->top, s->n_top++);
    } else if (s->n_top > 0 && is_smaller(&s->top[0], found)) {
        s->top[0] = *found;
        sink(s->top, s->n_top);
    }
}

/* ---- the walk ---- */

static bool is_asked_for(const struct bacowr_survey *s, struct slice name)
{
    struct slice match = s->tell.match;

    for (size_t at = 0; at + match.len <= name.len; at++)
        if (match.len == 0 || strncasecmp(name.p + at, match.p, match.len) == 0)
            return true;
    return false;
}

static void look_at(struct bacowr_survey *s, const struct series *series)
{
    uint32_t tick = series_last_seen(series);

    /* Signed: ticks wrap. */
    if (s->found.n == 0 || (int32_t)(tick - s->found.tick) > 0)
        s->found.tick = tick;
    s->found.n++;
    look_at_labels(s, series_labels(series));
}

static void end_family(struct bacowr_survey *s, const struct family *f)
{
    if (s->found.n > 0) {
        s->n_alive++;
        s->n_matched++;
        s->n_series += s->found.n;
        s->found.family = f;
        s->found.type = family_type(f);
        keep_largest(s, &s->found);
    }
    s->found = (struct found){0};
    s->walk = (struct series_walk){0};
    s->family_at++;
}

/* Of a family that nobody asked for only its being there is told. */
static void pass_family(struct bacowr_survey *s, const struct family *f)
{
    const struct series_list *list = atomic_load_explicit(&f->list, memory_order_relaxed);

    s->n_alive += relaxed_load(&list->n) > 0;
    s->family_at++;
}

bool bacowr_survey_next(struct bacowr_survey *s, unsigned n_series)
{
    while (n_series > 0 && s->family_at < s->n_families) {
        const struct family *f = s->families[s->family_at];
        const struct series *series;

        n_series--;
        if (f->internal) {
            s->family_at++;
        } else if (!is_asked_for(s, family_name(f))) {
            pass_family(s, f);
        } else {
            series = series_walk_next(&s->walk, &s->b->registry, f, s->newest);
            if (series != NULL)
                look_at(s, series);
            else
                end_family(s, f);
        }
    }
    return s->family_at < s->n_families;
}

/* ---- telling ---- */

static int larger_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return is_smaller(x, y) ? 1 : is_smaller(y, x) ? -1 : 0;
}

static int more_values_first(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    uint64_t n = distinct_read(&x->values), m = distinct_read(&y->values);

    if (n != m)
        return n < m ? 1 : -1;
    return slice_cmp(slice_of(x->name, x->len), slice_of(y->name, y->len));
}

static void tell_family(const struct bacowr_survey *s, const struct found *found, struct json *j)
{
    int32_t age = (int32_t)((uint32_t)(s->tell.now_ms / CELL_TICK_MS) - found->tick);

    json_object(j, NULL);
    json_slice(j, "name", family_name(found->family));
    json_str(j, "type", metric_type_name(found->type));
    json_slice(j, "help", family_help(found->family));
    json_u64(j, "series", found->n);
    json_double(j, "last_seen_age_seconds", age > 0 ? age * (CELL_TICK_MS / 1e3) : 0);
    json_end_object(j);
}

static void tell_label(const struct label *l, struct json *j)
{
    json_object(j, NULL);
    json_slice(j, "name", slice_of(l->name, l->len));
    json_u64(j, "values", distinct_read(&l->values));
    json_bool(j, "estimated", !distinct_is_exact(&l->values));
    json_u64(j, "series", l->n_series);
    json_end_object(j);
}

void bacowr_survey_tell(struct bacowr_survey *s, struct json *j)
{
    if (s->n_top > 0)
        qsort(s->top, s->n_top, sizeof *s->top, larger_first);
    if (s->n_labels > 0)
        qsort(s->labels, s->n_labels, sizeof *s->labels, more_values_first);
    json_u64(j, "series", relaxed_load(&s->b->registry.n_series));
    json_u64(j, "total", s->n_alive);
    json_u64(j, "matched", s->n_matched);
    json_u64(j, "matched_series", s->n_series);
    json_array(j, "families");
    for (size_t i = 0; i < s->n_top; i++)
        tell_family(s, &s->top[i], j);
    json_end_array(j);
    json_array(j, "labels");
    for (size_t i = 0; i < s->n_labels; i++)
        tell_label(&s->labels[i], j);
    json_end_array(j);
    json_u64(j, "labels_left_out", s->n_other);
}
