/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gzip: a page compressed slice by slice
 *
 * Contract: each slice that goes in comes out whole, so that a reader who has the bytes so far can
 * unpack the text so far.
 */
#ifndef SERVER_GZIP_H
#define SERVER_GZIP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct gzip;

int gzip_new(struct gzip **out); /* 0, -ENOMEM */
void gzip_free(struct gzip *g);  /* accepts NULL */

/*
 * Append @in (borrowed), compressed, to @out; with @last the stream ends, and nothing may be added
 * after. 0; -ENOMEM: the stream is broken and can only be freed.
 */
int gzip_add(struct gzip *g, struct slice in, bool last, struct buf *out);

/* Does an Accept-Encoding header of this value ask for gzip? */
bool gzip_wanted(struct slice accept_encoding);

#endif
