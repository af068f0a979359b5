/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slab: memory for what there are a million of, found by numbers of 32 bits
 *
 * An index or a list of such numbers is half as large as one of pointers, and nothing stands beside
 * the objects: no allocator's header, no rounding but to 8 bytes. Memory that holds no object is
 * given back, so a slab is as large as what lives in it.
 *
 * Contract: slab_take(), slab_give() and slab_release() are called under one lock. slab_at() may
 * run at any time on a number whose object lives: who has one got it by an acquire, from who took
 * it under the lock. An object does not move.
 */
#ifndef STORE_SLAB_H
#define STORE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/huge.h"

/* Larger objects are refused. */
#define SLAB_MAX_SIZE   31744u

/* Numbers below this are given to nothing. */
#define SLAB_REF_MIN    4u

/* A number is a chunk's, and the object's place in it in units. A chunk's number has two halves,
 * each an index into a table. */
#define SLAB_UNIT       8u
#define SLAB_PLACE_BITS 12u
#define SLAB_TABLE_BITS 9u
#define SLAB_TABLE_SIZE (1u << SLAB_TABLE_BITS)

/* Sizes of objects, rounded up: by units to 31 of them, then 16 to a doubling. */
#define SLAB_N_CLASSES  144u

struct slab_chunk;

struct slab_table {
    _Atomic(struct slab_chunk *) chunks[SLAB_TABLE_SIZE]; /* NULL: none has this number now */
};

struct slab {
    _Atomic(struct slab_table *) tables[SLAB_TABLE_SIZE]; /* made when needed, for good */
    struct slab_class {
        struct slab_chunk *first; /* of those with room */
        uint32_t n_chunks;
    } classes[SLAB_N_CLASSES];
    struct huge_pieces pieces; /* chunks of large classes */
    uint32_t n_chunks;
    uint32_t n_numbers; /* of chunks, that were ever used */
    uint32_t hand;      /* where the search for one that is free again goes on */
    size_t n_bytes;     /* of all chunks */
};

void slab_release(struct slab *s); /* accepts a zeroed one */

/* The number of @size bytes, aligned to SLAB_UNIT and undefined; 0: out of memory. */
uint32_t slab_take(struct slab *s, size_t size);

/* Takes the object back: nobody looks at it any more. */
void slab_give(struct slab *s, uint32_t ref);

static inline void *slab_at(const struct slab *s, uint32_t ref)
{
    uint32_t number = ref >> SLAB_PLACE_BITS;
    /* Relaxed: table and chunk were stored before the number was published; see the contract. */
    const struct slab_table *table =
        atomic_load_explicit(&s->tables[number >> SLAB_TABLE_BITS], memory_order_relaxed);
    struct slab_chunk *chunk =
        atomic_load_explicit(&table->chunks[number % SLAB_TABLE_SIZE], memory_order_relaxed);

    return (char *)chunk + (size_t)(ref % (1u << SLAB_PLACE_BITS)) * SLAB_UNIT;
}

#endif
