/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cell, set: distinct members in blocks of their own, one for each slot of the window
 *
 *      | birth tick | seq | n_slots pointers to blocks |
 *
 * A block that is full is copied into a larger one, which takes its place; the old one is left to
 * the control thread, which may be reading it.
 *
 * Laws: what could not be allocated changes nothing: the block that there is stays.
 */
#include "store/cell_types.h"

#include <errno.h>
#include <stdlib.h>

#include "store/set.h"

struct set_cell {
    struct cell head;
    relaxed_u64 seq;
    _Atomic(struct set_block *) blocks[]; /* n_slots; NULL until the first member */
};

size_t cell_set_size(const struct shape *shape)
{
    return sizeof(struct set_cell) + shape->n_slots * sizeof(struct set_block *);
}

void cell_set_release(struct cell *c, const struct shape *shape)
{
    struct set_cell *set = (struct set_cell *)c;

    for (unsigned i = 0; i < shape->n_slots; i++) {
        free(block_memory(atomic_load_explicit(&set->blocks[i], memory_order_relaxed)));
        atomic_store_explicit(&set->blocks[i], NULL, memory_order_relaxed);
    }
}

/* A private copy of a slot's block, or NULL: nothing was ever in it. */
static const struct set_block *copy_block(const struct set_cell *c, unsigned slot,
                                          struct cell_reader *r)
{
    /* Acquire pairs with the release in set_publish(): the block's level is visible. */
    const struct set_block *b = atomic_load_explicit(&c->blocks[slot], memory_order_acquire);

    if (b == NULL)
        return NULL;
    (void)seq_copy(&c->seq, r->copy, (const relaxed_u64 *)b,
                   set_block_size(set_block_bits(b), set_block_level(b)) / sizeof(uint64_t));
    return (const struct set_block *)r->copy;
}

static void set_read_cell(const struct set_cell *c, const struct shape *shape, uint32_t epoch,
                          struct cell_reader *r)
{
    for (unsigned i = 0; i < shape->n_slots; i++) {
        const struct set_block *b = copy_block(c, i, r);

        /* Signed: the writer's clock reading may be a moment ahead of the reader's. */
        if (b != NULL && (int32_t)(epoch - set_block_epoch(b)) < (int32_t)shape->n_slots)
            set_merge_add(r->merge, b);
    }
}

int cell_set_read(struct cell *const *cells, unsigned n, const struct shape *shape, int64_t now_ms,
                  struct cell_reader *r, struct snapshot_series *out)
{
    if (cell_reader_reserve_merge(r) != 0)
        return -ENOMEM;
    set_merge_init(r->merge, shape->set_bits);
    for (unsigned i = 0; i < n; i++)
        if (cells[i] != NULL)
            set_read_cell((const struct set_cell *)cells[i], shape, slot_epoch(shape, now_ms), r);
    out->value = set_merge_count(r->merge);
    return 0;
}

/* A block of @level with the members of @from, not yet visible to readers. */
static struct set_block *set_block_new(unsigned bits, unsigned level, uint32_t epoch,
                                       const struct set_block *from)
{
    struct cell_outgrown *memory = malloc(sizeof *memory + set_block_size(bits, level));
    struct set_block *b;

    if (memory == NULL)
        return NULL;
    b = (struct set_block *)(memory + 1);
    set_block_init(b, bits, level, epoch);
    if (from != NULL)
        set_block_copy(b, from);
    return b;
}

/* Release: a reader that finds the block finds what was written into it. */
static void set_publish(struct set_cell *c, unsigned slot, struct set_block *b)
{
    atomic_store_explicit(&c->blocks[slot], b, memory_order_release);
}

static int set_grow(struct set_cell *c, unsigned slot, uint64_t hash,
                    struct cell_outgrown **old_out)
{
    struct set_block *old = atomic_load_explicit(&c->blocks[slot], memory_order_relaxed);
    struct set_block *b =
        set_block_new(set_block_bits(old), set_block_level(old) + 1, set_block_epoch(old), old);

    if (b == NULL)
        return -ENOMEM;
    (void)set_block_add(b, hash);
    set_publish(c, slot, b);
    *old_out = block_memory(old);
    return 0;
}

int cell_set_add(struct cell *cell, const struct shape *shape, struct slice member,
                 struct cell_time t, struct cell_outgrown **outgrown)
{
    struct set_cell *c = (struct set_cell *)cell;
    uint32_t epoch = slot_epoch(shape, t.now_ms);
    unsigned slot = epoch % shape->n_slots;
    struct set_block *b = atomic_load_explicit(&c->blocks[slot], memory_order_relaxed);
    uint64_t hash = set_hash(member);
    int outcome;

    *outgrown = NULL;
    cell_touch(cell, t);
    if (b == NULL) {
        b = set_block_new(shape->set_bits, 0, epoch, NULL);
        if (b == NULL)
            return -ENOMEM;
        set_publish(c, slot, b);
    }
    if (set_block_epoch(b) == epoch && set_block_note(b, hash))
        return 0;
    seq_begin(&c->seq);
    if (set_block_epoch(b) != epoch)
        set_block_reset(b, epoch);
    outcome = set_block_add(b, hash);
    seq_end(&c->seq);
    return outcome == SET_E_FULL ? set_grow(c, slot, hash, outgrown) : 0;
}

/* ---- members as numbers ---- */

int64_t cell_set_slot_begins(const struct shape *shape, int64_t now_ms, unsigned i)
{
    return (now_ms / shape->slot_ms - i) * shape->slot_ms;
}

int cell_set_members(struct cell *const *cells, unsigned n, const struct shape *shape,
                     int64_t now_ms, unsigned i, struct cell_reader *r, struct set_members *out)
{
    uint32_t epoch = slot_epoch(shape, now_ms) - i;

    if (cell_reader_reserve_merge(r) != 0)
        return -ENOMEM;
    set_merge_init(r->merge, shape->set_bits);
    for (unsigned at = 0; at < n; at++) {
        const struct set_cell *c = (const struct set_cell *)cells[at];

        const struct set_block *b = c != NULL ? copy_block(c, epoch % shape->n_slots, r) : NULL;

        if (b != NULL && set_block_epoch(b) == epoch)
            set_merge_add(r->merge, b);
    }
    set_merge_members(r->merge, out);
    return 0;
}

/* A block of slot @i with @members and what it had. The caller frees the old one. */
static struct set_block *block_with(const struct set_block *old, uint32_t epoch,
                                    const struct set_members *members)
{
    unsigned level = set_members_level(members);
    unsigned last = set_n_levels(members->bits) - 1;
    bool keeps = old != NULL && set_block_epoch(old) == epoch;
    struct set_block *b;

    if (keeps && set_block_level(old) > level)
        level = set_block_level(old);
    for (; level <= last; level++) {
        b = set_block_new(members->bits, level, epoch, keeps ? old : NULL);
        if (b == NULL || set_block_put(b, members) == 0)
            return b;
        free(block_memory(b));
    }
    return NULL;
}

int cell_set_put(struct cell *cell, const struct shape *shape, int64_t now_ms, unsigned i,
                 const struct set_members *members)
{
    struct set_cell *c = (struct set_cell *)cell;
    uint32_t epoch = slot_epoch(shape, now_ms) - i;
    unsigned slot = epoch % shape->n_slots;
    struct set_block *old = atomic_load_explicit(&c->blocks[slot], memory_order_relaxed), *b;

    /* Signed: as everywhere with epochs. */
    if (old != NULL && (int32_t)(set_block_epoch(old) - epoch) > 0)
        return 0;
    b = block_with(old, epoch, members);
    if (b == NULL)
        return -ENOMEM;
    set_publish(c, slot, b);
    free(block_memory(old));
    return 0;
}
