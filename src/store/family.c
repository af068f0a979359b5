/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Family: names, and what may stand under them
 *
 * What clashes is refused here, before it exists: see clash.c. So whatever is in the registry makes
 * a page that Prometheus takes.
 *
 * A vector - the family's series with the same label names - is made by its first series and keeps
 * that one's shape for all of them, until the first that comes under newer rules says otherwise.
 * The same goes for the type of a family of observers, summary or histogram: it changes at once,
 * the vectors' shapes with it, and rebuild.c moves the series. Between the two a series takes
 * samples as it is kept, whatever the family is. Where two rules disagree about a name, the type
 * was decided before and stays. What came out of a state of other rules has decided nothing: it
 * goes as soon as a sample needs its name for something else, unless one of its own came first.
 *
 * Laws: all under the registry's lock. A family or vector without series goes at once: a name is
 * free for another type as soon as its last series has expired.
 */
#include "store/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/clash.h"

uint64_t name_hash(const struct registry *r, struct slice name)
{
    return hash_bytes(name, r->seed);
}

struct family *family_find(const struct registry *r, struct slice name)
{
    uint64_t hash = name_hash(r, name);

    for (struct table_link *l = table_chain(&r->families, hash); l != NULL; l = l->next) {
        struct family *f = table_entry(l, struct family, link);

        if (l->hash == hash && slice_eq(family_name(f), name))
            return f;
    }
    return NULL;
}

/* ---- help ---- */

static struct help *help_find(const struct registry *r, struct slice text, uint64_t hash)
{
    for (struct table_link *l = table_chain(&r->helps, hash); l != NULL; l = l->next) {
        struct help *h = table_entry(l, struct help, link);

        if (l->hash == hash && slice_eq(slice_of(h->text, h->len), text))
            return h;
    }
    return NULL;
}

/* The help of this text, which one family more has. NULL without memory. */
static struct help *help_acquire(struct registry *r, struct slice text)
{
    uint64_t hash = hash_bytes(text, r->seed);
    struct help *h = help_find(r, text, hash);

    if (h == NULL) {
        h = calloc(1, sizeof *h + text.len);
        if (h == NULL)
            return NULL;
        h->link.hash = hash;
        h->len = (uint32_t)text.len;
        if (text.len > 0)
            memcpy(h->text, text.p, text.len);
        if (table_insert(&r->helps, &h->link) != 0) {
            free(h);
            return NULL;
        }
    }
    h->n_families++;
    return h;
}

static void help_drop(struct registry *r, struct help *h)
{
    if (--h->n_families > 0)
        return;
    table_remove(&r->helps, &h->link);
    registry_outgrow(r, &h->retired, retired_free_whole);
}

/* ---- families ---- */

struct family *family_new(struct registry *r, struct slice name, struct slice help,
                          enum metric_type type)
{
    size_t first_size = sizeof(struct series_list) + FAMILY_FIRST_CAP * sizeof(relaxed_u32);
    struct family *f = calloc(1, sizeof *f + first_size + name.len);

    if (f == NULL)
        return NULL;
    f->help = help_acquire(r, help);
    if (f->help == NULL)
        goto fail;
    family_first_list(f)->cap = FAMILY_FIRST_CAP;
    atomic_init(&f->list, family_first_list(f));
    f->name_len = (uint16_t)name.len;
    memcpy((char *)(f + 1) + first_size, name.p, name.len);
    relaxed_store(&f->type, type);
    f->link.hash = name_hash(r, name);
    if (table_insert(&r->families, &f->link) != 0)
        goto fail;
    guard_family_comes(&r->guard, f->link.hash);
    return f;

fail:
    if (f->help != NULL)
        help_drop(r, f->help);
    free(f);
    return NULL;
}

/* Show the family to the control thread, once it has a series. */
void family_announce(struct registry *r, struct family *f)
{
    if (f->announced)
        return;
    f->announced = true;
    f->next_new = atomic_load_explicit(&r->new_families, memory_order_relaxed);
    /* Release: the family is whole. Control takes the whole stack at once, so there is no ABA. */
    while (!atomic_compare_exchange_weak_explicit(&r->new_families, &f->next_new, f,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

void family_free(struct retired *item)
{
    struct family *f = table_entry(item, struct family, retired);

    list_free(f, atomic_load_explicit(&f->list, memory_order_relaxed));
    free(f);
}

static struct shape *shape_acquire(struct registry *r, const struct shape_spec *spec)
{
    struct shape *s;

    for (s = r->shapes; s != NULL; s = s->next)
        if (shape_is(s, spec))
            return s;
    if (shape_new(&s, spec) != 0)
        return NULL;
    s->next = r->shapes;
    r->shapes = s;
    return s;
}

static void family_changed(struct registry *r, struct family *f)
{
    f->looked = 0;
    if (f->changed.at != NULL)
        return;
    f->changed.next = r->changed;
    f->changed.at = &r->changed;
    if (r->changed != NULL)
        r->changed->at = &f->changed.next;
    r->changed = &f->changed;
    relaxed_add(&r->n_changed, 1);
}

void family_settled(struct registry *r, struct family *f)
{
    if (f->changed.at == NULL)
        return;
    *f->changed.at = f->changed.next;
    if (f->changed.next != NULL)
        f->changed.next->at = f->changed.at;
    f->changed.at = NULL;
    f->looked = 0;
    f->look_again = false;
    relaxed_store(&r->n_changed, relaxed_load(&r->n_changed) - 1);
}

/*
 * @f stands in the way of @birth. One that came out of a state of other rules, and that nobody has
 * sent since, is only in the way: it is left to registry_rebuild(), and refused until it is gone.
 */
static int refuse(struct registry *r, struct family *f, const struct series_birth *birth,
                  enum series_outcome outcome)
{
    if (f->restored && !birth->asleep) {
        f->restored = false;
        f->yields = true;
        family_changed(r, f);
    }
    return outcome;
}

int family_acquire(struct registry *r, const struct series_birth *birth, struct family **out)
{
    struct slice name = birth->key.name;
    struct family *f = family_find(r, name);
    struct family *other;

    if (f != NULL) {
        if (f->reserved && !(birth->internal && f->internal))
            return SERIES_E_RESERVED;
        *out = f;
        return family_decide(r, f, birth);
    }
    if (clash_of_suffix(r, birth, &other) != 0)
        return -ENOMEM;
    if (other != NULL)
        return refuse(r, other, birth, SERIES_E_SUFFIX);
    f = family_new(r, name, birth->help, birth->spec->type);
    if (f == NULL)
        return -ENOMEM;
    f->gen = birth->gen;
    *out = f;
    return 0;
}

/* ---- the type of observers ---- */

/* Move @n from one type's number to the other's. */
static void recount(relaxed_u64 *by_type, enum metric_type from, enum metric_type to, unsigned n)
{
    relaxed_store(&by_type[from], relaxed_load(&by_type[from]) - n);
    relaxed_add(&by_type[to], n);
}

static int change_type(struct registry *r, struct family *f, const struct series_birth *birth)
{
    enum metric_type was = family_type(f), type = birth->spec->type;
    struct family *taken;
    struct shape *shape;

    if (clash_needs(r, family_name(f), type, &taken) != 0)
        return -ENOMEM;
    if (taken != NULL)
        return refuse(r, taken, birth, SERIES_E_SUFFIX);
    shape = shape_acquire(r, birth->spec);
    if (shape == NULL)
        return -ENOMEM;
    recount(r->n_alive, was, type, relaxed_load(&f->n_alive));
    recount(r->n_vectors, was, type, f->n_vectors);
    f->shape = shape;
    f->contested = false;
    f->gen = birth->gen;
    relaxed_store(&f->type, type);
    family_changed(r, f);
    /* What was refused for the type is possible now. Release: as in registry_remove(). */
    atomic_store_explicit(&r->n_removals, relaxed_load(&r->n_removals) + 1, memory_order_release);
    return 0;
}

int family_decide(struct registry *r, struct family *f, const struct series_birth *birth)
{
    enum metric_type type = family_type(f), says = birth->spec->type;
    int32_t newer = (int32_t)(birth->gen - f->gen);
    int rc = clash_of_type(r, f, birth);

    if (f->yields)
        return rc;
    if (says == type) {
        f->gen = newer > 0 ? birth->gen : f->gen;
        f->restored &= birth->asleep;
        return 0;
    }
    if (!type_observes(type) || !type_observes(says))
        return refuse(r, f, birth, SERIES_E_TYPE);
    if (newer == 0)
        f->contested = true;
    return rc == 0 && newer > 0 ? change_type(r, f, birth) : rc;
}

/* ---- vectors ---- */

void vector_conform(struct vector *v)
{
    if (v->shape->type != family_type(v->family))
        v->shape = v->family->shape;
}

int vector_decide(struct registry *r, struct vector *v, const struct series_birth *birth)
{
    struct shape *shape;

    vector_conform(v);
    shape = v->shape;
    /* Signed: generations wrap. What an older one says comes too late. */
    if ((int32_t)(birth->gen - relaxed_load(&v->gen)) <= 0)
        return 0;
    if (!shape_is(shape, birth->spec)) {
        shape = shape_acquire(r, birth->spec);
        if (shape == NULL)
            return -ENOMEM;
        v->shape = shape;
        family_changed(r, v->family);
    }
    v->family->shape = shape;
    relaxed_store(&v->gen, birth->gen);
    return 0;
}

struct vector *vector_acquire(struct registry *r, struct family *f,
                              const struct series_birth *birth)
{
    struct slice names = birth->label_names;
    uint64_t hash = hash_bytes(names, f->link.hash);
    struct vector *v;

    for (struct table_link *l = table_chain(&r->vectors, hash); l != NULL; l = l->next) {
        v = table_entry(l, struct vector, link);
        if (l->hash == hash && v->family == f && slice_eq(slice_of(v->names, v->names_len), names))
            return vector_decide(r, v, birth) == 0 ? v : NULL;
    }
    v = calloc(1, sizeof *v + names.len);
    if (v == NULL)
        return NULL;
    /* Older rules may say another type. */
    v->shape = birth->spec->type == family_type(f) ? shape_acquire(r, birth->spec) : f->shape;
    if (v->shape == NULL)
        goto fail;
    f->shape = v->shape;
    v->family = f;
    v->clashes = (uint32_t)clash_of_labels(names, METRIC_HISTOGRAM) << METRIC_HISTOGRAM |
                 (uint32_t)clash_of_labels(names, METRIC_SUMMARY) << METRIC_SUMMARY;
    relaxed_store(&v->gen, birth->gen);
    v->link.hash = hash;
    v->names_len = (unsigned)names.len;
    if (names.len > 0)
        memcpy(v->names, names.p, names.len);
    if (table_insert(&r->vectors, &v->link) != 0)
        goto fail;
    f->n_vectors++;
    if (!f->internal)
        relaxed_add(&r->n_vectors[family_type(f)], 1);
    return v;

fail:
    free(v);
    return NULL;
}

/* Under the lock: a vector without series leaves the table. */
void vector_drop_empty(struct registry *r, struct vector *v)
{
    if (v->n_alive > 0)
        return;
    table_remove(&r->vectors, &v->link);
    v->family->n_vectors--;
    if (!v->family->internal)
        relaxed_store(&r->n_vectors[family_type(v->family)],
                      relaxed_load(&r->n_vectors[family_type(v->family)]) - 1);
    registry_outgrow(r, &v->retired, retired_free_whole);
}

void family_drop_empty(struct registry *r, struct family *f)
{
    if (relaxed_load(&f->n_alive) > 0 || f->reserved)
        return;
    table_remove(&r->families, &f->link);
    guard_family_goes(&r->guard, f->link.hash);
    family_settled(r, f);
    /* One that never had a series is not in the order: a worker may drop it after a failed
     * birth. */
    if (f->announced) {
        f->gone = true;
        r->sorted_has_gone = true;
    }
    help_drop(r, f->help);
    registry_outgrow(r, &f->retired, family_free);
}
