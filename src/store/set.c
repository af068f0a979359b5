/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set: how many distinct members were seen
 *
 *      first levels | header | n hashes, ascending | free |          32, 256, 2048 hashes
 *      last level   | header | 2^bits registers, eight to a word |   HyperLogLog
 *
 * A member is its 64-bit hash under a fixed seed: two members in 2^64 would have to meet for an
 * exact count to be wrong. The hashes lie sorted, so that asking is a binary search and a union is
 * one walk; births shift at most the block's hashes, and there are no more of them to an epoch.
 *
 * A level of hashes is there only if it takes no more memory than the registers. Past it the count
 * is an estimate from registers (store/hyperloglog.h); 95 of 100 are within twice its error.
 *
 *      bits             8       9      10      11      12      13      14      15      16
 *      error        6.5 %   4.6 %   3.3 %   2.3 %   1.6 %   1.1 %   0.8 %   0.6 %   0.4 %
 *      registers    256 B   512 B   1 KB    2 KB    4 KB    8 KB   16 KB   32 KB   64 KB
 *      hashes up to    32      32      32     256     256     256    2048    2048    2048
 *
 * Fewer would save nothing: 32 hashes are 256 bytes as well.
 *
 * Laws: a union is exact as long as all its blocks are and it has at most 2048 members. What was
 *       added before changes nothing, at any level. Registers only grow until the block is reset.
 */
#include "store/set.h"

#include "base/hash.h"
#include "base/relaxed.h"
#include "store/hyperloglog.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Any number would do, but it may never change: registers outlive the process. */
#define SET_SEED  UINT64_C(0x6261636f77722173)

#define MAX_WORDS (1u << (SET_MAX_BITS - 3))

/* How many hashes a block of each level has room for, a word each. */
static const uint16_t level_hashes[] = {32, 256, 2048};

#define N_HASH_LEVELS (sizeof level_hashes / sizeof level_hashes[0])

/* Everything here is written by the block's only writer. */
struct set_block {
    relaxed_u32 epoch;
    relaxed_u8 bits;  /* never changes */
    relaxed_u8 level; /* never changes */
    relaxed_u16 n;    /* hashes held; 0 in registers */
    relaxed_u64 words[];
};

unsigned set_bits_for(double error)
{
    unsigned bits = SET_MIN_BITS;

    while (bits < SET_MAX_BITS && 1.04 / sqrt((double)(1u << bits)) > error)
        bits++;
    return bits;
}

static unsigned register_words(unsigned bits)
{
    return 1u << (bits - 3);
}

unsigned set_n_levels(unsigned bits)
{
    unsigned n = 0;

    while (n < N_HASH_LEVELS && level_hashes[n] <= register_words(bits))
        n++;
    return n + 1;
}

/* Words behind the header. */
static unsigned level_words(unsigned bits, unsigned level)
{
    assert(level < set_n_levels(bits));
    return level < set_n_levels(bits) - 1 ? level_hashes[level] : register_words(bits);
}

uint64_t set_hash(struct slice member)
{
    return hash_bytes(member, SET_SEED);
}

/* ---- registers ---- */

/* @word with register @i mod 8 raised to @rank, where it is lower. */
static uint64_t word_raise(uint64_t word, unsigned i, unsigned rank)
{
    unsigned shift = i % 8 * 8;

    if ((word >> shift & 0xff) >= rank)
        return word;
    return (word & ~(UINT64_C(0xff) << shift)) | (uint64_t)rank << shift;
}

static void registers_add(struct set_block *b, uint64_t hash)
{
    unsigned bits = set_block_bits(b), i = hyperloglog_register(bits, hash);
    uint64_t old = relaxed_load(&b->words[i / 8]);
    uint64_t raised = word_raise(old, i, hyperloglog_rank(bits, hash));

    if (raised != old)
        relaxed_store(&b->words[i / 8], raised);
}

/* ---- hashes ---- */

/* How many of @n ascending words are below @hash. */
static unsigned hashes_below(const relaxed_u64 *words, unsigned n, uint64_t hash)
{
    unsigned lo = 0;

    while (n > 0) {
        unsigned half = n / 2;

        if (relaxed_load(&words[lo + half]) < hash) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

/* ---- block ---- */

size_t set_block_size(unsigned bits, unsigned level)
{
    return sizeof(struct set_block) + level_words(bits, level) * sizeof(uint64_t);
}

size_t set_block_size_max(void)
{
    return sizeof(struct set_block) + MAX_WORDS * sizeof(uint64_t);
}

void set_block_init(struct set_block *b, unsigned bits, unsigned level, uint32_t epoch)
{
    assert(bits >= SET_MIN_BITS && bits <= SET_MAX_BITS);
    memset(b, 0, set_block_size(bits, level));
    relaxed_store(&b->bits, (uint8_t)bits);
    relaxed_store(&b->level, (uint8_t)level);
    relaxed_store(&b->epoch, epoch);
}

unsigned set_block_bits(const struct set_block *b)
{
    return relaxed_load(&b->bits);
}

static bool has_registers(const struct set_block *b)
{
    return set_block_level(b) == set_n_levels(set_block_bits(b)) - 1;
}

static unsigned n_words(const struct set_block *b)
{
    return level_words(set_block_bits(b), set_block_level(b));
}

unsigned set_block_level(const struct set_block *b)
{
    return relaxed_load(&b->level);
}

uint32_t set_block_epoch(const struct set_block *b)
{
    return relaxed_load(&b->epoch);
}

void set_block_reset(struct set_block *b, uint32_t epoch)
{
    relaxed_store(&b->epoch, epoch);
    relaxed_store(&b->n, 0);
    if (has_registers(b))
        for (unsigned i = 0; i < n_words(b); i++)
            relaxed_store(&b->words[i], 0);
}

bool set_block_note(struct set_block *b, uint64_t hash)
{
    unsigned n = relaxed_load(&b->n), at;

    if (has_registers(b)) {
        registers_add(b, hash);
        return true;
    }
    at = hashes_below(b->words, n, hash);
    return at < n && relaxed_load(&b->words[at]) == hash;
}

int set_block_add(struct set_block *b, uint64_t hash)
{
    unsigned n = relaxed_load(&b->n), at;

    if (has_registers(b)) {
        registers_add(b, hash);
        return 0;
    }
    at = hashes_below(b->words, n, hash);
    if (at < n && relaxed_load(&b->words[at]) == hash)
        return 0;
    if (n == n_words(b))
        return SET_E_FULL;
    for (unsigned i = n; i > at; i--)
        relaxed_store(&b->words[i], relaxed_load(&b->words[i - 1]));
    relaxed_store(&b->words[at], hash);
    relaxed_store(&b->n, (uint16_t)(n + 1));
    return 0;
}

/* Hashes to registers, or words to words of the same kind: @to is the larger block. */
void set_block_copy(struct set_block *to, const struct set_block *from)
{
    unsigned n = has_registers(from) ? n_words(from) : relaxed_load(&from->n);

    assert(set_block_level(to) >= set_block_level(from));
    assert(set_block_bits(to) == set_block_bits(from));
    set_block_reset(to, set_block_epoch(from));
    if (has_registers(to) && !has_registers(from)) {
        for (unsigned i = 0; i < n; i++)
            registers_add(to, relaxed_load(&from->words[i]));
        return;
    }
    for (unsigned i = 0; i < n; i++)
        relaxed_store(&to->words[i], relaxed_load(&from->words[i]));
    relaxed_store(&to->n, relaxed_load(&from->n));
}

/* ---- merge ---- */

#define MERGE_MAX_HASHES 2048

struct set_merge {
    unsigned bits;
    bool exact;
    unsigned n;                        /* exact: distinct members so far */
    uint64_t hashes[MERGE_MAX_HASHES]; /* exact: ascending */
    uint64_t words[MAX_WORDS];         /* as many as @bits say, when it is no longer exact */
};

size_t set_merge_size(void)
{
    return sizeof(struct set_merge);
}

void set_merge_init(struct set_merge *m, unsigned bits)
{
    m->bits = bits;
    m->exact = true;
    m->n = 0;
}

static void merge_raise(struct set_merge *m, uint64_t hash)
{
    unsigned i = hyperloglog_register(m->bits, hash);

    m->words[i / 8] = word_raise(m->words[i / 8], i, hyperloglog_rank(m->bits, hash));
}

static void merge_to_registers(struct set_merge *m)
{
    if (!m->exact)
        return;
    memset(m->words, 0, register_words(m->bits) * sizeof m->words[0]);
    for (unsigned i = 0; i < m->n; i++)
        merge_raise(m, m->hashes[i]);
    m->exact = false;
}

static unsigned merge_count_new(const struct set_merge *m, const struct set_block *b)
{
    unsigned n = relaxed_load(&b->n), n_new = 0;

    for (unsigned i = 0, at = 0; i < n; i++) {
        uint64_t hash = relaxed_load(&b->words[i]);

        while (at < m->n && m->hashes[at] < hash)
            at++;
        n_new += at == m->n || m->hashes[at] != hash;
    }
    return n_new;
}

/* Both ascend; merging from the top down needs no second array. (A torn copy need not ascend: then
 * the count is off by a few, but nothing is written below the array.) */
static void merge_union(struct set_merge *m, const struct set_block *b, unsigned n_new)
{
    unsigned left = m->n, from = relaxed_load(&b->n), to = left + n_new;

    m->n = to;
    while (from > 0 && to > 0) {
        uint64_t hash = relaxed_load(&b->words[from - 1]);

        if (left > 0 && m->hashes[left - 1] >= hash) {
            from -= m->hashes[left - 1] == hash;
            m->hashes[--to] = m->hashes[--left];
        } else {
            m->hashes[--to] = hash;
            from--;
        }
    }
}

/* The larger register at each of eight places: ranks need no top bit, so it can take the borrow. */
static uint64_t word_max(uint64_t a, uint64_t b)
{
    const uint64_t tops = UINT64_C(0x8080808080808080);
    uint64_t not_below = ((a | tops) - b) & tops; /* the top bit where a >= b */
    uint64_t take_a = (not_below >> 7) * 0xff;

    return (a & take_a) | (b & ~take_a);
}

void set_merge_add(struct set_merge *m, const struct set_block *b)
{
    unsigned n_new;

    assert(set_block_bits(b) == m->bits);
    if (has_registers(b)) {
        merge_to_registers(m);
        for (unsigned w = 0; w < n_words(b); w++)
            m->words[w] = word_max(m->words[w], relaxed_load(&b->words[w]));
        return;
    }
    n_new = m->exact ? merge_count_new(m, b) : 0;
    if (m->exact && n_new <= MERGE_MAX_HASHES - m->n) {
        merge_union(m, b, n_new);
        return;
    }
    merge_to_registers(m);
    for (unsigned i = 0; i < relaxed_load(&b->n); i++)
        merge_raise(m, relaxed_load(&b->words[i]));
}

/* ---- members as numbers ---- */

void set_merge_members(const struct set_merge *m, struct set_members *out)
{
    *out = (struct set_members){
        .bits = m->bits,
        .exact = m->exact,
        .n = m->exact ? m->n : register_words(m->bits),
        .words = m->exact ? m->hashes : m->words,
    };
}

bool set_members_valid(const struct set_members *members)
{
    unsigned most = 64 - members->bits + 1;

    if (members->bits < SET_MIN_BITS || members->bits > SET_MAX_BITS ||
        (members->exact ? members->n > MERGE_MAX_HASHES
                        : members->n != register_words(members->bits)))
        return false;
    for (unsigned i = 0; i < members->n; i++) {
        if (members->exact && i > 0 && members->words[i] <= members->words[i - 1])
            return false;
        for (unsigned shift = 0; !members->exact && shift < 64; shift += 8)
            if ((members->words[i] >> shift & 0xff) > most)
                return false;
    }
    return true;
}

unsigned set_members_level(const struct set_members *members)
{
    unsigned last = set_n_levels(members->bits) - 1;

    for (unsigned level = 0; members->exact && level < last; level++)
        if (members->n <= level_hashes[level])
            return level;
    return last;
}

int set_block_put(struct set_block *b, const struct set_members *members)
{
    assert(set_block_bits(b) == members->bits);
    for (unsigned i = 0; i < members->n; i++) {
        if (!members->exact)
            relaxed_store(&b->words[i], word_max(relaxed_load(&b->words[i]), members->words[i]));
        else if (set_block_add(b, members->words[i]) != 0)
            return SET_E_FULL;
    }
    return 0;
}

static double estimate(const uint64_t *words, unsigned bits)
{
    unsigned n_at[HYPERLOGLOG_RANKS] = {0};

    for (unsigned i = 0; i < 1u << bits; i++)
        n_at[words[i / 8] >> i % 8 * 8 & 0xff]++;
    return hyperloglog_estimate(n_at, bits);
}

double set_merge_count(const struct set_merge *m)
{
    return m->exact ? m->n : floor(estimate(m->words, m->bits) + 0.5);
}
