/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells: values that one thread writes and another reads, without a lock
 *
 * This file knows the memory order of values; nobody else does.
 *
 *      counter    | birth tick | whole  | rest  |            32 bytes
 *      gauge      | birth tick | bits   |                    32 bytes, one for all workers
 *      histogram  | birth tick | sum    | n + 1 counts |
 *      summary    | birth tick | seq    | sum | count | sketch |
 *      set        | birth tick | seq    | n_slots pointers to blocks |
 *
 * Counters and buckets only grow, each in one word, so a reader needs no order between them: every
 * word it reads is at least what it read before, and a sum of growing terms in a fixed order grows.
 * That is the law behind "no scrape shows a counter below a value shown before". So that whole
 * numbers cannot wrap, past WHOLE_MAX they go to the rest. A histogram's count is the sum of its
 * buckets; `_sum` may lag by one observation.
 *
 * Summaries and sets mostly change words of their own too: a count in its place, a register. What
 * moves counts - a slot emptied, a sketch made coarser, a member put in order - is rare, and a
 * reader takes a private copy between two equal, even readings of `seq`, which only those advance.
 * The writer never waits. A reader that meets one again and again gives up after SEQ_TRIES. A set's
 * torn copy is still used: its members are at worst a few too many or too few. A torn sketch would
 * be read at the wrong size, so the page does without this worker's window for once; counts and
 * sums are outside and always right.
 *
 * A gauge is the exception: "last one set" and "+3" have no meaning per thread, so all workers
 * share one word; a delta is a compare-and-swap loop. Its tick is stored only when it changes, so
 * that workers do not fight for the line.
 */
#include "store/cell.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "store/set.h"
#include "store/sketch.h"

/* Enough to outlast a write. */
#define SEQ_TRIES 256

/* RECLAIM_MAX_WORKERS times this, and one increment more for each, fit a word. */
#define WHOLE_MAX (UINT64_C(1) << 57)

struct counter_cell {
    struct cell head;
    relaxed_u64 whole; /* sum of the increments that are whole numbers below 2^53 */
    relaxed_u64 rest;  /* double: sum of the others */
};

struct gauge_cell {
    struct cell head;
    relaxed_u64 bits; /* double */
};

struct histogram_cell {
    struct cell head;
    relaxed_u64 sum;      /* double */
    relaxed_u64 counts[]; /* n_points + 1: the last is +Inf */
};

struct summary_cell {
    struct cell head;
    relaxed_u64 seq; /* odd while the sketch is being written */
    relaxed_u64 sum; /* double */
    relaxed_u64 count;
    uint64_t sketch[]; /* struct sketch */
};

struct set_cell {
    struct cell head;
    relaxed_u64 seq;
    _Atomic(struct set_block *) blocks[]; /* n_slots; NULL until the first member */
};

_Static_assert(sizeof(struct counter_cell) <= CELL_ALIGN, "a counter fits half a cache line");
_Static_assert(sizeof(struct gauge_cell) <= CELL_ALIGN, "a gauge fits half a cache line");

/* ---- the table of metric types ---- */

struct metric_row {
    const char *name;
    enum snapshot_type shown_as;
    size_t (*size)(const struct shape *shape);
    int (*read)(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
                struct cell_reader *r, struct snapshot_series *out);
};

static size_t counter_size(const struct shape *shape)
{
    return sizeof(struct counter_cell);
}

static size_t gauge_size(const struct shape *shape)
{
    return sizeof(struct gauge_cell);
}

static size_t histogram_size(const struct shape *shape)
{
    return sizeof(struct histogram_cell) + (shape->n_points + 1) * sizeof(relaxed_u64);
}

static size_t summary_size(const struct shape *shape)
{
    return sizeof(struct summary_cell) + sketch_size(shape->n_slots);
}

static size_t set_size(const struct shape *shape)
{
    return sizeof(struct set_cell) + shape->n_slots * sizeof(struct set_block *);
}

static int counter_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    uint64_t whole = 0;
    double rest = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct counter_cell *c = (const struct counter_cell *)cells[i];

        if (c == NULL)
            continue;
        whole += relaxed_load(&c->whole);
        rest += relaxed_load_double(&c->rest);
    }
    out->value = (double)whole + rest;
    return 0;
}

static int gauge_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                      int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    const struct gauge_cell *c = (const struct gauge_cell *)cells[0];

    out->value = c != NULL ? relaxed_load_double(&c->bits) : 0;
    return 0;
}

static int reader_reserve(struct cell_reader *r, unsigned n_points)
{
    uint64_t *cumulative;
    double *quantiles;

    if (n_points <= r->n_points)
        return 0;
    cumulative = realloc(r->cumulative, n_points * sizeof *cumulative);
    if (cumulative == NULL)
        return -ENOMEM;
    r->cumulative = cumulative;
    quantiles = realloc(r->quantiles, n_points * sizeof *quantiles);
    if (quantiles == NULL)
        return -ENOMEM;
    r->quantiles = quantiles;
    r->n_points = n_points;
    return 0;
}

/* Full buckets of many workers could be more than a word holds. */
static uint64_t sum_or_most(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static int histogram_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                          int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    uint64_t total = 0;
    double sum = 0;

    if (reader_reserve(r, shape->n_points) != 0)
        return -ENOMEM;
    for (unsigned p = 0; p <= shape->n_points; p++) {
        for (unsigned i = 0; i < n; i++) {
            const struct histogram_cell *c = (const struct histogram_cell *)cells[i];

            if (c != NULL)
                total = sum_or_most(total, relaxed_load(&c->counts[p]));
        }
        if (p < shape->n_points)
            r->cumulative[p] = total;
    }
    for (unsigned i = 0; i < n; i++)
        if (cells[i] != NULL)
            sum += relaxed_load_double(&((const struct histogram_cell *)cells[i])->sum);
    out->sum = sum;
    out->count = total;
    out->n_points = shape->n_points;
    out->points = shape->points;
    out->point_texts = shape->texts;
    out->cumulative = r->cumulative;
    return 0;
}

/* ---- sequence counters ---- */

/* Writer: odd first, then the words. The release fence keeps the words from moving before it. */
static void seq_begin(relaxed_u64 *seq)
{
    relaxed_add(seq, 1);
    atomic_thread_fence(memory_order_release);
}

/* Writer: the words first, then even. */
static void seq_end(relaxed_u64 *seq)
{
    atomic_store_explicit(seq, relaxed_load(seq) + 1, memory_order_release);
}

/*
 * Reader: copy @n_words between two equal even readings. The acquire load pairs with seq_end(), the
 * acquire fence with seq_begin(): whoever saw a word of the next write sees its odd number too.
 * False: the copy may be torn.
 */
static bool seq_copy(const relaxed_u64 *seq, uint64_t *to, const relaxed_u64 *from, size_t n_words)
{
    for (unsigned tries = 0; tries < SEQ_TRIES; tries++) {
        uint64_t before = atomic_load_explicit(seq, memory_order_acquire);

        for (size_t i = 0; i < n_words; i++)
            to[i] = relaxed_load(&from[i]);
        atomic_thread_fence(memory_order_acquire);
        if ((before & 1) == 0 && relaxed_load(seq) == before)
            return true;
    }
    return false;
}

static size_t merge_size(void)
{
    size_t a = sketch_merge_size(), b = set_merge_size();

    return a > b ? a : b;
}

static size_t copy_size(void)
{
    size_t set = set_block_size(SET_N_LEVELS - 1);

    return set > SKETCH_MAX_SIZE ? set : SKETCH_MAX_SIZE;
}

static int reader_reserve_merge(struct cell_reader *r)
{
    if (r->copy == NULL)
        r->copy = malloc(copy_size());
    if (r->merge == NULL)
        r->merge = malloc(merge_size());
    return r->copy != NULL && r->merge != NULL ? 0 : -ENOMEM;
}

static uint32_t slot_epoch(const struct shape *shape, int64_t now_ms)
{
    return (uint32_t)(now_ms / shape->slot_ms);
}

static int summary_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                        int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    if (reader_reserve(r, shape->n_points) != 0 || reader_reserve_merge(r) != 0)
        return -ENOMEM;
    out->sum = 0;
    out->count = 0;
    sketch_merge_init(r->merge);
    for (unsigned i = 0; i < n; i++) {
        const struct summary_cell *c = (const struct summary_cell *)cells[i];

        if (c == NULL)
            continue;
        if (seq_copy(&c->seq, r->copy, (const relaxed_u64 *)c->sketch,
                     sketch_size(shape->n_slots) / sizeof(uint64_t)))
            sketch_merge_add(r->merge, (const struct sketch *)r->copy, slot_epoch(shape, now_ms));
        out->count += relaxed_load(&c->count);
        out->sum += relaxed_load_double(&c->sum);
    }
    for (unsigned p = 0; p < shape->n_points; p++)
        r->quantiles[p] = sketch_merge_quantile(r->merge, shape->points[p]);
    out->n_points = shape->n_points;
    out->points = shape->points;
    out->point_texts = shape->texts;
    out->quantiles = r->quantiles;
    return 0;
}

static void set_read_cell(const struct set_cell *c, const struct shape *shape, uint32_t epoch,
                          struct cell_reader *r)
{
    for (unsigned i = 0; i < shape->n_slots; i++) {
        /* Acquire pairs with the release in set_publish(): the block's level is visible. */
        const struct set_block *b = atomic_load_explicit(&c->blocks[i], memory_order_acquire);

        if (b == NULL)
            continue;
        (void)seq_copy(&c->seq, r->copy, (const relaxed_u64 *)b,
                       set_block_size(set_block_level(b)) / sizeof(uint64_t));
        b = (const struct set_block *)r->copy;
        /* Signed: the writer's clock reading may be a moment ahead of the reader's. */
        if ((int32_t)(epoch - set_block_epoch(b)) < (int32_t)shape->n_slots)
            set_merge_add(r->merge, b);
    }
}

static int set_read(struct cell *const *cells, unsigned n, const struct shape *shape,
                    int64_t now_ms, struct cell_reader *r, struct snapshot_series *out)
{
    if (reader_reserve_merge(r) != 0)
        return -ENOMEM;
    set_merge_init(r->merge);
    for (unsigned i = 0; i < n; i++)
        if (cells[i] != NULL)
            set_read_cell((const struct set_cell *)cells[i], shape, slot_epoch(shape, now_ms), r);
    out->value = set_merge_count(r->merge);
    return 0;
}

static const struct metric_row metric_rows[METRIC_N_TYPES] = {
    [METRIC_COUNTER] = {"counter", SNAPSHOT_COUNTER, counter_size, counter_read},
    [METRIC_GAUGE] = {"gauge", SNAPSHOT_GAUGE, gauge_size, gauge_read},
    [METRIC_HISTOGRAM] = {"histogram", SNAPSHOT_HISTOGRAM, histogram_size, histogram_read},
    [METRIC_SUMMARY] = {"summary", SNAPSHOT_SUMMARY, summary_size, summary_read},
    [METRIC_SET] = {"set", SNAPSHOT_GAUGE, set_size, set_read},
};

enum snapshot_type metric_snapshot_type(enum metric_type type)
{
    return metric_rows[type].shown_as;
}

const char *metric_type_name(enum metric_type type)
{
    return metric_rows[type].name;
}

size_t cell_size(const struct shape *shape)
{
    size_t size = metric_rows[shape->type].size(shape);

    return (size + CELL_ALIGN - 1) / CELL_ALIGN * CELL_ALIGN;
}

int cell_read(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
              struct cell_reader *r, struct snapshot_series *out)
{
    return metric_rows[shape->type].read(cells, n, shape, now_ms, r, out);
}

void cell_reader_release(struct cell_reader *r)
{
    free(r->cumulative);
    free(r->quantiles);
    free(r->copy);
    free(r->merge);
    *r = (struct cell_reader){0};
}

/* ---- birth and death ---- */

void cell_init(struct cell *c, const struct shape *shape)
{
    relaxed_u64 *words = (relaxed_u64 *)c;
    size_t n_words = shape->cell_size / sizeof *words;

    /* Word by word: a worker with an old route may look at `birth` while the cell is reused. */
    for (size_t i = 1; i < n_words; i++)
        relaxed_store(&words[i], 0);
    relaxed_store(&c->birth, 0);
    relaxed_store(&c->tick, 0);
    if (shape->type == METRIC_SUMMARY)
        sketch_init((struct sketch *)((struct summary_cell *)c)->sketch, shape->n_slots);
}

/* Where a block's memory begins: the link that the control thread's list of outgrown ones needs
 * stands before the block, since a reader may still copy the block itself. */
static struct cell_outgrown *set_memory(struct set_block *b)
{
    return b != NULL ? (struct cell_outgrown *)b - 1 : NULL;
}

void cell_release(struct cell *c, const struct shape *shape)
{
    struct set_cell *set = (struct set_cell *)c;

    if (shape->type != METRIC_SET)
        return;
    for (unsigned i = 0; i < shape->n_slots; i++) {
        free(set_memory(atomic_load_explicit(&set->blocks[i], memory_order_relaxed)));
        atomic_store_explicit(&set->blocks[i], NULL, memory_order_relaxed);
    }
}

/* ---- writing ---- */

static void cell_touch(struct cell *c, struct cell_time t)
{
    if (relaxed_load(&c->tick) != t.tick)
        relaxed_store(&c->tick, t.tick);
}

void cell_add(struct cell *cell, double v, struct cell_time t)
{
    struct counter_cell *c = (struct counter_cell *)cell;
    uint64_t whole = v < 0x1p53 ? (uint64_t)v : 0;

    assert(v >= 0);
    cell_touch(cell, t);
    if ((double)whole == v && relaxed_load(&c->whole) < WHOLE_MAX)
        relaxed_add(&c->whole, whole);
    else
        relaxed_store_double(&c->rest, relaxed_load_double(&c->rest) + v);
}

void cell_gauge_set(struct cell *cell, double v, struct cell_time t)
{
    cell_touch(cell, t);
    relaxed_store_double(&((struct gauge_cell *)cell)->bits, v);
}

void cell_gauge_add(struct cell *cell, double v, struct cell_time t)
{
    struct gauge_cell *c = (struct gauge_cell *)cell;
    uint64_t was = relaxed_load(&c->bits);
    uint64_t will;
    double value;

    cell_touch(cell, t);
    do {
        memcpy(&value, &was, sizeof value);
        value += v;
        memcpy(&will, &value, sizeof will);
        /* Relaxed: the word carries nothing but itself. */
    } while (!atomic_compare_exchange_weak_explicit(&c->bits, &was, will, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* The first point with v <= point, or n: NaN belongs to +Inf only. */
static unsigned bucket_of(const double *points, unsigned n, double v)
{
    unsigned low = 0;

    while (n > 0) {
        unsigned half = n / 2;

        if (v <= points[low + half]) {
            n = half;
        } else {
            low += half + 1;
            n -= half + 1;
        }
    }
    return low;
}

void cell_observe_buckets(struct cell *cell, const struct shape *shape, double v, uint64_t weight,
                          struct cell_time t)
{
    struct histogram_cell *c = (struct histogram_cell *)cell;

    cell_touch(cell, t);
    relaxed_store_double(&c->sum, relaxed_load_double(&c->sum) + v * (double)weight);
    relaxed_grow(&c->counts[bucket_of(shape->points, shape->n_points, v)], weight);
}

void cell_observe_sketch(struct cell *cell, const struct shape *shape, double v, uint64_t weight,
                         struct cell_time t)
{
    struct summary_cell *c = (struct summary_cell *)cell;

    cell_touch(cell, t);
    relaxed_store_double(&c->sum, relaxed_load_double(&c->sum) + v * (double)weight);
    relaxed_grow(&c->count, weight);
    if (sketch_count((struct sketch *)c->sketch, slot_epoch(shape, t.now_ms), v, weight))
        return;
    seq_begin(&c->seq);
    sketch_observe((struct sketch *)c->sketch, slot_epoch(shape, t.now_ms), v, weight);
    seq_end(&c->seq);
}

/* A block of @level with the members of @from, not yet visible to readers. */
static struct set_block *set_block_new(unsigned level, uint32_t epoch, const struct set_block *from)
{
    struct cell_outgrown *memory = malloc(sizeof *memory + set_block_size(level));
    struct set_block *b;

    if (memory == NULL)
        return NULL;
    b = (struct set_block *)(memory + 1);
    set_block_init(b, level, epoch);
    if (from != NULL)
        set_block_copy(b, from);
    return b;
}

/* Release: a reader that finds the block finds what was written into it. */
static void set_publish(struct set_cell *c, unsigned slot, struct set_block *b)
{
    atomic_store_explicit(&c->blocks[slot], b, memory_order_release);
}

static int set_grow(struct set_cell *c, unsigned slot, uint64_t hash,
                    struct cell_outgrown **old_out)
{
    struct set_block *old = atomic_load_explicit(&c->blocks[slot], memory_order_relaxed);
    struct set_block *b = set_block_new(set_block_level(old) + 1, set_block_epoch(old), old);

    if (b == NULL)
        return -ENOMEM;
    (void)set_block_add(b, hash);
    set_publish(c, slot, b);
    *old_out = set_memory(old);
    return 0;
}

int cell_set_add(struct cell *cell, const struct shape *shape, struct slice member,
                 struct cell_time t, struct cell_outgrown **outgrown)
{
    struct set_cell *c = (struct set_cell *)cell;
    uint32_t epoch = slot_epoch(shape, t.now_ms);
    unsigned slot = epoch % shape->n_slots;
    struct set_block *b = atomic_load_explicit(&c->blocks[slot], memory_order_relaxed);
    uint64_t hash = set_hash(member);
    int outcome;

    *outgrown = NULL;
    cell_touch(cell, t);
    if (b == NULL) {
        b = set_block_new(0, epoch, NULL);
        if (b == NULL)
            return -ENOMEM;
        set_publish(c, slot, b);
    }
    if (set_block_epoch(b) == epoch && set_block_note(b, hash))
        return 0;
    seq_begin(&c->seq);
    if (set_block_epoch(b) != epoch)
        set_block_reset(b, epoch);
    outcome = set_block_add(b, hash);
    seq_end(&c->seq);
    return outcome == SET_E_FULL ? set_grow(c, slot, hash, outgrown) : 0;
}
