/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overflow: what becomes of an identity that is over a limit
 *
 *      limit reached --counter, histogram, summary, set--> its family's fold: overflow="true"
 *                    --gauge----------------------------> refused: a number of now has no sum
 *
 * A fold is a series like any, with one label, whatever labels its identities have: what is over
 * the limit in a family is one number, and the family's sum stays right. It is not touched when an
 * identity gets a series of its own: that begins at 0, the fold stays where it is, so nothing is
 * counted twice and no counter falls. Where the reserve of folds is used up (store/guard.c) the
 * rest is refused and counted like gauges.
 *
 * Nobody else's labels can be a fold's: a tag named `overflow` becomes `exported_overflow`
 * (labels.c).
 *
 * Laws: what is decided here is decided anew when a series has gone (route.n_removals) or the rules
 *       have changed; so folding and refusing are remembered by the route and cost what a hit
 *       costs.
 */
#include "engine/engine.h"

_Static_assert((int)LIMIT_FAMILY == SERIES_E_FAMILY_LIMIT - SERIES_E_LIMIT &&
                   (int)LIMIT_LABEL == SERIES_E_LABEL_LIMIT - SERIES_E_LIMIT,
               "one order");

/* Without memory for it nothing is noted, and the next one tries again. */
static void note(struct bacowr_worker *w, const struct resolution *res)
{
    struct series_key key = series_key(&w->b->registry, res->name, res->labels);
    struct folded *folded = atomic_load_explicit(&w->folded, memory_order_relaxed);

    if (folded == NULL) {
        if (folded_new(&folded) != 0)
            return;
        /* Release: the store is whole. */
        atomic_store_explicit(&w->folded, folded, memory_order_release);
    }
    folded_note(folded, &key);
}

bool overflow_folds(struct bacowr_worker *w, const struct resolution *res, int limit,
                    struct route_plan *p)
{
    note(w, res);
    p->reason = (uint8_t)(limit - SERIES_E_LIMIT);
    p->op = res->type == METRIC_GAUGE ? OP_LIMIT : OP_FOLD;
    return p->op == OP_FOLD;
}

const char *const limit_names[N_LIMITS] = {"series", "family", "label"};

const char *overflow_ask(struct bacowr *b, const struct resolution *res, bool *folds)
{
    struct series_key key = series_key(&b->registry, res->name, res->labels);
    struct series_key fold = series_key(&b->registry, res->name, SLICE_LIT(OVERFLOW_LABELS));
    int limit = series_ask(&b->registry, &key, false);

    *folds = res->type != METRIC_GAUGE && series_ask(&b->registry, &fold, true) == 0;
    return limit != 0 ? limit_names[limit - SERIES_E_LIMIT] : NULL;
}

int overflow_read(const struct bacowr *b, struct folded_report *out)
{
    const struct folded *all[BACOWR_MAX_WORKERS];

    for (unsigned i = 0; i < b->config.n_workers; i++)
        /* Acquire pairs with note(). */
        all[i] = atomic_load_explicit(&b->workers[i]->folded, memory_order_acquire);
    return folded_read(all, b->config.n_workers, out);
}
