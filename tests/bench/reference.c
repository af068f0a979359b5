/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference: the least that the work costs, on this machine and in this minute
 *
 *      memchr: line, colon, bar | XXH3 of name and suffix, prefetch the slot | up to GROUP lines
 *      find the slot by its hash, prefetch its record                        | the whole group
 *      compare the bytes, add one                                            | the whole group
 *
 * The table has as many slots as the server's would have. It reads no value, knows no types, tags,
 * mapping, limits, errors or time. It does compare the identity's bytes: a table that believes a
 * hash would give wrong sums.
 *
 * The page is one text in memory, in page order, of which pieces are copied, and whole numbers
 * printed by a plain loop.
 */
#include "bench/reference.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

#define GROUP      64u
#define RECORD_MAX 128u /* with the identity's bytes */

struct record {
    uint64_t sum;
    uint32_t name_len;
    uint32_t suffix_len;
    char bytes[];
};

struct slot {
    uint64_t hash;
    struct record *record; /* in `records`; NULL: empty */
};

struct reference {
    uint64_t n_slots;
    struct slot *slots;
    char *records; /* RECORD_MAX bytes each, aligned to cache lines */
    uint64_t n_records;
    uint64_t max_records;
};

struct found {
    struct slice name;
    struct slice suffix;
    uint64_t hash;
    struct slot *slot;
};

static void give_up(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(2);
}

struct reference *reference_new(uint64_t n_identities)
{
    struct reference *r = calloc(1, sizeof *r);

    if (r == NULL)
        give_up("out of memory");
    r->max_records = n_identities;
    r->n_slots = 512;
    while (r->n_slots < 2 * n_identities)
        r->n_slots *= 2;
    r->slots = calloc(r->n_slots, sizeof r->slots[0]);
    r->records = aligned_alloc(64, n_identities * RECORD_MAX);
    if (r->slots == NULL || r->records == NULL)
        give_up("out of memory");
    return r;
}

void reference_free(struct reference *r)
{
    free(r->slots);
    free(r->records);
    free(r);
}

/* An identity not met before. */
static void add_record(struct reference *r, struct found *f)
{
    struct record *record = (struct record *)(void *)(r->records + r->n_records * RECORD_MAX);

    if (r->n_records == r->max_records || sizeof *record + f->name.len + f->suffix.len > RECORD_MAX)
        give_up("the reference's table is too small");
    record->sum = 0;
    record->name_len = (uint32_t)f->name.len;
    record->suffix_len = (uint32_t)f->suffix.len;
    memcpy(record->bytes, f->name.p, f->name.len);
    memcpy(record->bytes + f->name.len, f->suffix.p, f->suffix.len);
    *f->slot = (struct slot){f->hash, record};
    r->n_records++;
}

static bool record_is(const struct record *record, const struct found *f)
{
    return record->name_len == f->name.len && record->suffix_len == f->suffix.len &&
           memcmp(record->bytes, f->name.p, f->name.len) == 0 &&
           memcmp(record->bytes + f->name.len, f->suffix.p, f->suffix.len) == 0;
}

static struct slot *next_slot(struct reference *r, struct slot *slot)
{
    return slot + 1 < r->slots + r->n_slots ? slot + 1 : r->slots;
}

static void run_group(struct reference *r, struct found *group, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct slot *slot = &r->slots[group[i].hash & (r->n_slots - 1)];

        while (slot->record != NULL && slot->hash != group[i].hash)
            slot = next_slot(r, slot);
        group[i].slot = slot;
        __builtin_prefetch(slot->record, 1);
    }
    for (unsigned i = 0; i < n; i++) {
        struct found *f = &group[i];

        while (f->slot->record != NULL && !record_is(f->slot->record, f))
            f->slot = next_slot(r, f->slot);
        if (f->slot->record == NULL)
            add_record(r, f);
        f->slot->record->sum++;
    }
}

static bool split(struct slice line, struct found *out)
{
    size_t colon = slice_find(line, ':');
    struct slice rest = slice_from(line, colon);

    out->name = slice_of(line.p, colon);
    out->suffix = slice_from(rest, slice_find(rest, '|'));
    return out->suffix.len > 0;
}

/* Take the line into the group; true when the group is full. */
static bool gather(struct reference *r, struct slice line, struct found *group, unsigned *n)
{
    struct found *f = &group[*n];

    if (!split(line, f))
        return false;
    f->hash = hash_bytes(f->suffix, hash_bytes(f->name, 1));
    __builtin_prefetch(&r->slots[f->hash & (r->n_slots - 1)]);
    return ++*n == GROUP;
}

void reference_feed(struct reference *r, const struct bacowr_datagram *datagrams, unsigned n)
{
    struct found group[GROUP];
    unsigned n_group = 0;

    for (unsigned i = 0; i < n; i++) {
        struct slice rest = slice_of(datagrams[i].p, datagrams[i].len);

        while (rest.len > 0) {
            struct slice line = slice_of(rest.p, slice_find(rest, '\n'));

            rest = slice_from(rest, line.len < rest.len ? line.len + 1 : line.len);
            if (gather(r, line, group, &n_group)) {
                run_group(r, group, n_group);
                n_group = 0;
            }
        }
    }
    run_group(r, group, n_group);
}

uint64_t reference_total(const struct reference *r)
{
    uint64_t total = 0;

    for (uint64_t i = 0; i < r->n_records; i++)
        total += ((const struct record *)(const void *)(r->records + i * RECORD_MAX))->sum;
    return total;
}

/* ---- the page ---- */

void reference_page_init(struct reference_page *page, uint64_t n, line_fn label, const char *name)
{
    *page = (struct reference_page){.n = n};
    page->lens = calloc(n, sizeof page->lens[0]);
    page->values = calloc(n, sizeof page->values[0]);
    if (page->lens == NULL || page->values == NULL)
        give_up("out of memory");
    for (uint64_t i = 0; i < n; i++) {
        size_t from = page->text.len;

        buf_add_str(&page->text, name);
        buf_add_byte(&page->text, '{');
        label(&page->text, i, NULL);
        buf_add_str(&page->text, "} ");
        page->lens[i] = (uint32_t)(page->text.len - from);
        page->values[i] = 1;
    }
    if (page->text.failed)
        give_up("out of memory");
}

void reference_page_release(struct reference_page *page)
{
    buf_release(&page->text);
    free(page->lens);
    free(page->values);
    *page = (struct reference_page){0};
}

static char *put_number(char *p, uint64_t v)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

uint64_t reference_page_write(const struct reference_page *page, struct buf *out, size_t want)
{
    const char *text = page->text.p;
    uint64_t n_bytes = 0;

    buf_clear(out);
    for (uint64_t i = 0; i < page->n; i++) {
        char *p;

        if (buf_reserve(out, page->lens[i] + 24) != 0)
            give_up("out of memory");
        p = out->p + out->len;
        memcpy(p, text, page->lens[i]);
        p = put_number(p + page->lens[i], page->values[i]);
        *p++ = '\n';
        text += page->lens[i];
        out->len = (size_t)(p - out->p);
        if (out->len >= want) {
            n_bytes += out->len;
            buf_clear(out);
        }
    }
    return n_bytes + out->len;
}
