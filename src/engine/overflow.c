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

bool overflow_folds(const struct resolution *res, int limit, struct route *r)
{
    r->reason = (uint8_t)(limit - SERIES_E_LIMIT);
    r->op = res->type == METRIC_GAUGE ? OP_LIMIT : OP_FOLD;
    return r->op == OP_FOLD;
}
