/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: the way to find one
 *
 * What the engine does for every line, so the compiler is to see all of it. route.c tells the
 * table; here are its layout, the hash and the look at a route's home.
 *
 * The hash is a chain of multiplications whose 128 bits are folded to 64, sixteen bytes at a step,
 * as the hash functions for short keys have it (wyhash, XXH3). Name and suffix go through one
 * chain; the keys are the process's own, so nobody outside can aim at a place.
 *
 * A line of the table is a line of the cache: eight tags, compared in one step, and the numbers of
 * eight routes. Which of the eight places a route has in its home makes no difference.
 *
 * Contract: private to route.c, the engine's feeding files and tests.
 */
#ifndef STORE_ROUTE_FIND_H
#define STORE_ROUTE_FIND_H

#include "store/route.h"
#include "store/route_plan.h"
#include "store/slab.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ROUTE_LINE   8u /* places */
#define ROUTE_WINDOW 8u /* lines that a route may stand in */

/* The bits of a tag that are its route's heat; all of them: hot. */
#define ROUTE_HEAT   3u

/* In the place of a route that was given up. No route has this number. */
#define ROUTE_GONE   1u

struct route_line {
    _Alignas(64) uint32_t tags[ROUTE_LINE]; /* 0: no route stands here */
    uint32_t refs[ROUTE_LINE];              /* 0: none ever stood here. Filled from the first on. */
};

_Static_assert(sizeof(struct route_line) == 64, "a line of the cache");
_Static_assert(ROUTE_GONE < SLAB_REF_MIN, "no route has this number");

struct routes {
    struct route_line *lines; /* 2^bits + ROUTE_WINDOW - 1: windows do not wrap */
    unsigned bits;
    unsigned max_bits;
    uint64_t max_bytes;
    uint64_t keys[2];
    struct slab slab; /* all routes */
    struct route_plans plans;
    uint64_t n;      /* routes */
    uint64_t n_gone; /* places that were given up */
    uint64_t n_evicted;
    uint64_t n_route_bytes;
    uint64_t hand; /* the next place to grow older */
    uint64_t n_resizes;
    uint32_t limbo; /* the first */
};

static inline uint64_t route_load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* ---- the key ---- */

static inline uint64_t route_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t route_step(const char *p, uint64_t h, uint64_t key)
{
    return route_fold(route_load(p) ^ key, route_load(p + 8) ^ h);
}

/* @s goes into @h. The last step overlaps the one before; lengths are in @h from the beginning. */
static inline uint64_t route_chain(struct slice s, uint64_t h, uint64_t key)
{
    if (s.len < 8)
        return route_fold(slice_word(s) ^ key, h);
    if (s.len < 16)
        return route_fold(route_load(s.p) ^ key, route_load(s.p + s.len - 8) ^ h);
    h = route_step(s.p, h, key);
    for (size_t at = 16; at + 16 < s.len; at += 16)
        h = route_step(s.p + at, h, key);
    return route_step(s.p + s.len - 16, h, key);
}

/* A hash's upper bits: home comes from the uppermost. Never 0. */
static inline uint32_t route_tag(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32) & ~ROUTE_HEAT;

    return tag != 0 ? tag : ROUTE_HEAT + 1;
}

/* The key of (@name, @suffix), with @word: slice_word() of the suffix. */
static inline struct route_key route_key_of(const struct routes *t, struct slice name,
                                            struct slice suffix, uint64_t word)
{
    uint64_t h = route_chain(name, t->keys[0] ^ name.len ^ (uint64_t)suffix.len << 32, t->keys[1]);

    if (word != 0)
        h = route_fold(word ^ t->keys[1], h);
    else
        h = route_chain(suffix, h, t->keys[1]);
    return (struct route_key){route_tag(h), word, name, suffix};
}

static inline struct route_key route_key(const struct routes *t, struct slice name,
                                         struct slice suffix)
{
    return route_key_of(t, name, suffix, slice_word(suffix));
}

/* ---- the place ---- */

static inline uint64_t route_home(uint32_t tag, unsigned bits)
{
    return (uint64_t)tag << bits >> 32;
}

/* A bit for each place of @line whose tag is @tag, whatever the heat. */
static inline unsigned route_marks_portable(const struct route_line *line, uint32_t tag)
{
    unsigned marks = 0;

    for (unsigned i = 0; i < ROUTE_LINE; i++)
        marks |= (unsigned)((line->tags[i] ^ tag) <= ROUTE_HEAT) << i;
    return marks;
}

#if defined(__SSE2__)
static inline unsigned route_marks(const struct route_line *line, uint32_t tag)
{
    const __m128i heat = _mm_set1_epi32((int)ROUTE_HEAT);
    const __m128i want = _mm_set1_epi32((int)(tag | ROUTE_HEAT));
    const __m128i *tags = (const __m128i *)(const void *)line->tags;
    __m128i a = _mm_cmpeq_epi32(_mm_or_si128(_mm_load_si128(tags), heat), want);
    __m128i b = _mm_cmpeq_epi32(_mm_or_si128(_mm_load_si128(tags + 1), heat), want);
    __m128i both = _mm_packs_epi32(a, b);

    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(both, both)) & 0xffu;
}
#else
static inline unsigned route_marks(const struct route_line *line, uint32_t tag)
{
    return route_marks_portable(line, tag);
}
#endif

static inline struct route *route_at(const struct routes *t, uint32_t ref)
{
    return slab_at(&t->slab, ref);
}

/* ---- the comparison ---- */

#if defined(__SSE2__)
/* 0: the 16 bytes are the same. */
static inline unsigned route_differ(const char *a, const char *b)
{
    __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a),
                                  _mm_loadu_si128((const __m128i *)(const void *)b));

    return (unsigned)_mm_movemask_epi8(same) ^ 0xffffu;
}
#else
static inline unsigned route_differ(const char *a, const char *b)
{
    return ((route_load(a) ^ route_load(b)) | (route_load(a + 8) ^ route_load(b + 8))) != 0;
}
#endif

/* Are @len bytes the same? Most keys are some words long, and a call would cost as much as the
 * answer. The last words overlap those before. */
static inline bool route_same(const char *a, const char *b, size_t len)
{
    unsigned differ;

    if (len < 8 || len > 64)
        return memcmp(a, b, len) == 0;
    if (len < 16)
        return ((route_load(a) ^ route_load(b)) |
                (route_load(a + len - 8) ^ route_load(b + len - 8))) == 0;
    differ = route_differ(a, b) | route_differ(a + len - 16, b + len - 16);
    for (size_t i = 16; i + 16 < len; i += 16)
        differ |= route_differ(a + i, b + i);
    return differ == 0;
}

static inline bool route_is(const struct route *r, const struct route_key *key)
{
    return r->name_len == key->name.len && r->suffix_len == key->suffix.len &&
           r->word == key->word && route_same(r->bytes, key->name.p, key->name.len) &&
           (key->suffix.len <= SLICE_WORD_MAX ||
            route_same(r->bytes + key->name.len, key->suffix.p, key->suffix.len));
}

/* ---- finding ---- */

/* Looks at the whole window. */
struct route *route_find_further(struct routes *t, const struct route_key *key);

static inline void route_warm(uint32_t *tag)
{
    if ((*tag & ROUTE_HEAT) != ROUTE_HEAT)
        *tag |= ROUTE_HEAT;
}

/* The route of @key, or NULL. Borrowed until route_flush() after its replacement. */
static inline struct route *route_find(struct routes *t, const struct route_key *key)
{
    struct route_line *line = &t->lines[route_home(key->tag, t->bits)];
    unsigned marks = route_marks(line, key->tag);

    /* Nearly always it is at home. */
    if (marks != 0) {
        unsigned place = (unsigned)__builtin_ctz(marks);
        struct route *r = route_at(t, line->refs[place]);

        if (route_is(r, key)) {
            route_warm(&line->tags[place]);
            return r;
        }
    }
    return route_find_further(t, key);
}

/* Have the home of @tag fetched. */
static inline void route_prefetch(const struct routes *t, uint32_t tag)
{
    __builtin_prefetch(&t->lines[route_home(tag, t->bits)]);
}

/* A route that is likely to be the one that is looked for. */
struct route_guess {
    struct route *route; /* NULL: it is not at home */
    uint32_t *tag;       /* in its place; good until anything is put, aged or walked */
};

/* Have the route fetched that may be that of @tag. */
static inline struct route_guess route_probe(struct routes *t, uint32_t tag)
{
    struct route_line *line = &t->lines[route_home(tag, t->bits)];
    unsigned marks = route_marks(line, tag), place;
    struct route *r;

    if (marks == 0)
        return (struct route_guess){NULL, NULL};
    place = (unsigned)__builtin_ctz(marks);
    r = route_at(t, line->refs[place]);
    __builtin_prefetch(r);
    __builtin_prefetch((const char *)r + 64);
    return (struct route_guess){r, &line->tags[place]};
}

/* The route of @key, where route_probe() gave @guess. */
static inline struct route *route_find_probed(struct routes *t, struct route_guess guess,
                                              const struct route_key *key)
{
    if (guess.route == NULL || !route_is(guess.route, key))
        return route_find_further(t, key);
    route_warm(guess.tag);
    return guess.route;
}

#endif
