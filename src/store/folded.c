/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded: which families overflow, and by which labels
 *
 *      hashes | counts |                             of the families told apart
 *      entry: seq | name | labels: hash, name | HyperLogLog of identities, of each label's values
 *      HyperLogLog of all identities
 *
 * Which families are told apart is decided as Space-Saving does it (Metwally et al., 2005): one
 * that is not there takes the place of the one that was met the least, and its count with it. So a
 * flood of names that are met once changes the least of the places again and again, and who is met
 * often stays.
 *
 * Registers and counts are words that are changed in place, one at a time. What has to agree - a
 * family's name and labels with its registers - changes under the entry's `seq` (seq.h); a reader
 * that finds it moving leaves the entry out.
 *
 * Laws: nothing is allocated after folded_new(), nothing removed. What the worker writes are
 *       relaxed words.
 */
#include "store/folded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/label_text.h"
#include "store/seq.h"
#include "store/series.h"
#include "store/set.h"

#define BITS       10u /* of the registers of one family or label */
#define TOTAL_BITS 12u

/* Of labels' names. Any number would do; all stores have to agree, as they do on the keys'. */
#define LABEL_SEED UINT64_C(0x666f6c646564)

#define REGISTERS  ((1u << BITS) / 8u + 1u) /* words of a set_block, with its head */
#define NAME_WORDS (FOLDED_NAME_MAX / 8u)

struct label {
    relaxed_u64 hash;
    relaxed_u64 name_len;
    relaxed_u64 name[FOLDED_LABEL_MAX / 8];
    relaxed_u64 values[REGISTERS];
};

/* All words, so that a reader can copy it. */
struct entry {
    relaxed_u64 hash;
    relaxed_u64 name_len; /* uncut */
    relaxed_u64 n_labels;
    relaxed_u64 name[NAME_WORDS];
    relaxed_u64 identities[REGISTERS];
    struct label labels[FOLDED_LABELS];
};
#define ENTRY_WORDS (sizeof(struct entry) / sizeof(uint64_t))

struct folded {
    unsigned n; /* the worker's, as the next */
    unsigned last;
    relaxed_u64 hashes[FOLDED_FAMILIES]; /* of names; 0: free */
    relaxed_u64 counts[FOLDED_FAMILIES];
    relaxed_u64 total[(1u << TOTAL_BITS) / 8 + 1];
    relaxed_u64 seqs[FOLDED_FAMILIES];
    struct entry entries[FOLDED_FAMILIES];
};

static struct set_block *block_of(relaxed_u64 *words)
{
    return (struct set_block *)words;
}

static void block_begin(relaxed_u64 *words, unsigned bits)
{
    set_block_init(block_of(words), bits, set_n_levels(bits) - 1, 0);
}

int folded_new(struct folded **out)
{
    struct folded *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -ENOMEM;
    block_begin(f->total, TOTAL_BITS);
    for (unsigned i = 0; i < FOLDED_FAMILIES; i++) {
        block_begin(f->entries[i].identities, BITS);
        for (unsigned k = 0; k < FOLDED_LABELS; k++)
            block_begin(f->entries[i].labels[k].values, BITS);
    }
    *out = f;
    return 0;
}

void folded_free(struct folded *f)
{
    free(f);
}

size_t folded_size(void)
{
    return sizeof(struct folded);
}

/* ---- noting ---- */

static void put_text(relaxed_u64 *words, size_t max, struct slice text)
{
    size_t len = text.len < max ? text.len : max;

    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = 0;

        memcpy(&word, text.p + at, len - at < 8 ? len - at : 8);
        relaxed_store(&words[at / 8], word);
    }
}

/* A free place, or that of the family that was met the least; its count is taken over. */
static unsigned choose_place(const struct folded *f)
{
    unsigned least = 0;

    if (f->n < FOLDED_FAMILIES)
        return f->n;
    for (unsigned i = 1; i < FOLDED_FAMILIES; i++)
        if (relaxed_load(&f->counts[i]) < relaxed_load(&f->counts[least]))
            least = i;
    return least;
}

static void begin_entry(struct folded *f, unsigned i, const struct series_key *key)
{
    struct entry *e = &f->entries[i];

    seq_begin(&f->seqs[i]);
    relaxed_store(&f->hashes[i], key->name_hash);
    relaxed_store(&e->hash, key->name_hash);
    relaxed_store(&e->name_len, key->name.len);
    put_text(e->name, FOLDED_NAME_MAX, key->name);
    relaxed_store(&e->n_labels, 0);
    set_block_reset(block_of(e->identities), 0);
    seq_end(&f->seqs[i]);
    f->n += i == f->n;
}

static unsigned entry_of(struct folded *f, const struct series_key *key)
{
    unsigned i = f->last;

    if (f->n > 0 && relaxed_load(&f->hashes[i]) == key->name_hash)
        return i;
    for (i = 0; i < f->n; i++)
        if (relaxed_load(&f->hashes[i]) == key->name_hash)
            return i;
    i = choose_place(f);
    begin_entry(f, i, key);
    return i;
}

/* The label of this name, or NULL: there are too many, or it is too long. */
static struct label *label_of(struct folded *f, unsigned i, struct slice name)
{
    struct entry *e = &f->entries[i];
    uint64_t hash = hash_bytes(name, LABEL_SEED);
    uint64_t n = relaxed_load(&e->n_labels);
    struct label *label;

    for (uint64_t k = 0; k < n; k++)
        if (relaxed_load(&e->labels[k].hash) == hash)
            return &e->labels[k];
    if (n == FOLDED_LABELS || name.len > FOLDED_LABEL_MAX)
        return NULL;
    label = &e->labels[n];
    seq_begin(&f->seqs[i]);
    relaxed_store(&label->hash, hash);
    relaxed_store(&label->name_len, name.len);
    put_text(label->name, FOLDED_LABEL_MAX, name);
    set_block_reset(block_of(label->values), 0);
    relaxed_store(&e->n_labels, n + 1);
    seq_end(&f->seqs[i]);
    return label;
}

void folded_note(struct folded *f, const struct series_key *key)
{
    unsigned i = entry_of(f, key);
    struct slice rest = key->labels;
    struct label_text text;

    f->last = i;
    relaxed_add(&f->counts[i], 1);
    (void)set_block_add(block_of(f->total), key->hash);
    (void)set_block_add(block_of(f->entries[i].identities), key->hash);
    while (label_text_next(&rest, &text)) {
        struct label *label = label_of(f, i, text.name);

        if (label != NULL)
            (void)set_block_add(block_of(label->values), hash_bytes(text.value, key->name_hash));
    }
}

/* ---- reading ---- */

struct rank {
    uint64_t hash;
    uint64_t count;
};

struct reader {
    const struct folded *const *all;
    unsigned n_all;
    struct rank *ranks; /* FOLDED_FAMILIES for each of @all */
    size_t n_ranks;
    struct entry *copies; /* one for each of @all */
    unsigned n_copies;
    struct set_merge *merge;
};

static int by_hash(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int by_count(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    return (x->count < y->count) - (x->count > y->count);
}

/* The families that are met the most, over all stores. */
static void rank_families(struct reader *r)
{
    size_t n = 0;

    for (unsigned i = 0; i < r->n_all; i++)
        for (unsigned k = 0; r->all[i] != NULL && k < FOLDED_FAMILIES; k++) {
            uint64_t hash = relaxed_load(&r->all[i]->hashes[k]);

            if (hash != 0)
                r->ranks[r->n_ranks++] = (struct rank){hash, relaxed_load(&r->all[i]->counts[k])};
        }
    qsort(r->ranks, r->n_ranks, sizeof *r->ranks, by_hash);
    for (size_t i = 0; i < r->n_ranks; i++) {
        if (n > 0 && r->ranks[n - 1].hash == r->ranks[i].hash)
            r->ranks[n - 1].count += r->ranks[i].count;
        else
            r->ranks[n++] = r->ranks[i];
    }
    r->n_ranks = n;
    qsort(r->ranks, r->n_ranks, sizeof *r->ranks, by_count);
}

/* Private copies of the entries of @hash. */
static void copy_entries(struct reader *r, uint64_t hash)
{
    r->n_copies = 0;
    for (unsigned i = 0; i < r->n_all; i++)
        for (unsigned k = 0; r->all[i] != NULL && k < FOLDED_FAMILIES; k++) {
            const struct folded *f = r->all[i];
            struct entry *copy = &r->copies[r->n_copies];

            if (relaxed_load(&f->hashes[k]) == hash &&
                seq_copy(&f->seqs[k], (uint64_t *)copy, (const relaxed_u64 *)&f->entries[k],
                         ENTRY_WORDS) &&
                relaxed_load(&copy->hash) == hash)
                r->n_copies++;
        }
}

static void take_text(char *out, const relaxed_u64 *words, size_t max, uint64_t len)
{
    size_t n = len < max ? len : max;

    memcpy(out, (const char *)words, n);
    out[n] = '\0';
}

static double count_identities(struct reader *r)
{
    set_merge_init(r->merge, BITS);
    for (unsigned i = 0; i < r->n_copies; i++)
        set_merge_add(r->merge, block_of(r->copies[i].identities));
    return set_merge_count(r->merge);
}

static double count_values(struct reader *r, uint64_t hash)
{
    set_merge_init(r->merge, BITS);
    for (unsigned i = 0; i < r->n_copies; i++) {
        struct entry *e = &r->copies[i];

        for (uint64_t k = 0; k < relaxed_load(&e->n_labels); k++)
            if (relaxed_load(&e->labels[k].hash) == hash)
                set_merge_add(r->merge, block_of(e->labels[k].values));
    }
    return set_merge_count(r->merge);
}

static bool has_label(const struct reader *r, unsigned n_copies, uint64_t hash)
{
    for (unsigned i = 0; i < n_copies; i++)
        for (uint64_t k = 0; k < relaxed_load(&r->copies[i].n_labels); k++)
            if (relaxed_load(&r->copies[i].labels[k].hash) == hash)
                return true;
    return false;
}

static int by_values(const void *a, const void *b)
{
    const struct folded_label *x = a, *y = b;

    return (x->n_values < y->n_values) - (x->n_values > y->n_values);
}

static void tell_labels(struct reader *r, struct folded_family *out)
{
    out->n_labels = 0;
    for (unsigned i = 0; i < r->n_copies; i++)
        for (uint64_t k = 0; k < relaxed_load(&r->copies[i].n_labels); k++) {
            const struct label *label = &r->copies[i].labels[k];
            struct folded_label *told = &out->labels[out->n_labels];

            if (out->n_labels == FOLDED_LABELS || has_label(r, i, relaxed_load(&label->hash)))
                continue;
            take_text(told->name, label->name, FOLDED_LABEL_MAX, relaxed_load(&label->name_len));
            told->n_values = count_values(r, relaxed_load(&label->hash));
            out->n_labels++;
        }
    qsort(out->labels, out->n_labels, sizeof *out->labels, by_values);
}

static void tell_family(struct reader *r, struct folded_family *out)
{
    const struct entry *e = &r->copies[0];

    take_text(out->name, e->name, FOLDED_NAME_MAX, relaxed_load(&e->name_len));
    out->is_cut = relaxed_load(&e->name_len) > FOLDED_NAME_MAX;
    out->n_identities = count_identities(r);
    tell_labels(r, out);
}

static double count_all(struct reader *r)
{
    set_merge_init(r->merge, TOTAL_BITS);
    for (unsigned i = 0; i < r->n_all; i++)
        if (r->all[i] != NULL)
            set_merge_add(r->merge, (const struct set_block *)r->all[i]->total);
    return set_merge_count(r->merge);
}

static int by_identities(const void *a, const void *b)
{
    const struct folded_family *x = a, *y = b;

    return (x->n_identities < y->n_identities) - (x->n_identities > y->n_identities);
}

static void tell_all(struct reader *r, struct folded_report *out)
{
    out->n_identities = count_all(r);
    rank_families(r);
    for (size_t i = 0; i < r->n_ranks && out->n < FOLDED_TOP; i++) {
        copy_entries(r, r->ranks[i].hash);
        if (r->n_copies > 0)
            tell_family(r, &out->families[out->n++]);
    }
    qsort(out->families, out->n, sizeof *out->families, by_identities);
}

static bool has_any(const struct folded *const *all, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (all[i] != NULL)
            return true;
    return false;
}

int folded_read(const struct folded *const *all, unsigned n, struct folded_report *out)
{
    struct reader r = {.all = all, .n_all = n};
    int rc = -ENOMEM;

    memset(out, 0, sizeof *out);
    if (!has_any(all, n))
        return 0;
    r.ranks = calloc((size_t)n * FOLDED_FAMILIES, sizeof *r.ranks);
    r.copies = calloc(n, sizeof *r.copies);
    r.merge = malloc(set_merge_size());
    if (r.ranks != NULL && r.copies != NULL && r.merge != NULL) {
        tell_all(&r, out);
        rc = 0;
    }
    free(r.ranks);
    free(r.copies);
    free(r.merge);
    return rc;
}
