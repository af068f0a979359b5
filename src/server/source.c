/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: see source.h
 *
 * Space-Saving (Metwally, Agrawal, El Abbadi) in sets of 16. A source that is in its set grows by
 * what it sends. A newcomer to a full set takes the place of the lightest one and its weight, as
 * its error: it may have been here before, and weighed no more than that. So
 *
 *      weight - error <= true weight <= weight
 *      who is not in its set weighs no more than the lightest of the set
 *      the lightest of a set is at most a sixteenth of all weights of the set
 *
 * and who sends much stays, however many others come once. A keyed hash chooses the set, so nobody
 * can choose whom to push out. The tags of a set are one cache line, its weights two.
 *
 * Readers. All words are written by one thread and read whole. When a place changes its owner, its
 * `seq` is odd meanwhile (the order is that of store/seq.h: odd, release fence, words, release;
 * acquire, words, acquire fence, once more): who reads in between gets nothing. Counts that move
 * under a reader belong to the right source and are off by what came meanwhile.
 */
#include "server/source.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/relaxed.h"

#define N_WAYS 16

struct place {
    relaxed_u64 seq; /* odd: the owner is changing; 0: nobody's */
    relaxed_u64 high, low;
    relaxed_u64 error;
    relaxed_u64 datagrams, bytes, bad, series, limited;
    relaxed_u64 last_ms;
};

struct set {
    uint32_t tags[N_WAYS]; /* the writer's; 0: nobody's */
    relaxed_u64 weights[N_WAYS];
    struct place places[N_WAYS];
};

struct sources {
    uint64_t seed;
    unsigned n_sets;
    relaxed_u64 n;
    relaxed_u64 n_replaced;
    struct set sets[];
};

int sources_new(struct sources **out, uint64_t n, uint64_t seed)
{
    unsigned n_sets = (unsigned)((n + N_WAYS - 1) / N_WAYS);
    struct sources *s;

    assert(n > 0);
    s = calloc(1, sizeof *s + n_sets * sizeof s->sets[0]);
    if (s == NULL)
        return -ENOMEM;
    s->seed = seed;
    s->n_sets = n_sets;
    *out = s;
    return 0;
}

void sources_free(struct sources *s)
{
    free(s);
}

/* ---- the writer ---- */

static uint64_t hash_of(const struct sources *s, struct ip ip)
{
    return hash_bytes(slice_of((const char *)&ip, sizeof ip), s->seed);
}

/* The set of a hash; the tag is of its other half. */
static unsigned set_of(const struct sources *s, uint64_t hash)
{
    return (unsigned)((hash & UINT32_MAX) % s->n_sets);
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1;
}

static bool is_owner(const struct place *p, struct ip ip)
{
    return relaxed_load(&p->high) == ip.high && relaxed_load(&p->low) == ip.low;
}

/* The place of @ip, or N_WAYS. */
static unsigned find(const struct set *set, uint32_t tag, struct ip ip)
{
    for (unsigned i = 0; i < N_WAYS; i++)
        if (set->tags[i] == tag && is_owner(&set->places[i], ip))
            return i;
    return N_WAYS;
}

static unsigned lightest(const struct set *set)
{
    unsigned best = 0;

    for (unsigned i = 1; i < N_WAYS; i++)
        if (relaxed_load(&set->weights[i]) < relaxed_load(&set->weights[best]))
            best = i;
    return best;
}

/* The place for a newcomer: nobody's, or the lightest one's. */
static unsigned place_for(const struct set *set)
{
    for (unsigned i = 0; i < N_WAYS; i++)
        if (set->tags[i] == 0)
            return i;
    return lightest(set);
}

/* Give the place @i of @set to @ip. Its weight stays, as the newcomer's error. */
static void hand_over(struct set *set, unsigned i, uint32_t tag, struct ip ip)
{
    struct place *p = &set->places[i];
    uint64_t seq = relaxed_load(&p->seq);

    relaxed_store(&p->seq, seq + 1);
    atomic_thread_fence(memory_order_release);
    relaxed_store(&p->high, ip.high);
    relaxed_store(&p->low, ip.low);
    relaxed_store(&p->error, relaxed_load(&set->weights[i]));
    relaxed_store(&p->datagrams, 0);
    relaxed_store(&p->bytes, 0);
    relaxed_store(&p->bad, 0);
    relaxed_store(&p->series, 0);
    relaxed_store(&p->limited, 0);
    relaxed_store(&p->last_ms, 0);
    set->tags[i] = tag;
    /* Release: who sees it even sees the new owner whole. */
    atomic_store_explicit(&p->seq, seq + 2, memory_order_release);
}

void sources_add(struct sources *s, struct ip ip, uint64_t weight,
                 const struct source_counts *counts, int64_t now_ms)
{
    uint64_t hash = hash_of(s, ip);
    struct set *set = &s->sets[set_of(s, hash)];
    unsigned i = find(set, tag_of(hash), ip);
    struct place *p;

    if (i == N_WAYS) {
        i = place_for(set);
        relaxed_add(relaxed_load(&set->places[i].seq) != 0 ? &s->n_replaced : &s->n, 1);
        hand_over(set, i, tag_of(hash), ip);
    }
    p = &set->places[i];
    relaxed_add(&set->weights[i], weight);
    relaxed_add(&p->datagrams, counts->datagrams);
    relaxed_add(&p->bytes, counts->bytes);
    relaxed_add(&p->bad, counts->bad);
    relaxed_add(&p->series, counts->series);
    relaxed_add(&p->limited, counts->limited);
    relaxed_store(&p->last_ms, (uint64_t)now_ms);
}

/* ---- any thread ---- */

unsigned sources_capacity(const struct sources *s)
{
    return s->n_sets * N_WAYS;
}

unsigned sources_n(const struct sources *s)
{
    return (unsigned)relaxed_load(&s->n);
}

uint64_t sources_n_replaced(const struct sources *s)
{
    return relaxed_load(&s->n_replaced);
}

bool sources_read(const struct sources *s, unsigned i, struct source *out)
{
    const struct set *set = &s->sets[i / N_WAYS];
    const struct place *p = &set->places[i % N_WAYS];
    uint64_t seq = atomic_load_explicit(&p->seq, memory_order_acquire);

    if (seq == 0 || seq % 2 != 0)
        return false;
    *out = (struct source){
        .ip = {relaxed_load(&p->high), relaxed_load(&p->low)},
        .error = relaxed_load(&p->error),
        .counts =
            {
                .datagrams = relaxed_load(&p->datagrams),
                .bytes = relaxed_load(&p->bytes),
                .bad = relaxed_load(&p->bad),
                .series = relaxed_load(&p->series),
                .limited = relaxed_load(&p->limited),
            },
        .last_ms = (int64_t)relaxed_load(&p->last_ms),
        .weight = relaxed_load(&set->weights[i % N_WAYS]),
    };
    atomic_thread_fence(memory_order_acquire);
    return relaxed_load(&p->seq) == seq;
}

bool sources_knows(const struct sources *s, struct ip ip)
{
    const struct set *set = &s->sets[set_of(s, hash_of(s, ip))];

    for (unsigned i = 0; i < N_WAYS; i++)
        if (relaxed_load(&set->places[i].seq) != 0 && is_owner(&set->places[i], ip))
            return true;
    return false;
}

static uint64_t set_missed(const struct set *set)
{
    return relaxed_load(&set->weights[lightest(set)]);
}

uint64_t sources_missed(const struct sources *s, struct ip ip)
{
    return set_missed(&s->sets[set_of(s, hash_of(s, ip))]);
}

uint64_t sources_missed_most(const struct sources *s)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < s->n_sets; i++) {
        uint64_t missed = set_missed(&s->sets[i]);

        if (missed > most)
            most = missed;
    }
    return most;
}
