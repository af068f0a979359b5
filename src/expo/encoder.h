/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoder: the table of functions that every output format fills
 *
 * Contract: an encoder has no state. For each family: family_begin, then series for each of its
 * series, then family_end; after the last family end. Each appends to a buffer and leaves failure to
 * the buffer's sticky flag. A new format is one file and one row in accept.c.
 */
#ifndef EXPO_ENCODER_H
#define EXPO_ENCODER_H

#include "base/buf.h"
#include "store/snapshot.h"

struct encoder {
    const char *content_type;
    void (*family_begin)(struct buf *out, const struct snapshot_family *f);
    void (*series)(struct buf *out, const struct snapshot_family *f,
                   const struct snapshot_series *s);
    void (*family_end)(struct buf *out, const struct snapshot_family *f);
    void (*end)(struct buf *out);
};

/* Prometheus text format 0.0.4. */
extern const struct encoder encoder_text;

/* Append label value text with backslash, LF and double quote escaped; the inverse is the reader's. */
void text_escape_label(struct buf *out, struct slice value);

/* The encoder that an Accept header asks for (RFC 9110, by quality); never NULL, text by default. */
const struct encoder *accept_choose(struct slice accept);

#endif
