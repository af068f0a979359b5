/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch: quantiles over a sliding window, in at most 2 KB
 *
 *      | n_slots | slot 0 | slot 1 | ... |        slot of an epoch = epoch mod n_slots
 *
 *      slot | epoch kind schema | zero +Inf -Inf | min max | cells ...                          |
 *                             kind VALUES:                 | the values themselves | free       |
 *                             kind 1, 2, 4 (bytes a count) | positive buckets | negative buckets|
 *
 * A slot begins by keeping the values as they come, so a quiet series has exact quantiles. When
 * they no longer fit it turns to counts in exponential buckets (store/bucket.h) of one byte; a
 * count that overflows widens all to two, then four bytes. Fewer cells are left then, as when a
 * value falls outside: the slot is rebuilt at the finest schema at which its populated range fits.
 * Spare cells lie around the populated range as empty buckets, so rebuilds are rare.
 *
 * The relative error of a quantile is (base - 1) / (base + 1) and depends on the range of values in
 * the window (largest magnitude over smallest, of one sign) and on the fullest bucket of a slot.
 * With 5 slots, 360 bytes of cells each:
 *
 *      range        1.9     10    100    1000    1e4    1e6    1e9
 *      up to 255   0.28 % 0.55 % 1.1 %  1.1 %  2.2 %  2.2 %  4.4 %
 *      65535       0.55 % 1.1 %  2.2 %  2.2 %  4.4 %  4.4 %  8.7 %
 *      beyond      1.1 %  2.2 %  4.4 %  4.4 %  8.7 %  8.7 %   18 %
 *      exact       up to 45 values in each slot, 512 in the window over all workers
 *
 * Laws: min and max are exact and bound every answer. Zeros and infinities are counted apart. A
 *       count stops at 2^32 - 1. Rebuilding never fails: at the coarsest schema all doubles fit.
 *       A slot's schema only coarsens until the slot is emptied.
 */
#include "store/sketch.h"

#include "base/relaxed.h"
#include "store/bucket.h"
#include "store/grid.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    KIND_NEVER = 0, /* no epoch yet */
    KIND_VALUES = 8,
};

/* Everything here is written by the sketch's only writer. */
struct slot {
    relaxed_u32 epoch;
    relaxed_u8 kind;   /* KIND_* or the bytes of a count: 1, 2, 4 */
    relaxed_u8 schema; /* above BUCKET_SCHEMA_MIN */
    relaxed_u16 n_low; /* the values held, or the cells of the positive buckets */
    relaxed_u32
        first[GRID_N_SIGNS]; /* bucket of the first positive, first negative cell (int32_t) */
    relaxed_u32 n_inf[GRID_N_SIGNS]; /* +Inf, -Inf */
    relaxed_u32 n_zero;
    relaxed_u32 cell_size; /* bytes of cells; never changes */
    relaxed_u64 min, max;  /* doubles */
    relaxed_u64 cells[];   /* read at the size that they were last written at */
};

struct sketch {
    uint32_t n_slots; /* never changes */
    uint32_t stride;  /* from slot to slot, never changes */
    unsigned char slots[];
};

_Static_assert(sizeof(struct slot) == 48 && sizeof(struct sketch) == 8, "the layout of 2 KB");

#define STRIDE(n_slots)    ((SKETCH_MAX_SIZE - sizeof(struct sketch)) / (n_slots) & ~(size_t)7)
#define CELL_SIZE(n_slots) (STRIDE(n_slots) - sizeof(struct slot))

_Static_assert(CELL_SIZE(SKETCH_MAX_SLOTS) / sizeof(uint32_t) >= 2 * BUCKET_MIN_SPAN,
               "at the coarsest schema everything fits");

/* ---- slot ---- */

static struct slot *slot_at(const struct sketch *s, uint32_t i)
{
    return (struct slot *)(s->slots + (size_t)i * s->stride);
}

static int slot_schema(const struct slot *s)
{
    return relaxed_load(&s->schema) + BUCKET_SCHEMA_MIN;
}

static uint32_t cell_load(const struct slot *s, unsigned width, uint32_t i)
{
    if (width == 1)
        return relaxed_load((const relaxed_u8 *)s->cells + i);
    if (width == 2)
        return relaxed_load((const relaxed_u16 *)s->cells + i);
    return relaxed_load((const relaxed_u32 *)s->cells + i);
}

static void cell_store(struct slot *s, unsigned width, uint32_t i, uint32_t n)
{
    if (width == 1)
        relaxed_store((relaxed_u8 *)s->cells + i, (uint8_t)n);
    else if (width == 2)
        relaxed_store((relaxed_u16 *)s->cells + i, (uint16_t)n);
    else
        relaxed_store((relaxed_u32 *)s->cells + i, n);
}

/* The cells of run @sign: where they begin, and how many they are. */
static uint32_t slot_run(const struct slot *s, enum grid_sign sign, uint32_t *len)
{
    uint32_t n_low = relaxed_load(&s->n_low);

    if (sign == GRID_POSITIVE) {
        *len = n_low;
        return 0;
    }
    *len = relaxed_load(&s->cell_size) / relaxed_load(&s->kind) - n_low;
    return n_low;
}

static void slot_reset(struct slot *s, uint32_t epoch)
{
    relaxed_store(&s->epoch, epoch);
    relaxed_store(&s->kind, KIND_VALUES);
    relaxed_store(&s->n_low, 0);
    relaxed_store(&s->n_inf[GRID_POSITIVE], 0);
    relaxed_store(&s->n_inf[GRID_NEGATIVE], 0);
    relaxed_store(&s->n_zero, 0);
    relaxed_store_double(&s->min, INFINITY);
    relaxed_store_double(&s->max, -INFINITY);
}

static void grid_add_run(struct grid *g, const struct slot *s, enum grid_sign sign)
{
    struct run *r = &g->runs[sign];
    unsigned width = relaxed_load(&s->kind);
    int32_t first = (int32_t)relaxed_load(&s->first[sign]);
    uint32_t len, begin = slot_run(s, sign, &len), from = 0;
    unsigned steps;

    while (from < len && cell_load(s, width, begin + from) == 0)
        from++;
    while (len > from && cell_load(s, width, begin + len - 1) == 0)
        len--;
    if (from == len)
        return;
    steps = (unsigned)(slot_schema(s) - g->schema);
    grid_cover(g, sign, bucket_coarser(first + (int32_t)from, steps),
               bucket_coarser(first + (int32_t)len - 1, steps));
    steps = (unsigned)(slot_schema(s) - g->schema);
    for (uint32_t i = from; i < len; i++)
        r->n[bucket_coarser(first + (int32_t)i, steps) - r->first] +=
            cell_load(s, width, begin + i);
}

/* Add the finite values of a slot other than zero. */
static void grid_add_slot(struct grid *g, const struct slot *s)
{
    if (relaxed_load(&s->kind) == KIND_VALUES) {
        for (uint32_t i = 0; i < relaxed_load(&s->n_low); i++)
            grid_add(g, relaxed_load_double(&s->cells[i]), 1);
        return;
    }
    if (g->schema > slot_schema(s))
        grid_coarsen(g, (unsigned)(g->schema - slot_schema(s)));
    grid_add_run(g, s, GRID_POSITIVE);
    grid_add_run(g, s, GRID_NEGATIVE);
}

static unsigned width_for(uint64_t most)
{
    return most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : 4;
}

/* Write one run's cells, populated in the middle. */
static void slot_store_run(struct slot *s, enum grid_sign sign, const struct run *r, uint32_t begin,
                           uint32_t n_cells)
{
    unsigned width = relaxed_load(&s->kind);
    uint32_t before = (n_cells - r->len) / 2;

    for (uint32_t i = 0; i < n_cells; i++) {
        uint64_t n = i - before < r->len ? r->n[i - before] : 0; /* below before: wraps, no cell */

        cell_store(s, width, begin + i, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX);
    }
    relaxed_store(&s->first[sign], (uint32_t)((r->len > 0 ? r->first : 0) - (int32_t)before));
}

/* Coarsen the grid until the slot holds it, and make it the slot's. */
static void slot_store(struct slot *s, struct grid *g)
{
    const struct run *pos = &g->runs[GRID_POSITIVE], *neg = &g->runs[GRID_NEGATIVE];
    uint32_t cell_size = relaxed_load(&s->cell_size);
    uint32_t n_cells, spare, n_low;
    unsigned width;

    while (width = width_for(grid_most(g)), (pos->len + neg->len) * width > cell_size)
        grid_coarsen(g, 1);
    n_cells = cell_size / width;
    spare = n_cells - pos->len - neg->len;
    n_low = pos->len + (neg->len == 0 ? spare : pos->len == 0 ? 0 : spare / 2);
    relaxed_store(&s->kind, (uint8_t)width);
    relaxed_store(&s->schema, (uint8_t)(g->schema - BUCKET_SCHEMA_MIN));
    relaxed_store(&s->n_low, (uint16_t)n_low);
    slot_store_run(s, GRID_POSITIVE, pos, 0, n_low);
    slot_store_run(s, GRID_NEGATIVE, neg, n_low, n_cells - n_low);
}

static bool slot_add_value(struct slot *s, double v, uint32_t weight)
{
    uint32_t n = relaxed_load(&s->n_low);

    if (weight > relaxed_load(&s->cell_size) / sizeof(double) - n)
        return false;
    for (uint32_t i = 0; i < weight; i++)
        relaxed_store_double(&s->cells[n + i], v);
    relaxed_store(&s->n_low, (uint16_t)(n + weight));
    return true;
}

static bool slot_add_count(struct slot *s, double v, uint32_t weight)
{
    enum grid_sign sign = v > 0 ? GRID_POSITIVE : GRID_NEGATIVE;
    unsigned width = relaxed_load(&s->kind);
    uint32_t max = width == 1 ? UINT8_MAX : width == 2 ? UINT16_MAX : UINT32_MAX;
    uint32_t len, begin = slot_run(s, sign, &len), n;
    uint32_t i = (uint32_t)bucket_index(fabs(v), slot_schema(s)) - relaxed_load(&s->first[sign]);

    if (i >= len)
        return false;
    n = cell_load(s, width, begin + i);
    if (weight > max - n) {
        if (max < UINT32_MAX)
            return false;
        weight = max - n;
    }
    cell_store(s, width, begin + i, n + weight);
    return true;
}

/* The slot cannot hold the value as it is: take it apart, add, and put it together anew. */
static void slot_rebuild(struct slot *s, double v, uint32_t weight)
{
    struct grid grid;

    grid_init(&grid);
    grid_add_slot(&grid, s);
    grid_add(&grid, v, weight);
    slot_store(s, &grid);
}

/* @v: finite, not zero. */
static void slot_add(struct slot *s, double v, uint32_t weight)
{
    bool added = relaxed_load(&s->kind) == KIND_VALUES ? slot_add_value(s, v, weight)
                                                       : slot_add_count(s, v, weight);

    if (!added)
        slot_rebuild(s, v, weight);
}

/* ---- sketch ---- */

size_t sketch_size(unsigned n_slots)
{
    assert(n_slots >= 1 && n_slots <= SKETCH_MAX_SLOTS);
    return sizeof(struct sketch) + n_slots * STRIDE(n_slots);
}

void sketch_init(struct sketch *s, unsigned n_slots)
{
    memset(s, 0, sketch_size(n_slots));
    s->n_slots = n_slots;
    s->stride = (uint32_t)STRIDE(n_slots);
    for (uint32_t i = 0; i < n_slots; i++)
        relaxed_store(&slot_at(s, i)->cell_size, (uint32_t)CELL_SIZE(n_slots));
}

static void bump(relaxed_u32 *n, uint32_t weight)
{
    uint32_t left = UINT32_MAX - relaxed_load(n);

    relaxed_add(n, weight < left ? weight : left);
}

static void slot_widen(struct slot *s, double v)
{
    if (v < relaxed_load_double(&s->min))
        relaxed_store_double(&s->min, v);
    if (v > relaxed_load_double(&s->max))
        relaxed_store_double(&s->max, v);
}

static uint32_t clamp32(uint64_t weight)
{
    return weight < UINT32_MAX ? (uint32_t)weight : UINT32_MAX;
}

bool sketch_count(struct sketch *s, uint32_t epoch, double v, uint64_t weight)
{
    struct slot *slot = slot_at(s, epoch % s->n_slots);

    if (relaxed_load(&slot->epoch) != epoch || relaxed_load(&slot->kind) == KIND_NEVER ||
        relaxed_load(&slot->kind) == KIND_VALUES || v == 0 || !isfinite(v) || weight == 0)
        return false;
    if (!slot_add_count(slot, v, clamp32(weight)))
        return false;
    slot_widen(slot, v);
    return true;
}

void sketch_observe(struct sketch *s, uint32_t epoch, double v, uint64_t weight)
{
    struct slot *slot = slot_at(s, epoch % s->n_slots);
    uint32_t w = clamp32(weight);

    if (isnan(v) || w == 0)
        return;
    if (relaxed_load(&slot->kind) == KIND_NEVER || relaxed_load(&slot->epoch) != epoch)
        slot_reset(slot, epoch);
    slot_widen(slot, v);
    if (v == 0)
        bump(&slot->n_zero, w);
    else if (isinf(v))
        bump(&slot->n_inf[v > 0 ? GRID_POSITIVE : GRID_NEGATIVE], w);
    else
        slot_add(slot, v, w);
}

/* ---- merge ---- */

#define MERGE_MAX_VALUES 512

/*
 * Either `values` or `grid` is empty: the values go into the grid when one slot that is merged has
 * forgotten its own, or when they are too many.
 */
struct sketch_merge {
    uint64_t n_inf[GRID_N_SIGNS], n_zero;
    double min, max;
    unsigned n_values;
    double values[MERGE_MAX_VALUES]; /* ascending */
    struct grid grid;
};

size_t sketch_merge_size(void)
{
    return sizeof(struct sketch_merge);
}

void sketch_merge_init(struct sketch_merge *into)
{
    into->n_inf[GRID_POSITIVE] = 0;
    into->n_inf[GRID_NEGATIVE] = 0;
    into->n_zero = 0;
    into->min = INFINITY;
    into->max = -INFINITY;
    into->n_values = 0;
    grid_init(&into->grid);
}

static void merge_insert(struct sketch_merge *m, double v)
{
    unsigned i = m->n_values;

    for (; i > 0 && m->values[i - 1] > v; i--)
        m->values[i] = m->values[i - 1];
    m->values[i] = v;
    m->n_values++;
}

static void merge_slot(struct sketch_merge *m, const struct slot *s)
{
    double min = relaxed_load_double(&s->min), max = relaxed_load_double(&s->max);
    uint32_t n_values = relaxed_load(&s->n_low);

    m->min = min < m->min ? min : m->min;
    m->max = max > m->max ? max : m->max;
    m->n_zero += relaxed_load(&s->n_zero);
    m->n_inf[GRID_POSITIVE] += relaxed_load(&s->n_inf[GRID_POSITIVE]);
    m->n_inf[GRID_NEGATIVE] += relaxed_load(&s->n_inf[GRID_NEGATIVE]);
    if (relaxed_load(&s->kind) == KIND_VALUES && grid_is_empty(&m->grid) &&
        n_values <= MERGE_MAX_VALUES - m->n_values) {
        for (uint32_t i = 0; i < n_values; i++)
            merge_insert(m, relaxed_load_double(&s->cells[i]));
        return;
    }
    for (unsigned i = 0; i < m->n_values; i++)
        grid_add(&m->grid, m->values[i], 1);
    m->n_values = 0;
    grid_add_slot(&m->grid, s);
}

/*
 * The writer's clock may be read after the reader's: a slot one epoch ahead has overwritten the
 * oldest of the window and counts in its place.
 */
void sketch_merge_add(struct sketch_merge *into, const struct sketch *from, uint32_t epoch)
{
    for (uint32_t i = 0; i < from->n_slots; i++) {
        const struct slot *s = slot_at(from, i);
        int32_t age = (int32_t)(epoch - relaxed_load(&s->epoch));

        if (relaxed_load(&s->kind) != KIND_NEVER && age < (int32_t)from->n_slots)
            merge_slot(into, s);
    }
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/*
 * A magnitude for bucket @i: the point of the bucket, cut down to what @least and @most leave of
 * it, whose relative distance from both ends is equal.
 */
static double bucket_middle(int32_t i, int schema, double least, double most)
{
    double a = larger(larger(bucket_bound(i - 1, schema), least), DBL_TRUE_MIN);
    double b = smaller(bucket_bound(i, schema), most);

    return a < b ? smaller(a * (2 / (1 + a / b)), b) : b;
}

/* The bucketed value of @rank from 1 among the positive (or the negative) ones. */
static double grid_value(const struct sketch_merge *m, enum grid_sign sign, uint64_t rank)
{
    const struct run *r = &m->grid.runs[sign];
    int schema = m->grid.schema;

    for (uint32_t i = 0; i < r->len; i++) {
        /* Negative values ascend as their magnitudes descend. */
        uint32_t at = sign == GRID_POSITIVE ? i : r->len - 1 - i;
        int32_t bucket = r->first + (int32_t)at;

        if (rank > r->n[at])
            rank -= r->n[at];
        else if (sign == GRID_POSITIVE)
            return bucket_middle(bucket, schema, m->min, smaller(m->max, DBL_MAX));
        else
            return -bucket_middle(bucket, schema, -m->max, smaller(-m->min, DBL_MAX));
    }
    assert(!"rank within the run");
    return NAN;
}

/* What lies below and above zero, how many they are. */
static void merge_sides(const struct sketch_merge *m, uint64_t *n_below, uint64_t *n_above)
{
    *n_below = run_total(&m->grid.runs[GRID_NEGATIVE]);
    *n_above = run_total(&m->grid.runs[GRID_POSITIVE]);
    for (unsigned i = 0; i < m->n_values; i++)
        *(m->values[i] < 0 ? n_below : n_above) += 1;
}

double sketch_merge_quantile(const struct sketch_merge *m, double q)
{
    bool exact = m->n_values > 0;
    uint64_t n_below, n_above, n, rank;

    merge_sides(m, &n_below, &n_above);
    n = m->n_inf[GRID_NEGATIVE] + n_below + m->n_zero + n_above + m->n_inf[GRID_POSITIVE];
    if (n == 0)
        return NAN;
    rank = q >= 1 ? n : q > 0 ? (uint64_t)ceil((double)n * q) : 1;
    if (rank <= 1)
        return m->min;
    if (rank >= n)
        return m->max;

    if (rank <= m->n_inf[GRID_NEGATIVE])
        return -INFINITY;
    rank -= m->n_inf[GRID_NEGATIVE];
    if (rank <= n_below)
        return exact ? m->values[rank - 1] : grid_value(m, GRID_NEGATIVE, rank);
    rank -= n_below;
    if (rank <= m->n_zero)
        return 0;
    rank -= m->n_zero;
    if (rank <= n_above)
        return exact ? m->values[n_below + rank - 1] : grid_value(m, GRID_POSITIVE, rank);
    return INFINITY;
}
