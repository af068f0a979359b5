/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slab: memory for what there are a million of, found by numbers of 32 bits
 *
 *      number | table: 9 | chunk in the table: 9 | unit in the chunk: 12 |
 *                  |              |                      |
 *               tables[] -------> chunks[] -------------> chunk | head | object | object | ...
 *
 * A chunk holds objects of one class of sizes. It carves them from its end, and takes again first
 * what was given back: the link to the next free place stands in the place itself. Chunks with room
 * are in their class's list; one without any object is freed at once, and its number is free for
 * another. Chunks double with their number in the class from 1 to 32 KiB, so that many classes with
 * a few objects each, as short-lived labels of many lengths make them, cost little.
 *
 * Objects of whole lines of the cache lie in whole lines: see route.c. There are 8 GiB at most, as
 * good as no memory behind.
 *
 * Laws: a chunk's number is given again only after the chunk was freed, which is after its last
 *       object was given back, when nobody looks at any of them. Unit 0 is the head's, so no number
 *       is below SLAB_REF_MIN.
 */
#include "store/slab.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN_UNITS 128u
#define CHUNK_MAX_UNITS (1u << SLAB_PLACE_BITS)
#define FINE_UNITS      16u

/* A class with so many chunks, 4 MiB, goes on in pieces of huge pages. */
#define PIECES_FROM     128u

#define LINE_SIZE       64u
#define LINE_UNITS      (LINE_SIZE / SLAB_UNIT)

struct slab_chunk {
    struct slab_chunk *next, *prev; /* in its class's list, if it has room */
    uint32_t number;
    uint16_t size;   /* of an object; this and the following in units */
    uint16_t free;   /* the first free place; 0: none */
    uint16_t carved; /* what begins here was never taken */
    uint16_t end;
    uint16_t n_live;
    uint8_t class;
    bool is_piece; /* of a huge page */
};

#define HEAD_UNITS (sizeof(struct slab_chunk) / SLAB_UNIT)

_Static_assert(HEAD_UNITS == SLAB_REF_MIN && sizeof(struct slab_chunk) % SLAB_UNIT == 0,
               "the first object of a chunk has the lowest number");
_Static_assert(SLAB_N_CLASSES <= UINT8_MAX, "it fits a chunk's head");
_Static_assert(CHUNK_MAX_UNITS *SLAB_UNIT == HUGE_PIECE, "a chunk fits a piece");
_Static_assert(SLAB_MAX_SIZE / SLAB_UNIT + LINE_UNITS <= CHUNK_MAX_UNITS, "it fits a chunk");

/* ---- sizes ---- */

/* The class of objects of @units, which is rounded up to the class's own. */
static unsigned class_of(unsigned *units)
{
    unsigned shift = 0;

    while ((*units + (1u << shift) - 1) >> shift >= 2 * FINE_UNITS)
        shift++;
    *units = (*units + (1u << shift) - 1) >> shift << shift;
    return shift * FINE_UNITS + (*units >> shift);
}

/* Where a chunk's first object begins. What takes whole lines of the cache begins with one. */
static unsigned begin_for(unsigned units)
{
    return units % LINE_UNITS == 0 ? LINE_UNITS : HEAD_UNITS;
}

/* Where its last object ends. */
static unsigned end_for(unsigned units, uint32_t n_chunks)
{
    unsigned total = n_chunks < 5 ? CHUNK_MIN_UNITS << n_chunks : CHUNK_MAX_UNITS;
    unsigned begin = begin_for(units);
    unsigned n = total > begin ? (total - begin) / units : 0;

    return begin + (n > 0 ? n : 1) * units;
}

/* ---- chunks ---- */

static bool has_room(const struct slab_chunk *c)
{
    return c->free != 0 || c->carved < c->end;
}

static void link_in(struct slab *s, struct slab_chunk *c)
{
    struct slab_chunk **first = &s->classes[c->class].first;

    c->prev = NULL;
    c->next = *first;
    if (c->next != NULL)
        c->next->prev = c;
    *first = c;
}

static void link_out(struct slab *s, struct slab_chunk *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->classes[c->class].first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

static _Atomic(struct slab_chunk *) *entry_of(struct slab *s, uint32_t number)
{
    struct slab_table *table =
        atomic_load_explicit(&s->tables[number >> SLAB_TABLE_BITS], memory_order_relaxed);

    return &table->chunks[number % SLAB_TABLE_SIZE];
}

/* A number that no chunk has, in a table that is there. False: no memory, or all are in use. */
static bool number_take(struct slab *s, uint32_t *number)
{
    _Atomic(struct slab_table *) *table;

    if (s->n_chunks < s->n_numbers) {
        do
            s->hand = s->hand + 1 < s->n_numbers ? s->hand + 1 : 0;
        while (atomic_load_explicit(entry_of(s, s->hand), memory_order_relaxed) != NULL);
        *number = s->hand;
        return true;
    }
    if (s->n_numbers == SLAB_TABLE_SIZE * SLAB_TABLE_SIZE)
        return false;
    table = &s->tables[s->n_numbers >> SLAB_TABLE_BITS];
    if (atomic_load_explicit(table, memory_order_relaxed) == NULL)
        /* Relaxed, as all stores here: what publishes the object's number releases them. */
        atomic_store_explicit(table, calloc(1, sizeof(struct slab_table)), memory_order_relaxed);
    if (atomic_load_explicit(table, memory_order_relaxed) == NULL)
        return false;
    *number = s->n_numbers++;
    return true;
}

static void memory_free(struct slab *s, struct slab_chunk *c)
{
    if (c->is_piece)
        huge_piece_give(&s->pieces, c);
    else
        free(c);
}

static struct slab_chunk *chunk_new(struct slab *s, unsigned class, unsigned units)
{
    unsigned end = end_for(units, s->classes[class].n_chunks);
    size_t n_lines = (end + LINE_UNITS - 1) / LINE_UNITS;
    bool is_piece = s->classes[class].n_chunks >= PIECES_FROM;
    struct slab_chunk *c =
        is_piece ? huge_piece_take(&s->pieces) : aligned_alloc(LINE_SIZE, n_lines * LINE_SIZE);

    if (c == NULL)
        return NULL;
    *c = (struct slab_chunk){.size = (uint16_t)units,
                             .carved = (uint16_t)begin_for(units),
                             .end = (uint16_t)end,
                             .class = (uint8_t) class,
                             .is_piece = is_piece};
    if (!number_take(s, &c->number)) {
        memory_free(s, c);
        return NULL;
    }
    atomic_store_explicit(entry_of(s, c->number), c, memory_order_relaxed);
    s->n_chunks++;
    s->classes[class].n_chunks++;
    s->n_bytes += (size_t)end * SLAB_UNIT;
    link_in(s, c);
    return c;
}

static void chunk_free(struct slab *s, struct slab_chunk *c)
{
    atomic_store_explicit(entry_of(s, c->number), NULL, memory_order_relaxed);
    s->n_chunks--;
    s->classes[c->class].n_chunks--;
    s->n_bytes -= (size_t)c->end * SLAB_UNIT;
    memory_free(s, c);
}

/* ---- objects ---- */

uint32_t slab_take(struct slab *s, size_t size)
{
    unsigned units = size > 0 ? (unsigned)((size + SLAB_UNIT - 1) / SLAB_UNIT) : 1, class, place;
    struct slab_chunk *c;

    if (size > SLAB_MAX_SIZE)
        return 0;
    class = class_of(&units);
    c = s->classes[class].first;
    if (c == NULL)
        c = chunk_new(s, class, units);
    if (c == NULL)
        return 0;
    place = c->free;
    if (place != 0) {
        memcpy(&c->free, (char *)c + (size_t)place * SLAB_UNIT, sizeof c->free);
    } else {
        place = c->carved;
        c->carved = (uint16_t)(place + units);
    }
    c->n_live++;
    if (!has_room(c))
        link_out(s, c);
    return c->number << SLAB_PLACE_BITS | place;
}

void slab_give(struct slab *s, uint32_t ref)
{
    struct slab_chunk *c =
        atomic_load_explicit(entry_of(s, ref >> SLAB_PLACE_BITS), memory_order_relaxed);
    bool had_room = has_room(c);
    uint16_t place = (uint16_t)(ref % (1u << SLAB_PLACE_BITS));

    assert(c->n_live > 0 && place >= HEAD_UNITS && place < c->carved);
    memcpy((char *)c + (size_t)place * SLAB_UNIT, &c->free, sizeof c->free);
    c->free = place;
    if (!had_room)
        link_in(s, c);
    if (--c->n_live > 0)
        return;
    link_out(s, c);
    chunk_free(s, c);
}

void slab_release(struct slab *s)
{
    for (uint32_t i = 0; i < s->n_numbers; i++) {
        struct slab_chunk *c = atomic_load_explicit(entry_of(s, i), memory_order_relaxed);

        if (c != NULL)
            memory_free(s, c);
    }
    for (uint32_t i = 0; i < SLAB_TABLE_SIZE; i++)
        free(atomic_load_explicit(&s->tables[i], memory_order_relaxed));
    memset(s, 0, sizeof *s);
}
