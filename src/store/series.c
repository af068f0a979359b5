/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series: looking up, births, what others say of those that are there
 *
 * At a birth, in this order, so that nothing half made can be seen: family, vector and shape; the
 * series with its labels; the cell; the entry in the family's list (for the scrape); the entry in
 * the index (for the workers). A death goes the other way: series_death.c.
 *
 * A worker that meets a series for the first time gets a cell of its own; gauges have one cell that
 * all workers share. The cell carries the series' birth number: a route is believed only while the
 * two numbers agree, which is how a series is taken away from routes that nobody can enumerate.
 *
 * Law: a series never moves.
 */
#include "store/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/carry.h"
#include "store/family.h"
#include "store/index.h"

struct series_key series_key(const struct registry *r, struct slice name, struct slice labels)
{
    uint64_t of_name = name_hash(r, name);

    return (struct series_key){name, labels, hash_bytes(labels, of_name), of_name};
}

uint64_t series_hash(const struct series *s)
{
    return hash_bytes(series_labels(s), series_family(s)->link.hash);
}

uint32_t series_number(const struct series *s)
{
    const struct series_list *list =
        atomic_load_explicit(&series_family(s)->list, memory_order_relaxed);

    return relaxed_load(&list->entries[s->place]);
}

/* Would a birth be refused for the limit? Acquire pairs with count_birth(): what made it full is in
 * the index. */
static bool registry_full(const struct registry *r)
{
    return atomic_load_explicit(&r->n_series, memory_order_acquire) >= r->max_series;
}

/* Gauges: one cell for all workers, in the pool behind the workers'. */
static bool type_is_shared(enum metric_type type)
{
    return type == METRIC_GAUGE;
}

static unsigned cell_place(const struct series *s, unsigned worker)
{
    return s->n_cells == 1 ? 0 : worker;
}

struct pool *series_pool(struct registry *r, enum metric_type type, unsigned worker)
{
    return &r->pools[type_is_shared(type) ? r->n_workers : worker];
}

static bool is_observer(enum metric_type type)
{
    return type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
}

/* Counters and gauges are kept in one way only. */
static bool type_has_settings(enum metric_type type)
{
    return type != METRIC_COUNTER && type != METRIC_GAUGE;
}

/* Does it live as it is to? A fold, as long as the longest-lived of those in it; 0 is for ever. */
static bool ttl_holds(const struct series *s, uint32_t ttl_ticks)
{
    uint32_t has = relaxed_load(&s->ttl_ticks);

    return has == ttl_ticks || (s->fold && ttl_ticks != 0 && (has == 0 || has > ttl_ticks));
}

/* Is what @q says of the series known already? */
static bool is_settled(const struct series *s, const struct series_query *q)
{
    if (family_type(series_family(s)) != q->type || !ttl_holds(s, q->ttl_ticks))
        return false;
    /* Signed: generations wrap. */
    return !type_has_settings(q->type) || (int32_t)(q->gen - relaxed_load(&s->vector->gen)) <= 0;
}

/* The worker's cell, without the lock: the order is that of rebuild.c's head. */
static int ref_take(const struct series *s, unsigned worker, struct series_ref *out)
{
    uint32_t birth = atomic_load_explicit(&s->birth, memory_order_acquire);
    const struct shape *shape = atomic_load_explicit(&s->shape, memory_order_acquire);
    /* Acquire pairs with cell_acquire() too: the cell is empty and has its birth number. */
    struct cell *c = atomic_load_explicit(&s->cells[cell_place(s, worker)], memory_order_acquire);

    if (c == NULL || relaxed_load(&c->birth) != birth)
        return SERIES_E_ABSENT;
    *out = (struct series_ref){c, shape, birth};
    return 0;
}

/* What is not there: may it be born? 0 if so, else the limit. */
static int ask_for_birth(const struct registry *r, const struct series_key *key, bool fold,
                         bool full)
{
    if (fold)
        return guard_ask_fold(&r->guard, guard_may_know(&r->guard, key));
    return full ? SERIES_E_LIMIT : guard_ask(&r->guard, key);
}

int series_ask(struct registry *r, const struct series_key *key, bool fold)
{
    return index_find(r, key) != NULL ? 0 : ask_for_birth(r, key, fold, registry_full(r));
}

int series_find(struct registry *r, const struct series_query *q, struct series_ref *out)
{
    /* Before the look-up: a series that is born between the two is no reason to refuse itself. */
    bool full = registry_full(r);
    const struct series *s = index_find(r, q->key);
    int limit;

    if (s == NULL) {
        limit = ask_for_birth(r, q->key, q->fold, full);
        /* The other limits are asked behind the look-up, so there is another one behind them. */
        if (limit == SERIES_E_FAMILY_LIMIT || limit == SERIES_E_LABEL_LIMIT)
            s = index_find(r, q->key);
        if (s == NULL)
            return limit != 0 ? limit : SERIES_E_ABSENT;
    }
    return is_settled(s, q) ? ref_take(s, q->worker, out) : SERIES_E_ABSENT;
}

static void series_set_births(struct series *s, uint32_t birth)
{
    for (unsigned i = 0; i < s->n_cells; i++) {
        struct cell *c = atomic_load_explicit(&s->cells[i], memory_order_relaxed);

        if (c != NULL)
            relaxed_store(&c->birth, birth);
    }
}

void series_mark(struct series *s)
{
    series_set_births(s, 0);
    s->dying = true;
}

/* Under the lock, so that nobody gives it another. */
static uint32_t series_birth_number(const struct series *s)
{
    return atomic_load_explicit(&s->birth, memory_order_relaxed);
}

void series_revive(struct series *s)
{
    series_set_births(s, series_birth_number(s));
    s->dying = false;
}

bool series_is_leaving(const struct series *s)
{
    return s->carried != NULL && s->carried->leaving != NULL;
}

static void see(uint32_t *last, const struct cell *c)
{
    uint32_t tick = c != NULL ? relaxed_load(&c->tick) : 0;

    if (tick > *last)
        *last = tick;
}

uint32_t series_last_seen(const struct series *s)
{
    uint32_t last = s->carried != NULL ? s->carried->tick : 0;

    for (unsigned i = 0; i < s->n_cells; i++) {
        see(&last, atomic_load_explicit(&s->cells[i], memory_order_acquire));
        if (series_is_leaving(s))
            see(&last, s->carried->leaving->cells[i]);
    }
    return last;
}

static int cell_acquire(struct registry *r, struct series *s, unsigned worker, uint32_t tick)
{
    _Atomic(struct cell *) *at = &s->cells[cell_place(s, worker)];
    struct cell *c = atomic_load_explicit(at, memory_order_relaxed);

    if (c != NULL) {
        /* One that slept has none yet; those of a marked series get it back anyway. */
        relaxed_store(&c->birth, series_birth_number(s));
        return 0;
    }
    c = pool_take(series_pool(r, series_shape(s)->type, worker), series_shape(s)->cell_size);
    if (c == NULL)
        return -ENOMEM;
    cell_init(c, series_shape(s));
    relaxed_store(&c->tick, tick);
    relaxed_store(&c->birth, series_birth_number(s));
    /* Release: an empty cell with its birth number is visible before the pointer. */
    atomic_store_explicit(at, c, memory_order_release);
    return 0;
}

/* Counts of observers are carried; the others' values go to a cell. */
static int cell_acquire_asleep(struct registry *r, struct series *s,
                               const struct series_birth *birth)
{
    int rc = 0;

    if (!is_observer(series_shape(s)->type))
        rc = cell_acquire(r, s, birth->worker, birth->tick);
    if (rc == 0)
        series_set_births(s, 0);
    return rc;
}

uint32_t registry_next_birth(struct registry *r)
{
    if (++r->last_birth == 0)
        r->last_birth = 1;
    return r->last_birth;
}

/* Its number; 0: no memory. */
static uint32_t series_new(struct registry *r, struct vector *v, const struct series_birth *birth)
{
    unsigned n_cells = type_is_shared(v->shape->type) ? 1 : r->n_workers;
    struct slice labels = birth->key.labels;
    uint32_t ref = slab_take(&r->slab, sizeof(struct series) +
                                           n_cells * sizeof(_Atomic(struct cell *)) + labels.len);
    struct series *s;

    if (ref == 0)
        return 0;
    s = series_at(r, ref);
    memset(s, 0, sizeof *s + n_cells * sizeof s->cells[0]);
    s->vector = v;
    s->n_cells = (uint8_t)n_cells;
    s->labels_len = (uint16_t)labels.len;
    if (labels.len > 0)
        memcpy((char *)(s->cells + n_cells), labels.p, labels.len);
    atomic_init(&s->birth, registry_next_birth(r));
    atomic_init(&s->shape, v->shape);
    s->born = birth->tick;
    s->fold = birth->fold;
    return ref;
}

void series_set_ttl(struct registry *r, struct series *s, uint32_t ttl_ticks)
{
    if (relaxed_load(&s->ttl_ticks) == ttl_ticks)
        return;
    relaxed_store(&s->ttl_ticks, ttl_ticks);
    if (ttl_ticks == 0 || s->timed)
        return;
    s->timed = true;
    s->next = r->to_time;
    r->to_time = series_number(s);
}

static void count_birth(struct registry *r, struct series *s, const struct series_key *key)
{
    struct family *f = series_family(s);

    relaxed_add(&f->n_alive, 1);
    s->vector->n_alive++;
    if (f->internal) {
        relaxed_add(&r->n_internal, 1);
        return;
    }
    guard_count_birth(&r->guard, key, s->fold);
    /* Release, after index_put(): see registry_full(). */
    if (!s->fold)
        atomic_store_explicit(&r->n_series, relaxed_load(&r->n_series) + 1, memory_order_release);
    relaxed_add(&r->n_alive[family_type(f)], 1);
    relaxed_add(&r->n_born, 1);
}

/* Under the lock: may it be born in @f? 0 or the limit. */
static int limit_of(const struct registry *r, const struct family *f,
                    const struct series_birth *birth)
{
    if (birth->internal)
        return 0;
    if (birth->fold)
        return guard_ask_fold(&r->guard, relaxed_load(&f->n_alive) > 0);
    return registry_full(r) ? SERIES_E_LIMIT : guard_ask(&r->guard, &birth->key);
}

/* Under the lock: bring a series into the world; see the head for the order. */
static int series_create(struct registry *r, const struct series_birth *birth, struct series **out)
{
    struct family *f;
    struct vector *v = NULL;
    struct series *s;
    uint32_t ref = 0;
    int rc = family_acquire(r, birth, &f);

    if (rc != 0)
        return rc;
    rc = limit_of(r, f, birth);
    if (rc != 0)
        goto fail;
    rc = -ENOMEM;
    v = vector_acquire(r, f, birth);
    if (v == NULL)
        goto fail;
    ref = series_new(r, v, birth);
    if (ref == 0 || index_reserve(r) != 0 || list_reserve(r, f) != 0 ||
        guard_reserve(r, &birth->key) != 0)
        goto fail;
    s = series_at(r, ref);
    if ((birth->asleep ? cell_acquire_asleep(r, s, birth)
                       : cell_acquire(r, s, birth->worker, birth->tick)) != 0)
        goto fail;
    s->order = relaxed_load(&r->n_births) + 1;
    s->place = list_append(f, ref);
    relaxed_store(&r->n_births, s->order);
    relaxed_add(&r->births[birth->worker], !birth->internal);
    index_put(r, birth->key.hash, ref);
    count_birth(r, s, &birth->key);
    series_set_ttl(r, s, birth->ttl_ticks);
    family_announce(r, f);
    *out = s;
    return 0;

fail:
    if (ref != 0)
        slab_give(&r->slab, ref);
    if (v != NULL)
        vector_drop_empty(r, v);
    family_drop_empty(r, f);
    return rc;
}

int series_acquire(struct registry *r, const struct series_birth *birth, struct series_ref *out)
{
    struct series *s;
    int rc = 0;

    pthread_mutex_lock(&r->lock);
    s = index_find(r, &birth->key);
    if (s == NULL) {
        rc = series_create(r, birth, &s);
    } else if (series_family(s)->reserved && !birth->internal) {
        rc = SERIES_E_RESERVED;
    } else {
        rc = family_decide(r, series_family(s), birth);
        if (rc == 0)
            rc = vector_decide(r, s->vector, birth);
        if (rc == 0)
            rc = cell_acquire(r, s, birth->worker, birth->tick);
        if (rc == 0 && s->dying)
            series_revive(s);
        if (rc <= 0 && !ttl_holds(s, birth->ttl_ticks))
            series_set_ttl(r, s, birth->ttl_ticks);
    }
    if (rc == 0) {
        struct cell *c =
            atomic_load_explicit(&s->cells[cell_place(s, birth->worker)], memory_order_relaxed);

        *out = (struct series_ref){c, series_shape(s), series_birth_number(s)};
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* Under the lock: one that is there already takes what comes as it is kept. */
static int restore_to(struct registry *r, struct series *s, const struct series_birth *birth)
{
    int rc =
        series_family(s)->reserved ? SERIES_E_RESERVED : family_decide(r, series_family(s), birth);

    if (rc == 0 && !is_observer(series_shape(s)->type))
        rc = cell_acquire(r, s, birth->worker, birth->tick);
    if (rc == 0 && s->dying)
        series_revive(s);
    return rc;
}

int series_restore(struct registry *r, const struct series_birth *birth, uint32_t type_gen,
                   struct series **out)
{
    struct series *s;
    int rc;

    pthread_mutex_lock(&r->lock);
    s = index_find(r, &birth->key);
    if (s != NULL) {
        rc = restore_to(r, s, birth);
    } else {
        rc = series_create(r, birth, &s);
        /* Signed: generations wrap. */
        if (rc == 0 && (int32_t)(type_gen - series_family(s)->gen) > 0)
            series_family(s)->gen = type_gen;
        else if (rc == 0 && relaxed_load(&series_family(s)->n_alive) == 1)
            series_family(s)->restored = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (rc == 0)
        *out = s;
    return rc;
}

/* What was to live for ever does so until its next sample, as in statsd_exporter: nobody's old
 * totals go because a ttl was added for what comes. */
static bool ttl_waits(const struct series *s, uint32_t ttl_ticks)
{
    return relaxed_load(&s->ttl_ticks) == 0 && ttl_ticks != 0;
}

int series_follow(struct registry *r, const struct series_birth *birth, struct series_ref *out)
{
    struct series *s;
    int rc = SERIES_E_ABSENT;

    /* Most often there is none: not worth the lock. */
    if (index_find(r, &birth->key) == NULL)
        return SERIES_E_ABSENT;
    pthread_mutex_lock(&r->lock);
    s = index_find(r, &birth->key);
    if (s != NULL && !series_family(s)->reserved) {
        rc = family_decide(r, series_family(s), birth);
        if (rc == 0)
            rc = vector_decide(r, s->vector, birth);
        if (rc == 0 && ttl_waits(s, birth->ttl_ticks)) {
            rc = SERIES_E_ABSENT;
        } else if (rc == 0) {
            series_set_ttl(r, s, birth->ttl_ticks);
            rc = ref_take(s, birth->worker, out);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return rc <= 0 ? rc : SERIES_E_ABSENT;
}
