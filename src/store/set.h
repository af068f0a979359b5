/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set: how many distinct members were seen, exactly while they are few, by HyperLogLog beyond
 *
 * A block holds the distinct 64-bit member hashes of one epoch. It begins as a small table of the
 * hashes themselves and is copied into a larger block when it is full; when hashes would take more
 * memory than HyperLogLog registers it becomes those. How many there are is a power of two that its
 * maker chooses: the head of set.c states error and memory.
 *
 * Contract: as store/sketch.h: one writer, relaxed words, readers work on private copies. Blocks
 * never move or grow by themselves: the owner allocates the next level and copies.
 */
#ifndef STORE_SET_H
#define STORE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum set_outcome { SET_E_FULL = 1 };

/* 2^bits registers, a byte each. */
#define SET_MIN_BITS     8
#define SET_MAX_BITS     16
#define SET_DEFAULT_BITS 12

/* As few bits as give no more than this standard error, which is above 0. */
unsigned set_bits_for(double error);

struct set_block;

/* The member's hash: fixed seed, so that registers merge across workers and restarts. */
uint64_t set_hash(struct slice member);

/* Levels of blocks that end with 2^@bits registers: the last is theirs, the others are hashes'. */
unsigned set_n_levels(unsigned bits);

/* Bytes of a block of @level, a multiple of 8. */
size_t set_block_size(unsigned bits, unsigned level);
size_t set_block_size_max(void);
void set_block_init(struct set_block *b, unsigned bits, unsigned level, uint32_t epoch);
unsigned set_block_bits(const struct set_block *b);
unsigned set_block_level(const struct set_block *b);
uint32_t set_block_epoch(const struct set_block *b);

/* Empty it for another epoch; its level stays. */
void set_block_reset(struct set_block *b, uint32_t epoch);

/* 0, or SET_E_FULL: the caller makes a block of the next level, set_block_copy()s and adds
 * again. */
int set_block_add(struct set_block *b, uint64_t hash);

/*
 * The same where it takes at most one word: a copy made meanwhile is whole. False: nothing was
 * done.
 */
bool set_block_note(struct set_block *b, uint64_t hash);
void set_block_copy(struct set_block *to, const struct set_block *from);

/* Distinct members in the union of blocks with the same bits: a private accumulator. */
struct set_merge;
size_t set_merge_size(void);
void set_merge_init(struct set_merge *m, unsigned bits);
void set_merge_add(struct set_merge *m, const struct set_block *b);
double set_merge_count(const struct set_merge *m); /* a whole number */

/* ---- members as numbers, to be written down ---- */

struct set_members {
    unsigned bits;
    bool exact;            /* ascending hashes; else registers, eight to a word */
    unsigned n;            /* words */
    const uint64_t *words; /* borrowed */
};

/* What @m holds; @out borrows it. */
void set_merge_members(const struct set_merge *m, struct set_members *out);

/* Could a merge hold them? */
bool set_members_valid(const struct set_members *members);

/* The level of a block that set_block_put() can put them into. */
unsigned set_members_level(const struct set_members *members);

/* Add them to @b, of that level at least and with the same bits. 0 or SET_E_FULL. */
int set_block_put(struct set_block *b, const struct set_members *members);

#endif
