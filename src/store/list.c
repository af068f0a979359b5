/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List: a family's series in order of birth
 *
 * It is what the scrape walks. It grows by replacement; places of series that are gone are empty
 * until the list is compacted. The first one, of FAMILY_FIRST_CAP entries, is part of the family:
 * many have one series only. All others have before them what they are retired by.
 *
 * Laws: all but reading under the registry's lock. Entries do not move but by a compaction.
 */
#include "store/family.h"

#include <errno.h>
#include <stdlib.h>

#define LIST_MIN     4u

/* So many series ahead memory is asked for: for a series, and for its first worker's cell. */
#define SERIES_AHEAD 16u
#define CELLS_AHEAD  8u
#define CACHE_LINE   64

/* Of a list with @n entries: the copies that growth by a quarter takes cost less than the room that
 * a double leaves. */
static uint32_t list_cap(uint32_t n)
{
    return n + n / 4 + LIST_MIN;
}

/* Room for what follows @n entries of a list. Before it stands what it is retired by. */
static struct series_list *list_new(uint32_t n)
{
    uint32_t cap = list_cap(n);
    struct series_list *list;
    struct retired *memory = malloc(sizeof *memory + sizeof *list + cap * sizeof list->entries[0]);

    if (memory == NULL)
        return NULL;
    list = (struct series_list *)(memory + 1);
    list->cap = cap;
    relaxed_store(&list->n, 0);
    return list;
}

/* Release: the entries are visible before the list. */
static void list_publish(struct registry *r, struct family *f, struct series_list *list)
{
    struct series_list *old = atomic_load_explicit(&f->list, memory_order_relaxed);

    atomic_store_explicit(&f->list, list, memory_order_release);
    if (old != family_first_list(f))
        registry_outgrow(r, (struct retired *)old - 1, retired_free_whole);
}

/* Under the lock: room for one more entry at the end. */
int list_reserve(struct registry *r, struct family *f)
{
    struct series_list *old = atomic_load_explicit(&f->list, memory_order_relaxed);
    uint32_t n = relaxed_load(&old->n);
    struct series_list *list;

    if (n < old->cap)
        return 0;
    list = list_new(n);
    if (list == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        relaxed_store(&list->entries[i], relaxed_load(&old->entries[i]));
    relaxed_store(&list->n, n);
    list_publish(r, f, list);
    return 0;
}

uint32_t list_append(struct family *f, uint32_t ref)
{
    struct series_list *list = atomic_load_explicit(&f->list, memory_order_relaxed);
    uint32_t n = relaxed_load(&list->n);

    relaxed_store(&list->entries[n], ref);
    /* Release: entry and series are visible before the count. */
    atomic_store_explicit(&list->n, n + 1, memory_order_release);
    return n;
}

/*
 * Under the lock: leave the gone entries of a list behind once they are the larger part. A scrape
 * that stands in the middle of the list notices by n_compactions. Without memory it stays as it is.
 */
void list_compact(struct registry *r, struct family *f)
{
    struct series_list *old = atomic_load_explicit(&f->list, memory_order_relaxed);
    uint32_t n_old = relaxed_load(&old->n), n = 0;
    struct series_list *list;

    if (f->n_gone < 16 || f->n_gone < n_old / 2)
        return;
    list = list_new(n_old - f->n_gone);
    if (list == NULL)
        return;
    for (uint32_t i = 0; i < n_old; i++) {
        uint32_t ref = relaxed_load(&old->entries[i]);

        if (ref == 0)
            continue;
        series_at(r, ref)->place = n;
        relaxed_store(&list->entries[n++], ref);
    }
    relaxed_store(&list->n, n);
    list_publish(r, f, list);
    f->n_gone = 0;
    f->looked = 0;
    f->n_compactions++;
}

/* The series of an entry, or NULL: it is gone. */
static const struct series *series_of(const struct registry *r, uint32_t ref)
{
    return ref != 0 ? series_at(r, ref) : NULL;
}

/* The series at @at, or NULL: there is none, or it is gone. */
static const struct series *series_ahead(const struct registry *r, const struct series_list *list,
                                         uint32_t n, uint32_t at)
{
    return at < n ? series_of(r, relaxed_load(&list->entries[at])) : NULL;
}

/* Of many families a family's series lie far from each other, and their cells elsewhere. */
static void prefetch(const struct registry *r, const struct series_list *list, uint32_t n,
                     uint32_t place)
{
    const struct series *far = series_ahead(r, list, n, place + SERIES_AHEAD);
    const struct series *near = series_ahead(r, list, n, place + CELLS_AHEAD);

    if (far != NULL) {
        __builtin_prefetch(far);
        __builtin_prefetch((const char *)far + CACHE_LINE);
    }
    if (near != NULL && near->n_cells > 0)
        /* Relaxed: what is prefetched is not looked at. */
        __builtin_prefetch(atomic_load_explicit(&near->cells[0], memory_order_relaxed));
}

const struct series *series_walk_next(struct series_walk *w, const struct registry *r,
                                      const struct family *f, uint64_t newest)
{
    /* Acquire pairs with the list's publication and with the count's. */
    const struct series_list *list = atomic_load_explicit(&f->list, memory_order_acquire);
    uint32_t n = atomic_load_explicit(&list->n, memory_order_acquire);

    if (w->n_compactions != f->n_compactions) {
        w->n_compactions = f->n_compactions;
        w->place = 0;
    }
    while (w->place < n) {
        const struct series *s;

        prefetch(r, list, n, w->place);
        s = series_of(r, relaxed_load(&list->entries[w->place++]));
        if (s == NULL || s->order <= w->last_order)
            continue;
        w->last_order = s->order;
        return s->order <= newest ? s : NULL;
    }
    return NULL;
}

void list_free(struct family *f, struct series_list *list)
{
    if (list != family_first_list(f))
        free((struct retired *)list - 1);
}
