/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash: 64 bits of a run of bytes, by xxHash's XXH3
 *
 * Contract: tables are seeded with the process's random key, so that a sender cannot choose
 * colliding names. Members of sets use a fixed seed: their registers must survive and merge.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/slice.h"

static inline uint64_t hash_bytes(struct slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.p, s.len, seed);
}

#endif
