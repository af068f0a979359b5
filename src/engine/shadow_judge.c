/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, the judgement: may all these families stand beside each other?
 *
 * Types that clash under a name, and names that a histogram needs for its samples, are refused by
 * the registry (store/family.c), so registries are asked, with a series for each type of a name:
 *
 *      after a start:  an empty one gets what the mapping makes
 *      after a reload: one that holds what is there now gets it, under newer rules
 *
 * Which of two comes first after a start is nobody's knowledge; here it is what stands there now,
 * then what is refused the least now, then what has more identities. What clashes after a reload
 * only does so until the old series have expired, or until a restart.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "store/set.h"

enum { OLD_GEN = 1, NEW_GEN };

static const double point = 1;
static const struct shape_spec specs[METRIC_N_TYPES] = {
    [METRIC_COUNTER] = {.type = METRIC_COUNTER},
    [METRIC_GAUGE] = {.type = METRIC_GAUGE},
    [METRIC_HISTOGRAM] = {.type = METRIC_HISTOGRAM, .n_bounds = 1, .bounds = &point},
    [METRIC_SUMMARY] = {.type = METRIC_SUMMARY, .window_ms = 1000, .n_slots = 1},
    [METRIC_SET] = {.type = METRIC_SET,
                    .window_ms = 1000,
                    .n_slots = 1,
                    .set_bits = SET_DEFAULT_BITS},
};

/* ---- orders ---- */

static int larger_before(const void *a, const void *b)
{
    const struct shadow_family *x = *(struct shadow_family *const *)a;
    const struct shadow_family *y = *(struct shadow_family *const *)b;
    uint64_t n = x->sides[BEFORE].n_identities, m = y->sides[BEFORE].n_identities;

    return n != m ? (n < m ? 1 : -1) : slice_cmp(shadow_name(x), shadow_name(y));
}

static int larger_after(const void *a, const void *b)
{
    const struct shadow_family *x = *(struct shadow_family *const *)a;
    const struct shadow_family *y = *(struct shadow_family *const *)b;
    uint64_t n = x->sides[AFTER].n_identities, m = y->sides[AFTER].n_identities;
    bool has_x = x->sides[BEFORE].n_identities > 0, has_y = y->sides[BEFORE].n_identities > 0;

    if (has_x != has_y)
        return has_x ? -1 : 1;
    return n != m ? (n < m ? 1 : -1) : slice_cmp(shadow_name(x), shadow_name(y));
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(shadow_name(*(struct shadow_family *const *)a),
                     shadow_name(*(struct shadow_family *const *)b));
}

static int by_number(const void *a, const void *b)
{
    const struct shadow_move *x = *(struct shadow_move *const *)a;
    const struct shadow_move *y = *(struct shadow_move *const *)b;
    static const struct shadow_family none;
    int c;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    c = slice_cmp(shadow_name(x->from ? x->from : &none), shadow_name(y->from ? y->from : &none));
    return c != 0
               ? c
               : slice_cmp(shadow_name(x->to ? x->to : &none), shadow_name(y->to ? y->to : &none));
}

bool shadow_type(const struct shadow_side *side, enum metric_type *out)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        if (side->identities_of[i] > most) {
            most = side->identities_of[i];
            *out = (enum metric_type)i;
        }
    }
    return most > 0;
}

/* Does type @a of @f come to the registry before type @b? */
static bool comes_before(const struct shadow_family *f, unsigned a, unsigned b)
{
    const struct shadow_side *was = &f->sides[BEFORE], *is = &f->sides[AFTER];

    if ((was->identities_of[a] > 0) != (was->identities_of[b] > 0))
        return was->identities_of[a] > 0;
    if (f->n_fresh[a] != f->n_fresh[b])
        return f->n_fresh[a] > f->n_fresh[b];
    return is->identities_of[a] > is->identities_of[b];
}

/* The next type that @f would have, of those not in @done (bits). False: no more. */
static bool next_type(const struct shadow_family *f, unsigned *done, enum metric_type *out)
{
    int best = -1;

    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        if ((*done & 1u << i) != 0 || f->sides[AFTER].identities_of[i] == 0)
            continue;
        if (best < 0 || comes_before(f, i, (unsigned)best))
            best = (int)i;
    }
    if (best < 0)
        return false;
    *done |= 1u << best;
    *out = (enum metric_type)best;
    return true;
}

/* ---- registries ---- */

/* A series of @type under the family's name: what the registry says. */
static int claim(struct bacowr *b, const struct shadow_family *f, enum metric_type type,
                 uint32_t gen)
{
    struct series_ref ref;

    return series_acquire(&b->registry,
                          &(struct series_birth){
                              .key = series_key(&b->registry, shadow_name(f), slice_of("", 0)),
                              .label_names = slice_of("", 0),
                              .help = slice_of("", 0),
                              .spec = &specs[type],
                              .gen = gen,
                          },
                          &ref);
}

/* What is there now stands already, so the first type of a name is the one that holds it. */
static int claim_before(struct bacowr_shadow *s, struct bacowr *b)
{
    enum metric_type type;

    qsort(s->sorted, s->n_sorted, sizeof *s->sorted, larger_before);
    for (size_t i = 0; i < s->n_sorted; i++)
        if (shadow_type(&s->sorted[i]->sides[BEFORE], &type) &&
            claim(b, s->sorted[i], type, OLD_GEN) < 0)
            return -ENOMEM;
    return 0;
}

static int claim_after(struct bacowr_shadow *s, struct bacowr *b, bool reload)
{
    for (size_t i = 0; i < s->n_sorted; i++) {
        struct shadow_family *f = s->sorted[i];
        enum metric_type type;
        unsigned done = 0;

        while (next_type(f, &done, &type)) {
            int r = claim(b, f, type, NEW_GEN);

            if (r < 0)
                return r;
            *(reload ? &f->after_reload[type] : &f->after_start[type]) = r;
        }
    }
    return 0;
}

static int ask_registry(struct bacowr_shadow *s, bool reload)
{
    struct bacowr *b;
    int r = bacowr_new(&b, &s->config);

    if (r != 0)
        return r;
    if (reload)
        r = claim_before(s, b);
    qsort(s->sorted, s->n_sorted, sizeof *s->sorted, larger_after);
    if (r == 0)
        r = claim_after(s, b, reload);
    bacowr_free(b);
    return r;
}

/* What would be refused has no series. */
static void take_away(struct bacowr_shadow *s, struct shadow_side *side, unsigned type)
{
    s->counts[AFTER].conflict += side->identities_of[type];
    s->counts[AFTER].series -= side->identities_of[type];
    s->n_series[AFTER] -= side->series_of[type];
    side->n_identities -= side->identities_of[type];
    side->n_series -= side->series_of[type];
}

static void judge_family(struct bacowr_shadow *s, struct shadow_family *f)
{
    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        if (f->after_start[i] != 0) {
            s->n_conflicts += f->n_fresh[i];
            take_away(s, &f->sides[AFTER], i);
        } else if (f->after_reload[i] != 0) {
            s->n_conflicts += f->n_fresh[i];
        }
    }
    for (unsigned side = 0; side < N_SIDES; side++)
        s->n_families[side] += f->sides[side].n_series > 0;
}

/* ---- the whole ---- */

static int gather(struct bacowr_shadow *s)
{
    s->sorted = calloc(s->families.n + 1, sizeof *s->sorted);
    s->sorted_moves = calloc(s->moves.n + 1, sizeof *s->sorted_moves);
    if (s->sorted == NULL || s->sorted_moves == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->families.n_chains; i++)
        for (struct table_link *l = s->families.chains[i]; l != NULL; l = l->next)
            s->sorted[s->n_sorted++] = table_entry(l, struct shadow_family, link);
    for (size_t i = 0; i < s->moves.n_chains; i++)
        for (struct table_link *l = s->moves.chains[i]; l != NULL; l = l->next)
            s->sorted_moves[s->n_sorted_moves++] = table_entry(l, struct shadow_move, link);
    qsort(s->sorted_moves, s->n_sorted_moves, sizeof *s->sorted_moves, by_number);
    return 0;
}

int shadow_judge(struct bacowr_shadow *s)
{
    int r = gather(s);

    if (r == 0)
        r = ask_registry(s, false);
    if (r == 0)
        r = ask_registry(s, true);
    if (r != 0)
        return r;
    qsort(s->sorted, s->n_sorted, sizeof *s->sorted, by_name);
    for (size_t i = 0; i < s->n_sorted; i++)
        judge_family(s, s->sorted[i]);
    return shadow_judge_limits(s);
}

enum bacowr_shadow_verdict bacowr_shadow_verdict(const struct bacowr_shadow *s)
{
    if (s->n_conflicts + s->by_move[MOVE_REFUSED] > 0 || s->over_a_limit)
        return BACOWR_SHADOW_CONFLICTS;
    return s->n_changed > 0 ? BACOWR_SHADOW_CHANGES : BACOWR_SHADOW_SAME;
}

const char *shadow_clash(int outcome)
{
    return outcome == SERIES_E_TYPE       ? "type"
           : outcome == SERIES_E_SUFFIX   ? "suffix"
           : outcome == SERIES_E_RESERVED ? "reserved"
                                          : "limit";
}

bool shadow_family_changes(const struct shadow_family *f)
{
    const struct shadow_side *a = &f->sides[BEFORE], *b = &f->sides[AFTER];

    for (unsigned i = 0; i < METRIC_N_TYPES; i++)
        if (f->n_fresh[i] > 0 && (f->after_start[i] != 0 || f->after_reload[i] != 0))
            return true;
    return f->n_kept != a->n_series || f->n_kept != b->n_series || f->n_settings > 0 ||
           a->n_identities != b->n_identities;
}
