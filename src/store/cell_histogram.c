/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell, histogram: observations counted in buckets of the operator's, and in native ones
 *
 *      | birth tick | sum | native block | lost | n + 1 counts |
 *
 * Each count is a word that only grows, so a reader needs no order between them. The native block
 * is made at the first observation. One that has no place for a value is followed by a larger or a
 * coarser one; the old one stays as it is and is left to the control thread, which may be reading
 * it. So native counts only grow as well, and nothing of them can be torn.
 *
 * A page that shows both has one count for them, and readers of native buckets insist that the
 * buckets add up to it. So the writer counts in the classic bucket first, and a reader looks at the
 * native ones first: it finds at least as many in the classic ones, more by what came meanwhile.
 * The page's count is then what the native ones add up to, and a classic bucket that is ahead of it
 * shows that count: the smaller of two numbers that never fall never falls.
 *
 * Without memory for a block the observation is in its classic bucket only. The two would disagree
 * for ever, so the series' native buckets are off the pages from then on.
 *
 * Laws: the histogram's count is the sum of its buckets, classic and native, on every page. `_sum`
 *       may be one observation off.
 */
#include "store/cell_types.h"

#include <errno.h>
#include <stdlib.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "store/native.h"

struct histogram_cell {
    struct cell head;
    relaxed_u64 sum;                 /* double */
    _Atomic(struct native *) native; /* NULL until the first observation, or none are kept */
    relaxed_u64 lost;                /* 1: an observation is not in the native buckets */
    relaxed_u64 counts[];            /* n_points + 1: the last is +Inf */
};

size_t cell_histogram_size(const struct shape *shape)
{
    return sizeof(struct histogram_cell) + (shape->n_points + 1) * sizeof(relaxed_u64);
}

void cell_histogram_release(struct cell *cell, const struct shape *shape)
{
    struct histogram_cell *c = (struct histogram_cell *)cell;

    free(block_memory(atomic_load_explicit(&c->native, memory_order_relaxed)));
    atomic_store_explicit(&c->native, NULL, memory_order_relaxed);
}

/* ---- reading ---- */

int cell_reader_reserve_native(struct cell_reader *r)
{
    if (r->native_merge == NULL)
        r->native_merge = native_merge_new();
    return r->native_merge != NULL ? 0 : -ENOMEM;
}

int cell_native_add(struct cell *const *cells, unsigned n, const struct shape *shape,
                    struct native_merge *m)
{
    for (unsigned i = 0; i < n; i++) {
        const struct histogram_cell *c = (const struct histogram_cell *)cells[i];
        const struct native *b;

        if (c == NULL)
            continue;
        if (shape->native_max == 0 || relaxed_load(&c->lost) != 0)
            return 0;
        /* Acquire pairs with the release in publish(): the block is whole. */
        b = atomic_load_explicit(&c->native, memory_order_acquire);
        if (b != NULL && native_merge_add(m, b) != 0)
            return -ENOMEM;
    }
    /* Pairs with the fence in cell_observe_buckets(): what was found in native buckets is found in
     * classic ones from here on. */
    atomic_thread_fence(memory_order_acquire);
    return 1;
}

void cell_native_show(struct cell_reader *r, uint64_t count, struct snapshot_series *out)
{
    for (unsigned p = 0; p < out->n_points; p++)
        r->cumulative[p] = r->cumulative[p] < count ? r->cumulative[p] : count;
    out->count = count;
    out->native = &r->native;
}

/* Add up native buckets: 1 when there are some to show, 0 when not, or -ENOMEM. */
static int read_native(struct cell *const *cells, unsigned n, const struct shape *shape,
                       struct cell_reader *r, uint64_t *count)
{
    int rc;

    if (!r->wants_native || shape->native_max == 0)
        return 0;
    if (cell_reader_reserve_native(r) != 0)
        return -ENOMEM;
    native_merge_begin(r->native_merge, shape->native_schema);
    rc = cell_native_add(cells, n, shape, r->native_merge);
    if (rc == 1)
        native_merge_end(r->native_merge, shape->native_max, &r->native, count);
    return rc;
}

static uint64_t read_counts(struct cell *const *cells, unsigned n, const struct shape *shape,
                            uint64_t *cumulative)
{
    uint64_t total = 0;

    for (unsigned p = 0; p <= shape->n_points; p++) {
        for (unsigned i = 0; i < n; i++) {
            const struct histogram_cell *c = (const struct histogram_cell *)cells[i];

            if (c != NULL)
                total = sum_or_most(total, relaxed_load(&c->counts[p]));
        }
        if (p < shape->n_points)
            cumulative[p] = total;
    }
    return total;
}

static double read_sum(struct cell *const *cells, unsigned n)
{
    double sum = 0;

    for (unsigned i = 0; i < n; i++)
        if (cells[i] != NULL)
            sum += relaxed_load_double(&((const struct histogram_cell *)cells[i])->sum);
    return sum;
}

int cell_histogram_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    uint64_t native_count;
    int shows_native;

    if (cell_reader_reserve(r, shape->n_points) != 0)
        return -ENOMEM;
    shows_native = read_native(cells, n, shape, r, &native_count);
    if (shows_native < 0)
        return shows_native;
    out->count = read_counts(cells, n, shape, r->cumulative);
    out->sum = read_sum(cells, n);
    out->n_points = shape->n_points;
    out->points = shape->points;
    out->point_texts = shape->texts;
    out->cumulative = r->cumulative;
    out->native = NULL;
    if (shows_native)
        cell_native_show(r, native_count, out);
    return 0;
}

/* ---- writing ---- */

/*
 * The first point with v <= point, or n: NaN belongs to +Inf only. How often the loops turn depends
 * on @n only, and the comparisons move a number instead of the program: nothing to guess wrongly.
 */
static unsigned search_bucket(const double *points, unsigned n, double v)
{
    unsigned low = 0;

    while (n > 0) {
        unsigned half = (n + 1) / 2;

        low += half & (0u - (unsigned)!(v <= points[low + half - 1]));
        n -= half;
    }
    return low;
}

#if defined(__SSE2__)

/* Up to so many points it is quicker to look at all of them, two at a time. */
#define POINTS_FEW 24u

/* How many points are below @v. */
static unsigned count_below(const double *points, unsigned n, double v)
{
    const __m128d all_v = _mm_set1_pd(v);
    __m128i below = _mm_setzero_si128();
    unsigned i = 0;

    for (; i + 2 <= n; i += 2)
        below =
            _mm_sub_epi64(below, _mm_castpd_si128(_mm_cmpnle_pd(all_v, _mm_loadu_pd(points + i))));
    below = _mm_add_epi64(below, _mm_unpackhi_epi64(below, below));
    return (unsigned)_mm_cvtsi128_si32(below) + (i < n ? !(v <= points[i]) : 0u);
}

static unsigned bucket_of(const double *points, unsigned n, double v)
{
    return n <= POINTS_FEW ? count_below(points, n, v) : search_bucket(points, n, v);
}

#else

static unsigned bucket_of(const double *points, unsigned n, double v)
{
    return search_bucket(points, n, v);
}

#endif

unsigned cell_bucket_of(const struct shape *shape, double v)
{
    return bucket_of(shape->points, shape->n_points, v);
}

/* Release: a reader that finds the block finds what was written into it. */
static void publish(struct histogram_cell *c, struct native *b)
{
    atomic_store_explicit(&c->native, b, memory_order_release);
}

/* The value has no place in @old, which may be NULL. */
static int follow(struct histogram_cell *c, struct native *old, const struct shape *shape, double v,
                  uint64_t weight, struct cell_outgrown **outgrown)
{
    struct cell_outgrown *memory;
    struct native *b;

    if (relaxed_load(&c->lost) != 0)
        return 0;
    memory = malloc(sizeof *memory + native_size_after(old));
    if (memory == NULL) {
        relaxed_store(&c->lost, 1);
        return -ENOMEM;
    }
    b = (struct native *)(memory + 1);
    native_take_over(b, old, shape->native_schema, v, weight, shape->native_max);
    publish(c, b);
    *outgrown = block_memory(old);
    return 0;
}

int cell_observe_buckets(struct cell *cell, const struct shape *shape, double v, uint64_t weight,
                         struct cell_time t, struct cell_outgrown **outgrown)
{
    struct histogram_cell *c = (struct histogram_cell *)cell;
    struct native *b;

    *outgrown = NULL;
    cell_touch(cell, t);
    relaxed_store_double(&c->sum, relaxed_load_double(&c->sum) + v * (double)weight);
    relaxed_grow(&c->counts[bucket_of(shape->points, shape->n_points, v)], weight);
    if (shape->native_max == 0 || weight == 0)
        return 0;
    /* Who sees the native count that follows sees the classic one: see cell_native_add(). */
    atomic_thread_fence(memory_order_release);
    b = atomic_load_explicit(&c->native, memory_order_relaxed);
    if (b != NULL && (native_count(b, v, weight) || native_add(b, v, weight, shape->native_max)))
        return 0;
    return follow(c, b, shape, v, weight, outgrown);
}
