/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shelf: see shelf.h
 *
 *      board | head | thing | thing | ... | free |
 *
 * A table knows the things by their bytes while the shelf is filled. A board is so large that
 * malloc() mostly asks the system for it, where pages become memory when they are written to, and
 * gives it back when the mapping goes: what a reload leaves behind would else lie about in the
 * arenas of the threads that loaded.
 *
 * Laws: a thing never moves. The table is at most half full.
 */
#include "mapping/shelf.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define BOARD     (128u << 10) /* and main.c has malloc() take so much from the system */
#define TABLE_MIN 64u

struct board {
    struct board *next;
    size_t size, used; /* of `bytes` */
    alignas(double) char bytes[];
};

struct entry {
    const char *p; /* NULL: free */
    uint32_t size, hash;
};

struct shelf {
    struct board *boards; /* the one with room first */
    struct entry *table;
    size_t n, mask;
};

int shelf_new(struct shelf **out)
{
    struct shelf *s = calloc(1, sizeof *s);
    struct entry *table = calloc(TABLE_MIN, sizeof *table);

    if (s == NULL || table == NULL) {
        free(s);
        free(table);
        return -ENOMEM;
    }
    *s = (struct shelf){.table = table, .mask = TABLE_MIN - 1};
    *out = s;
    return 0;
}

void shelf_close(struct shelf *s)
{
    free(s->table);
    s->table = NULL;
}

void shelf_free(struct shelf *s)
{
    if (s == NULL)
        return;
    while (s->boards != NULL) {
        struct board *next = s->boards->next;

        free(s->boards);
        s->boards = next;
    }
    free(s->table);
    free(s);
}

/* ---- the table ---- */

static struct entry *place_for(struct entry *table, size_t mask, struct slice bytes, size_t align,
                               uint32_t hash)
{
    size_t i = hash & mask;

    for (; table[i].p != NULL; i = (i + 1) & mask) {
        const struct entry *e = &table[i];

        if (e->hash == hash && slice_eq(slice_of(e->p, e->size), bytes) &&
            (uintptr_t)e->p % align == 0)
            break;
    }
    return &table[i];
}

/* Twice as large. False: out of memory. */
static bool grow(struct shelf *s)
{
    size_t mask = 2 * s->mask + 1;
    struct entry *table = calloc(mask + 1, sizeof *table);

    if (table == NULL)
        return false;
    for (size_t i = 0; i <= s->mask; i++) {
        size_t k = s->table[i].hash & mask;

        if (s->table[i].p == NULL)
            continue;
        while (table[k].p != NULL)
            k = (k + 1) & mask;
        table[k] = s->table[i];
    }
    free(s->table);
    s->table = table;
    s->mask = mask;
    return true;
}

/* ---- boards ---- */

/* Behind @at in the list. */
static struct board *board_new(struct board **at, size_t size)
{
    struct board *b = malloc(sizeof *b + size);

    if (b == NULL)
        return NULL;
    *b = (struct board){*at, size, 0};
    *at = b;
    return b;
}

/* What is large has a board of its own, and the first one stays the first. */
static char *room(struct shelf *s, size_t size, size_t align)
{
    struct board *b = s->boards;
    size_t at = b != NULL ? (b->used + align - 1) / align * align : 0;

    if (b == NULL || at > b->size || size > b->size - at) {
        bool large = b != NULL && size > BOARD / 4;

        b = board_new(large ? &b->next : &s->boards, large || size > BOARD ? size : BOARD);
        at = 0;
    }
    if (b == NULL)
        return NULL;
    b->used = at + size;
    return b->bytes + at;
}

void *shelf_room(struct shelf *s, size_t size)
{
    char *p = room(s, size, alignof(double));

    return p != NULL ? memset(p, 0, size) : NULL;
}

static const char *put(struct shelf *s, struct slice bytes, size_t align)
{
    uint32_t hash = (uint32_t)hash_bytes(bytes, 0);
    struct entry *e;
    char *p;

    assert(s->table != NULL);
    if (bytes.len > UINT32_MAX || (2 * (s->n + 1) > s->mask && !grow(s)))
        return NULL;
    e = place_for(s->table, s->mask, bytes, align, hash);
    if (e->p != NULL)
        return e->p;
    p = room(s, bytes.len, align);
    if (p == NULL)
        return NULL;
    memcpy(p, bytes.p, bytes.len);
    *e = (struct entry){p, (uint32_t)bytes.len, hash};
    s->n++;
    return p;
}

const void *shelf_put(struct shelf *s, const void *p, size_t size)
{
    static const double nothing;

    return size > 0 ? put(s, slice_of(p, size), alignof(double)) : (const char *)&nothing;
}

const char *shelf_text(struct shelf *s, const char *text)
{
    return put(s, slice_of(text, strlen(text) + 1), 1);
}
