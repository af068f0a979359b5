/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: open addressing by lines of the cache
 *
 * A route's home is a line in a power of two of them; it stands in one of the places of a window of
 * lines that begins there. A place has a tag, some bits of the hash, and the route's number in a
 * slab. The home comes from the tag's upper bits, so growing moves places without touching the
 * routes; the lower bits say which of a line's routes are worth a look. How a route is found is in
 * route_find.h.
 *
 *      lines | tag tag tag tag tag tag tag tag | number ... |        64 bytes
 *                    `--> cell, plan, birth | name and suffix
 *                               `--> shape, factors, gen, operation: one for many
 *
 * The table doubles while it is more than nine sixteenths full, or a window is full before that,
 * up to its limit; then a route that finds its window full takes the place of the coldest. How hot
 * a route is, is counted in two bits of its tag: a hit sets them to the highest; evictions and age
 * cool them down, and a cold route is the first to go. A route that was never hit again is cold, so
 * one-off identities evict each other.
 *
 * Age goes round the table in about 50 s: what was not met in four rounds is forgotten, what was
 * met only once in two, so that it is known for a whole one, wherever in the table age stands:
 * who sends once a minute, or asks what was sent just now, is to find it. A churn of names leaves
 * nothing behind, and a route whose series has expired needs no notice: it is not met any more.
 * When it is, its cell's birth number gives it away.
 *
 * A route that was replaced is not freed at once: the caller may hold it from earlier in its batch.
 *
 * Laws: at most 2^max_bits lines, and max_bytes of routes, with a plan each at worst. Nothing is
 * ever moved out of its window, and a line is filled from its first place on, so a lookup that has
 * seen its whole window, or a line whose last place never held a route, is done; a place that is
 * given up is marked gone, not empty.
 */
#include "store/route.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "store/route_find.h"

#define BITS_MIN 6u

/* The heat of a new route, and the most that one has who has to make room. */
#define COLD     1u

/* Odd, half of its bits ones: makes two keys of a seed. */
#define KEY_STEP UINT64_C(0x9e3779b97f4a7c15)

struct cell route_nowhere;

/* ---- the table ---- */

static uint64_t n_lines(unsigned bits)
{
    return (UINT64_C(1) << bits) + ROUTE_WINDOW - 1;
}

static uint64_t n_places(const struct routes *t)
{
    return n_lines(t->bits) * ROUTE_LINE;
}

static size_t lines_size(unsigned bits)
{
    return n_lines(bits) * sizeof(struct route_line);
}

static struct route_line *lines_new(unsigned bits)
{
    size_t size = lines_size(bits);
    struct route_line *lines;

    if (size >= HUGE_SIZE)
        return huge_alloc(size);
    lines = aligned_alloc(_Alignof(struct route_line), size);
    if (lines != NULL)
        memset(lines, 0, size);
    return lines;
}

static void lines_free(struct route_line *lines, unsigned bits)
{
    if (lines_size(bits) >= HUGE_SIZE)
        huge_free(lines, lines_size(bits));
    else
        free(lines);
}

int routes_new(struct routes **out, uint64_t seed, uint64_t max_routes)
{
    size_t size = (sizeof(struct routes) + 63) / 64 * 64;
    struct routes *t = aligned_alloc(64, size); /* no line of it is another worker's */

    if (t == NULL)
        return -ENOMEM;
    memset(t, 0, size);
    for (unsigned i = 0; i < 2; i++) {
        seed = (seed + KEY_STEP) * KEY_STEP;
        t->keys[i] = seed ^ seed >> 32;
    }
    t->plans.seed = t->keys[0];
    t->bits = BITS_MIN;
    t->max_bits = BITS_MIN;
    while ((ROUTE_LINE << t->max_bits) < max_routes && t->max_bits < 28)
        t->max_bits++;
    t->max_bytes = ((uint64_t)ROUTE_LINE << t->max_bits) * ROUTE_MEAN_BYTES;
    t->lines = lines_new(t->bits);
    if (t->lines == NULL) {
        free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

/* A place in the table, counted from its first. */
static uint32_t *tag_at(const struct routes *t, uint64_t place)
{
    return &t->lines[place / ROUTE_LINE].tags[place % ROUTE_LINE];
}

static uint32_t *ref_at(const struct routes *t, uint64_t place)
{
    return &t->lines[place / ROUTE_LINE].refs[place % ROUTE_LINE];
}

/* ---- routes ---- */

static size_t text_bytes(const struct route_key *key)
{
    return key->name.len + (key->suffix.len > SLICE_WORD_MAX ? key->suffix.len : 0);
}

static size_t route_bytes(const struct route *r)
{
    return sizeof *r + r->name_len + (r->suffix_len > SLICE_WORD_MAX ? r->suffix_len : 0u);
}

/* What a route takes of the slab: whole lines of the cache, if that is little more. */
static size_t slab_bytes(size_t bytes)
{
    return bytes > 48 && bytes < 64 ? 64 : bytes;
}

/* The number of a copy of @what for @key, 0 without memory. */
static uint32_t route_new(struct routes *t, const struct route_key *key, const struct route *what)
{
    uint32_t ref = slab_take(&t->slab, slab_bytes(sizeof(struct route) + text_bytes(key)));
    struct route_plan *plan = ref != 0 ? route_plan_take(&t->plans, what->plan) : NULL;
    struct route *r;

    if (plan == NULL) {
        if (ref != 0)
            slab_give(&t->slab, ref);
        return 0;
    }
    r = route_at(t, ref);
    r->cell = what->cell;
    r->plan = plan;
    r->birth = what->birth;
    r->name_len = (uint16_t)key->name.len;
    r->suffix_len = (uint16_t)key->suffix.len;
    r->word = key->word;
    memcpy(r->bytes, key->name.p, key->name.len);
    memcpy(r->bytes + key->name.len, key->suffix.p, text_bytes(key) - key->name.len);
    return ref;
}

static void route_free(struct routes *t, uint32_t ref)
{
    route_plan_give(&t->plans, route_at(t, ref)->plan);
    slab_give(&t->slab, ref);
}

/* The route is out of the table, but the caller may still hold it. */
static void route_leave(struct routes *t, uint32_t ref)
{
    struct route *r = route_at(t, ref);

    t->n--;
    t->n_route_bytes -= route_bytes(r);
    r->limbo = t->limbo;
    t->limbo = ref;
}

void route_flush(struct routes *t)
{
    while (t->limbo != 0) {
        uint32_t ref = t->limbo;

        t->limbo = route_at(t, ref)->limbo;
        route_free(t, ref);
    }
}

void routes_free(struct routes *t)
{
    if (t == NULL)
        return;
    route_flush(t);
    for (uint64_t i = 0; i < n_places(t); i++)
        if (*tag_at(t, i) != 0)
            route_plan_give(&t->plans, route_at(t, *ref_at(t, i))->plan);
    table_release(&t->plans.table);
    slab_release(&t->slab);
    lines_free(t->lines, t->bits);
    free(t);
}

/* ---- places ---- */

#define NO_PLACE UINT64_MAX

/* Where the route of @key stands, or NO_PLACE. */
static uint64_t place_of(const struct routes *t, const struct route_key *key)
{
    uint64_t home = route_home(key->tag, t->bits);

    for (uint64_t i = home; i < home + ROUTE_WINDOW; i++) {
        const struct route_line *line = &t->lines[i];

        for (unsigned marks = route_marks(line, key->tag); marks != 0; marks &= marks - 1) {
            unsigned place = (unsigned)__builtin_ctz(marks);

            if (route_is(route_at(t, line->refs[place]), key))
                return i * ROUTE_LINE + place;
        }
        if (line->refs[ROUTE_LINE - 1] == 0)
            break;
    }
    return NO_PLACE;
}

struct route *route_find_further(struct routes *t, const struct route_key *key)
{
    uint64_t place = place_of(t, key);

    if (place == NO_PLACE)
        return NULL;
    route_warm(tag_at(t, place));
    return route_at(t, *ref_at(t, place));
}

/* The first place in the window of @tag that holds no route, or NO_PLACE. */
static uint64_t free_place(const struct routes *t, uint32_t tag)
{
    uint64_t first = route_home(tag, t->bits) * ROUTE_LINE;

    for (uint64_t i = first; i < first + ROUTE_WINDOW * ROUTE_LINE; i++)
        if (*tag_at(t, i) == 0)
            return i;
    return NO_PLACE;
}

static void give_up(struct routes *t, uint64_t place)
{
    route_leave(t, *ref_at(t, place));
    *tag_at(t, place) = 0;
    *ref_at(t, place) = ROUTE_GONE;
    t->n_gone++;
}

/* Move what stands in the places of @from, a table as it was. A route that finds no place in its
 * window is forgotten. */
static void move_all(struct routes *t, const struct routes *from)
{
    for (uint64_t i = 0; i < n_places(from); i++) {
        uint32_t tag = *tag_at(from, i), ref = *ref_at(from, i);
        uint64_t to;

        if (tag == 0)
            continue;
        to = free_place(t, tag);
        if (to == NO_PLACE) {
            route_leave(t, ref);
            t->n_evicted++;
            continue;
        }
        *tag_at(t, to) = tag;
        *ref_at(t, to) = ref;
    }
}

static int resize(struct routes *t, unsigned bits)
{
    const struct routes was = *t;
    struct route_line *lines = lines_new(bits);

    if (lines == NULL)
        return -ENOMEM;
    t->lines = lines;
    t->bits = bits;
    t->n_gone = 0;
    t->hand = bits > was.bits ? was.hand << (bits - was.bits) : was.hand >> (was.bits - bits);
    if (t->hand >= n_places(t)) /* it was among the last windows' places, which do not double */
        t->hand = 0;
    t->n_resizes++;
    move_all(t, &was);
    lines_free(was.lines, was.bits);
    return 0;
}

/* So many places may be taken: most routes stand at home then. */
static uint64_t most_taken(const struct routes *t)
{
    return ((uint64_t)ROUTE_LINE << t->bits) / 16 * 9;
}

/* Grow when routes fill it, tidy up when gone places do. Without memory the windows decide. */
static void make_room(struct routes *t)
{
    uint64_t most = most_taken(t);

    if (t->n + t->n_gone < most)
        return;
    if (t->n >= most / 2 && t->bits < t->max_bits)
        (void)resize(t, t->bits + 1);
    else if (t->n_gone >= most / 2)
        (void)resize(t, t->bits);
}

/* The coldest place in a full window, given up; if it was warm, the others cool down. */
static uint64_t evict(struct routes *t, uint32_t tag)
{
    uint64_t first = route_home(tag, t->bits) * ROUTE_LINE, coldest = first;
    uint64_t end = first + ROUTE_WINDOW * ROUTE_LINE;

    for (uint64_t i = first + 1; i < end; i++)
        if ((*tag_at(t, i) & ROUTE_HEAT) < (*tag_at(t, coldest) & ROUTE_HEAT))
            coldest = i;
    if ((*tag_at(t, coldest) & ROUTE_HEAT) > COLD)
        for (uint64_t i = first; i < end; i++)
            if ((*tag_at(t, i) & ROUTE_HEAT) != 0)
                --*tag_at(t, i);
    give_up(t, coldest);
    t->n_evicted++;
    return coldest;
}

/* A place for a new route. A window is full long before the table by very bad luck only: then it is
 * time to grow, or a few hot routes would push each other out for ever. */
static uint64_t take_place(struct routes *t, uint32_t tag)
{
    uint64_t place;

    make_room(t);
    place = free_place(t, tag);
    if (place == NO_PLACE && t->n >= most_taken(t) / 2 && t->bits < t->max_bits &&
        resize(t, t->bits + 1) == 0)
        place = free_place(t, tag);
    if (place == NO_PLACE)
        place = evict(t, tag);
    if (*ref_at(t, place) == ROUTE_GONE)
        t->n_gone--;
    return place;
}

/* ---- age ---- */

/* Let the next place in turn grow older, or forget its route if that has @heat at most: true. */
static bool age_one(struct routes *t, unsigned heat)
{
    uint64_t place = t->hand;
    uint32_t *tag = tag_at(t, place);

    t->hand = t->hand + 1 < n_places(t) ? t->hand + 1 : 0;
    if (*tag == 0)
        return false;
    if ((*tag & ROUTE_HEAT) > heat) {
        --*tag;
        return false;
    }
    give_up(t, place);
    return true;
}

void routes_age(struct routes *t)
{
    uint64_t n = (uint64_t)ROUTE_LINE << t->bits;

    for (uint64_t i = 0; i < n / 512; i++) {
        (void)age_one(t, 0);
        if (t->hand == 0 && t->bits > BITS_MIN && t->n < n / 8) {
            (void)resize(t, t->bits - 1);
            n = (uint64_t)ROUTE_LINE << t->bits;
        }
    }
}

/* ---- putting and walking ---- */

struct route *route_put(struct routes *t, const struct route_key *key, const struct route *what)
{
    uint64_t place;
    uint32_t ref;

    if (key->name.len > ROUTE_MAX_KEY || key->suffix.len > ROUTE_MAX_KEY - key->name.len)
        return NULL;
    ref = route_new(t, key, what);
    if (ref == 0)
        return NULL;
    while (t->n > 0 && t->n_route_bytes + route_bytes(route_at(t, ref)) > t->max_bytes)
        t->n_evicted += age_one(t, COLD);
    place = place_of(t, key);
    if (place != NO_PLACE)
        route_leave(t, *ref_at(t, place));
    else
        place = take_place(t, key->tag);
    *tag_at(t, place) = key->tag | COLD;
    *ref_at(t, place) = ref;
    t->n++;
    t->n_route_bytes += route_bytes(route_at(t, ref));
    return route_at(t, ref);
}

struct route *route_walk_next(struct routes *t, struct route_walk *walk, uint64_t *n_places_left)
{
    if (walk->n_resizes != t->n_resizes)
        *walk = (struct route_walk){.n_resizes = t->n_resizes};
    while (*n_places_left > 0 && walk->at < n_places(t)) {
        uint64_t place = walk->at++;

        --*n_places_left;
        if (*tag_at(t, place) != 0)
            return route_at(t, *ref_at(t, place));
    }
    return NULL;
}

bool route_walk_ended(const struct routes *t, const struct route_walk *walk)
{
    return walk->n_resizes == t->n_resizes && walk->at == n_places(t);
}

void route_renew(struct routes *t, struct route *r, const struct route *what)
{
    struct route_plan *plan = route_plan_take(&t->plans, what->plan);

    if (plan == NULL)
        return;
    route_plan_give(&t->plans, r->plan);
    r->plan = plan;
    r->cell = what->cell;
    r->birth = what->birth;
}

struct route_stats route_stats(const struct routes *t)
{
    return (struct route_stats){
        .n = t->n,
        .n_evicted = t->n_evicted,
        .n_bytes = n_lines(t->bits) * sizeof(struct route_line) + t->n_route_bytes +
                   route_plans_bytes(&t->plans),
    };
}
