/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: limits, and the reserve for folds
 *
 * Three limits, each on what is alive: series in all, series of a family, values of a label in a
 * family. The first is the registry's own count. For the others a census is taken of each birth and
 * death, under three sorts of keys:
 *
 *      family                    --> its series
 *      family + label            --> its distinct values
 *      family + label + value    --> series that have it
 *
 * So a worker knows without the lock whether a birth would be one too many. It is only taken where
 * one of these two limits is set.
 *
 * What is over a limit goes to its family's fold, a series outside the limits. That folds do not
 * become a way around them there is a reserve of them, one for sixteen series, and families that
 * are not there yet may use half of it: a flood of new names uses that half up and is refused from
 * then on, and who was there before can still fold. Whether a family is there is asked without the
 * lock of a table of small counts, which may say yes by mistake and never no: then the lock is
 * taken, and the answer is right.
 *
 * Laws: values are counted before their label, so who sees a label full finds its values. A fold is
 *       in no census.
 */
#include "store/guard.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/label_text.h"
#include "store/series.h"

#define FOLDS_MIN   16u
#define FOLDS_SHARE 16u

/* Families are fewer than series, and each makes a page of the table resident. */
#define KNOWN_SHARE 8u
#define KNOWN_MIN   1024u
#define KNOWN_MAX   (16u * 1024u * 1024u)
#define KNOWN_FULL  15u

int guard_init(struct guard *g, uint64_t max_series)
{
    size_t n = KNOWN_MIN;

    while (n < max_series / KNOWN_SHARE && n < KNOWN_MAX)
        n *= 2;
    /* Pages of it become memory as families come. */
    *g = (struct guard){
        .max_folds = FOLDS_MIN + max_series / FOLDS_SHARE,
        .known = calloc(n / 2, sizeof *g->known),
        .n_known = n,
    };
    return g->known != NULL ? 0 : -ENOMEM;
}

void guard_release(struct guard *g)
{
    census_release(&g->census);
    free(g->known);
    *g = (struct guard){0};
}

static bool takes_census(const struct guard *g)
{
    return g->max_family > 0 || g->max_values > 0;
}

/* ---- keys ---- */

static uint64_t label_key(const struct series_key *key, const struct label_text *label)
{
    return hash_bytes(label->name, key->name_hash);
}

static uint64_t value_key(uint64_t label, struct slice value)
{
    return hash_bytes(value, label);
}

/* ---- asking ---- */

static bool label_is_full(const struct guard *g, uint64_t label, struct slice value)
{
    return census_get(&g->census, label) >= g->max_values &&
           census_get(&g->census, value_key(label, value)) == 0;
}

int guard_ask(const struct guard *g, const struct series_key *key)
{
    struct slice rest = key->labels;
    struct label_text label;

    if (g->max_family > 0 && census_get(&g->census, key->name_hash) >= g->max_family)
        return SERIES_E_FAMILY_LIMIT;
    if (g->max_values == 0)
        return 0;
    while (label_text_next(&rest, &label))
        if (label_is_full(g, label_key(key, &label), label.value))
            return SERIES_E_LABEL_LIMIT;
    return 0;
}

int guard_ask_fold(const struct guard *g, bool known)
{
    uint64_t max = known ? g->max_folds : g->max_folds / 2;

    return relaxed_load(&g->n_folds) >= max ? SERIES_E_LIMIT : 0;
}

/* The byte that has the count of @hash, and where in it that stands. */
static relaxed_u8 *known_byte(const struct guard *g, uint64_t hash, unsigned *shift)
{
    size_t i = hash & (g->n_known - 1);

    *shift = i % 2 * 4;
    return &g->known[i / 2];
}

static unsigned known_of(const struct guard *g, uint64_t hash)
{
    unsigned shift;
    const relaxed_u8 *byte = known_byte(g, hash, &shift);

    return relaxed_load(byte) >> shift & KNOWN_FULL;
}

bool guard_may_know(const struct guard *g, const struct series_key *key)
{
    return known_of(g, key->name_hash) > 0;
}

/* ---- counting ---- */

int guard_reserve(struct registry *r, const struct series_key *key)
{
    struct slice rest = key->labels;
    struct label_text label;
    size_t n = 1;

    if (!takes_census(&r->guard))
        return 0;
    while (label_text_next(&rest, &label))
        n += 2;
    return census_reserve(r, &r->guard.census, n);
}

static void take_census(struct guard *g, const struct series_key *key)
{
    struct slice rest = key->labels;
    struct label_text label;

    while (label_text_next(&rest, &label)) {
        uint64_t of_label = label_key(key, &label);

        if (census_add(&g->census, value_key(of_label, label.value)) == 1)
            census_add(&g->census, of_label);
    }
    census_add(&g->census, key->name_hash);
}

void guard_count_birth(struct guard *g, const struct series_key *key, bool fold)
{
    if (fold)
        relaxed_add(&g->n_folds, 1);
    else if (takes_census(g))
        take_census(g, key);
}

void guard_count_death(struct guard *g, const struct series_key *key, bool fold)
{
    struct slice rest = key->labels;
    struct label_text label;

    if (fold)
        relaxed_store(&g->n_folds, relaxed_load(&g->n_folds) - 1);
    if (fold || !takes_census(g))
        return;
    while (label_text_next(&rest, &label)) {
        uint64_t of_label = label_key(key, &label);

        if (census_drop(&g->census, value_key(of_label, label.value)) == 0)
            census_drop(&g->census, of_label);
    }
    census_drop(&g->census, key->name_hash);
}

/* ---- families ---- */

void guard_family_comes(struct guard *g, uint64_t hash)
{
    unsigned shift;
    relaxed_u8 *byte = known_byte(g, hash, &shift);

    if (known_of(g, hash) < KNOWN_FULL)
        relaxed_store(byte, (uint8_t)(relaxed_load(byte) + (1u << shift)));
}

void guard_family_goes(struct guard *g, uint64_t hash)
{
    unsigned shift;
    relaxed_u8 *byte = known_byte(g, hash, &shift);

    if (known_of(g, hash) < KNOWN_FULL)
        relaxed_store(byte, (uint8_t)(relaxed_load(byte) - (1u << shift)));
}
