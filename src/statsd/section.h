/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: the pieces of a suffix
 *
 *      |ms|@0.1|#code:200|T1700000000|e:it-false|card:low|new:x
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

static inline bool section_is_tags(struct slice section)
{
    return slice_starts(section, SLICE_LIT("#"));
}

/* Begins @section with a word that is no type, [A-Za-z0-9_-]*, and a colon? */
bool section_has_field_word(struct slice section);

/*
 * A field of a later protocol version, known (e:, card:) or to come: a word that is no type, a
 * colon, anything. Ignored, and no part of the six pieces that a sample may have. What begins with
 * T is a timestamp whatever follows.
 */
static inline bool section_is_field(struct slice section)
{
    unsigned char first = section.len > 0 ? (unsigned char)section.p[0] : 0;

    return (first | 0x20) >= 'a' && (first | 0x20) <= 'z' && first != 'T' &&
           section_has_field_word(section);
}

/* A field that no version so far has. */
static inline bool section_is_unknown(struct slice section)
{
    return section_is_field(section) && !slice_starts(section, SLICE_LIT("e:")) &&
           !slice_starts(section, SLICE_LIT("card:"));
}

/* Sections that are no part of what is measured. An empty container id is refused, so it stays. */
static inline bool section_is_extra(struct slice section, const struct statsd_options *options)
{
    if (slice_starts(section, SLICE_LIT("c:")))
        return !options->container_id_label && section.len > 2;
    return slice_starts(section, SLICE_LIT("T")) || section_is_field(section);
}

/* Are these more pieces than a sample may have? */
static inline bool section_is_beyond(unsigned n_pieces, const struct statsd_options *options)
{
    return n_pieces > (options->max_pieces > 0 ? options->max_pieces : STATSD_MAX_PIECES);
}

/* The type that @text spells, all of it. */
bool section_read_type(struct slice text, enum statsd_type *out);

#endif
