/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars: a set-associative table that one thread writes and another reads, without a lock
 *
 *      hash of the key --> one of 512 sets --> | 8 tags | 8 times | 8 entries |
 *
 *      entry  | seq | cell shape birth slot | value now_ms | length and text |
 *
 * A page asks for every counter and every bucket, and most have no exemplar. So the tags, hashes of
 * the keys, lie together: a set's are one cache line, and a look at it answers nearly all. An entry
 * is read as a private copy between two equal, even readings of its `seq` (seq.h), and then its own
 * key decides; a tag that is a moment ahead or behind costs an exemplar of this page at most.
 *
 * The key has the birth number, so what is left of a series that has ended, whose cell another may
 * have by now, is never found; and the shape, so a slot is never one of other bounds.
 *
 * Laws: no allocation but the one at the start. The reader gets what was put for its key, whole, or
 *       nothing. In a set the one that was put longest ago goes.
 */
#include "store/exemplar.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/seq.h"

#define N_SETS 512u
#define N_WAYS 8u

/* What `seq` guards. */
struct body {
    struct exemplar_key key;
    double value;
    int64_t now_ms;
    uint64_t len;
    char text[EXEMPLAR_TEXT_MAX];
};

#define BODY_WORDS (sizeof(struct body) / sizeof(uint64_t))

_Static_assert(sizeof(struct body) % sizeof(uint64_t) == 0, "a body is whole words");
_Static_assert(sizeof(struct exemplar_key) == 2 * sizeof(void *) + 8, "a key has no padding");

struct entry {
    relaxed_u64 seq;
    relaxed_u64 words[BODY_WORDS]; /* a struct body */
};

/* All is written by the worker; control reads tags and entries. */
struct exemplars {
    relaxed_u64 tags[N_SETS][N_WAYS]; /* 0: empty */
    uint64_t times[N_SETS][N_WAYS];   /* n_put of then; the worker's own */
    uint64_t n_put;
    struct entry entries[N_SETS][N_WAYS];
};

size_t exemplars_size(void)
{
    return sizeof(struct exemplars);
}

int exemplars_new(struct exemplars **out)
{
    struct exemplars *e = calloc(1, sizeof *e);

    if (e == NULL)
        return -ENOMEM;
    *out = e;
    return 0;
}

void exemplars_free(struct exemplars *e)
{
    free(e);
}

/* Never 0. */
static uint64_t tag_of(const struct exemplar_key *key)
{
    return hash_bytes(slice_of((const char *)key, sizeof *key), 0) | UINT64_C(1) << 63;
}

static bool key_eq(const struct exemplar_key *a, const struct exemplar_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The way of @tag, else an empty one, else the one that was written longest ago. */
static unsigned way_for(const struct exemplars *e, unsigned set, uint64_t tag)
{
    unsigned oldest = 0;

    for (unsigned way = 0; way < N_WAYS; way++)
        if (relaxed_load(&e->tags[set][way]) == tag)
            return way;
    /* What is empty was never written: its time is 0. */
    for (unsigned way = 1; way < N_WAYS; way++)
        if (e->times[set][way] < e->times[set][oldest])
            oldest = way;
    return oldest;
}

static void entry_write(struct entry *entry, const struct body *body)
{
    uint64_t words[BODY_WORDS];

    memcpy(words, body, sizeof words);
    seq_begin(&entry->seq);
    for (size_t i = 0; i < BODY_WORDS; i++)
        relaxed_store(&entry->words[i], words[i]);
    seq_end(&entry->seq);
}

void exemplar_put(struct exemplars *e, const struct exemplar_key *key, const struct exemplar *what)
{
    uint64_t tag = tag_of(key);
    unsigned set = (unsigned)(tag % N_SETS), way = way_for(e, set, tag);
    struct body body = {*key, what->value, what->now_ms, what->labels.len, ""};

    assert(what->labels.len <= EXEMPLAR_TEXT_MAX);
    if (what->labels.len > 0)
        memcpy(body.text, what->labels.p, what->labels.len);
    entry_write(&e->entries[set][way], &body);
    e->times[set][way] = ++e->n_put;
    relaxed_store(&e->tags[set][way], tag);
}

/* The copy is what was written for @key: give it away. */
static void take_body(const struct body *body, char text[EXEMPLAR_TEXT_MAX], struct exemplar *out)
{
    memcpy(text, body->text, body->len);
    *out = (struct exemplar){
        .value = body->value,
        .now_ms = body->now_ms,
        .labels = slice_of(text, body->len),
    };
}

bool exemplar_get(const struct exemplars *e, const struct exemplar_key *key,
                  char text[EXEMPLAR_TEXT_MAX], struct exemplar *out)
{
    uint64_t tag = tag_of(key);
    unsigned set = (unsigned)(tag % N_SETS);
    uint64_t words[BODY_WORDS];
    struct body body;

    for (unsigned way = 0; way < N_WAYS; way++) {
        const struct entry *entry = &e->entries[set][way];

        if (relaxed_load(&e->tags[set][way]) != tag ||
            !seq_copy(&entry->seq, words, entry->words, BODY_WORDS))
            continue;
        memcpy(&body, words, sizeof body);
        if (!key_eq(&body.key, key))
            continue;
        take_body(&body, text, out);
        return true;
    }
    return false;
}
