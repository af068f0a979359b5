/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series: deaths
 *
 * A death goes the way of a birth (series.c) back: the entry in the index, so that no worker finds
 * it; the entry in the family's list, so that no scrape does; the cells; then vector and family, if
 * it was their last. What was unlinked is freed later, when no worker and no scrape can be looking
 * at it; cells are never unmapped, so they go back to their pool at once.
 *
 * Law: only registry_remove() takes a series out, only the control thread calls it, under the lock.
 */
#include "store/series.h"

#include <stdlib.h>

#include "store/carry.h"
#include "store/family.h"
#include "store/index.h"

static void give_cell(struct registry *r, const struct shape *shape, unsigned worker,
                      struct cell *c)
{
    if (c == NULL)
        return;
    cell_release(c, shape);
    pool_give(series_pool(r, shape->type, worker), c, shape->cell_size);
}

void series_release_leaving(struct registry *r, struct leaving *l)
{
    for (unsigned i = 0; i < l->n; i++)
        give_cell(r, l->shape, i, l->cells[i]);
    free(l);
}

void series_release_cells(struct registry *r, struct series *s)
{
    for (unsigned i = 0; i < s->n_cells; i++) {
        give_cell(r, series_shape(s), i, atomic_load_explicit(&s->cells[i], memory_order_relaxed));
        atomic_store_explicit(&s->cells[i], NULL, memory_order_relaxed);
    }
}

static void count_death(struct registry *r, const struct series *s)
{
    struct family *f = series_family(s);
    struct series_key key = {family_name(f), series_labels(s), 0, f->link.hash};

    relaxed_store(&f->n_alive, relaxed_load(&f->n_alive) - 1);
    s->vector->n_alive--;
    if (f->internal)
        return;
    guard_count_death(&r->guard, &key, s->fold);
    if (!s->fold)
        relaxed_store(&r->n_series, relaxed_load(&r->n_series) - 1);
    relaxed_store(&r->n_alive[family_type(f)], relaxed_load(&r->n_alive[family_type(f)]) - 1);
    relaxed_add(&r->n_expired, 1);
}

void registry_remove(struct registry *r, struct series *s)
{
    struct family *f = series_family(s);
    struct vector *v = s->vector;
    struct series_list *list = atomic_load_explicit(&f->list, memory_order_relaxed);
    uint32_t ref = series_number(s);

    index_drop(r, series_hash(s), ref);
    relaxed_store(&list->entries[s->place], 0);
    series_release_cells(r, s);
    carried_free(s->carried);
    s->carried = NULL;
    f->n_gone++;
    count_death(r, s);
    /* Release: who sees the removal sees that there is room. */
    atomic_store_explicit(&r->n_removals, relaxed_load(&r->n_removals) + 1, memory_order_release);
    s->next = r->dead;
    r->dead = ref;
    list_compact(r, f);
    vector_drop_empty(r, v);
    family_drop_empty(r, f);
}
