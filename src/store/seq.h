/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence counters: many words that one thread writes and another reads whole
 *
 * The writer makes the counter odd, writes the words, makes it even; it never waits. A reader
 * copies the words between two equal, even readings.
 *
 * Contract: for the files of cells, exemplar.c, folded.c and the engine's notes. The words are
 * relaxed ones.
 */
#ifndef STORE_SEQ_H
#define STORE_SEQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/relaxed.h"

/* Enough to outlast a write. */
#define SEQ_TRIES 256

/* Writer: odd first, then the words. The release fence keeps the words from moving before it. */
static inline void seq_begin(relaxed_u64 *seq)
{
    relaxed_add(seq, 1);
    atomic_thread_fence(memory_order_release);
}

/* Writer: the words first, then even. */
static inline void seq_end(relaxed_u64 *seq)
{
    atomic_store_explicit(seq, relaxed_load(seq) + 1, memory_order_release);
}

/*
 * Reader: copy @n_words between two equal even readings. The acquire load pairs with seq_end(), the
 * acquire fence with seq_begin(): whoever saw a word of the next write sees its odd number too.
 * False: the copy may be torn.
 */
static inline bool seq_copy(const relaxed_u64 *seq, uint64_t *to, const relaxed_u64 *from,
                            size_t n_words)
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

#endif
