/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: memory for one worker's cells
 *
 * One class per cell size; a class carves cells from its newest chunk and takes freed ones first.
 * There are as many sizes as the mapping has distinct shapes, so classes are a short list.
 *
 *      class --> chunk (newest) --> chunk --> ...
 *         `----> free cell --> free cell --> ...      link in the cell's second word
 *
 * Chunks double from 4 to 64 KiB, so a server with ten series is small and one with a million does
 * not ask often; a large class goes on in huge pages. They are aligned to cache lines and belong to
 * one worker.
 *
 * Laws: a chunk is never given back before the pool is. The first word of a free cell, where its
 * birth and tick stand, is not touched: birth stays 0, and a stale route that looks is turned away.
 */
#include "store/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/huge.h"
#include "store/cell.h"

#define CHUNK_MIN  4096u
#define CHUNK_MAX  (64u * 1024u)
#define CACHE_LINE 64u

/* A class of so much goes on in huge pages. */
#define HUGE_FROM  (2 * HUGE_SIZE)

struct pool_chunk {
    struct pool_chunk *next;
    size_t used;
    size_t size;
    char pad[CACHE_LINE - 3 * sizeof(size_t)];
    char cells[];
};
_Static_assert(sizeof(struct pool_chunk) == CACHE_LINE, "cells begin on a cache line");

/* The cells of a chunk that is a huge page; no other has so many bytes of them. */
#define HUGE_CELLS (HUGE_SIZE - sizeof(struct pool_chunk))

struct free_cell {
    uint64_t head; /* birth and tick */
    struct free_cell *next;
};

struct pool_class {
    struct pool_class *next;
    size_t size;
    size_t n_bytes; /* of its chunks */
    struct pool_chunk *chunks;
    struct free_cell *free;
};

static struct pool_class *class_of(struct pool *p, size_t size)
{
    struct pool_class *c;

    for (c = p->classes; c != NULL; c = c->next)
        if (c->size == size)
            return c;
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->size = size;
    c->next = p->classes;
    p->classes = c;
    return c;
}

static size_t chunk_size_after(const struct pool_class *c)
{
    size_t size = c->chunks == NULL ? CHUNK_MIN : 2 * c->chunks->size;

    if (c->n_bytes >= HUGE_FROM && c->size <= CHUNK_MAX)
        return HUGE_CELLS;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    return size < c->size ? (c->size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE : size;
}

static struct pool_chunk *chunk_new(size_t size)
{
    struct pool_chunk *chunk = size == HUGE_CELLS ? huge_alloc(HUGE_SIZE)
                                                  : aligned_alloc(CACHE_LINE, sizeof *chunk + size);

    if (chunk == NULL)
        return NULL;
    *chunk = (struct pool_chunk){.size = size};
    return chunk;
}

static void chunk_free(struct pool_chunk *chunk)
{
    if (chunk->size == HUGE_CELLS)
        huge_free(chunk, HUGE_SIZE);
    else
        free(chunk);
}

void *pool_take(struct pool *p, size_t size)
{
    struct pool_class *c = class_of(p, size);
    struct pool_chunk *chunk;

    assert(size % CELL_ALIGN == 0);
    if (c == NULL)
        return NULL;
    if (c->free != NULL) {
        struct free_cell *cell = c->free;

        c->free = cell->next;
        return cell;
    }
    chunk = c->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = chunk_new(chunk_size_after(c));
        if (chunk == NULL)
            return NULL;
        chunk->next = c->chunks;
        c->chunks = chunk;
        c->n_bytes += sizeof *chunk + chunk->size;
        p->n_bytes += sizeof *chunk + chunk->size;
    }
    chunk->used += size;
    return chunk->cells + chunk->used - size;
}

void pool_give(struct pool *p, void *cell, size_t size)
{
    struct pool_class *c = class_of(p, size);
    struct free_cell *f = cell;

    assert(c != NULL); /* pool_take() made it */
    f->next = c->free;
    c->free = f;
}

void pool_release(struct pool *p)
{
    while (p->classes != NULL) {
        struct pool_class *c = p->classes;

        while (c->chunks != NULL) {
            struct pool_chunk *chunk = c->chunks;

            c->chunks = chunk->next;
            chunk_free(chunk);
        }
        p->classes = c->next;
        free(c);
    }
    p->n_bytes = 0;
}
