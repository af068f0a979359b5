/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow: what another mapping would make of what a running server is sent
 *
 * Contract: fed with the lines of the document of identities (bacowr/identities.h), it resolves
 * each identity under a mapping of its own and compares that with what the document says of it. It
 * knows neither files nor sockets. Any bytes are safe to give. Memory: 16 to 32 bytes for each
 * identity, where a limit of label values is set 8 to 16 for each of those, and bounded tables of
 * families, labels and moves.
 */
#ifndef BACOWR_SHADOW_H
#define BACOWR_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/aggregator.h"

struct bacowr_shadow;

enum bacowr_shadow_verdict {
    BACOWR_SHADOW_SAME,      /* nothing changes of what was seen */
    BACOWR_SHADOW_CHANGES,   /* something does */
    BACOWR_SHADOW_CONFLICTS, /* something that is not refused now would be, or go over a limit */
};

/* Compare with @m, which is taken, also on failure. 0 or -ENOMEM. */
int bacowr_shadow_new(struct bacowr_shadow **out, struct bacowr_mapping *m);
void bacowr_shadow_free(struct bacowr_shadow *s); /* accepts NULL */

/*
 * The next line, without its LF. 0; -ENOMEM; -EINVAL with @e filled: it is not of such a document.
 */
int bacowr_shadow_line(struct bacowr_shadow *s, struct slice line, struct err *e);

/* That was the last line: judge. As bacowr_shadow_line(); -EINVAL also for one that was cut. */
int bacowr_shadow_end(struct bacowr_shadow *s, struct err *e);

/* ---- after that ---- */

enum bacowr_shadow_verdict bacowr_shadow_verdict(const struct bacowr_shadow *s);

/*
 * Append what was found: words, safe for a terminal, or an object of JSON on one line. @against
 * names what was compared with. 0 or -ENOMEM.
 */
int bacowr_shadow_tell(const struct bacowr_shadow *s, const char *against, bool json,
                       struct buf *out);

#endif
