/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: the pieces of a suffix
 *
 *      |ms|@0.1|#code:200|T1700000000|e:it-false|card:low
 *       `-type  `------------- sections ---------------'
 *
 * Contract: the walk yields views. The type is the first piece and no section, whatever it says.
 */
#ifndef STATSD_SECTION_H
#define STATSD_SECTION_H

#include <stdbool.h>

#include "bacowr/statsd.h"
#include "base/slice.h"

/* The next piece of @rest, which begins with its '|'; false when there is none left. */
static inline bool section_next(struct slice *rest, struct slice *piece)
{
    if (rest->len == 0)
        return false;
    *rest = slice_from(*rest, 1);
    *piece = slice_of(rest->p, slice_find(*rest, '|'));
    *rest = slice_from(*rest, piece->len);
    return true;
}

/* Later protocol versions' sections: ignored, and no part of the six pieces that a sample may
 * have. */
static inline bool section_is_origin(struct slice section)
{
    return slice_starts(section, SLICE_LIT("e:")) || slice_starts(section, SLICE_LIT("card:"));
}

/* Sections that are no part of what is measured: the above and the timestamp. */
static inline bool section_is_extra(struct slice section)
{
    return slice_starts(section, SLICE_LIT("T")) || section_is_origin(section);
}

/* A sample is value, type and at most four sections. */
#define SECTION_MAX_PIECES 6

/* The type that @text spells, all of it. */
bool section_read_type(struct slice text, enum statsd_type *out);

#endif
