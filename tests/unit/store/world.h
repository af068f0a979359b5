/* SPDX-License-Identifier: Apache-2.0 */
/*
 * World: a registry, whose workers and control thread are played by one thread
 *
 * So every order of their steps can be tried.
 */
#ifndef TESTS_UNIT_STORE_WORLD_H
#define TESTS_UNIT_STORE_WORLD_H

#include <string.h>

#include "lib/unit.h"
#include "store/index.h"
#include "store/series.h"

#define N_WORKERS 2u
#define TTL       50u /* ticks */

struct world {
    struct reclaim reclaim;
    struct registry r;
    struct cell_reader reader;
    int64_t now_ms;
};

static inline void world_init(struct world *w, uint64_t max_series)
{
    memset(w, 0, sizeof *w);
    w->now_ms = 1000000;
    reclaim_init(&w->reclaim, N_WORKERS);
    ck_assert_int_eq(registry_init(&w->r, N_WORKERS, 99, max_series, &w->reclaim), 0);
}

static inline void world_release(struct world *w)
{
    reclaim_release(&w->reclaim);
    registry_release(&w->r);
    registry_release(&w->r);
    cell_reader_release(&w->reader);
}

static inline uint32_t tick_of(const struct world *w)
{
    return (uint32_t)(w->now_ms / CELL_TICK_MS);
}

static inline struct cell_time time_of(const struct world *w)
{
    return (struct cell_time){w->now_ms, tick_of(w)};
}

/* Bounds that differ, so that it shows whose shape a series has. */
static const double bounds[] = {1, 2, 3, 4};

static inline struct shape_spec spec_of(enum metric_type type, unsigned n_bounds)
{
    bool histogram = type == METRIC_HISTOGRAM;

    return (struct shape_spec){.type = type,
                               .n_bounds = histogram ? n_bounds : 0,
                               .bounds = bounds,
                               .window_ms = 1000,
                               .n_slots = 2};
}

static inline struct shape_spec native_spec_of(enum metric_type type, unsigned n_bounds,
                                               uint32_t native_max)
{
    struct shape_spec spec = spec_of(type, n_bounds);

    spec.native_max = native_max;
    spec.native_schema = native_max > 0 ? 3 : 0;
    return spec;
}

/* A birth in words. */
struct born {
    const char *name;
    const char *labels;
    const char *label_names;
    enum metric_type type;
    unsigned n_bounds;
    uint32_t ttl;
    uint32_t gen;
    unsigned worker;
    bool internal;
    uint32_t native_max;
    bool fold;
};

static inline struct series_key key_of(const struct world *w, const struct born *b)
{
    return series_key(&w->r, slice_str(b->name), slice_str(b->labels != NULL ? b->labels : ""));
}

static inline int acquire(struct world *w, const struct born *b, struct series_ref *out)
{
    struct shape_spec spec = native_spec_of(b->type, b->n_bounds, b->native_max);
    struct series_birth birth = {
        .key = key_of(w, b),
        .label_names = slice_str(b->label_names != NULL ? b->label_names : ""),
        .help = SLICE_LIT("help"),
        .spec = &spec,
        .ttl_ticks = b->ttl,
        .gen = b->gen,
        .tick = tick_of(w),
        .worker = b->worker,
        .internal = b->internal,
        .fold = b->fold,
    };
    int rc;

    memset(out, 0xa5, sizeof *out);
    rc = series_acquire(&w->r, &birth, out);
    if (rc == 0) {
        ck_assert_ptr_nonnull(out->cell);
        ck_assert_uint_ne(out->birth, 0);
        ck_assert_uint_eq(relaxed_load(&out->cell->birth), out->birth);
    }
    return rc;
}

static inline int find(struct world *w, const struct born *b, struct series_ref *out)
{
    struct series_key key = key_of(w, b);

    return series_find(&w->r,
                       &(struct series_query){
                           .key = &key,
                           .type = b->type,
                           .ttl_ticks = b->ttl,
                           .gen = b->gen,
                           .worker = b->worker,
                           .fold = b->fold,
                       },
                       out);
}

static inline struct series_ref must_acquire(struct world *w, const struct born *b)
{
    struct series_ref ref;

    ck_assert_int_eq(acquire(w, b, &ref), 0);
    return ref;
}

/* The control thread's tick, as the engine does it. */
static inline void control(struct world *w)
{
    registry_rebuild(&w->r, w->now_ms);
    registry_expire(&w->r, w->now_ms);
    reclaim_turn(&w->reclaim);
}

/* Let time pass until what nobody touches has expired. */
static inline void expire_all(struct world *w)
{
    w->now_ms += (TTL + 2) * CELL_TICK_MS;
    for (unsigned i = 0; i < 50; i++)
        control(w);
}

/* What the page would show of a counter; -1 when there is none. */
static inline double value_of(struct world *w, const struct born *b)
{
    struct series_key key = key_of(w, b);
    struct series *s = index_find(&w->r, &key);
    struct snapshot_series seen = {.value = -2};

    if (s == NULL)
        return -1;
    ck_assert_int_eq(series_read(s, w->now_ms, &w->reader, &seen), 0);
    return seen.value;
}

#endif
