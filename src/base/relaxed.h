/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relaxed words: plain loads and stores that another thread may watch
 *
 * One thread writes a word, others may read it at any time. Each access is whole (no torn words)
 * and nothing is said about order: whoever needs order, the store's cells and the engine, adds it
 * around these and says so there. On the machines that we know they cost what a plain access costs.
 */
#ifndef BASE_RELAXED_H
#define BASE_RELAXED_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

typedef _Atomic uint8_t relaxed_u8;
typedef _Atomic uint16_t relaxed_u16;
typedef _Atomic uint32_t relaxed_u32;
typedef _Atomic uint64_t relaxed_u64;

#define relaxed_load(word)         atomic_load_explicit((word), memory_order_relaxed)
#define relaxed_store(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)

/* For the word's only writer: no locked instruction. */
#define relaxed_add(word, n)       relaxed_store((word), relaxed_load(word) + (n))

/* The same for a count that may never wrap: it stops where 64 workers' of them still add up. */
#define RELAXED_GROW_MAX           (UINT64_C(1) << 57)

static inline void relaxed_grow(relaxed_u64 *word, uint64_t n)
{
    uint64_t was = relaxed_load(word);

    relaxed_store(word, n < RELAXED_GROW_MAX - was ? was + n : RELAXED_GROW_MAX);
}

/* Sums of sums of such counts could be more than a word holds. */
static inline uint64_t sum_or_most(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

/* For several writers; the value before. */
#define relaxed_add_shared(word, n) atomic_fetch_add_explicit((word), (n), memory_order_relaxed)

static inline double relaxed_load_double(const relaxed_u64 *word)
{
    uint64_t bits = relaxed_load(word);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline void relaxed_store_double(relaxed_u64 *word, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    relaxed_store(word, bits);
}

#endif
