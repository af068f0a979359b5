/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page: a strict reader of the text format 0.0.4, and look-ups in a page
 *
 * Contract: borrows the page. The reader accepts what a correct page of ours may hold and nothing
 * else; it shares no code with the encoder but the reading of numbers.
 */
#ifndef TESTS_LIB_PAGE_H
#define TESTS_LIB_PAGE_H

#include "base/buf.h"
#include "base/slice.h"

/* NULL, or the law of the format that @page breaks; then @line (not NULL) is where. */
const char *page_broken(struct slice page, unsigned *line);

/* Is @line (without its LF) one of the page's? */
bool page_has(struct slice page, const char *line);

/* The value of the sample that is written as @series; false, and @out NaN, when there is none. */
bool page_value(struct slice page, const char *series, double *out);

/* Append the senders' samples, line by line; the quantiles of summaries are left out. */
void page_add_series(struct slice page, struct buf *out);

/*
 * Append what the engine counted and is not 0, in the page's order, as "lines=2 samples=1
 * sample_errors.malformed_value=1": names without prefix and _total, then the labels' values.
 * What tells of memory and of the way taken (routes, datagrams, series alive) is left out.
 */
void page_add_counts(struct slice page, struct buf *out);

#endif
