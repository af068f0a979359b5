/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native: the exponential buckets of a histogram
 *
 *      | schema level n_used | zero | NaN | 2^level counts | 2^level keys |      12 bytes a bucket
 *
 * A block is a hash table whose hash is the bucket's index itself: neighbours lie side by side, so
 * the buckets of one peak behave like a plain array, and a value far away costs one slot and not
 * all in between. A slot's key is set when its first count is; it stays for the block's life.
 *
 * So a block never moves a count. When it is full, or would have more buckets than allowed, its
 * counts go to a new block, at half the resolution as often as it takes, and the old one is left
 * as it is. A reader has either, and in either each count is at least what it was before.
 *
 * At factor 1.1 (schema 3, 8 buckets to a doubling) a series whose values spread over a factor of
 * 30 takes 832 bytes for each worker that it came through, over a factor of 10 000 1.6 KB.
 *
 * Laws: nothing is lost: the sum of a block is what was counted. The sum of later blocks is never
 *       finer than one of earlier ones, and at the same resolution no bucket is lower. Infinity is
 *       one bucket beyond that of the largest double, at every schema.
 */
#include "store/native.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/relaxed.h"
#include "store/bucket.h"

#define LEVEL_MIN      2u
#define LEVEL_MAX      13u

/* The finest bucket of +Inf: DBL_MAX is just below 2^1024. */
#define INFINITY_INDEX (1024 * BUCKET_PER_OCTAVE + 1)

/* An index as a key, which is never 0, is this much higher; negative values have the top bit. */
#define KEY_BIAS       (1u << 20)
#define KEY_NEGATIVE   (1u << 31)

_Static_assert(-129 * BUCKET_PER_OCTAVE + (int)KEY_BIAS > 0 && INFINITY_INDEX < (int)KEY_BIAS,
               "a key is neither 0 nor reaches the top bit");

/* Everything here is written by the block's only writer. */
struct native {
    int16_t schema;  /* never changes */
    uint16_t level;  /* never changes */
    uint32_t n_used; /* slots; the writer's alone */
    relaxed_u64 zero, nan;
    relaxed_u64 counts[]; /* 2^level; as many keys, of 4 bytes, follow */
};

_Static_assert(NATIVE_MAX_BUCKETS <= (1u << LEVEL_MAX) / 8 * 7, "the largest block holds them");

int native_schema(double factor)
{
    int schema = NATIVE_SCHEMA_MIN;

    while (schema < BUCKET_SCHEMA_MAX && bucket_bound(1, schema) > factor)
        schema++;
    return schema;
}

/* ---- slots ---- */

static uint32_t n_slots(unsigned level)
{
    return 1u << level;
}

static relaxed_u32 *keys_of(const struct native *b)
{
    return (relaxed_u32 *)(b->counts + n_slots(b->level));
}

static uint32_t key_of(int32_t index, bool negative)
{
    return ((uint32_t)index + KEY_BIAS) | (negative ? KEY_NEGATIVE : 0);
}

static int32_t key_index(uint32_t key)
{
    return (int32_t)(key & ~KEY_NEGATIVE) - (int32_t)KEY_BIAS;
}

static uint32_t key_coarser(uint32_t key, unsigned steps)
{
    return key_of(bucket_coarser(key_index(key), steps), key & KEY_NEGATIVE);
}

/* The key of @v, which is neither NaN nor as good as zero. */
static uint32_t value_key(double v, int schema)
{
    unsigned steps = (unsigned)(BUCKET_SCHEMA_MAX - schema);
    int32_t index =
        isinf(v) ? bucket_coarser(INFINITY_INDEX, steps) : bucket_index(fabs(v), schema);

    return key_of(index, v < 0);
}

/* Where the key is, or the free slot where it belongs; one is always free. */
static uint32_t slot_of(const struct native *b, uint32_t key)
{
    const relaxed_u32 *keys = keys_of(b);
    uint32_t mask = n_slots(b->level) - 1;
    /* From different ends, so that positive and negative values seldom meet. */
    uint32_t i = (key & KEY_NEGATIVE ? ~key : key) & mask;

    for (;;) {
        uint32_t found = relaxed_load(&keys[i]);

        if (found == key || found == 0)
            return i;
        i = (i + 1) & mask;
    }
}

/* At most seven slots in eight. */
static bool has_room(unsigned level, uint32_t n_used)
{
    return n_used <= n_slots(level) * 7 / 8;
}

/* ---- writing ---- */

/* The word of zero or NaN that counts @v, or NULL. */
static relaxed_u64 *outside_buckets(struct native *b, double v)
{
    if (fabs(v) > NATIVE_ZERO_THRESHOLD)
        return NULL;
    return isnan(v) ? &b->nan : &b->zero;
}

/* Counts taken over may be past the most that relaxed_grow() lets one grow to. */
static void grow(relaxed_u64 *word, uint64_t n)
{
    if (relaxed_load(word) < RELAXED_GROW_MAX)
        relaxed_grow(word, n);
}

bool native_count(struct native *b, double v, uint64_t weight)
{
    relaxed_u64 *word = outside_buckets(b, v);

    if (word == NULL) {
        uint32_t slot = slot_of(b, value_key(v, b->schema));

        if (relaxed_load(&keys_of(b)[slot]) == 0)
            return false;
        word = &b->counts[slot];
    }
    grow(word, weight);
    return true;
}

/* Count @n for a key in a block that has room. */
static void put(struct native *b, uint32_t key, uint64_t n)
{
    uint32_t slot = slot_of(b, key);
    uint64_t was = relaxed_load(&b->counts[slot]);

    if (relaxed_load(&keys_of(b)[slot]) == 0) {
        b->n_used++;
        relaxed_store(&keys_of(b)[slot], key);
    }
    relaxed_store(&b->counts[slot], sum_or_most(was, n));
}

bool native_add(struct native *b, double v, uint64_t weight, uint32_t max)
{
    if (native_count(b, v, weight))
        return true;
    if (!has_room(b->level, b->n_used + 1) || (b->n_used >= max && b->schema > NATIVE_SCHEMA_MIN))
        return false;
    put(b, value_key(v, b->schema), weight < RELAXED_GROW_MAX ? weight : RELAXED_GROW_MAX);
    return true;
}

static size_t size_of_level(unsigned level)
{
    return sizeof(struct native) + n_slots(level) * (sizeof(relaxed_u64) + sizeof(relaxed_u32));
}

static unsigned level_after(const struct native *from)
{
    unsigned level = from != NULL ? from->level : LEVEL_MIN;

    if (from != NULL && !has_room(level, from->n_used + 1))
        level++;
    assert(level <= LEVEL_MAX);
    return level;
}

size_t native_size_after(const struct native *from)
{
    return size_of_level(level_after(from));
}

static void init(struct native *b, unsigned level, int schema)
{
    memset(b, 0, size_of_level(level));
    b->schema = (int16_t)schema;
    b->level = (uint16_t)level;
}

static void copy(struct native *to, const struct native *from)
{
    unsigned steps = (unsigned)(from->schema - to->schema);

    relaxed_store(&to->zero, relaxed_load(&from->zero));
    relaxed_store(&to->nan, relaxed_load(&from->nan));
    for (uint32_t i = 0; i < n_slots(from->level); i++) {
        uint32_t key = relaxed_load(&keys_of(from)[i]);

        if (key != 0)
            put(to, key_coarser(key, steps), relaxed_load(&from->counts[i]));
    }
}

void native_take_over(struct native *to, const struct native *from, int schema, double v,
                      uint64_t weight, uint32_t max)
{
    unsigned level = level_after(from);

    if (from != NULL)
        schema = from->schema;
    for (;; schema--) {
        init(to, level, schema);
        if (from != NULL)
            copy(to, from);
        if (native_add(to, v, weight, max))
            return;
    }
}

/* ---- merging ---- */

enum { POSITIVE, NEGATIVE, N_SIGNS };

struct pairs {
    size_t n;
    struct snapshot_bucket *p;
};

struct native_merge {
    int schema;
    uint64_t zero, nan;
    struct pairs pairs[N_SIGNS];
    size_t cap;                   /* of each of them, and of the room */
    struct snapshot_bucket *room; /* to sort in */
};

struct native_merge *native_merge_new(void)
{
    return calloc(1, sizeof(struct native_merge));
}

void native_merge_free(struct native_merge *m)
{
    if (m == NULL)
        return;
    free(m->pairs[POSITIVE].p);
    free(m->pairs[NEGATIVE].p);
    free(m->room);
    free(m);
}

void native_merge_begin(struct native_merge *m, int schema)
{
    m->schema = schema;
    m->zero = 0;
    m->nan = 0;
    m->pairs[POSITIVE].n = 0;
    m->pairs[NEGATIVE].n = 0;
}

static int reserve_one(struct snapshot_bucket **p, size_t cap)
{
    struct snapshot_bucket *grown = realloc(*p, cap * sizeof *grown);

    if (grown == NULL)
        return -ENOMEM;
    *p = grown;
    return 0;
}

static int reserve(struct native_merge *m, size_t more)
{
    size_t cap = m->pairs[POSITIVE].n + m->pairs[NEGATIVE].n + more;

    if (cap <= m->cap)
        return 0;
    if (reserve_one(&m->pairs[POSITIVE].p, cap) != 0 ||
        reserve_one(&m->pairs[NEGATIVE].p, cap) != 0 || reserve_one(&m->room, cap) != 0)
        return -ENOMEM;
    m->cap = cap;
    return 0;
}

static void shift(struct pairs *pairs, unsigned steps)
{
    for (size_t i = 0; i < pairs->n; i++)
        pairs->p[i].index = bucket_coarser(pairs->p[i].index, steps);
}

static void coarsen_to(struct native_merge *m, int schema)
{
    if (schema >= m->schema)
        return;
    shift(&m->pairs[POSITIVE], (unsigned)(m->schema - schema));
    shift(&m->pairs[NEGATIVE], (unsigned)(m->schema - schema));
    m->schema = schema;
}

/* One slot, if it has counted. */
static void take_slot(struct native_merge *m, const struct native *b, uint32_t slot, bool negative)
{
    uint32_t key = relaxed_load(&keys_of(b)[slot]);
    struct pairs *pairs = &m->pairs[negative ? NEGATIVE : POSITIVE];
    unsigned steps = (unsigned)(b->schema - m->schema);
    uint64_t n;

    if (key == 0 || ((key & KEY_NEGATIVE) != 0) != negative)
        return;
    /* A key that has just been set may be seen before its count. */
    n = relaxed_load(&b->counts[slot]);
    if (n > 0)
        pairs->p[pairs->n++] = (struct snapshot_bucket){bucket_coarser(key_index(key), steps), n};
}

int native_merge_add(struct native_merge *m, const struct native *b)
{
    uint32_t n = n_slots(b->level);

    if (reserve(m, n) != 0)
        return -ENOMEM;
    coarsen_to(m, b->schema);
    m->zero = sum_or_most(m->zero, relaxed_load(&b->zero));
    m->nan = sum_or_most(m->nan, relaxed_load(&b->nan));
    /* In the order that needs little sorting: slots of negative values descend. */
    for (uint32_t i = 0; i < n; i++)
        take_slot(m, b, i, false);
    for (uint32_t i = n; i-- > 0;)
        take_slot(m, b, i, true);
    return 0;
}

/* The end of the ascending run that begins at @at. */
static size_t run_end(const struct snapshot_bucket *p, size_t at, size_t n)
{
    if (at < n)
        at++;
    while (at < n && p[at - 1].index <= p[at].index)
        at++;
    return at;
}

/* Merge neighbouring runs, each with the next, into @to. */
static void merge_runs(const struct snapshot_bucket *from, struct snapshot_bucket *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t middle = run_end(from, at, n), end = run_end(from, middle, n);

        for (size_t a = at, b = middle; at < end; at++)
            to[at] =
                b == end || (a < middle && from[a].index <= from[b].index) ? from[a++] : from[b++];
    }
}

static void sort(struct native_merge *m, struct pairs *pairs)
{
    while (run_end(pairs->p, 0, pairs->n) < pairs->n) {
        struct snapshot_bucket *from = pairs->p;

        merge_runs(from, m->room, pairs->n);
        pairs->p = m->room;
        m->room = from;
    }
}

/* Those of one bucket, which lie together, become one. */
static void unite(struct pairs *pairs)
{
    size_t n = 0;

    for (size_t i = 0; i < pairs->n; i++) {
        const struct snapshot_bucket *b = &pairs->p[i];

        if (n > 0 && pairs->p[n - 1].index == b->index)
            pairs->p[n - 1].count = sum_or_most(pairs->p[n - 1].count, b->count);
        else
            pairs->p[n++] = *b;
    }
    pairs->n = n;
}

/* Half the resolution; the order stays. */
static void coarsen(struct pairs *pairs)
{
    shift(pairs, 1);
    unite(pairs);
}

static uint64_t total(const struct pairs *pairs, uint64_t sum)
{
    for (size_t i = 0; i < pairs->n; i++)
        sum = sum_or_most(sum, pairs->p[i].count);
    return sum;
}

void native_merge_end(struct native_merge *m, uint32_t max, struct snapshot_native *out,
                      uint64_t *count)
{
    struct pairs *pos = &m->pairs[POSITIVE], *neg = &m->pairs[NEGATIVE];

    sort(m, pos);
    sort(m, neg);
    unite(pos);
    unite(neg);
    for (; pos->n + neg->n > max && m->schema > NATIVE_SCHEMA_MIN; m->schema--) {
        coarsen(pos);
        coarsen(neg);
    }
    *out = (struct snapshot_native){
        .schema = m->schema,
        .zero_threshold = NATIVE_ZERO_THRESHOLD,
        .zero_count = m->zero,
        .n_positive = (unsigned)pos->n,
        .n_negative = (unsigned)neg->n,
        .positive = pos->p,
        .negative = neg->p,
    };
    *count = total(pos, total(neg, sum_or_most(m->zero, m->nan)));
}

/* ---- keeping ---- */

_Static_assert(N_SIGNS == 2, "as many as a native_kept has");

int native_keep(const struct native_merge *m, struct native_kept **out)
{
    const struct pairs *pos = &m->pairs[POSITIVE], *neg = &m->pairs[NEGATIVE];
    struct native_kept *k = NULL;

    if (pos->n + neg->n > 0 || m->zero > 0 || m->nan > 0) {
        k = malloc(sizeof *k + (pos->n + neg->n) * sizeof k->p[0]);
        if (k == NULL)
            return -ENOMEM;
        *k = (struct native_kept){m->schema, m->zero, m->nan, {pos->n, neg->n}};
        for (size_t i = 0; i < pos->n; i++)
            k->p[i] = pos->p[i];
        for (size_t i = 0; i < neg->n; i++)
            k->p[pos->n + i] = neg->p[i];
    }
    *out = k;
    return 0;
}

int native_merge_add_kept(struct native_merge *m, const struct native_kept *k)
{
    const struct snapshot_bucket *from = k->p;

    if (reserve(m, k->n[POSITIVE] + k->n[NEGATIVE]) != 0)
        return -ENOMEM;
    coarsen_to(m, k->schema);
    m->zero = sum_or_most(m->zero, k->zero);
    m->nan = sum_or_most(m->nan, k->nan);
    for (unsigned sign = 0; sign < N_SIGNS; sign++) {
        struct pairs *to = &m->pairs[sign];

        for (size_t i = 0; i < k->n[sign]; i++, from++)
            to->p[to->n++] = (struct snapshot_bucket){
                bucket_coarser(from->index, (unsigned)(k->schema - m->schema)), from->count};
    }
    return 0;
}
