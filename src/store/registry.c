/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry: its beginning and end, and the families in order
 *
 * The page shows families by name; workers create them in any order. New ones are pushed on a
 * stack, and the control thread takes the whole stack at once and sorts it into its own array,
 * without the lock. What workers have outgrown - an index, a list - and what is gone they leave on
 * another stack, under the lock, for the control thread to retire: only it frees.
 *
 * Laws: `sorted` is the control thread's. A family is taken out of it before it is retired.
 */
#include "store/series.h"

#include <errno.h>
#include <stdlib.h>

#include "store/carry.h"
#include "store/family.h"
#include "store/index.h"

void registry_outgrow(struct registry *r, struct retired *item, void (*fn)(struct retired *))
{
    item->free = fn;
    item->next = r->outgrown;
    r->outgrown = item;
}

void retired_free_whole(struct retired *item)
{
    free(item);
}

int registry_init(struct registry *r, unsigned n_workers, uint64_t seed, uint64_t max_series,
                  struct reclaim *reclaim)
{
    *r = (struct registry){
        .n_workers = n_workers,
        .seed = seed,
        .max_series = max_series,
        .reclaim = reclaim,
        .pools = calloc(n_workers + 1, sizeof *r->pools),
        .births = calloc(n_workers + 1, sizeof *r->births),
    };
    if (r->pools == NULL || r->births == NULL || guard_init(&r->guard, max_series) != 0 ||
        index_init(r) != 0) {
        guard_release(&r->guard);
        free(r->births);
        free(r->pools);
        *r = (struct registry){0};
        return -ENOMEM;
    }
    /* On Linux a plain mutex cannot fail to be made. */
    (void)pthread_mutex_init(&r->lock, NULL);
    return 0;
}

static void release_series(struct registry *r, struct series *s)
{
    series_release_cells(r, s);
    if (series_is_leaving(s)) {
        series_release_leaving(r, s->carried->leaving);
        s->carried->leaving = NULL;
    }
    carried_free(s->carried);
}

static void release_table(struct table *t, void (*fn)(struct table_link *))
{
    for (size_t i = 0; i < t->n_chains; i++) {
        while (t->chains[i] != NULL) {
            struct table_link *link = t->chains[i];

            t->chains[i] = link->next;
            fn(link);
        }
    }
    table_release(t);
}

static void free_family_link(struct table_link *link)
{
    family_free(&table_entry(link, struct family, link)->retired);
}

static void free_vector_link(struct table_link *link)
{
    free(table_entry(link, struct vector, link));
}

static void free_help_link(struct table_link *link)
{
    free(table_entry(link, struct help, link));
}

void registry_release(struct registry *r)
{
    if (r->pools == NULL)
        return;
    index_release(r, release_series);
    release_table(&r->vectors, free_vector_link);
    release_table(&r->families, free_family_link);
    release_table(&r->helps, free_help_link);
    while (r->outgrown != NULL) {
        struct retired *item = r->outgrown;

        r->outgrown = item->next;
        item->free(item);
    }
    while (r->shapes != NULL) {
        struct shape *next = r->shapes->next;

        shape_free(r->shapes);
        r->shapes = next;
    }
    for (unsigned i = 0; i <= r->n_workers; i++)
        pool_release(&r->pools[i]);
    slab_release(&r->slab);
    guard_release(&r->guard);
    free(r->births);
    free(r->pools);
    free(r->dying);
    free(r->moving);
    free(r->sorted);
    pthread_mutex_destroy(&r->lock);
    *r = (struct registry){0};
}

int registry_reserve(struct registry *r, struct slice name, struct slice help, bool internal)
{
    struct family *f;
    int rc = 0;

    pthread_mutex_lock(&r->lock);
    f = family_find(r, name);
    if (f == NULL) {
        f = family_new(r, name, help, METRIC_COUNTER);
        rc = f == NULL ? -ENOMEM : 0;
    }
    if (f != NULL) {
        f->reserved = true;
        f->internal = internal;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* ---- families in order ---- */

static int family_cmp(const void *a, const void *b)
{
    return slice_cmp(family_name(*(struct family *const *)a),
                     family_name(*(struct family *const *)b));
}

static void sorted_drop_gone(struct registry *r)
{
    size_t n = 0;

    if (!r->sorted_has_gone)
        return;
    for (size_t i = 0; i < r->n_sorted; i++)
        if (!r->sorted[i]->gone)
            r->sorted[n++] = r->sorted[i];
    r->n_sorted = n;
    r->sorted_has_gone = false;
}

static int sorted_reserve(struct registry *r, size_t more)
{
    size_t cap = r->cap_sorted ? r->cap_sorted : 64;
    struct family **sorted;

    while (cap < r->n_sorted + more)
        cap *= 2;
    if (cap == r->cap_sorted)
        return 0;
    sorted = realloc(r->sorted, cap * sizeof(struct family *));
    if (sorted == NULL)
        return -ENOMEM;
    r->sorted = sorted;
    r->cap_sorted = cap;
    return 0;
}

/* How many of the first @n families in order come before @f. */
static size_t sorted_before(const struct registry *r, size_t n, const struct family *f)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (slice_cmp(family_name(r->sorted[low + half]), family_name(f)) < 0) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* Merge @fresh, @n in order, into the order from its end: what lies between two moves once. */
static void sorted_merge(struct registry *r, struct family **fresh, size_t n)
{
    size_t end = r->n_sorted;

    r->n_sorted += n;
    for (; n > 0; n--) {
        size_t at = sorted_before(r, end, fresh[n - 1]);

        memmove(&r->sorted[at + n], &r->sorted[at], (end - at) * sizeof(struct family *));
        r->sorted[at + n - 1] = fresh[n - 1];
        end = at;
    }
}

/* Without memory: back on the stack, for the next time. */
static void announce_again(struct registry *r, struct family *fresh)
{
    struct family *last = fresh;

    while (last->next_new != NULL)
        last = last->next_new;
    last->next_new = atomic_load_explicit(&r->new_families, memory_order_relaxed);
    /* Release: as in family_announce(). */
    while (!atomic_compare_exchange_weak_explicit(&r->new_families, &last->next_new, fresh,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

int registry_sort(struct registry *r)
{
    struct family *stack, *f;
    struct family **fresh;
    size_t n = 0;

    sorted_drop_gone(r);
    /* Acquire pairs with family_announce(). */
    stack = atomic_exchange_explicit(&r->new_families, NULL, memory_order_acquire);
    if (stack == NULL)
        return 0;
    for (f = stack; f != NULL; f = f->next_new)
        n++;
    fresh = malloc(n * sizeof(struct family *));
    if (fresh == NULL || sorted_reserve(r, n) != 0) {
        free(fresh);
        announce_again(r, stack);
        return -ENOMEM;
    }
    n = 0;
    for (f = stack; f != NULL; f = f->next_new)
        fresh[n++] = f;
    qsort(fresh, n, sizeof(struct family *), family_cmp);
    sorted_merge(r, fresh, n);
    free(fresh);
    return 0;
}
