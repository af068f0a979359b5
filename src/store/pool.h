/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: memory for one worker's cells
 *
 * Contract: cells of one pool lie packed in its own chunks, so that two workers never write to one
 * cache line. A freed cell goes to the free list of its size; chunks are given back only with the
 * pool, because a route may look at a dead cell's `birth` at any time. Not locked: the registry
 * calls it under its own lock.
 */
#ifndef STORE_POOL_H
#define STORE_POOL_H

#include <stddef.h>

struct pool_class;

struct pool {
    struct pool_class *classes; /* by cell size, few */
    size_t n_bytes;             /* of all chunks */
};

void pool_release(struct pool *p); /* accepts a zeroed one */

/* @size is a multiple of CELL_ALIGN; what the memory holds is undefined but for a freed cell's
 * first 8 bytes, which are as they were. */
void *pool_take(struct pool *p, size_t size); /* NULL: out of memory */

/* Takes @cell back; @size as it was. The first 8 bytes are left as they are. */
void pool_give(struct pool *p, void *cell, size_t size);

#endif
