/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoder: the table of functions that every output format fills
 *
 *      family_begin                    once for a family that has a series
 *          part_begin                  )
 *              series, series, ...     ) once or more
 *          part_end                    )
 *      end                             once, after the last family
 *
 * A page is made in slices, and a family may be larger than a slice: it then comes in parts, none
 * of which crosses the end of a slice. Formats that know only lines leave the two part functions
 * out; one that writes lengths before contents makes each part a message of its own.
 *
 * Contract: an encoder has no state. Each function appends to a buffer and leaves failure to the
 * buffer's sticky flag; what a failed buffer holds is of no use. A new format is one file and one
 * row in accept.c.
 */
#ifndef EXPO_ENCODER_H
#define EXPO_ENCODER_H

#include "base/buf.h"
#include "store/snapshot.h"

struct encoder {
    const char *content_type;
    bool needs_stems;     /* looks at snapshot_family.stem_is_free */
    bool needs_native;    /* looks at snapshot_series.native */
    bool needs_exemplars; /* looks at snapshot_series.exemplars */

    /* NULL: it has nothing to write there. Both part functions are there, or none. */
    void (*family_begin)(struct buf *out, const struct snapshot_family *f);
    void (*part_begin)(struct buf *out, const struct snapshot_family *f);
    void (*part_end)(struct buf *out, size_t begun); /* @begun: out->len at part_begin() */
    void (*end)(struct buf *out);

    void (*series)(struct buf *out, const struct snapshot_family *f,
                   const struct snapshot_series *s);
};

/* Prometheus text format 0.0.4. */
extern const struct encoder encoder_text;

/* OpenMetrics text format 1.0. */
extern const struct encoder encoder_openmetrics;

/* io.prometheus.client.MetricFamily messages, each behind its length. */
extern const struct encoder encoder_protobuf;

/* Append label value text with backslash, LF and double quote escaped. */
void text_escape_label(struct buf *out, struct slice value);

/*
 * The encoder that an Accept header asks for (RFC 9110, by quality); never NULL, text by default.
 * @openmetrics: that format is offered too.
 */
const struct encoder *accept_choose(struct slice accept, bool openmetrics);

#endif
